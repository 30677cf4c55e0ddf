"""What callers and colleagues wrote is shown as they wrote it: never as markup, never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.console.served import Api, Browser, text_of

MARKUP: Final = "</p><script src=//x>1</script><img src=x onerror=1>\"'{{ 7*7 }}"

#: Lets the text be somewhere; the pages that show it.
Case = Callable[[Api], list[str]]


def reason_of_a_freeze(api: Api) -> list[str]:
    api.functions.send("freeze_account", "default", body={"reason": MARKUP})
    return ["/accounts", "/accounts/default", "/accounts/default/freeze", "/accounts/default/unfreeze"]


def reference_of_a_request(api: Api) -> list[str]:
    request_id = api.functions.issue("create_gift_card", externalReference=MARKUP).body["requestId"]
    return ["/requests", *(f"/requests/{request_id}{each}" for each in ("", "/generations", "/cancel"))]


CASES: Final[Mapping[str, Case]] = {
    "reason of a freeze": reason_of_a_freeze,
    "reference of a request": reference_of_a_request,
}


@pytest.mark.parametrize("name", CASES)
def test_what_others_wrote_is_text(api: Api, browser: Browser, name: str) -> None:
    for path in CASES[name](api):
        shown = browser.get(path)
        assert " ".join(MARKUP.split()) in text_of(shown.find("main")), path
        assert [script["src"] for script in shown.find_all("script")] == ["/static/console.js"]
        assert shown.find("img") is None
