"""A page renews itself under the hands of whoever works in it, and says so when it cannot."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

from console.guard import HEADERS
from local.signing import Response
from tests.console.browser.chromium import Window
from tests.console.served import Api, Place

#: A page of the test's own, for the console's script: a part that renews itself, with all that somebody may be at.
OWN: Final = """<!doctype html>
<html lang="en" data-now="{now}"><head><title>x</title><link rel="stylesheet" href="/static/console.css">
<script src="/static/console.js" defer></script></head><body>
<div id="link"><p role="status"></p><p></p></div>
<main id="main" tabindex="-1">
<section id="part" data-live><h2>Part</h2>
<p id="told">{told}</p><p id="read">To be read</p>
<details id="more"><summary>More</summary><p>{told}</p></details>
<form><input id="typed" name="typed"><select id="chosen" name="chosen"><option>a</option><option>b</option></select>
<textarea id="written" name="written"></textarea><input id="ticked" type="checkbox" name="ticked"></form>
<p>{links}</p>
<div class="scroll" id="scrolled" tabindex="0"><table><tbody>{rows}</tbody></table></div>
<p id="left" data-until="2031-05-06T07:09:59Z">?</p>
</section>
</main>
<footer id="made">Read at {now}, <span data-since="{now}">0 s</span> ago</footer>
</body></html>"""
ROW: Final = '<tr id="row-{0}"><td><a href="/{0}">{0}</a></td><td>{1}</td>{2}</tr>\n'
#: What is said where the whole page is old.
OLD: Final = re.compile(r"What you see is \d+ (s|min \d+ s) old\.")


class Own:
    """The page of the test's own, as it stands."""

    def __init__(self, tab: Page, browser: Window) -> None:
        self.tab, self.told, self.rows = tab, "first", ["b", "c", "d"]
        self.links = ["pause", "stop"]
        stop_clock(tab)
        tab.route("**/own", self._answer)
        tab.goto(f"{browser.origin}/own")

    def _answer(self, route: Route) -> None:
        rows = "".join(ROW.format(each, self.told, "<td>wide</td>" * 60) for each in self.rows)
        links = " ".join(f'<a href="/{each}">{each}</a>' for each in self.links)
        page = OWN.format(now="2031-05-06T07:08:09Z", told=self.told, rows=rows, links=links)
        route.fulfill(body=page, content_type="text/html; charset=utf-8", headers=HEADERS)

    def renew(self, told: str = "second") -> None:
        """Let the server have something else to say, until it is shown."""
        self.told = told
        pass_by(self.tab, 2)
        expect(self.tab.locator("#told")).to_have_text(told)


def stop_clock(tab: Page) -> None:
    """Let no time pass in the browser but what a test says; it is years ahead of the server's."""
    tab.clock.install(time="2044-01-01T00:00:00Z")
    tab.clock.pause_at("2044-01-01T00:01:00Z")


def pass_by(tab: Page, seconds: int) -> None:
    """Let time pass in the browser."""
    tab.clock.fast_forward(seconds * 1000)


def open_accounts(browser: Window) -> Page:
    tab = browser.tab()
    stop_clock(tab)
    browser.show(tab, "/accounts")
    return tab


def renew(tab: Page) -> None:
    """Have the page asked for again."""
    with tab.expect_response(tab.url):
        pass_by(tab, 2)


@pytest.fixture
def own(tab: Page, browser: Window) -> Own:
    return Own(tab, browser)


def of(tab: Page, expression: str) -> Any:
    return tab.evaluate(f"() => {expression}")


class TestWhileSomebodyWorksInIt:
    def test_what_is_typed_chosen_opened_and_scrolled_stays(self, own: Own) -> None:
        tab = own.tab
        tab.locator("#more summary").click()
        tab.select_option("#chosen", "b")
        tab.check("#ticked")
        tab.fill("#written", "a note\nof two lines")
        tab.fill("#typed", "half a word")
        tab.locator("#typed").evaluate("each => each.setSelectionRange(2, 5)")
        of(tab, "{ document.getElementById('scrolled').scrollLeft = 321 }")

        own.renew()

        assert of(tab, "document.activeElement.id") == "typed"
        assert of(tab, "[document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [2, 5]
        assert of(tab, "[typed.value, chosen.value, ticked.checked, written.value]") == [
            *("half a word", "b", True, "a note\nof two lines")
        ]
        assert of(tab, "[more.open, scrolled.scrollLeft]") == [True, 321]
        expect(tab.locator("#more p")).to_have_text("second")

    def test_a_selection_stays_and_what_is_selected_is_not_written_over(self, own: Own) -> None:
        own.tab.evaluate("getSelection().selectAllChildren(document.querySelector('#row-c td:nth-child(2)'))")
        own.renew()
        assert of(own.tab, "getSelection().toString()") == "first"
        of(own.tab, "getSelection().removeAllRanges()")
        own.renew("third")
        expect(own.tab.locator("#row-c td").nth(1)).to_have_text("third")

    @pytest.mark.parametrize("rows", [["a", "b", "c", "d"], ["c", "b"], ["d", "x", "b", "c"], ["c"]], ids="".join)
    def test_rows_that_come_go_and_change_places_leave_the_focus_on_its_row(self, own: Own, rows: list[str]) -> None:
        own.tab.focus("#row-c a")
        own.rows = rows
        own.renew()
        assert of(own.tab, "[...document.querySelectorAll('tr')].map(each => each.id.slice(4))") == rows
        assert of(own.tab, "document.activeElement.textContent") == "c"

    def test_the_focus_of_a_row_that_went_is_left_to_the_page(self, own: Own) -> None:
        own.tab.focus("#row-c a")
        own.rows = ["b", "d"]
        own.renew()
        assert of(own.tab, "document.activeElement.id") == "main"

    @pytest.mark.parametrize(("focused", "then"), [("stop", "/stop"), ("pause", "main")])
    def test_a_link_never_becomes_another_one_that_has_the_focus(self, own: Own, focused: str, then: str) -> None:
        own.tab.locator("#part > p a", has_text=focused).focus()
        own.links = ["resume", "approve", "stop", "stop"]
        own.renew()
        assert own.tab.locator("#part > p a").all_inner_texts() == own.links
        has_it = "document.activeElement.getAttribute('href') || document.activeElement.id"
        assert of(own.tab, has_it) == then

    def test_the_page_stays_where_it_was_scrolled_to(self, own: Own) -> None:
        own.rows = [f"n{number}" for number in range(80)]
        own.renew()
        own.tab.locator("#row-n60").scroll_into_view_if_needed()
        top = own.tab.locator("#row-n60").bounding_box()
        own.rows = [*(f"m{number}" for number in range(20)), *own.rows]
        own.renew("third")
        after = own.tab.locator("#row-n60").bounding_box()
        assert top is not None
        assert after is not None
        assert abs(top["y"] - after["y"]) < 1


class TestTime:
    def test_ages_and_countdowns_go_by_the_servers_clock_whatever_the_browsers_says(
        self, own: Own, browser: Window
    ) -> None:
        browser.expected.append("ERR_FAILED")
        own.tab.route("**/own", lambda route: route.abort())
        expect(own.tab.locator("#left")).to_have_text("1 min 50 s left")
        expect(own.tab.locator("#made span")).to_have_text("0 s")
        pass_by(own.tab, 70)
        expect(own.tab.locator("#left")).to_have_text("40 s left")
        expect(own.tab.locator("#made span")).to_have_text("1 min 10 s")
        assert not of(own.tab, "left.classList.contains('over')")
        pass_by(own.tab, 41)
        expect(own.tab.locator("#left")).to_have_text("over")
        expect(own.tab.locator("#left")).to_have_class("over")

    def test_what_the_server_wrote_is_what_the_script_writes(self, api: Api, browser: Window) -> None:
        api.functions.send("freeze_account", "default", body={"reason": "leaked"})
        frozen = open_accounts(browser).locator("#account-default [data-since]").last
        assert re.fullmatch(r"\d+ s", frozen.inner_text())
        api.functions.send("unfreeze_account", "default")


def _lost() -> Response:
    raise TimeoutError("timed out")


class TestApi:
    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (_lost, "No response in time"),
            (lambda: Response(503, {}, json.dumps({"detail": "nothing works"})), "nothing works"),
            (lambda: Response(500, {}, "<html>"), "HTTP 500"),
            (lambda: Response(403, {}, json.dumps({"errorType": "AccessDenied", "detail": "not you"})), "not you"),
        ],
        ids=["gone", "unavailable", "broken", "denied"],
    )
    def test_that_fails_leaves_the_figures_which_say_how_old_they_are(
        self, api: Api, browser: Window, answer: Callable[[], Response], why: str
    ) -> None:
        tab = open_accounts(browser)
        row, note = tab.locator("#account-default"), tab.locator("#accounts > .stale")
        before = row.inner_text()
        api.answers["GET", "/accounts"] = answer
        renew(tab)
        expect(note).to_have_text(re.compile(rf"^{why}\. What is shown is \d+ s old\."))
        expect(tab.get_by_role("status")).to_have_text("Not all figures are renewed.")
        first = note.inner_text()
        browser.expected.append("ERR_FAILED")
        tab.route("**/accounts", lambda route: route.abort())
        pass_by(tab, 30)
        expect(note).not_to_have_text(first)
        assert row.inner_text() == before
        assert tab.locator(".failure").count() == 0

    def test_that_is_back_is_shown_again(self, api: Api, browser: Window) -> None:
        tab = open_accounts(browser)
        api.lose("GET", "/accounts")
        renew(tab)
        expect(tab.locator(".stale")).to_be_visible()
        api.answers.clear()
        api.functions.send("freeze_account", "default", body={"reason": "leaked"})
        renew(tab)
        expect(tab.locator("#account-default")).to_contain_text("leaked")
        expect(tab.locator(".stale")).to_have_count(0)
        expect(tab.get_by_role("status")).to_have_text("")
        api.functions.send("unfreeze_account", "default")

    def test_that_was_away_from_the_start_is_shown_when_it_is_there(self, api: Api, browser: Window) -> None:
        api.lose("GET", "/accounts")
        tab = open_accounts(browser)
        expect(tab.locator(".failure")).to_contain_text("No figures at the moment.")
        api.answers.clear()
        renew(tab)
        expect(tab.locator("#account-default")).to_be_visible()
        expect(tab.locator(".failure")).to_have_count(0)

    def test_that_is_slow_is_waited_for_and_the_page_says_so(self, api: Api, browser: Window) -> None:
        tab = open_accounts(browser)
        go = threading.Event()

        def slow() -> Response:
            go.wait(30)
            return Response(200, {}, json.dumps({"accounts": [], "cursor": None}))

        api.answers["GET", "/accounts"] = slow
        pass_by(tab, 2)
        pass_by(tab, 9)
        expect(tab.get_by_role("status")).to_have_text("The console has not responded yet.")
        expect(tab.locator("#link")).to_contain_text(OLD)
        expect(tab.locator("#account-default")).to_be_visible()
        go.set()
        expect(tab.locator("#account-default")).to_have_count(0)
        expect(tab.get_by_role("status")).to_have_text("")
        assert [each for each in api.called if each[1].startswith("/accounts")] == [("GET", "/accounts")] * 2


class TestConsole:
    @pytest.fixture(autouse=True)
    def _back_in_the_end(self, here: Place, browser: Window) -> Iterator[None]:
        browser.expected += ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
        browser.expected += ["status of (403|500)"]
        yield
        here.stop()
        here.start(anew=False)

    def test_that_is_gone_and_back_is_noticed_both_times(self, here: Place, browser: Window) -> None:
        tab = open_accounts(browser)
        here.stop()
        pass_by(tab, 2)
        expect(tab.get_by_role("status")).to_have_text("The console does not respond.")
        expect(tab.locator("#link")).to_contain_text(OLD)
        expect(tab.locator("#account-default")).to_be_visible()
        here.start(anew=False)
        renew(tab)
        expect(tab.get_by_role("status")).to_have_text("")

    def test_that_was_started_anew_asks_for_its_new_address_and_the_old_page_goes_on(
        self, here: Place, browser: Window
    ) -> None:
        tab = open_accounts(browser)
        here.stop()
        here.start(anew=True)
        renew(tab)
        expect(tab.get_by_role("status")).to_have_text(re.compile("open the address that it printed"))
        expect(tab.locator("#account-default")).to_be_visible()
        browser.tab().goto(here.address)
        renew(tab)
        expect(tab.get_by_role("status")).to_have_text("")

    def test_that_fails_says_so_and_keeps_the_figures(self, browser: Window, monkeypatch: pytest.MonkeyPatch) -> None:
        tab = open_accounts(browser)
        with monkeypatch.context() as broken:
            broken.setattr("console.screens.accounts.page", lambda *_, **__: 1 / 0)
            renew(tab)
            expect(tab.get_by_role("status")).to_have_text("The console responded 500.")
        expect(tab.locator("#account-default")).to_be_visible()
        renew(tab)
        expect(tab.get_by_role("status")).to_have_text("")
