"""Twenty-four hours of tries, played through by the policy itself: when each is made, and that it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.outcomes import Outcome, ReversalOutcome, Unknown, UnknownBecause, Unresolved
from incentives.domain.recovery.rules import (
    Done,
    Escalate,
    Probe,
    SendOperation,
    SendReversal,
    Settle,
    Wait,
    after_operation,
    after_reversal,
    next_step,
)
from incentives.domain.recovery.waits import deadline, in_flight_until, next_wait_seconds
from incentives.domain.single_requests.record import Record, Reissue, Status
from incentives.domain.single_requests.transitions import DEADLINE, LEASE, record_reversal_send, record_send
from tests.support.fakes import START
from tests.unit.builders import MINUTE, SECOND, TIMED_OUT, attempt, record, reversal, reversing, unknown_since


@dataclass
class Day:
    """What a record went through: its end, and when each try left."""

    end: Record
    tries: list[datetime]

    @property
    def waits(self) -> list[float]:
        return [(later - earlier).total_seconds() for earlier, later in pairwise(self.tries)]


def play(
    record: Record,
    *,
    outcome: Outcome = TIMED_OUT,
    undone: ReversalOutcome | None = None,
    seconds_per_call: float = 0.3,
    start: datetime = START,
) -> Day:
    """Do what the policy says, with the same response each time, until it is done."""
    now = start
    tries: list[datetime] = []
    undone = undone or Unresolved()
    while True:
        match next_step(record, now):
            case Done():
                return Day(record, tries)
            case Wait(until):
                assert until > now
                now = until
            case Settle(change) | Escalate(change):
                record = change.after
            case SendOperation():
                tries.append(now)
                sent = record_send(record, now.replace(microsecond=0), now).after
                now += timedelta(seconds=seconds_per_call)
                record = after_operation(sent, attempt(outcome, now), now).after
            case SendReversal():
                tries.append(now)
                sent = record_reversal_send(record, now.replace(microsecond=0), now).after
                now += timedelta(seconds=seconds_per_call)
                record = after_reversal(sent, reversal(undone, now), now).after
            case Probe() | Reissue():
                raise AssertionError("nothing to read and nothing to reissue here")
        assert len(tries) < 1000, "it never ends"


def test_a_day_of_unknowns_takes_130_to_150_tries_and_ends_escalated() -> None:
    day = play(unknown_since())
    assert day.end.status is Status.ESCALATED
    assert 130 <= len(day.tries) <= 150


def test_a_day_of_reversals_takes_as_many_and_ends_escalated() -> None:
    day = play(reversing())
    assert day.end.status is Status.ESCALATED
    assert 130 <= len(day.tries) <= 150


def test_tries_are_a_second_apart_for_ten_seconds_then_twice_as_far() -> None:
    day = play(unknown_since(), seconds_per_call=0.0)
    assert day.waits[:10] == [1.0] * 10
    assert day.waits[10:17] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_card_in_the_making_is_not_asked_for_each_second() -> None:
    day = play(unknown_since(), outcome=Unknown(UnknownBecause.NOT_READY), seconds_per_call=0.0)
    assert day.waits[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


@pytest.mark.parametrize("before", [unknown_since(), reversing()], ids=lambda r: r.status)
def test_no_wait_is_longer_than_a_minute_until_15_minutes_past_the_in_flight_window_nor_than_15_minutes_after(
    before: Record,
) -> None:
    day = play(before)
    window_ends = START + 35 * MINUTE
    inside = [w for at, w in zip(day.tries, day.waits, strict=False) if at < window_ends]
    outside = [w for at, w in zip(day.tries, day.waits, strict=False) if at >= window_ends]
    assert max(inside) <= 61
    assert max(outside) <= 15 * 60 + 1
    assert max(outside) > 14 * 60


def test_reversals_are_asked_at_the_in_flight_window_itself() -> None:
    before = reversing()
    at = in_flight_until(before)
    day = play(before)
    assert at is not None
    assert at + SECOND in {moment.replace(microsecond=0) for moment in day.tries}


@pytest.mark.parametrize("before", [unknown_since(), reversing()], ids=lambda r: r.status)
def test_the_last_try_is_made_at_the_deadline_and_no_other_after_it(before: Record) -> None:
    day = play(before)
    assert [moment for moment in day.tries if moment >= deadline(before)] == day.tries[-1:]
    assert day.tries[-1] - deadline(before) < 2 * SECOND


def test_who_sent_it_at_the_deadline_and_died_leaves_it_to_be_repeated_and_not_to_people() -> None:
    sent = record(last_sent_at=deadline(record()))
    assert sent.status is Status.PENDING
    assert next_step(sent, deadline(sent) + MINUTE) == SendOperation()


def test_a_wait_cut_short_by_the_in_flight_window_does_not_restart_the_doubling() -> None:
    day = play(reversing())
    around = [w for at, w in zip(day.tries, day.waits, strict=False) if START + 21 * MINUTE < at < START + 30 * MINUTE]
    assert min(around) >= 60


@given(
    minutes=st.integers(0, 26 * 60),
    seconds=st.integers(0, 59),
    kept=st.one_of(st.none(), st.integers(1, 900)),
    before=st.sampled_from([unknown_since(), reversing(), unknown_since(doubt=False, first_unknown_at=None)]),
)
def test_every_wait_is_positive_and_bounded(minutes: int, seconds: int, kept: int | None, before: Record) -> None:
    now = START + timedelta(minutes=minutes, seconds=seconds)
    wait = next_wait_seconds(replace(before, wait_seconds=kept), now)
    assert 1 <= wait <= 900
    if now < deadline(before):
        assert now + timedelta(seconds=wait) < deadline(before) + 2 * SECOND


def test_the_clocks_of_the_protocol() -> None:
    assert timedelta(hours=24) == DEADLINE
    assert timedelta(seconds=30) == LEASE
