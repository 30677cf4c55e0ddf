"""What a person asks for is sent once, however often it is clicked, entered, reloaded or gone back to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect
from starlette.routing import Route

from console import app, gateway
from local.signing import Response
from tests.console.browser.chromium import UNSEEN, Window
from tests.console.browser.scenes import DOWNLOAD, EXAMPLES, ORDERS, Scene, busy, statement
from tests.console.served import Api, Place
from tests.openapi import closes
from tests.openapi.bulk_orders import standing

STEPS: Final = [each.path for each in app.ROUTES if isinstance(each, Route) and "POST" in (each.methods or ())]


@dataclass(frozen=True)
class Given:
    """What a step needs beside a yes.

    Attributes:
        fields: by name, what is entered or chosen; of a file its content.
        sends: how many calls it makes.
        before: what has to be so.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    sends: int = 1
    before: Callable[[Api], object] = lambda _: None


RESOLVED: Final = Given({"reason": "otherSystem", "note": "Ordered in the portal"})
MOVEMENT: Final = {"type.1": "deposit", "amount.1": "500.00", "date.1": "2026-02-20", "reference.1": "Wire 17"}
GIVEN: Final[Mapping[str, Given]] = {
    "/accounts/{account}/freeze": Given({"reason": "the key leaked"}),
    "/books/{account}/{month:month}/movements/{movement_id}/name": Given(MOVEMENT),
    "/books/{account}/{month:month}/close/sign-off": Given(before=lambda api: closes.closed(api.functions)),
    "/books/{account}/{day:day}/differences/{difference_id}/resolve": RESOLVED,
    "/books/{account}/{day:day}/resolve": RESOLVED,
    "/books/{account}/statements/new": Given({"file": DOWNLOAD}, sends=0),
    "/books/{account}/statements/{upload_id}/upload": Given(sends=2),
    "/budgets/_new": Given({"name": "winter", "limit": "500.00", "currencyCode": "EUR"}),
    "/orders/new": Given({"file": "key,amount,currency\none,25.00,USD\n"}, sends=2),
    "/orders/{orderId}/reject": Given({"reason": "The amounts of March are in it once more."}),
}


@pytest.fixture(scope="module")
def scene(here: Place) -> Scene:
    made = busy(here.api)
    closes.reconciled(here.api.functions)
    return made | statement(here.browser())


@pytest.fixture
def go(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Until it is set, whoever has something done waits."""
    ready = threading.Event()

    def send(method: str, url: str, **given: Any) -> Response:
        assert method == "GET" or ready.wait(30)
        return api.send(method, url, **given)

    monkeypatch.setattr(gateway, "send", send)
    yield ready
    ready.set()


def fill(tab: Page, fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        its = tab.locator(f"main form[method=post] [name='{name}']")
        match its.evaluate("each => each.type"):
            case "file":
                its.set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": value.encode()})
            case "select-one":
                its.select_option(value)
            case _:
                its.fill(value)


def send_twice(tab: Page) -> None:
    """By Enter where something is typed, else by the mouse."""
    typed = tab.locator("main form[method=post] input[type=text]")
    if typed.count():
        typed.first.focus()
        tab.keyboard.press("Enter")
        tab.keyboard.press("Enter")
    else:
        tab.locator("main form[method=post] button").dblclick(no_wait_after=True)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_sent_once(
    api: Api, browser: Window, tab: Page, scene: Scene, go: threading.Event, step: str
) -> None:
    # given its page, filled in
    given = GIVEN.get(step, Given())
    given.before(api)
    for status, order_id in ORDERS.items():
        standing(api.functions, status, order_id)
    tab.add_init_script(UNSEEN)
    browser.show(tab, EXAMPLES[step][0].format(**scene))
    fill(tab, given.fields)
    assert api.sent == []
    # when it is sent twice, before anything answers
    send_twice(tab)
    go.set()
    tab.wait_for_url(re.compile(r"/sent/|/statements/(?!new\?)[\w-]+(\?|$)"))
    # and the page of what came of it is loaded again, and then the one before
    there = tab.url
    tab.reload()
    tab.go_back()
    expect(tab).to_have_url(there)
    # then it was sent once
    assert len(api.sent) == given.sends, (api.sent, tab.inner_text("main"))


def test_while_nothing_comes_of_it_the_page_says_that_it_is_sent_and_sends_no_more(
    api: Api, browser: Window, tab: Page
) -> None:
    lost: list[str] = []
    browser.show(tab, "/accounts/default/freeze")
    fill(tab, {"reason": "the key leaked"})
    tab.route("**/freeze", lambda route: (lost.append(route.request.method), route.fulfill(status=204))[1])
    tab.get_by_role("button").click()
    expect(tab.get_by_role("status")).to_contain_text("It is being sent. If nothing comes, load this page again")
    tab.get_by_role("button").click()
    expect(tab.get_by_role("button")).to_be_visible()
    assert (lost, api.sent) == (["POST"], [])


def test_what_may_have_failed_is_tried_again_by_a_form_anew(api: Api, browser: Window, tab: Page) -> None:
    api.lose("POST", "/accounts/default/freeze")
    browser.show(tab, "/accounts/default/freeze")
    fill(tab, {"reason": "the key leaked"})
    tab.get_by_role("button").click()
    expect(tab.locator("main")).to_contain_text("Nobody knows yet whether it was done.")
    tab.get_by_role("link", name="Try again").click()
    expect(tab.locator("[name=reason]")).to_have_value("the key leaked")
    assert len(api.sent) == 1
    tab.get_by_role("button").click()
    tab.wait_for_url("**/sent/*")
    assert len(api.sent) == 2


def test_a_form_of_an_earlier_console_sends_nothing(api: Api, here: Place, browser: Window, tab: Page) -> None:
    browser.expected.append("status of 409")
    browser.show(tab, "/accounts/default/freeze")
    fill(tab, {"reason": "the key leaked"})
    here.stop()
    here.start(anew=True)
    browser.tab().goto(here.address)
    tab.get_by_role("button").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Open this page anew")
    assert api.sent == []
