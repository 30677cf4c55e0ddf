"""What callers and colleagues wrote is shown as they wrote it: never as markup, never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest

from incentives.domain.bulk_orders.bulk_order import FileError, OrderStatus
from incentives.domain.single_requests.record import Status
from tests.console.recovering import escalated
from tests.console.served import Api, Browser, text_of
from tests.openapi.books import UNKNOWN, ask, opened
from tests.openapi.bulk_orders import standing
from tests.support.books_world import DAY

MARKUP: Final = "</p><script src=//x>1</script><img src=x onerror=1>\"'{{ 7*7 }}"

#: Lets the text be somewhere; the pages that show it.
Case = Callable[[Api], list[str]]


def reason_of_a_freeze(api: Api) -> list[str]:
    api.functions.send("freeze_account", "default", body={"reason": MARKUP})
    return ["/", "/accounts", "/accounts/default", "/accounts/default/freeze", "/accounts/default/unfreeze"]


def reference_of_a_request(api: Api) -> list[str]:
    request_id = api.functions.issue("create_gift_card", externalReference=MARKUP).body["requestId"]
    return ["/requests", *(f"/requests/{request_id}{each}" for each in ("", "/generations", "/cancel"))]


def reference_of_an_escalated_request(api: Api) -> list[str]:
    request_id = api.functions.issue("create_gift_card", externalReference=MARKUP).body["requestId"]
    records = api.functions.world.ledger.records
    records[request_id] = replace(records[request_id], status=Status.ESCALATED)
    return ["/recovery", f"/requests/{request_id}/recover"]


def history_of_a_case(api: Api) -> list[str]:
    return [f"/requests/{escalated(api, history=[MARKUP])}/case-file"]


def cell_of_a_file(api: Api) -> list[str]:
    order_id = standing(api.functions, OrderStatus.INVALID)
    order, nonce = api.functions.bulk.orders.orders[order_id]
    api.functions.bulk.orders.orders[order_id] = (replace(order, errors=(FileError(2, MARKUP, "?"),)), nonce)
    return [f"/orders/{order_id}"]


def reason_of_a_rejection(api: Api) -> list[str]:
    order_id = standing(api.functions, OrderStatus.AWAITING_APPROVAL)
    api.functions.send("reject_order", order_id, body={"reason": MARKUP})
    return ["/orders", f"/orders/{order_id}"]


def note_of_a_resolution(api: Api) -> list[str]:
    opened(api.functions)
    assert ask(api.functions, "resolve_difference", note=MARKUP).status == 200
    day = f"/books/default/{DAY}"
    return [day, f"{day}/differences/{UNKNOWN.difference_id}/resolve"]


def source_of_an_opening(api: Api) -> list[str]:
    opened(api.functions)
    opening = {"amount": "10000.00", "source": MARKUP}
    assert api.functions.send("close_month", "default 2026-02", body={"opening": opening}).status == 200
    return ["/books/default/2026-02/close"]


def reference_of_a_movement(api: Api) -> list[str]:
    opened(api.functions)
    (its,) = ask(api.functions, "list_movements").body["movements"]
    part = {"type": "deposit", "amount": "500.00", "date": str(DAY), "reference": MARKUP}
    assert ask(api.functions, "name_movement", movementId=its["movementId"], parts=[part]).status == 200
    return ["/books/default/2026-02/movements"]


CASES: Final[Mapping[str, Case]] = {
    "cell of a file": cell_of_a_file,
    "reason of a rejection": reason_of_a_rejection,
    "reason of a freeze": reason_of_a_freeze,
    "reference of a request": reference_of_a_request,
    "reference of an escalated request": reference_of_an_escalated_request,
    "history of a case": history_of_a_case,
    "note of a resolution": note_of_a_resolution,
    "source of an opening": source_of_an_opening,
    "reference of a movement": reference_of_a_movement,
}


@pytest.mark.parametrize("name", CASES)
def test_what_others_wrote_is_text(api: Api, browser: Browser, name: str) -> None:
    for path in CASES[name](api):
        shown = browser.get(path)
        assert " ".join(MARKUP.split()) in text_of(shown.find("main")), path
        assert [script["src"] for script in shown.find_all("script")] == ["/static/console.js"]
        assert shown.find("img") is None
