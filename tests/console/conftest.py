"""A console for each test, in front of functions of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.console.served import Api, Browser, Place, place


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
