"""One Chromium for each process; for each module a console and a window that has shown its token.

Without Chromium these tests wait: they are skipped, and the end of the run says how many; with CI=true they fail.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.browser.chromium import FLAGS, Window, found, window
from tests.console.served import Api, Place, place
from tests.support.fakes import START
from tests.waiting import NO_BROWSER

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder wait for a browser, where there is none."""
    if found() is not None or os.environ.get("CI") == "true":
        return
    for item in items:
        if HERE in item.path.parents and "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


@pytest.fixture(scope="session")
def _chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    program = found()
    assert program is not None, NO_BROWSER
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium, loop
        asyncio._set_running_loop(loop)
        chromium.close()


@pytest.fixture(scope="module")
def chromium(_chromium: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """Between modules Playwright's loop stands still: other tests of the process may have loops of their own."""
    browser, loop = _chromium
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


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
