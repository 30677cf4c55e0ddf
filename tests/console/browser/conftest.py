"""For each module a console, and a window of Chromium that has shown its token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic

import pytest
from playwright.sync_api import Browser, Page

from tests.console.browser.chromium import Window, window
from tests.console.browser.fixtures import _chromium, chromium
from tests.console.served import Api, Place, place
from tests.support.fakes import START

__all__ = ["_chromium", "chromium"]


class Clock:
    """The functions' time, which passes for the console. The browser's clock is another: it is months off."""

    def __init__(self) -> None:
        self.begun = monotonic()

    def now(self) -> datetime:
        return START + timedelta(seconds=monotonic() - self.begun)


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(Clock().now) as made:
        yield made


@pytest.fixture
def api(here: Place) -> Iterator[Api]:
    """The API, with all that a test says of it taken back in the end."""
    here.api.called.clear()
    yield here.api
    here.api.answers.clear()


@pytest.fixture(scope="module")
def _window(chromium: Browser, here: Place) -> Iterator[Window]:
    with window(chromium, here) as made:
        yield made


@pytest.fixture
def browser(_window: Window) -> Iterator[Window]:
    """The module's window; in the end its tabs are closed, and nothing happened in them that should not."""
    yield _window
    _window.settle()


@pytest.fixture
def tab(browser: Window) -> Page:
    return browser.tab()
