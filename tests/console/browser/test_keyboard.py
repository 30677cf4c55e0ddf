"""All of it works by keyboard, and without scripts; nothing but a cookie is left in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from console.page import SCREENS
from tests.console.browser.chromium import UNSEEN, Window, window
from tests.console.browser.scenes import BOOKS, busy
from tests.console.served import Api, Place

#: What can be reached, in the order of the page.
REACHABLE: Final = """() => [...document.querySelectorAll(":any-link, :enabled, summary, [tabindex]")]
  .filter((each) => each.tabIndex >= 0 && each.type !== "hidden" && each.checkVisibility())
  .map((each) => each.outerHTML.slice(0, 200))"""
#: What has the focus, and whether that can be seen.
FOCUSED: Final = """() => {
  const each = document.activeElement, style = getComputedStyle(each);
  return [each.outerHTML.slice(0, 200), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""


@pytest.fixture(scope="module", autouse=True)
def _full(here: Place) -> None:
    busy(here.api)


@pytest.fixture
def still(tab: Page) -> Page:
    tab.add_init_script(UNSEEN)
    return tab


@pytest.mark.parametrize("path", ["/", "/requests", "/accounts/default/freeze", BOOKS, "/orders/new"])
def test_tab_reaches_everything_in_the_order_of_the_page_and_is_seen(browser: Window, still: Page, path: str) -> None:
    browser.show(still, path)
    reachable = still.evaluate(REACHABLE)
    reached: list[str] = []
    # A date has several places in it, for day, month and year.
    while len(reached) < len(reachable):
        still.keyboard.press("Tab")
        focused, is_seen = still.evaluate(FOCUSED)
        assert is_seen, focused
        if focused not in reached[-1:]:
            reached.append(focused)
    assert reached == reachable


def test_an_account_is_frozen_and_unfrozen_by_keyboard_alone(api: Api, browser: Window, still: Page) -> None:
    browser.show(still, "/accounts/default/freeze")
    still.keyboard.press("Tab")
    assert still.evaluate("document.activeElement.textContent") == "To the content"
    still.keyboard.press("Enter")
    assert still.evaluate("document.activeElement.id") == "main"
    still.keyboard.press("Tab")
    still.keyboard.type("the key leaked")
    still.keyboard.press("Tab")
    still.keyboard.press("Enter")
    expect(still.locator(".done")).to_be_visible()
    assert api.sent == [("POST", "/accounts/default/freeze")]
    browser.show(still, "/accounts/default/unfreeze")
    still.locator("main button").focus()
    still.keyboard.press("Space")
    expect(still.locator(".done")).to_be_visible()
    assert api.sent[1:] == [("POST", "/accounts/default/unfreeze")]


@pytest.fixture(scope="module")
def _plain(chromium: Browser, here: Place) -> Iterator[Window]:
    with window(chromium, here, java_script_enabled=False) as made:
        yield made


@pytest.fixture
def plain(_plain: Window, api: Api) -> Iterator[Window]:
    """A window that runs no scripts."""
    yield _plain
    _plain.settle()


class TestWithoutScripts:
    def test_every_screen_is_reached_and_shows_its_figures(self, plain: Window) -> None:
        tab = plain.tab("/")
        for name, address in SCREENS:
            link = tab.get_by_role("navigation", name="Screens").get_by_role("link", name=name)
            link.click()
            expect(link).to_have_attribute("aria-current", "page")
            assert tab.url.startswith(plain.origin + address)
            expect(tab.locator("main h1")).to_be_visible()
            expect(tab.locator(".failure")).to_have_count(0)
            expect(tab.locator("#made [data-since]")).to_have_text("0 s")

    def test_a_search_is_made_a_request_is_opened_and_cancelled_once(self, plain: Window, api: Api) -> None:
        tab = plain.tab("/requests")
        tab.locator("select[name=status]").select_option("SUCCEEDED")
        tab.get_by_role("button", name="Search").click()
        tab.locator("tr", has_text="Gift card").get_by_role("link").first.click()
        tab.get_by_role("link", name="Cancel it").click()
        expect(tab.locator("[data-until]")).to_contain_text("left")
        tab.get_by_role("button", name="Cancel it").dblclick(no_wait_after=True)
        tab.wait_for_url("**/sent/*")
        tab.reload()
        tab.go_back()
        assert len(api.sent) == 1


def test_nothing_but_the_cookie_is_left_in_the_browser(browser: Window, tab: Page) -> None:
    for _, address in SCREENS:
        browser.show(tab, address)
    left: Any = tab.evaluate(
        """async () => ({
          cookie: document.cookie, local: localStorage.length, session: sessionStorage.length,
          databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length,
          workers: (await navigator.serviceWorker.getRegistrations()).length,
        })"""
    )
    assert left == {"cookie": "", "local": 0, "session": 0, "databases": 0, "caches": 0, "workers": 0}
    (cookie,) = browser.context.cookies()
    port = browser.origin.rpartition(":")[2]
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (f"console-{port}", True, "Strict")
    assert cookie["expires"] == -1
