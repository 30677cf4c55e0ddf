"""Recovery: whose outcome is not known, oldest first; another round is asked for once; the case is the API's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

import pytest
from bs4 import BeautifulSoup

from incentives.bootstrap import container
from console.endings import READ_MAX, TOLD_FOR
from console.screens.recovery import LIVES
from console.searches import FURTHER_CALLS_MAX, OLDER_LIVES
from incentives.domain.accounts.funds import AccountState
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.single_requests.record import Status
from incentives.usecases.single_requests.search import LOOKED_AT_MAX
from tests.console.recovering import CASE, escalated, keep
from tests.console.served import Api, Browser, text_of
from tests.support.books_world import finding
from tests.support.fakes import START, usd
from tests.unit.builders import HOUR, MINUTE, record, unknown_since


def rows_of(page: BeautifulSoup, part: str) -> list[str]:
    return [str(row["id"]).partition("-")[2] for row in page.select(f"#{part} tr[id]")]


def test_what_is_open_or_escalated_is_listed_by_age_with_the_amount_at_risk(api: Api, browser: Browser) -> None:
    escalated(api, "Test1E1", 26, value=usd("0.10"))
    escalated(api, "Test1E2", 30, value=usd("0.20"))
    keep(api, unknown_since(request_id="Test1U1", created_at=START - 2 * MINUTE))
    reversing = record(Status.REVERSING, request_id="Test1U2", created_at=START - 3 * HOUR, value=usd("1.05"))
    keep(api, reversing)
    keep(api, record(Status.PENDING, request_id="Test1P1"))
    keep(api, record(Status.SUCCEEDED, request_id="Test1S"))

    page = browser.get("/recovery")

    assert rows_of(page, "escalated") == ["Test1E2", "Test1E1"]
    assert rows_of(page, "open") == ["Test1U2", "Test1U1"]
    assert rows_of(page, "pending") == ["Test1P1"]
    assert text_of(page.find(id="escalated-sum")).startswith("2 , with 0.30 USD at risk")
    assert text_of(page.find(id="open-sum")).startswith("2 , with 26.05 USD at risk")
    assert "1 d 6 h" in text_of(page.find(id="request-Test1E2"))
    assert text_of(page.find(id="risk")).startswith("At risk 26.35 USD , of 4 requests")
    assert "The oldest was made 1 d 6 h ago" in text_of(page.find(id="risk"))
    assert [str(each["href"]) for each in page.select("#request-Test1E1 a")] == [
        "/requests/Test1E1", "/requests/Test1E1/case-file", "/requests/Test1E1/recover",
    ]  # fmt: skip
    # Each list takes one call, however many are in it.
    assert sum(path.startswith("/requests?") for _, path in api.called) == 4


def test_currencies_are_summed_apart(api: Api, browser: Browser) -> None:
    escalated(api, "Test1E1", value=usd("25.00"))
    escalated(api, "Test1E2", value=type(usd("1.00"))(usd("500").amount, "EUR"))
    shown = text_of(browser.get("/recovery").find(id="escalated-sum"))
    assert "500.00 EUR and 25.00 USD at risk" in shown


def test_where_nothing_is_open_it_says_what_would_come_here(browser: Browser) -> None:
    page = browser.get("/recovery")
    assert "A request comes here after 24 hours without an outcome" in text_of(page.find(id="escalated"))
    assert "None: Amazon has told the outcome" in text_of(page.find(id="open"))


def test_a_request_in_recovery_is_seen_to_end_by_whoever_has_the_page_open(api: Api, browser: Browser) -> None:
    # given what the page's script renews
    request_id = keep(api, unknown_since(request_id="Test1U"))
    before = browser.get("/recovery").find(id="open")
    assert before.has_attr("data-live")
    assert f"request-{request_id}" in str(before)
    # when it ends
    keep(api, record(Status.SUCCEEDED, request_id=request_id))
    # then it is told how, and for a while
    page = browser.get("/recovery")
    assert rows_of(page, "open") == []
    assert f"{request_id} SUCCEEDED 0 s ago 25.00 USD" in text_of(page.find(id=f"ended-{request_id}"))
    api.functions.world.clock.time += TOLD_FOR - MINUTE
    assert rows_of(browser.get("/recovery"), "ended") == [request_id]
    api.functions.world.clock.time += MINUTE
    assert rows_of(browser.get("/recovery"), "ended") == []


def test_what_was_ordered_again_is_followed_as_what_it_is_now(api: Api, browser: Browser) -> None:
    keep(api, unknown_since(request_id="Test1A"))
    browser.get("/recovery")
    keep(api, record(Status.REVERSED, request_id="Test1A", replaced_by="Test1B"))
    keep(api, unknown_since(request_id="Test1B", replaces="Test1A"))
    page = browser.get("/recovery")
    assert (rows_of(page, "open"), rows_of(page, "ended")) == (["Test1B"], [])
    keep(api, record(Status.SUCCEEDED, request_id="Test1B"))
    assert rows_of(browser.get("/recovery"), "ended") == ["Test1B"]


def test_one_that_is_escalated_anew_is_no_longer_told_as_ended(api: Api, browser: Browser) -> None:
    keep(api, unknown_since(request_id="Test1U"))
    browser.get("/recovery")
    keep(api, record(Status.SUCCEEDED, request_id="Test1U"))
    browser.get("/recovery")
    escalated(api, "Test1U")
    page = browser.get("/recovery")
    assert (rows_of(page, "escalated"), rows_of(page, "ended")) == (["Test1U"], [])


def test_what_waited_is_shown_once_when_it_has_become_unknown(api: Api, browser: Browser) -> None:
    keep(api, record(Status.PENDING, request_id="Test1U"))
    assert rows_of(browser.get("/recovery"), "pending") == ["Test1U"]
    keep(api, unknown_since(request_id="Test1U"))
    page = browser.get("/recovery")
    assert (rows_of(page, "open"), rows_of(page, "pending")) == (["Test1U"], [])


def test_many_that_end_at_once_are_read_some_at_a_time(api: Api, browser: Browser) -> None:
    names = [f"Test1U{number}" for number in range(READ_MAX + 2)]
    for name in names:
        keep(api, unknown_since(request_id=name))
    browser.get("/recovery")
    for name in names:
        keep(api, record(Status.SUCCEEDED, request_id=name))
    assert len(rows_of(browser.get("/recovery"), "ended")) == READ_MAX
    assert sorted(rows_of(browser.get("/recovery"), "ended")) == names


def test_each_account_has_its_own_and_leads_to_the_others(api: Api, browser: Browser) -> None:
    container.account_states.states["japan"] = AccountState()
    escalated(api, "Test1D")
    escalated(api, "Test1J", account="japan")
    assert rows_of(browser.get("/recovery"), "escalated") == ["Test1D"]
    page = browser.get("/recovery?account=japan")
    assert rows_of(page, "escalated") == ["Test1J"]
    assert {str(each["href"]) for each in page.select("nav[aria-label=Accounts] a")} == {
        "/recovery?account=default", "/recovery?account=japan",
    }  # fmt: skip


def test_where_there_are_too_many_requests_it_says_so_and_asks_the_books(api: Api, browser: Browser) -> None:
    # given an escalated request with more requests after it than a few calls look at
    escalated(api, "Test1E")
    calls = 1 + FURTHER_CALLS_MAX
    for number in range(calls * LOOKED_AT_MAX):
        keep(api, record(Status.SUCCEEDED, request_id=f"Test1S{number:05}"))
    api.functions.books.judged(finding(Kind.ESCALATED, "Test1E", amount=2500), day=START.date() - timedelta(days=1))

    page = browser.get("/recovery")

    assert "not all of the last 90 days were looked at" in text_of(page.find(id="escalated"))
    assert sum(path.startswith("/requests?") for _, path in api.called) == 4 * calls
    assert "Test1E Case file Another round 25.00 USD" in text_of(page.find(id="books"))
    # and the search goes on where these calls ended
    further = browser.get(str(page.select_one("#escalated > p > a")["href"]))
    assert rows_of(further, "found") == ["Test1E"]


def test_on_a_busy_account_the_newest_are_read_each_time_and_the_others_once_in_a_while(
    api: Api, browser: Browser
) -> None:
    for number in range(LOOKED_AT_MAX):
        keep(api, record(Status.SUCCEEDED, request_id=f"Test1S{number:05}"))
    older = escalated(api, "Test1E")
    assert rows_of(browser.get("/recovery"), "escalated") == [older]
    # when the page renews itself, and another one is escalated
    api.called.clear()
    newer = escalated(api, "Test1F", 0, created_at=START + MINUTE)
    assert rows_of(browser.get("/recovery"), "escalated") == [older, newer]
    assert sum(path.startswith("/requests?") for _, path in api.called) == 3
    # and later, when the older one was settled
    keep(api, record(Status.SUCCEEDED, request_id=older))
    api.functions.world.clock.time += OLDER_LIVES
    assert rows_of(browser.get("/recovery"), "escalated") == [newer]


def test_a_list_that_cannot_be_read_takes_away_nothing_else(api: Api, browser: Browser) -> None:
    escalated(api)
    api.figures.deny("metrics", "ListMetrics")
    page = browser.get("/recovery")
    assert rows_of(page, "escalated") == ["Test1E"]
    assert "the right to call cloudwatch:ListMetrics ," in text_of(page.find(id="counted"))
    assert page.find(id="counted-recoveries") is not None
    api.deny("GET", "/requests")
    api.functions.world.clock.time += LIVES
    page = browser.get("/recovery")
    assert all("the right to call GET /requests ," in text_of(page.find(id=each)) for each in ("escalated", "pending"))
    assert "None" not in text_of(page.find(id="open"))
    assert "Not known" in text_of(page.find(id="risk"))


def test_another_round_is_started_once(api: Api, browser: Browser) -> None:
    request_id = escalated(api)
    asking = browser.get(f"/requests/{request_id}/recover")
    assert "it may be charged only now" in text_of(asking.find(class_="happens"))
    assert "25.00 USD" in text_of(asking.find(class_="facts"))
    assert api.sent == []

    done = browser.submit(asking)
    again = browser.submit(asking)

    assert api.sent == [("POST", f"/requests/{request_id}/recover")]
    assert "Accepted; it is not at its end yet." in text_of(done)
    assert text_of(again.find("pre")) == text_of(done.find("pre"))
    assert rows_of(browser.get("/recovery"), "open") == [request_id]


def test_a_round_of_an_open_request_is_told_for_what_it_is(api: Api, browser: Browser) -> None:
    request_id = keep(api, unknown_since(request_id="Test1U"))
    asking = text_of(browser.get(f"/requests/{request_id}/recover").find(class_="happens"))
    assert "goes on where that one was" in asking
    assert "may be charged" not in asking


def test_who_agreed_to_a_round_that_sends_nothing_new_has_not_agreed_to_one_that_may(
    api: Api, browser: Browser
) -> None:
    request_id = keep(api, unknown_since(request_id="Test1U"))
    asking = browser.get(f"/requests/{request_id}/recover")
    escalated(api, request_id)
    held = text_of(browser.submit(asking))
    assert "Not sent. It is escalated meanwhile: another round may charge it only now." in held
    assert api.sent == []


def test_a_round_of_a_request_that_was_ordered_again_is_one_of_the_newest(api: Api, browser: Browser) -> None:
    keep(api, record(Status.REVERSED, request_id="Test1A", replaced_by="Test1B"))
    keep(api, unknown_since(request_id="Test1B", replaces="Test1A"))
    asking = browser.get("/requests/Test1A/recover")
    assert "It was issued again as Test1B" in text_of(asking.find(class_="happens"))
    assert "RECOVERING" in text_of(asking.find(class_="facts"))


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (Status.SUCCEEDED, "It has ended as SUCCEEDED: there is nothing to recover."),
        (None, "There is no request Test1X."),
    ],
)
def test_where_there_is_nothing_to_recover_nothing_can_be_sent(
    api: Api, browser: Browser, status: Status | None, why: str
) -> None:
    if status:
        keep(api, record(status, request_id="Test1X"))
    asking = browser.get("/requests/Test1X/recover")
    assert why in text_of(asking.find("main"))
    assert asking.find("form", method="post") is None


def test_what_ended_meanwhile_is_refused_and_what_was_lost_is_unknown(api: Api, browser: Browser) -> None:
    request_id = escalated(api)
    asking = browser.get(f"/requests/{request_id}/recover")
    keep(api, record(Status.SUCCEEDED, request_id=request_id))
    assert "Refused. This request has ended as SUCCEEDED" in text_of(browser.submit(asking))

    escalated(api)
    asking = browser.get(f"/requests/{request_id}/recover")
    api.lose("POST", f"/requests/{request_id}/recover")
    assert "Nobody knows yet whether it was done." in text_of(browser.submit(asking))


def test_a_request_that_may_not_be_read_may_still_be_recovered(api: Api, browser: Browser) -> None:
    request_id = escalated(api)
    for path in ("/gift-cards/", "/activations/", "/balance-loads/"):
        api.deny("GET", path)
    asking = browser.get(f"/requests/{request_id}/recover")
    assert "the right to call GET /gift-cards/{requestId} ," in text_of(asking)
    assert "Accepted" in text_of(browser.submit(asking))


def test_a_case_is_shown_and_saved_as_the_api_has_it(api: Api, browser: Browser) -> None:
    request_id = escalated(api)
    its = api.functions.send("get_case_file", request_id).body

    page = browser.get(f"/requests/{request_id}/case-file")

    shown = text_of(page.find("main"))
    assert "Amazon shows another amount or currency than was asked for. Time will not settle it." in shown
    assert [each.get_text() for each in page.select("ol li")] == its["history"]
    assert all(text in shown for text in ("131", "ReadTimeout", "RESEND", '{"creationRequestId":"Test1A"}', "Test1E"))
    saved = browser.session.get(urljoin(browser.origin, str(page.find("a", download=True)["href"])))
    assert saved.json() == its
    assert saved.headers["Content-Disposition"] == f'attachment; filename="case-{request_id}.json"'


def test_a_case_without_a_response_says_so(api: Api, browser: Browser) -> None:
    bare = {name: value for name, value in CASE.items() if name not in {"lastRequest", "lastAnswer"}}
    escalated(api, case_file=json.dumps({**bare, "conflict": None, "history": []}))
    shown = text_of(browser.get("/requests/Test1E/case-file"))
    assert "Nothing is kept of it: Amazon never responded." in shown
    assert "None is kept." in shown


def test_what_has_no_case_says_why(api: Api, browser: Browser) -> None:
    request_id = keep(api, unknown_since(request_id="Test1U"))
    for path in ("case-file", "case-file.json"):
        shown = browser.get(f"/requests/{request_id}/{path}")
        assert "Only a request that is escalated has a case." in text_of(shown)
        assert shown.find("a", download=True) is None
    assert "There is none." in text_of(browser.get("/requests/Test1X/case-file", 404))
    escalated(api)
    api.deny("GET", "/requests/")
    denied = text_of(browser.get("/requests/Test1E/case-file"))
    assert "It takes the right to call GET /requests/{requestId}/case-file ," in denied


def test_at_midnight_no_day_is_left_out(api: Api, browser: Browser) -> None:
    clock = api.functions.world.clock
    clock.time = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    found = [escalated(api, f"Test1E{day}", created_at=datetime(2026, 2, day, 12, tzinfo=UTC)) for day in (26, 27, 28)]
    assert rows_of(browser.get("/recovery"), "escalated") == found
    clock.time += timedelta(seconds=2)
    assert rows_of(browser.get("/recovery"), "escalated") == found
