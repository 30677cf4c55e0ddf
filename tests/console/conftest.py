"""A console for each test, in front of functions of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.console.served import Api, Browser, Place, place
from tests.openapi.served import CALLER
from tests.support.bulk import user

#: Lets somebody else, an IAM user of this name, sign from then on.
Be = Callable[[str], None]


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as found:
        yield found


@pytest.fixture
def api(here: Place) -> Api:
    return here.api


@pytest.fixture
def browser(here: Place) -> Browser:
    return here.browser()


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Be:
    def someone(name: str) -> None:
        found = user(name)
        for member, value in (("userArn", found.user_arn), ("caller", found.caller), ("user", found.user)):
            monkeypatch.setitem(CALLER, member, value or "")

    return someone
