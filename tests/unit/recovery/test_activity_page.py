"""What a page of Amazon's activity says, and of whom: pure functions of the page and the record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from incentives.domain.recovery.kept_page import (
    CLOCKS_APART,
    EARLIER_MAX,
    RESPONSES_APART,
    KeptPage,
    first_row_at,
    said_of,
    speaks_for,
)
from incentives.domain.recovery.rules import ActivityFinding
from incentives.domain.recovery.waits import IN_FLIGHT_WINDOW
from tests.support.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, record, reversing

#: Sent once, at START.
RECORD: Final = reversing()
WINDOW_ENDS_AT: Final = START + IN_FLIGHT_WINDOW
ANSWERED_AT: Final = WINDOW_ENDS_AT + MINUTE
NEEDED_SINCE: Final = START - CLOCKS_APART


def page(**updates: Any) -> KeptPage:
    base = KeptPage(partner_id="Test1", as_of=WINDOW_ENDS_AT + SECOND, since=NEEDED_SINCE)
    return replace(base, **updates)


@pytest.mark.parametrize(
    ("updates", "speaks"),
    [
        ({}, True),
        # at the in-flight window itself a send may still be on its way
        ({"as_of": WINDOW_ENDS_AT}, False),
        ({"as_of": START}, False),
        # as far ahead as answers overtake each other
        ({"as_of": ANSWERED_AT + RESPONSES_APART}, True),
        ({"as_of": ANSWERED_AT + RESPONSES_APART + SECOND}, False),
        ({"since": NEEDED_SINCE - HOUR}, True),
        ({"since": NEEDED_SINCE + SECOND}, False),
        ({"partner_id": "Test2"}, False),
        # a page too long, whose end is not seen
        ({"is_whole": False}, True),
        ({"is_whole": False, "since": NEEDED_SINCE - EARLIER_MAX}, True),
        ({"is_whole": False, "since": NEEDED_SINCE - EARLIER_MAX - SECOND}, False),
        ({"is_whole": False, "since": NEEDED_SINCE - HOUR, "request_ids": frozenset({RECORD.request_id})}, True),
        # a page that is not to be had tells nothing by its time frame, but it may be to be had tomorrow
        ({"is_available": False, "since": NEEDED_SINCE + HOUR}, True),
        ({"is_available": False, "as_of": WINDOW_ENDS_AT}, False),
        ({"is_available": False, "partner_id": "Test2"}, False),
    ],
)
def test_whom_a_page_speaks_for(updates: dict[str, Any], speaks: bool) -> None:
    assert speaks_for(page(**updates), RECORD, ANSWERED_AT) is speaks


def test_a_request_that_never_left_is_past_its_in_flight_window_at_once() -> None:
    never_sent = record(first_sent_at=None, last_sent_at=None, attempts=0)
    assert speaks_for(page(as_of=START), never_sent, START)
    # by when it was written down, for want of anything else
    assert first_row_at(never_sent) == START - CLOCKS_APART


def test_the_in_flight_window_is_counted_from_the_last_send_and_the_time_frame_from_the_first() -> None:
    repeated = replace(RECORD, last_sent_at=START + HOUR)
    assert not speaks_for(page(), repeated, ANSWERED_AT + HOUR)
    assert speaks_for(page(as_of=WINDOW_ENDS_AT + HOUR + SECOND), repeated, ANSWERED_AT + HOUR)
    assert first_row_at(repeated) == NEEDED_SINCE


@pytest.mark.parametrize(
    ("updates", "said"),
    [
        ({}, ActivityFinding.AGREES),
        ({"request_ids": frozenset({"another"})}, ActivityFinding.AGREES),
        ({"request_ids": frozenset({RECORD.request_id})}, ActivityFinding.DISAGREES),
        ({"is_whole": False, "request_ids": frozenset({RECORD.request_id})}, ActivityFinding.DISAGREES),
        ({"is_whole": False}, ActivityFinding.UNAVAILABLE),
        ({"is_available": False}, ActivityFinding.UNAVAILABLE),
        # with a row that may be of any request, and with a named one
        ({"names_all": False}, ActivityFinding.UNANSWERED),
        ({"names_all": False, "is_whole": False}, ActivityFinding.UNANSWERED),
        ({"names_all": False, "request_ids": frozenset({RECORD.request_id})}, ActivityFinding.DISAGREES),
    ],
)
def test_what_it_says(updates: dict[str, Any], said: ActivityFinding) -> None:
    assert said_of(page(**updates), RECORD) is said


#: Seconds around a mark.
AROUND: Final = (-600, -1, 0, 1, 600)
#: Seconds from a send to its landing, by Amazon's clock: as early and as late as Amazon takes it, and in between.
UNDER_WAY: Final = (-CLOCKS_APART // SECOND, -1, 0, 60, IN_FLIGHT_WINDOW // SECOND)


@pytest.mark.parametrize("repeated", [0, 60, 3600])
@pytest.mark.parametrize("lands_first", [True, False])
@pytest.mark.parametrize("under_way", UNDER_WAY)
@pytest.mark.parametrize("begins", AROUND)
@pytest.mark.parametrize("ends", AROUND)
def test_no_page_ever_says_of_a_charge_that_there_is_none(
    repeated: int, lands_first: bool, under_way: int, begins: int, ends: int
) -> None:
    # given a request that was sent at START and once more, and of which one send or the other lands
    sent = replace(RECORD, last_sent_at=START + repeated * SECOND)
    lands = START + ((0 if lands_first else repeated) + under_way) * SECOND
    # and a page that shows what happened in its time frame until it was shown
    since, as_of = NEEDED_SINCE + begins * SECOND, WINDOW_ENDS_AT + (repeated + ends) * SECOND
    shown = {sent.request_id} if since <= lands <= as_of else set[str]()
    found = page(since=since, as_of=as_of, request_ids=frozenset(shown))
    # when the request is looked up in it, at whatever time
    speaks = speaks_for(found, sent, as_of + HOUR)
    # then it says nothing, or that there is one
    assert not speaks or said_of(found, sent) is ActivityFinding.DISAGREES
