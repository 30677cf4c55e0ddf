"""Requests: what is shown is what the API says, and what undoes a request asks first and is sent once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

from console.gateway import Reply
from incentives.domain.accounts.freezing import FROZEN
from incentives.domain.outcomes import AmazonError, ConflictKind
from incentives.domain.recovery.case_file import case_file
from incentives.domain.single_requests.record import Record, Status
from local.signing import Response
from tests.console.served import Api, Browser, text_of
from tests.openapi.served import CARD_NUMBER, CUSTOMER
from tests.support.fakes import CODE, START
from tests.unit.builders import MINUTE, SECOND, record, unknown_since

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


def test_a_page_that_renews_itself_calls_the_route_that_had_the_request(api: Api, browser: Browser) -> None:
    request_id = issue(api, "load_amazon_balance")
    browser.get(f"/requests/{request_id}")
    api.called.clear()

    browser.get(f"/requests/{request_id}")

    assert api.called == [("GET", f"/balance-loads/{request_id}")]


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


@pytest.mark.parametrize("given", ["order-1", '"order-1"', "  order-1 "])
def test_a_request_is_found_by_its_key_in_each_form_that_the_api_takes(api: Api, browser: Browser, given: str) -> None:
    request_id = issue(api)
    issue(api, key="order-2")

    shown = browser.get(f"/requests?{urlencode({'key': given})}")

    assert rows(shown) == [request_id]
    assert ("GET", "/requests") in api.called


def test_a_key_that_no_request_has_is_said_to_be_unused(browser: Browser) -> None:
    assert "No request has this key." in text_of(browser.get("/requests?key=order-3"))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("%22a", "begins with a quotation mark"),
        ("a" * 256, "must have at most 255 characters"),
        ("", "must hold printable ASCII characters only"),
        ("a%0D%0AX-Evil:%201", "must hold printable ASCII characters only"),
        ("caf%C3%A9", "must hold printable ASCII characters only"),
        ("a%00", "must hold printable ASCII characters only"),
    ],
)
def test_what_can_be_no_key_is_said_by_the_headers_name(browser: Browser, key: str, said: str) -> None:
    failure = text_of(browser.get(f"/requests?key={key}").find(class_="failure"))
    assert "Idempotency-Key" in failure
    assert said in failure


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
        "Replaces": "none: the first of its key",
    }
    assert {name: fact(shown, name) for name in facts} == facts
    assert "2026-03-01 12:00:00 UTC" in fact(shown, "Created")
    assert fact(shown, "Created").endswith("2 min 0 s ago")
    until = shown.select_one("dl [data-until]")
    assert isinstance(until, Tag)
    assert until["data-until"] == body["cancellableUntil"]


def test_a_row_of_a_bulk_order_leads_to_the_order_and_to_its_budget(api: Api, browser: Browser) -> None:
    keep(api, record(Status.SUCCEEDED, in_flight=False, order_id="A" * 26, budget="spring", budget_period="2026-03"))
    shown = browser.get("/requests/Test1AAAA")
    assert link(shown, "A" * 26) == f"/orders/{'A' * 26}"
    assert link(shown, "spring") == "/budgets/spring"
    assert "the budget spring" in text_of(browser.get("/requests/Test1AAAA/cancel").find(class_="happens"))


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


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.REVERSED, Status.ESCALATED])
def test_an_error_on_the_way_to_an_end_promises_nothing_any_more(api: Api, browser: Browser, status: Status) -> None:
    error = AmazonError(code="F400", type="SystemTemporarilyUnavailable")
    keep(api, record(status, in_flight=False, error=error))
    said = text_of(browser.get("/requests/Test1AAAA").find(id="error"))
    assert said == "The last error: F400 SystemTemporarilyUnavailable."


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(FROZEN, "once the account is unfrozen"), (AmazonError(type="throttled"), "rate was exceeded")],
)
def test_what_a_request_waits_for_is_said_in_words(
    api: Api, browser: Browser, error: AmazonError, meaning: str
) -> None:
    keep(api, record(in_flight=False, error=error, wait_seconds=5, due_at=START))
    assert meaning in text_of(browser.get("/requests/Test1AAAA").find(id="error"))


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


# ---- its attempts ----------------------------------------------------------------------------------------------------


def escalate(api: Api, **updates: Any) -> Record:
    kept = replace(unknown_since(), status=Status.ESCALATED, wake_at=None, due_at=None, attempts=130, **updates)
    kept = replace(kept, case_file=case_file(kept, request_body=None, signature=None, version="1.0.0", now=START))
    keep(api, kept)
    return kept


def test_an_escalated_request_shows_its_attempts_and_what_was_wrong_with_its_success(
    api: Api, browser: Browser
) -> None:
    lines = ("2026-03-01T12:00:06Z CreateGiftCard Unknown timedOut", "2026-03-01T12:01:06Z CreateGiftCard Conflict")
    escalate(api, history=lines, conflict=ConflictKind.REFUNDED)

    shown = browser.get("/requests/Test1AAAA")

    history = shown.find(id="history")
    assert isinstance(history, Tag)
    assert [text_of(each) for each in history.select("li")] == [*lines]
    assert "130 times" in text_of(history)
    assert "the card was refunded to its purchaser" in text_of(history)
    assert "do not order it again" in text_of(shown.find(id="stands"))
    assert "tell them that it is not wanted" in text_of(shown.find(id="undo-refused"))


def test_whoever_may_not_read_case_files_sees_all_the_rest(api: Api, browser: Browser) -> None:
    escalate(api)
    api.deny("GET", "/requests/")
    shown = browser.get("/requests/Test1AAAA")
    assert "Only operators read case files" in text_of(shown.find(id="history"))
    assert fact(shown, "Amount") == "25.00 USD"
    assert shown.find(class_="failure") is None


def test_a_request_that_is_escalated_no_more_has_no_case_and_says_so(api: Api, browser: Browser) -> None:
    kept = escalate(api)
    api.fail("GET", "/gift-cards/", 200, json.dumps(told(api, kept.request_id)))
    keep(api, unknown_since())
    said = text_of(browser.get("/requests/Test1AAAA").find(id="history"))
    assert "There is no case file now: This request is RECOVERING" in said


def test_a_request_that_is_not_escalated_is_asked_for_no_case_file(api: Api, browser: Browser) -> None:
    shown = browser.get(f"/requests/{issue(api)}")
    assert "which only an escalated request has" in text_of(shown.find(id="history"))
    assert not [path for _, path in api.called if path.endswith("/case-file")]


# ---- generations -----------------------------------------------------------------------------------------------------


def generations(count: int) -> list[Record]:
    """Requests of one order, oldest first: reversed and refused in turn, a day apart, and the newest done."""
    ended = [Status.REVERSED, Status.REFUSED] * count
    return [
        record(
            Status.SUCCEEDED if n == count - 1 else ended[n],
            request_id=f"Test1G{n}",
            in_flight=False,
            created_at=START - (count - 1 - n) * DAY,
            generation=n,
            replaces=f"Test1G{n - 1}" if n else None,
            replaced_by=f"Test1G{n + 1}" if n < count - 1 else None,
        )
        for n in range(count)
    ]


def test_whoever_asks_for_an_earlier_request_of_an_order_sees_the_newest_and_is_told(
    api: Api, browser: Browser
) -> None:
    keep(api, *(replace(each, status=Status.REVERSED) for each in generations(2)[:1]), *generations(2)[1:])

    shown = browser.get("/requests/Test1G0")

    assert "It was issued again, as Test1G1" in text_of(shown.find(id="newest"))
    assert "SUCCEEDED" in text_of(shown.find(id="stands"))
    assert link(shown, "Cancel it") == "/requests/Test1G1/cancel"
    assert rows(browser.get(link(shown, "All of them"))) == ["Test1G1", "Test1G0"]


def test_all_requests_of_an_order_are_shown_newest_first_among_many_others(api: Api, browser: Browser) -> None:
    *earlier, newest = generations(5)
    keep(api, *earlier, newest, *many(700))

    shown = browser.get(f"/requests/{newest.request_id}/generations")

    assert rows(shown) == ["Test1G4", "Test1G3", "Test1G2", "Test1G1", "Test1G0"]
    assert shown.find(class_="note") is None


def test_a_request_that_is_too_far_back_is_named_and_searched_for_no_further(api: Api, browser: Browser) -> None:
    first, newest = generations(2)
    keep(api, replace(first, created_at=START - 20 * DAY), newest, *many(51, status=Status.REVERSED))

    shown = browser.get(f"/requests/{newest.request_id}/generations")

    assert rows(shown) == ["Test1G1"]
    assert "Test1G0 , which is not among the requests that were looked at" in text_of(shown.find(class_="note"))
    assert len([path for _, path in api.called if path.startswith("/requests?")]) <= 10


def test_whoever_may_not_search_sees_the_newest_and_is_told(api: Api, browser: Browser) -> None:
    keep(api, *generations(2))
    api.deny("GET", "/requests")
    shown = browser.get("/requests/Test1G1/generations")
    assert rows(shown) == ["Test1G1"]
    assert "It takes the right to call GET /requests" in text_of(shown)


# ---- undoing ---------------------------------------------------------------------------------------------------------

UNDONE: Final = [
    ("create_gift_card", "get_gift_card", "/gift-cards", "cancel", "its claim code is dead"),
    ("activate_gift_card", "get_activation", "/activations", "deactivate", "the physical card: it is dead"),
    ("load_amazon_balance", "get_balance_load", "/balance-loads", "void", "off the customer's balance"),
]


@pytest.mark.parametrize(("function", "read", "path", "verb", "says"), UNDONE)
def test_a_request_is_undone_once_whatever_is_clicked(
    api: Api, browser: Browser, function: str, read: str, path: str, verb: str, says: str
) -> None:
    request_id = issue(api, function, externalReference="invoice 17")
    asking = browser.get(f"/requests/{request_id}/{verb}")
    assert api.sent == []
    for part in (says, "cannot be taken back", "If the response is 202", request_id, "25.00 USD", "SUCCEEDED"):
        assert part in text_of(asking)
    body = told(api, request_id, read)
    assert (body.get("gcId") or body.get("cardNumber") or body["customerAccountId"]) in text_of(asking)

    done = browser.submit(asking)
    again = browser.submit(asking)
    reloaded = browser.get(f"/requests/{request_id}/{verb}?{urlsplit(asking_url(asking)).query}")

    assert api.sent == [("POST", f"{path}/{request_id}/{verb}")]
    assert "Done." in text_of(done)
    assert text_of(again.find("pre")) == text_of(done.find("pre")) == text_of(reloaded.find("pre"))
    shown = browser.get(link(done, "Look at it now"))
    assert "REVERSED It was undone" in text_of(shown.find(id="stands"))
    assert shown.find("a", string=lambda text: str(text).endswith(" it")) is None
    assert "It has been undone already" in text_of(browser.get(f"/requests/{request_id}/{verb}"))


def asking_url(asking: BeautifulSoup) -> str:
    """The address that going back leads to."""
    form_id = asking.find("input", attrs={"name": "form"})
    assert isinstance(form_id, Tag)
    return f"?form={form_id['value']}"


def test_a_card_is_cancelled_until_its_15_minutes_are_over_and_not_later(api: Api, browser: Browser) -> None:
    early, late = issue(api), issue(api, key="order-2")
    until = told(api, early)["cancellableUntil"]
    clock = api.functions.world.clock

    clock.time = START + 15 * MINUTE - SECOND
    asking = browser.get(f"/requests/{early}/cancel")
    left = asking.select_one("[data-until]")
    assert isinstance(left, Tag)
    assert left["data-until"] == until
    assert "Done." in text_of(browser.submit(asking))

    asking_in_time = browser.get(f"/requests/{late}/cancel")
    clock.time = START + 15 * MINUTE + 2 * SECOND
    refused = browser.get(f"/requests/{late}/cancel")
    assert refused.find("form") is None
    assert "within 15 minutes of its creation. For this one they ended at 2026-03-01 12:15:00 UTC" in text_of(refused)
    assert "Cancel it" not in text_of(browser.get(f"/requests/{late}"))
    # The page was opened in time, and the click comes late: the API decides, and says why.
    assert "Refused. Amazon cancels a gift card only within 15 minutes" in text_of(browser.submit(asking_in_time))
    assert [path for _, path in api.sent] == [f"/gift-cards/{early}/cancel", f"/gift-cards/{late}/cancel"]


@pytest.mark.parametrize(
    ("said", "is_over"),
    [("Sun, 01 Mar 2026 12:14:00 GMT", False), ("Sun, 01 Mar 2026 12:15:01 GMT", True), ("?", True)],
)
def test_a_clock_that_is_wrong_here_takes_no_minute_from_a_card(
    api: Api, browser: Browser, said: str, is_over: bool
) -> None:
    request_id = issue(api)
    body = json.dumps(told(api, request_id))
    api.answers["GET", "/gift-cards/"] = lambda: Response(200, {"date": said}, body)
    api.functions.world.clock.time = START + 18 * MINUTE

    assert (browser.get(f"/requests/{request_id}/cancel").find("form") is None) is is_over
    assert ("Cancel it" not in text_of(browser.get(f"/requests/{request_id}"))) is is_over


def test_a_card_whose_success_came_late_may_be_younger_and_the_api_is_asked(api: Api, browser: Browser) -> None:
    answered_at = START + 20 * MINUTE
    keep(api, record(Status.SUCCEEDED, in_flight=False, answered_at=answered_at, updated_at=answered_at, gc_id="GC1"))
    api.functions.world.clock.time = START + 30 * MINUTE

    asking = browser.get("/requests/Test1AAAA/cancel")

    assert "It may be younger than that: Amazon decides" in text_of(asking)
    assert "Done." in text_of(browser.submit(asking))


def test_an_open_request_is_cancelled_for_good_and_is_not_at_its_end(api: Api, browser: Browser) -> None:
    keep(api, unknown_since())
    api.functions.world.clock.time = START + 60 * MINUTE

    asking = browser.get("/requests/Test1AAAA/cancel")
    assert "no other is issued in its place" in text_of(asking)
    done = browser.submit(asking)

    assert "Accepted; it is not at its end yet." in text_of(done)
    assert "REVERSING" in text_of(browser.get("/requests/Test1AAAA").find(id="stands"))


@pytest.mark.parametrize("status", [Status.REFUSED, Status.REVERSED, Status.ESCALATED])
def test_what_has_nothing_to_undo_has_no_form(api: Api, browser: Browser, status: Status) -> None:
    keep(api, record(status, in_flight=False))
    shown = browser.get("/requests/Test1AAAA/cancel")
    assert shown.find("form") is None
    assert shown.find(class_="failure") is not None


def test_what_cannot_be_read_is_not_undone(api: Api, browser: Browser) -> None:
    activation = issue(api, "activate_gift_card")
    assert "There is no gift card of this request id." in text_of(browser.get(f"/requests/{activation}/cancel"))
    api.deny("GET", "/activations/")
    shown = browser.get(f"/requests/{activation}/deactivate")
    assert "nothing is undone that cannot be seen" in text_of(shown)
    assert "It takes the right to call GET /activations/{requestId}" in text_of(shown)
    assert shown.find("form") is None


def test_a_cancel_whose_response_is_lost_is_unknown_and_is_looked_at_first(api: Api, browser: Browser) -> None:
    request_id = issue(api)
    asking = browser.get(f"/requests/{request_id}/cancel")
    api.lose("POST", "/gift-cards/")

    shown = browser.submit(asking)

    assert "Nobody knows yet whether it was done." in text_of(shown)
    assert "It has not failed: look before you send it again." in text_of(shown)
    first, _ = shown.select("main a.button")
    assert (text_of(first), first["href"]) == ("Look at it now", f"/requests/{request_id}")
    browser.submit(asking)
    assert len(api.sent) == 1


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_no_page_and_nothing_that_is_kept_holds_a_claim_code_or_a_whole_card_number(api: Api, browser: Browser) -> None:
    issued = [api.functions.issue(function, key=function) for function, *_ in UNDONE]
    assert CODE in issued[0].text
    texts = [str(each) for each in walk(browser, "/requests")]
    for response, (_, _, _, verb, _) in zip(issued, UNDONE, strict=True):
        path = f"/requests/{response.body['requestId']}"
        asking = browser.get(f"{path}/{verb}")
        texts += [str(each) for each in (browser.get(path), browser.get(f"{path}/generations"), asking)]
        texts.append(str(browser.submit(asking)))

    kept = [repr(each) for each in gc.get_objects() if isinstance(each, Reply)]

    assert len([each for each in kept if "POST /" in each]) >= len(UNDONE)
    for secret in (CODE, CARD_NUMBER, CUSTOMER):
        assert not [each for each in (*texts, *kept) if secret in each]
    assert "***************1234" in "".join(texts)


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
