"""Short histories of Amazon's activity: a page that was kept is believed by whomever it speaks for, and by nobody else.

Each plays itself and asserts how it must end; without its rule a charge is taken for none, or pages are wasted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from incentives.agcod.activity import ActivityPage
from incentives.domain.accounts.account import Activity
from incentives.domain.outcomes import NoSuchRequest
from incentives.domain.recovery.kept_page import KeptPage
from incentives.domain.recovery.waits import IN_FLIGHT_WINDOW
from incentives.domain.single_requests.record import Cause, Intent, Record
from tests.support.fakes import START, World, usd, world
from tests.support.workflow import run_execution
from tests.unit.builders import HOUR, SECOND, reversing
from tests.unit.playing import ID, S

#: A response that ends a request comes a minute after the in-flight window.
LATELY = START + IN_FLIGHT_WINDOW + 30 * SECOND


def looked_for(*request_ids: str) -> World:
    """Requests that their reversals do not find."""
    w = world(*[NoSuchRequest()] * 2000)
    for request_id in request_ids:
        w.ledger.records[request_id] = replace(reversing(Cause.REVERSE, intent=Intent.REVERSE), request_id=request_id)
    return w


def ended(w: World, request_id: str = ID) -> Record:
    run_execution(request_id, 0, w.dependencies)
    return w.ledger.records[request_id]


def row(request_id: str = ID) -> Activity:
    return Activity(request_id, "GCCreation", "Success", START, usd("25.00"), "GC1", None, True)


def with_a_page(**page: Any) -> World:
    """One request, which Amazon has charged for: its activity says so. A page is kept that does not show it."""
    w = looked_for(ID)
    told: dict[str, Any] = {"partner_id": "Test1", "as_of": LATELY, "since": START - HOUR}
    w.kept_pages.pages["default"] = KeptPage(**(told | page))
    w.amazon.pages = [ActivityPage((row(),), 1)]
    return w


def a_page_was_shown_while_a_card_was_on_its_way() -> None:
    w = with_a_page(as_of=START + IN_FLIGHT_WINDOW)
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_begins_after_a_card() -> None:
    w = with_a_page(since=START)
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_is_another_partners() -> None:
    w = with_a_page(partner_id="Test2")
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_has_a_date_that_has_not_come() -> None:
    w = with_a_page(as_of=START + timedelta(days=365))
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_is_long_where_a_shorter_one_is_to_be_had() -> None:
    w = with_a_page(is_whole=False)
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_has_a_row_that_names_nobody() -> None:
    w = looked_for(ID)
    w.amazon.pages = [ActivityPage((row("Test1BBBB"),), 2, (row(""),))] * 500
    assert ended(w).status is S.ESCALATED, "reversed, and yet charged"


def a_page_for_one_request_shows_another() -> None:
    w = looked_for(ID, "Test1BBBB")
    w.amazon.pages = [ActivityPage((row("Test1BBBB"),), 1)]
    assert ended(w).status is S.REVERSED
    assert ended(w, "Test1BBBB").status is S.ESCALATED, "reversed, and yet charged"


def many_requests_want_a_page() -> None:
    request_ids = [f"Test1{number:04d}" for number in range(100)]
    w = looked_for(*request_ids)
    assert {ended(w, request_id).status for request_id in request_ids} == {S.REVERSED}
    assert len(w.amazon.pages_asked) == 1, "thousands of requests cannot have a page each"
