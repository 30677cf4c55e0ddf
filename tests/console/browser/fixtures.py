"""Chromium for tests, also of other folders: their conftest imports both fixtures.

Without Chromium, tests that use them wait: they are skipped, and the run's end says how many; with CI=true they fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console.browser.chromium import FLAGS
from tests.waiting import NO_BROWSER, chromium_program


@pytest.fixture(scope="session")
def _chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    program = chromium_program()
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
