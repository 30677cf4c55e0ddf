"""Requests: what is shown is what the API says, and what undoes a request asks first and is sent once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from bs4 import BeautifulSoup, Tag

from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import Record, Status
from tests.console.served import Api, Browser, text_of
from tests.support.fakes import CODE, START
from tests.unit.builders import MINUTE, SECOND, record, reversing, unknown_since

DAY: Final = timedelta(days=1)


def keep(api: Api, *records: Record) -> None:
    api.functions.world.ledger.records |= {each.request_id: each for each in records}


def many(count: int, **updates: Any) -> list[Record]:
    """Closed requests of one day, a millisecond apart, by their numbers."""
    known: dict[str, Any] = {"status": Status.SUCCEEDED, "in_flight": False, "wake_at": None}
    return [
        record(**(known | updates), request_id=f"Test1N{n:06}", created_at=START + timedelta(milliseconds=n))
        for n in range(count)
    ]


def issue(api: Api, function: str = "create_gift_card", key: str = "order-1", **members: Any) -> str:
    response = api.functions.issue(function, key, **members)
    assert response.status == 201
    return str(response.body["requestId"])


def told(api: Api, request_id: str, route: str = "get_gift_card") -> Any:
    return api.functions.send(route, request_id).body


def rows(shown: BeautifulSoup) -> list[str]:
    return [str(each["id"]).removeprefix("request-") for each in shown.select("tr[id^=request-]")]


def fact(shown: BeautifulSoup, name: str) -> str:
    (found,) = [each for each in shown.select("dl.facts div") if text_of(each.find("dt")) == name]
    return text_of(found.find("dd"))


def link(shown: BeautifulSoup, words: str) -> str:
    (found,) = [each for each in shown.find_all("a") if text_of(each) == words]
    return str(found["href"])


# ---- search ----------------------------------------------------------------------------------------------------------


def test_a_row_shows_what_the_api_says_and_leads_to_its_request(api: Api, browser: Browser) -> None:
    request_id = issue(api, externalReference="invoice 17", amount="1234.50")
    api.functions.world.clock.sleep(90)

    shown = browser.get("/requests")

    row = text_of(shown.find(id=f"request-{request_id}"))
    body = told(api, request_id)
    for part in ("SUCCEEDED", "1,234.50 USD", "Gift card", body["gcId"], "2026-03-01 12:00:00 UTC", "1 min 30 s"):
        assert part in row
    assert "invoice 17" in row
    assert request_id in text_of(browser.get(link(shown, request_id)).find("h1"))


def test_pages_of_many_rows_are_all_rows_once_newest_first(api: Api, browser: Browser) -> None:
    kept = many(237)
    keep(api, *kept)

    pages = list(walk(browser, "/requests"))

    assert [row for page in pages for row in rows(page)] == [each.request_id for each in reversed(kept)]
    assert [len(rows(page)) for page in pages] == [50, 50, 50, 50, 37]
    assert "First page" not in text_of(pages[0])
    assert rows(browser.get(link(pages[-1], "First page"))) == rows(pages[0])


def test_a_page_without_a_match_leads_further_back_until_one_is_found(api: Api, browser: Browser) -> None:
    the_one, *others = many(1101)
    keep(api, replace(the_one, status=Status.ESCALATED), *others)

    first, second, third = walk(browser, "/requests?status=ESCALATED")

    for page in (first, second):
        assert rows(page) == []
        assert "None on this page of the search" in text_of(page)
    assert rows(third) == [the_one.request_id]


def test_a_search_without_days_keeps_its_days_from_page_to_page(api: Api, browser: Browser) -> None:
    keep(api, *many(51))
    first = browser.get("/requests")

    api.functions.world.clock.sleep(DAY.total_seconds())

    assert len(rows(browser.get(link(first, "Next page")))) == 1


def test_a_search_is_sent_as_asked_and_its_filters_stay_in_the_form(api: Api, browser: Browser) -> None:
    shown = browser.get("/requests?account=uk&status=REVERSED&from=2026-02-01&to=2026-02-03")

    assert ("GET", "/requests?account=uk&status=REVERSED&from=2026-02-01&to=2026-02-03") in api.called
    assert {each["name"]: each["value"] for each in shown.select("form[role=search] input")} == {
        "account": "uk", "from": "2026-02-01", "to": "2026-02-03",
    }  # fmt: skip
    assert text_of(shown.select_one("option[selected]")) == "REVERSED"
    assert "No request of this account and these days has this status." in text_of(shown)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=yesterday", "from must be a day such as 2026-03-01"),
        ("to=0001-01-01", "to must not be before 2000-01-01"),
        ("from=2026-03-02&to=2026-03-01", "from must not be after to"),
        ("cursor=made-up", "cursor must be a cursor that this route returned"),
        ("status=LOST", "status must be one of"),
    ],
)
def test_what_cannot_be_searched_is_said_by_its_field(browser: Browser, query: str, said: str) -> None:
    assert said in text_of(browser.get(f"/requests?{query}").find(class_="failure"))


def test_whoever_may_not_list_accounts_searches_the_default_one(api: Api, browser: Browser) -> None:
    api.deny("GET", "/accounts")
    request_id = issue(api)
    assert rows(browser.get("/requests")) == [request_id]


def test_whoever_may_not_search_is_told_which_right_it_takes(api: Api, browser: Browser) -> None:
    api.deny("GET", "/requests")
    shown = browser.get("/requests")
    assert "It takes the right to call GET /requests" in text_of(shown)
    assert shown.find(id="key") is not None


# ---- look-up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "route"),
    [
        ("create_gift_card", "get_gift_card"),
        ("activate_gift_card", "get_activation"),
        ("load_amazon_balance", "get_balance_load"),
    ],
)
def test_a_request_of_any_operation_is_found_by_its_id(api: Api, browser: Browser, function: str, route: str) -> None:
    request_id = issue(api, function)
    body = told(api, request_id, route)

    shown = browser.get(f"/requests?id={request_id}")

    assert fact(shown, "Amount") == "25.00 USD"
    assert body.get("cardNumber", body.get("customerAccountId", body.get("gcId"))) in text_of(shown.find("dl"))
    assert shown.find(class_="failure") is None
    assert {path for _, path in api.called} == {
        f"/gift-cards/{request_id}", f"/activations/{request_id}", f"/balance-loads/{request_id}",
    }  # fmt: skip


@pytest.mark.parametrize("request_id", ["Test1UNKNOWN", "not-an-id", "A" * 41, "..", "a%00b", "a%0D%0Ab", "%2e%2e"])
def test_an_id_that_no_request_has_is_said_to_be_none(api: Api, browser: Browser, request_id: str) -> None:
    assert "There is no request" in text_of(browser.get(f"/requests?id={request_id}", 404))
    if "." not in request_id:
        assert "There is no request" in text_of(browser.get(f"/requests/{request_id}", 404))
    assert api.sent == []


def test_a_route_that_may_not_be_called_leaves_open_whether_there_is_such_a_request(api: Api, browser: Browser) -> None:
    request_id = issue(api)
    api.deny("GET", "/gift-cards/")

    shown = text_of(browser.get(f"/requests/{request_id}"))

    assert "It takes the right to call GET /gift-cards/{requestId}" in shown
    assert "It may be one of those that could not be asked for." in shown
    assert "GET /activations" not in shown


def test_one_answer_is_enough_whatever_the_other_routes_do(api: Api, browser: Browser) -> None:
    request_id = issue(api)
    api.deny("GET", "/activations/")
    api.lose("GET", "/balance-loads/")
    shown = browser.get(f"/requests/{request_id}")
    assert "SUCCEEDED" in text_of(shown.find(id="stands"))
    assert shown.find(class_="failure") is None


# ---- one request -----------------------------------------------------------------------------------------------------


def test_a_request_shows_its_fields_its_times_and_what_is_left_of_them(api: Api, browser: Browser) -> None:
    request_id = issue(api, externalReference="invoice 17", costCenter="EMEA-4711")
    body = told(api, request_id)
    api.functions.world.clock.sleep(120)

    shown = browser.get(f"/requests/{request_id}")

    facts = {
        "Card at Amazon (gcId)": body["gcId"],
        "Reference": "invoice 17",
        "Cost center": "EMEA-4711",
        "Budget": "none",
        "Replaces": "none: the first of its order",
    }
    assert {name: fact(shown, name) for name in facts} == facts
    assert "2026-03-01 12:00:00 UTC" in fact(shown, "Created")
    assert fact(shown, "Created").endswith("2 min 0 s ago")
    until = shown.select_one("dl [data-until]")
    assert isinstance(until, Tag)
    assert until["data-until"] == body["cancellableUntil"]


def test_an_open_request_says_what_that_means_and_its_last_error(api: Api, browser: Browser) -> None:
    error = AmazonError(code="F400", type="SystemTemporarilyUnavailable")
    keep(api, unknown_since(error=error))

    shown = browser.get("/requests/Test1AAAA")

    assert "RECOVERING What became of it at Amazon is not known yet." in text_of(shown.find(id="stands"))
    assert "The last error: F400 SystemTemporarilyUnavailable." in text_of(shown.find(id="error"))
    assert link(shown, "Another round of recovery") == "/requests/Test1AAAA/recover"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (AmazonError(code="F300", type="InsufficientFunds"), "Top up the account at Amazon"),
        (AmazonError(code=None, type="AccountKeyRefused"), "Nothing was charged: repeat the order"),
    ],
)
def test_a_refused_request_says_what_its_error_means(
    api: Api, browser: Browser, error: AmazonError, meaning: str
) -> None:
    keep(api, record(Status.REFUSED, in_flight=False, refusal=error))
    shown = browser.get("/requests/Test1AAAA")
    assert meaning in text_of(shown.find(id="error"))
    assert "there is nothing to undo" in text_of(shown.find(id="undo-refused"))


def test_a_request_that_waits_counts_down_to_its_turn(api: Api, browser: Browser) -> None:
    due_at = START + 10 * MINUTE
    keep(api, record(attempts=0, in_flight=False, first_sent_at=None, due_at=due_at, wake_at=due_at))

    shown = browser.get("/requests/Test1AAAA")

    until = shown.select_one("#due [data-until]")
    assert isinstance(until, Tag)
    assert until["data-until"] == told(api, "Test1AAAA")["dueAt"]
    assert fact(shown, "Amazon cancels it until") == "not sent yet"



def test_whoever_may_not_read_a_request_sees_no_button(api: Api, browser: Browser) -> None:
    keep(api, record(Status.SUCCEEDED, in_flight=False))
    api.fail("GET", "/gift-cards/", 500)
    shown = browser.get("/requests/Test1AAAA")
    assert "No figures at the moment." in text_of(shown)
    assert shown.find("a", class_="button") is None


def walk(browser: Browser, path: str) -> Iterator[BeautifulSoup]:
    """The page at a path, and those that its links to the next page lead to."""
    for _ in range(100):
        shown = browser.get(path)
        yield shown
        further = shown.find("a", rel="next")
        if not isinstance(further, Tag):
            return
        path = str(further["href"])
    raise AssertionError("the walk goes in circles")
