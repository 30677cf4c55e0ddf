"""The day that docs/pictures shows can be told, and each picture's page has all its figures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.console.pictures import PICTURES, a_day
from tests.console.served import Browser, place
from tests.openapi.served import CALLER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    was = dict(CALLER)
    with place() as here:
        a_day(here)
        yield here.browser()
    CALLER.update(was)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_its_page(browser: Browser, name: str) -> None:
    address, _, part = PICTURES[name].partition("#")
    shown = browser.get(address)
    assert shown.find(class_="failure") is None
    assert not part or shown.find(id=part)
