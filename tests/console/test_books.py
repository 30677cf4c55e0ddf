"""Books: the calendar and the day are the API's; what is done about a day asks first, and is sent once."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from console import books_days
from console.page import who
from incentives.domain.reconciliation.findings import Kind
from tests.console.conftest import Be
from tests.console.served import Api, Browser, text_of
from tests.openapi.books import ESCALATED, OF_DAY, UNKNOWN, ask, opened
from tests.openapi.closes import JANUARY, reconciled
from tests.support.books_world import DAY, finding
from tests.support.fakes import START

DAY_PAGE = f"/books/default/{DAY}"
ONE = f"{DAY_PAGE}/differences/{UNKNOWN.difference_id}/resolve"
ALL = f"{DAY_PAGE}/resolve?kind=unknownToLedger"
SAID = {"reason": "otherSystem", "note": "Ordered in the portal"}
#: What the page's script sends with each of its requests.
RENEWAL = {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}


def differences(api: Api, kind: str | None = None) -> list[dict[str, Any]]:
    query = {"kind": kind} if kind else {}
    found: list[dict[str, Any]] = api.functions.send("get_reconciliation", OF_DAY, query=query).body["differences"]
    return found


def test_a_month_is_a_calendar_whose_figures_are_the_apis(api: Api, browser: Browser) -> None:
    reconciled(api.functions)
    query = {"account": "invoiced", "from": "2026-01-01", "to": "2026-01-31"}
    told = api.functions.send("list_reconciliations", query=query).body["days"]
    shown = browser.get(f"/books/invoiced/{JANUARY}")
    calendar = shown.find("table", class_="calendar")
    assert [text_of(each) for each in calendar.find_all("th")][0::6] == ["Monday", "Sunday"]
    assert "Europe/Berlin" in text_of(calendar.find("caption"))
    for each in told:
        cell = text_of(calendar.find(id=f"day-{each['day']}"))
        assert each["status"] in cell
        assert f"{each['charges']['amount']} EUR" in cell
        assert ("1 refund, 5.00 EUR" in cell) == (each["refunds"]["count"] == 1)
    tiles = [text_of(each) for each in shown.find(id="days").find_all("dd")]
    sums = [sum(Decimal(each[name]["amount"]) for each in told) for name in ("charges", "refunds")]
    assert tiles[:3] == [f"{sums[0]} EUR 31 rows", f"{sums[1]} EUR 1 row", f"{sums[0] - sums[1]} EUR"]
    assert str(calendar.find(id="day-2026-01-20").find("a")["href"]) == "/books/invoiced/2026-01-20"


def test_the_running_month_says_what_nobody_has_read_what_is_today_and_what_is_to_come(
    api: Api, browser: Browser
) -> None:
    api.functions.books.judged(finding(), day=START.date() - timedelta(days=1))
    shown = browser.get("/books")
    assert text_of(shown.find("h1")) == "Books of default, 2026-03"
    today = shown.find(attrs={"aria-current": "date"})
    assert (today["id"], "nobody has read it" in text_of(today)) == ("day-2026-03-01", True)
    later = shown.find(id="day-2026-03-02")
    assert ("to come" in text_of(later), later.find("a")) == (True, None)
    before = browser.get(str(shown.find("a", string="Previous month: 2026-02")["href"]))
    assert "DIFFERENCES today" not in text_of(before)
    assert "1 unresolved" in text_of(before.find(id="day-2026-02-28"))


def test_without_accounts_or_days_it_says_what_to_do(api: Api, browser: Browser) -> None:
    empty = text_of(browser.get("/books/default/2026-02"))
    assert "No day of this month is judged yet" in empty
    assert "Nothing moved the balance" in empty
    assert "Nobody has asked to close this month yet." in empty
    unread = browser.get(DAY_PAGE)
    assert "Nobody has read this day." in text_of(unread)
    assert unread.find("a", href=f"{DAY_PAGE}/run") is not None
    upload = browser.get(str(unread.find("a", string="Upload a statement")["href"]))
    assert [each["value"] for each in upload.find_all("input", type="date")] == [str(DAY)] * 2
    assert "This day is still to come." in text_of(browser.get("/books/default/2026-03-02"))
    browser.get("/books/default/2026-02-30", 404)
    api.fail("GET", "/accounts", 200, '{"accounts": [], "cursor": null}')
    assert "make put-keys" in text_of(browser.get("/books"))


def test_one_right_that_is_missing_takes_its_part_away_and_no_other(api: Api, browser: Browser) -> None:
    opened(api.functions)
    api.deny("GET", "/reconciliations/default/movements")
    shown = browser.get("/books/default/2026-02")
    told = text_of(shown.find(id="movements"))
    assert "It takes the right to call GET /reconciliations/{account}/movements ," in told
    assert "2 unresolved" in text_of(shown.find(id=f"day-{DAY}"))
    assert "Nobody has asked to close" in text_of(shown.find(id="close"))
    api.deny("GET", "/reconciliations")
    assert "GET /reconciliations ," in text_of(browser.get("/books/default/2026-02").find(id="days"))
    api.deny("GET", "/accounts")
    running = browser.get("/books")
    assert text_of(running.find("h1")) == "Books of default, 2026-03"
    assert "It takes the right to call GET /accounts ," in text_of(running)


def test_what_is_made_of_a_whole_month_is_not_read_every_two_seconds(api: Api, browser: Browser) -> None:
    opened(api.functions)
    browser.get("/books/default/2026-02")
    assert sum("movements" in path or "closes" in path for _, path in api.called) == 2
    api.called.clear()
    renewed = browser.session.get(f"{browser.origin}/books/default/2026-02", headers=RENEWAL)
    assert "2 unresolved" in renewed.text
    assert [path.partition("?")[0] for _, path in api.called] == ["/reconciliations"]


def test_a_day_has_its_differences_side_by_side(api: Api, browser: Browser) -> None:
    opened(api.functions)
    shown = browser.get(DAY_PAGE)
    for each in differences(api):
        row = text_of(shown.find(id=f"kind-{each['kind']}").find(id=f"difference-{each['differenceId']}"))
        ledger = f"{each['ledger']['status']} {each['ledger']['amount']} USD" if each["ledger"] else "not in the ledger"
        assert ledger in row
        assert f"{each['amount']} USD" in row
        assert "1 charged, 0 refunded; net 50.00 USD" in row
    only = browser.get(f"{DAY_PAGE}?kind=escalated").find(id="day")
    assert [each["id"] for each in only.find_all("section")] == ["kind-escalated"]


def test_differences_are_turned_over_page_by_page(api: Api, browser: Browser) -> None:
    api.functions.books.judged(*(finding(request_id=f"Test1{number:03}") for number in range(101)))
    first = browser.get(DAY_PAGE)
    second = browser.get(str(first.find("a", rel="next")["href"]))
    assert [len(each.find(id="day").find_all("tr", id=True)) for each in (first, second)] == [100, 1]


def test_a_difference_is_resolved_once_with_who_when_and_why(api: Api, browser: Browser) -> None:
    opened(api.functions)
    asking = browser.get(ONE)
    assert {"Kind unknownToLedger: somebody else has the key? See docs/month-end.md", "Request Test1A"} <= {
        text_of(each) for each in asking.find(class_="facts").find_all("div")
    }
    choices = [text_of(each) for each in asking.find("select").find_all("option")]
    assert choices[2] == "otherSystem: another system, or a person in the portal, did it on purpose"
    assert api.sent == []
    done = browser.submit(asking, **SAID)
    again = browser.submit(asking, **SAID)
    assert [path for _, path in api.sent] == [
        f"/reconciliations/default/{DAY}/differences/{UNKNOWN.difference_id}/resolve"
    ]
    assert "Done." in text_of(done)
    assert text_of(again.find("pre")) == text_of(done.find("pre"))
    (its,) = differences(api, "unknownToLedger")
    assert (its["resolution"]["reason"], its["resolution"]["note"]) == (SAID["reason"], SAID["note"])
    row = text_of(browser.get(DAY_PAGE).find(id=f"difference-{UNKNOWN.difference_id}"))
    assert f"otherSystem (another system, or a person in the portal, did it on purpose): {SAID['note']} by" in row
    assert who(its["resolution"]["by"]) in row
    assert "1 unresolved" in text_of(browser.get("/books/default/2026-02").find(id=f"day-{DAY}"))
    assert "Decided before otherSystem: Ordered in the portal" in text_of(browser.get(ONE))


def test_an_escalated_request_is_settled_and_what_ends_by_itself_is_not_resolved(api: Api, browser: Browser) -> None:
    transit = finding(Kind.IN_TRANSIT, "Test1T")
    api.functions.books.judged(ESCALATED, transit)
    settling = browser.get(f"{DAY_PAGE}/differences/{ESCALATED.difference_id}/resolve?kind=escalated")
    values = [str(each["value"]) for each in settling.find("select").find_all("option")]
    assert values == ["", "settledCharged", "settledRefunded"]
    browser.submit(settling, reason="settledCharged", note="Amazon said so")
    assert api.functions.books.reconciliations.started[-1][:2] == ("default", DAY)
    refused = browser.get(f"{DAY_PAGE}/differences/{transit.difference_id}/resolve")
    assert "ends by itself" in text_of(refused.find(class_="failure"))
    assert refused.find("form", method="post") is None
    gone = browser.get(f"{DAY_PAGE}/differences/{'f' * 24}/resolve")
    assert "its facts have changed" in text_of(gone.find(class_="failure"))


@pytest.mark.parametrize("query", ["", "?kind=unknownToLedger"])
def test_what_somebody_else_has_decided_meanwhile_is_not_corrected_unseen(
    api: Api, browser: Browser, be: Be, query: str
) -> None:
    opened(api.functions)
    asking = browser.get(f"{ONE}{query}")
    be("anna")
    assert ask(api.functions, "resolve_difference", note="Ticket 17").status == 200
    held = browser.submit(asking, **SAID)
    assert "Not sent. Meanwhile somebody has decided on it: " in text_of(held)
    assert "Ticket 17 (by user/anna)" in text_of(held)
    assert api.sent == []
    # when it is corrected knowingly
    browser.submit(browser.get(str(held.find("a", string="Try again")["href"])), **SAID)
    assert differences(api, "unknownToLedger")[0]["resolution"]["note"] == SAID["note"]


def test_what_does_not_come_of_resolving_is_told_as_what_it_is(api: Api, browser: Browser) -> None:
    opened(api.functions)
    codes = browser.submit(browser.get(ONE), reason="otherSystem", note="AQ3R-ABCDEF-1234")
    assert "note must hold nothing that looks like a claim code" in text_of(codes.find(class_="failure"))
    asking = browser.get(ONE)
    api.functions.books.judged()
    assert "Refused. What was judged of" in text_of(browser.submit(asking, **SAID).find(class_="failure"))
    opened(api.functions)
    asking = browser.get(ONE)
    api.lose("POST", "/reconciliations")
    assert "Nobody knows yet whether it was done." in text_of(browser.submit(asking, **SAID))
    api.answers.clear()
    api.deny("POST", "/reconciliations")
    assert "/differences/{differenceId}/resolve , which" in text_of(browser.submit(browser.get(ONE), **SAID))
    api.deny("GET", "/reconciliations")
    assert browser.get(ONE).find("form", method="post") is None


def test_all_of_a_kind_are_resolved_if_they_are_those_that_were_shown(api: Api, browser: Browser) -> None:
    three = [finding(request_id=f"Test1{number}") for number in range(3)]
    api.functions.books.judged(*three)
    assert ask(api.functions, "resolve_difference", f"{OF_DAY} {three[0].difference_id}").status == 200
    asking = browser.get(ALL)
    assert text_of(asking.find("h1")) == f"Resolve all 2 of unknownToLedger of {DAY}?"
    assert "At stake 100.00 USD" in text_of(asking.find(class_="facts"))
    # when another one is found meanwhile
    api.functions.books.judged(*three, finding(request_id="Test1LATE"))
    held = browser.submit(asking, **SAID)
    assert "Not sent. There are others of unknownToLedger now than the page showed: 3." in text_of(held)
    assert api.sent == []
    # and when it has been looked at
    asking = browser.get(ALL)
    browser.submit(asking, **SAID)
    browser.submit(asking, **SAID)
    assert len(api.sent) == 1
    assert all(each["resolution"] for each in differences(api))
    assert "none of this kind that nobody has decided on" in text_of(browser.get(ALL).find(class_="failure"))


def test_a_round_is_run_once_and_its_day_says_so(api: Api, browser: Browser) -> None:
    asking = browser.get(f"{DAY_PAGE}/run")
    done = browser.submit(asking)
    browser.submit(asking)
    assert api.sent == [("POST", f"/reconciliations/default/{DAY}/run")]
    assert "Accepted; it is not at its end yet." in text_of(done)
    assert "Round 1 is under way" in text_of(browser.get(DAY_PAGE))
    future = browser.submit(browser.get("/books/default/2026-03-02/run"))
    assert "day must not be in the future" in text_of(future.find(class_="failure"))


def test_more_than_anybody_can_look_at_are_not_resolved_at_once(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books_days, "PAGES_MAX", 1)
    many = [finding(request_id=f"Test1{number:03}") for number in range(101)]
    api.functions.books.judged(*many)
    refused = browser.get(ALL)
    assert "There are more than 100: nobody has looked at them all." in text_of(refused.find(class_="failure"))
    assert refused.find("form", method="post") is None
    last = browser.get(f"{DAY_PAGE}/differences/{many[-1].difference_id}/resolve")
    assert "It is not among the first of the day" in text_of(last.find(class_="failure"))


def test_what_there_was_no_time_for_is_told(api: Api, browser: Browser) -> None:
    opened(api.functions)
    asking = browser.get(ALL)
    day = api.functions.send("list_reconciliations", "", query={"from": str(DAY), "to": str(DAY)}).body["days"][0]
    api.fail("POST", "/reconciliations", 200, json.dumps({"resolved": 1, "left": 1200, "day": day}))
    assert "There was no time for 1,200 more: do it again for these." in text_of(browser.submit(asking, **SAID))


@pytest.mark.parametrize(("path", "said"), [("/run", {}), ("/resolve?kind=unknownToLedger", SAID)])
def test_what_nobody_has_answered_is_unknown_and_not_failed(
    api: Api, browser: Browser, path: str, said: dict[str, str]
) -> None:
    opened(api.functions)
    asking = browser.get(f"{DAY_PAGE}{path}")
    api.lose("POST", "/reconciliations")
    assert "Nobody knows yet whether it was done." in text_of(browser.submit(asking, **said).find(class_="failure"))


def test_words_of_a_newer_deployment_are_shown_as_they_are(api: Api, browser: Browser) -> None:
    opened(api.functions)
    assert ask(api.functions, "resolve_difference", note="Ticket 17").status == 200
    days = api.functions.send("list_reconciliations", "", query={"from": str(DAY), "to": str(DAY)}).body
    day = api.functions.send("get_reconciliation", OF_DAY).body
    asked = {f"/reconciliations/default/{DAY}": day, "/reconciliations": days}
    for path, body in asked.items():
        text = json.dumps(body)
        for word in ("DIFFERENCES", "unknownToLedger", "otherSystem", "writtenOff"):
            text = text.replace(f'"{word}"', '"newWord"')
        api.fail("GET", path, 200, text)
    for path in ("/books/default/2026-02", DAY_PAGE):
        assert "newWord" in text_of(browser.get(path).find("main"))


@pytest.mark.parametrize("path", ["", "/run", "/resolve?kind=unknownToLedger"])
def test_an_account_that_there_is_not_is_no_failure_of_the_page(browser: Browser, path: str) -> None:
    browser.get(f"/books/no such/{DAY}{path}")
