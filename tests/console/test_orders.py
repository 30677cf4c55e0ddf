"""Orders: lists and figures are the API's, what waits for a person comes first, and a result is a file of its own."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from bs4 import BeautifulSoup, Tag

from console.screens import orders
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from local import order_files
from tests.console.ordering import bulk_of, finished, shown_by_api, where
from tests.console.served import Api, Browser, text_of
from tests.local.test_spreadsheets import Sheet
from tests.openapi.bulk_orders import standing

S = OrderStatus


def download(browser: Browser, path: str) -> requests.Response:
    return browser.session.get(browser.origin + path)


def ids_in(found: BeautifulSoup | Tag | None) -> list[str]:
    """The orders that a part of a page lists."""
    assert found is not None
    return [text_of(each) for each in found.select("tbody th")]


def test_what_waits_for_a_person_comes_before_all_others(api: Api, browser: Browser) -> None:
    ids = {status: standing(api.functions, status, status.name.ljust(26, "A").replace("_", "A")) for status in S}
    shown = browser.get("/orders")
    assert ids_in(shown.find(id="waiting")) == [ids[S.AWAITING_APPROVAL], ids[S.PAUSED]]
    listed = {each["orderId"] for each in api.functions.send("list_orders").body["orders"]}
    assert set(ids_in(shown.find(id="orders"))) == listed == set(bulk_of(api).orders.orders)

    row = shown.select_one(f"#order-{ids[S.PAUSED]}")
    its = shown_by_api(api, ids[S.PAUSED])
    told = ("PAUSED", "default", f"{its['rows']:,}", "user/caller", its["pauseReason"])
    assert [each for each in told if each not in text_of(row)] == []

    # and who has asked for others sees these
    finished_ones = browser.get("/orders?status=FINISHED&account=default")
    assert ids_in(finished_ones.find(id="orders")) == [ids[S.FINISHED]]
    assert finished_ones.find(id="waiting") is None


def test_pages_that_renew_themselves_look_for_what_waits_together_and_now_and_then(api: Api, browser: Browser) -> None:
    for _ in range(3):
        page = browser.session.get(f"{browser.origin}/orders", headers={"Sec-Fetch-Dest": "empty"})
        assert "No order waits for anybody." in page.text
    asked = [path for _, path in api.called]
    assert sorted(asked) == ["/orders"] * 3 + ["/orders?status=AWAITING_APPROVAL", "/orders?status=PAUSED"]
    # and whoever opens the page sees what is true now
    standing(api.functions, S.PAUSED)
    assert len(ids_in(browser.get("/orders").find(id="waiting"))) == 1


def test_lists_are_turned_over_page_by_page_with_what_was_asked_for(api: Api, browser: Browser) -> None:
    for number in range(21):
        standing(api.functions, S.FINISHED, f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number]}" * 26)
    first = browser.get("/orders?status=FINISHED")
    following = first.find("a", rel="next")
    assert isinstance(following, Tag)
    second = browser.get(str(following["href"]))
    seen = [ids_in(each.find(id="orders")) for each in (first, second)]
    assert [len(each) for each in seen] == [20, 1 + ("bulk-1" in bulk_of(api).orders.orders)]
    assert not {*seen[0]} & {*seen[1]}
    assert "Next page" not in text_of(second)


def test_without_any_it_says_what_to_do_and_without_the_right_which(api: Api, browser: Browser) -> None:
    assert "There are none. Check a file of gift cards" in text_of(browser.get("/orders").find(id="orders"))
    api.deny("GET", "/orders")
    denied = browser.get("/orders")
    assert "It takes the right to call GET /orders," in text_of(denied).replace(" ,", ",")
    assert denied.find("a", href="/orders/new")
    assert "No order waits" not in text_of(denied)
    assert "It takes the right to call GET /orders/{orderId}" in text_of(browser.get(f"/orders/{'A' * 26}"))
    api.answers.clear()
    assert "There is none." in text_of(browser.get(f"/orders/{'A' * 26}"))


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        (S.AWAITING_FILE, ["check", "stop"]),
        (S.VALIDATING, ["stop", "go-on"]),
        (S.INVALID, ["check", "stop"]),
        (S.VALIDATED, ["start", "check", "stop"]),
        (S.AWAITING_APPROVAL, ["approve", "reject", "stop"]),
        (S.ISSUING, ["pause", "stop", "go-on"]),
        (S.PAUSED, ["resume", "stop"]),
        (S.STOPPING, ["go-on"]),
        (S.SETTLING, ["go-on"]),
        (S.FINISHED, []),
    ],
)
def test_an_order_is_shown_as_the_api_has_it_with_what_can_be_done(
    api: Api, browser: Browser, status: OrderStatus, steps: list[str]
) -> None:
    order_id = standing(api.functions, status)
    its, page = shown_by_api(api, order_id), browser.get(f"/orders/{order_id}")
    shown = page.find(id="order")
    assert isinstance(shown, Tag)
    assert orders.WORDS[status] in text_of(shown)
    links = [str(each["href"]).removeprefix(f"/orders/{order_id}/") for each in shown.select("a.button")]
    assert [each for each in links if not each.startswith("result")] == steps
    assert text_of(shown.select_one(".state")) == its["status"]
    for count in shown.select("[id^=count-]"):
        assert text_of(count) == f"{its['counts'][str(count['id']).removeprefix('count-')]:,}"
    bar = shown.find("progress")
    if isinstance(bar, Tag):
        ended = sum(its["counts"][each] for each in ("issued", "refused", "reversed", "escalated", "notIssued"))
        assert (bar["value"], bar["max"]) == (str(ended), str(its["rows"]))
    for name in ("estimatedEndAt", "approvalUntil"):
        if its[name]:
            assert shown.find(attrs={"data-until": its[name]})
    for each in (*its["totals"], *(its["issuedTotals"] if bar else ())):
        assert f"{each['amount']} {each['currencyCode']}" in text_of(shown)
    for error in its["errors"]:
        assert f"{error['line']} {error['field'] or 'the whole line'} {error['problem']}" in text_of(shown)
    # and not where its result is
    assert "files.test" not in str(page)


def test_what_a_newer_deployment_says_is_shown_as_it_is(api: Api, browser: Browser) -> None:
    order_id = standing(api.functions, S.ISSUING)
    newer = shown_by_api(api, order_id) | {"status": "HELD_BACK", "onUnknown": "wait"}
    api.fail("GET", f"/orders/{order_id}", 200, json.dumps(newer))
    shown = browser.get(f"/orders/{order_id}")
    assert ("HELD_BACK" in text_of(shown.find(id="state")), "wait" in text_of(shown.find(id="facts"))) == (True, True)


@pytest.mark.parametrize(
    ("status", "member", "page"), [(S.AWAITING_APPROVAL, "approvalUntil", ""), (S.VALIDATED, "rows", "/start")]
)
def test_what_the_api_may_leave_open_fails_no_page(
    api: Api, browser: Browser, status: OrderStatus, member: str, page: str
) -> None:
    order_id = standing(api.functions, status)
    api.fail("GET", f"/orders/{order_id}", 200, json.dumps(shown_by_api(api, order_id) | {member: None}))
    assert "The console failed" not in text_of(browser.get(f"/orders/{order_id}{page}", 200))


def test_a_result_is_a_file_to_save_as_it_is_or_as_a_spreadsheet(api: Api, browser: Browser) -> None:
    key = "=1+1"
    order_id = finished(api, browser, f"key,amount,currency\n{key},10.50,USD\n00123,1.00,USD\n")
    assert browser.get(f"/orders/{order_id}").find("a", href=f"/orders/{order_id}/result.xlsx")

    csv = download(browser, f"/orders/{order_id}/result.csv")
    assert csv.content == api.files[f"{where(order_id)}/result.csv"]
    assert csv.headers["Content-Disposition"] == f'attachment; filename="{order_id}.csv"'

    found = download(browser, f"/orders/{order_id}/result.xlsx")
    assert found.headers["Content-Disposition"] == f'attachment; filename="{order_id}.xlsx"'
    _, first, second = Sheet(found.content).rows()
    assert (first["A"], first["B"], second["A"]) == (("s", f"'{key}"), ("n", "10.5"), ("s", "00123"))
    # and where it is stands in no header
    assert not [value for each in (csv, found) for value in each.headers.values() if "files.test" in value]


def test_pages_come_while_a_spreadsheet_is_made(api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = finished(api, browser)
    begun, may_end = threading.Event(), threading.Event()

    def slow(_result: bytes) -> bytes:
        begun.set()
        assert may_end.wait(60)
        return b"made"

    monkeypatch.setattr(order_files, "SAVED_AS", {**order_files.SAVED_AS, ".xlsx": slow})
    made: list[bytes] = []
    path = f"/orders/{order_id}/result.xlsx"
    maker = threading.Thread(target=lambda: made.append(download(browser, path).content))
    maker.start()
    assert begun.wait(60)
    assert "FINISHED" in text_of(browser.get(f"/orders/{order_id}"))
    may_end.set()
    maker.join()
    assert made == [b"made"]


def _gone(api: Api, order_id: str) -> None:
    del api.files[f"{where(order_id)}/result.csv"]


def _broken(api: Api, order_id: str) -> None:
    api.files[f"{where(order_id)}/result.csv"] = b'key,amount\n"a'


def _denied(api: Api, _: str) -> None:
    api.deny("GET", "/orders/")


@pytest.mark.parametrize(
    ("happens", "status", "told"),
    [
        (_gone, 404, "Results are kept for 90 days."),
        (_broken, 404, "Take the CSV file as it is."),
        (_denied, 502, "It takes the right to call GET /orders/{orderId}"),
    ],
)
def test_a_result_that_cannot_be_had_says_why(
    api: Api, browser: Browser, happens: Callable[[Api, str], Any], status: int, told: str
) -> None:
    order_id = finished(api, browser)
    happens(api, order_id)
    page = browser.get(f"/orders/{order_id}/result.xlsx", status)
    assert told in text_of(page)
    assert "files.test" not in str(page)


def test_an_order_without_a_result_has_none(api: Api, browser: Browser) -> None:
    order_id = standing(api.functions, S.ISSUING)
    assert "only an order that is at its end" in text_of(browser.get(f"/orders/{order_id}/result.csv", 404))
    assert browser.get(f"/orders/{order_id}").find("a", href=re.compile("result")) is None
