"""What a response to a reversal means, and what comes next: the in-flight window, too late, reissue, escalation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    AmazonError,
    Conflict,
    NoSuchRequest,
    NotExecutedBecause,
    Reversed,
    TooLate,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.recovery.rules import (
    GENERATIONS_MAX,
    Escalate,
    SendReversal,
    Settle,
    after_probe,
    after_reversal,
    next_step,
    postpone,
)
from incentives.domain.recovery.waits import in_flight_until
from incentives.domain.single_requests.record import Cause, Change, Intent, Record, Reissue, Status, TooLateStage
from incentives.domain.single_requests.transitions import DEADLINE, LEASE, record_send
from tests.support.fakes import START
from tests.unit.builders import (
    EXPIRED,
    MINUTE,
    OTHER_VALUE,
    REFUNDED,
    REFUSAL,
    SECOND,
    SUCCESS,
    attempt,
    past_deadline,
    reversal,
    reversing,
)

S = Status
IN_FLIGHT_WINDOW = START + 20 * MINUTE
UNRESOLVED = [
    Unresolved(),
    Unresolved(AmazonError(code="F300", type="OperationNotPermitted")),
    *(Unresolved(unknown=because) for because in UnknownBecause),
    *(Unresolved(not_executed=because) for because in NotExecutedBecause),
]


def settled(written: Change) -> Record:
    return written.after


# ---- reversed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE])
def test_reversed_counts_for_activations_and_loads_only_after_the_in_flight_window(operation: Operation) -> None:
    before = reversing(operation=operation)
    early = settled(after_reversal(before, reversal(Reversed(), IN_FLIGHT_WINDOW), IN_FLIGHT_WINDOW))
    undated = settled(after_reversal(before, reversal(Reversed(), None), IN_FLIGHT_WINDOW + MINUTE))
    late = settled(after_reversal(before, reversal(Reversed(), IN_FLIGHT_WINDOW + SECOND), IN_FLIGHT_WINDOW + SECOND))
    assert (early.status, undated.status, late.status) == (S.REVERSING, S.REVERSING, S.REVERSED)


@pytest.mark.parametrize("operation", [Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE])
def test_reversed_counts_at_once_where_every_send_was_answered(operation: Operation) -> None:
    answered = reversing(operation=operation, doubt=False, in_flight=False)
    unanswered = replace(answered, in_flight=True)
    assert settled(after_reversal(answered, reversal(Reversed()), START)).status is S.REVERSED
    assert settled(after_reversal(unanswered, reversal(Reversed()), START)).status is S.REVERSING


# ---- no such request ----------------------------------------------------------------------------


def test_the_in_flight_window_is_the_latest_recorded_send_and_20_minutes() -> None:
    assert in_flight_until(reversing(last_sent_at=START + MINUTE)) == START + 21 * MINUTE
    assert in_flight_until(reversing(last_sent_at=None)) is None


@pytest.mark.parametrize("at", [None, START, IN_FLIGHT_WINDOW - SECOND, IN_FLIGHT_WINDOW])
def test_no_such_request_proves_nothing_before_amazons_own_clock_is_past_the_in_flight_window(
    at: datetime | None,
) -> None:
    # Our own clock says that it is long past.
    noted = settled(after_reversal(reversing(), reversal(NoSuchRequest(), at), IN_FLIGHT_WINDOW + 60 * MINUTE))
    assert noted.status is S.REVERSING
    assert noted.no_such_request_at is None


def test_no_such_request_counts_twice_60_seconds_apart_after_the_in_flight_window() -> None:
    first_at = IN_FLIGHT_WINDOW + SECOND
    first = settled(after_reversal(reversing(), reversal(NoSuchRequest(), first_at), first_at))
    soon = settled(after_reversal(first, reversal(NoSuchRequest(), first_at + 59 * SECOND), first_at))
    undated = settled(after_reversal(first, reversal(NoSuchRequest(), None), first_at + 90 * SECOND))
    second = after_reversal(first, reversal(NoSuchRequest(), first_at + 60 * SECOND), first_at)
    assert (first.status, first.no_such_request_at) == (S.REVERSING, first_at)
    assert (soon.status, soon.no_such_request_at) == (S.REVERSING, first_at)
    assert undated.status is S.REVERSING
    assert settled(second).status is S.REVERSED
    assert set(second.requires) >= {"card_seen", "attempts"}


def test_no_such_request_never_counts_for_a_card_that_was_seen() -> None:
    seen = reversing(card_seen=True, no_such_request_at=IN_FLIGHT_WINDOW + SECOND)
    noted = settled(
        after_reversal(seen, reversal(NoSuchRequest(), IN_FLIGHT_WINDOW + 60 * MINUTE), IN_FLIGHT_WINDOW + 60 * MINUTE)
    )
    assert noted.status is S.REVERSING


def test_no_such_request_after_a_refusal_is_that_refusal() -> None:
    before = reversing(Cause.REFUSED, refusal=REFUSAL, no_such_request_at=IN_FLIGHT_WINDOW + SECOND)
    closed = settled(
        after_reversal(before, reversal(NoSuchRequest(), IN_FLIGHT_WINDOW + 2 * MINUTE), IN_FLIGHT_WINDOW + 2 * MINUTE)
    )
    assert (closed.status, closed.refusal) == (S.REFUSED, REFUSAL)


# ---- anything else ------------------------------------------------------------------------------


def test_what_was_never_sent_is_reversed_without_asking() -> None:
    step = next_step(reversing(attempts=0), START)
    assert isinstance(step, Settle)
    assert step.change.after.status is S.REVERSED
    assert "attempts" in step.change.requires


def test_a_reversal_that_cannot_be_signed_at_its_deadline_is_escalated() -> None:
    before = reversing()
    told = postpone(before, AmazonError(type="AccountUnusable"), past_deadline(before)).after
    step = next_step(told, past_deadline(before))
    assert (told.status, told.gave_up) == (S.REVERSING, True)
    assert isinstance(step, Escalate)
    assert (step.change.after.status, step.change.after.wake_at) == (S.ESCALATED, None)


# ---- too late -----------------------------------------------------------------------------------


def test_a_card_read_as_alive_gets_one_more_reversal() -> None:
    told = reversing(too_late=TooLateStage.ANSWERED)
    alive = after_probe(told, attempt(SUCCESS), START + MINUTE).after
    assert (alive.status, alive.too_late, alive.card_seen) == (S.REVERSING, TooLateStage.ALIVE, True)
    assert next_step(alive, START + MINUTE) == SendReversal()


def test_a_card_read_as_refunded_is_reversed() -> None:
    closed = after_probe(reversing(too_late=TooLateStage.ANSWERED), attempt(REFUNDED), START).after
    assert closed.status is S.REVERSED


@pytest.mark.parametrize("outcome", [EXPIRED, OTHER_VALUE], ids=["expired", "another value"])
def test_a_card_read_as_another_one_is_for_people(outcome: Conflict) -> None:
    told = after_probe(reversing(too_late=TooLateStage.ANSWERED), attempt(outcome), START).after
    step = next_step(told, START)
    assert (told.status, told.conflict) == (S.REVERSING, outcome.kind)
    assert isinstance(step, Escalate)
    assert (step.change.after.status, step.change.after.conflict) == (S.ESCALATED, outcome.kind)


def test_a_card_that_is_alive_and_too_late_twice_and_that_nobody_wants_is_for_people() -> None:
    alive = reversing(Cause.REVERSE, too_late=TooLateStage.ALIVE, card_seen=True)
    told = settled(after_reversal(alive, reversal(TooLate()), START + MINUTE))
    step = next_step(told, START + MINUTE)
    assert (told.status, told.too_late) == (S.REVERSING, TooLateStage.FINAL)
    assert isinstance(step, Escalate)
    assert step.change.after.status is S.ESCALATED


def test_reading_a_card_moves_the_in_flight_window() -> None:
    told = reversing(too_late=TooLateStage.ANSWERED)
    sent = record_send(told, START + 60 * MINUTE, START + 60 * MINUTE).after
    assert sent.status is S.REVERSING
    assert in_flight_until(sent) == START + 80 * MINUTE


# ---- reissue ------------------------------------------------------------------------------------


def undone(before: Record, now: timedelta = MINUTE) -> Record:
    return settled(after_reversal(before, reversal(Reversed()), START + now))


def plan_of(before: Record, now: timedelta = MINUTE) -> Reissue:
    """The reissue that follows a confirmed reversal."""
    step = next_step(undone(before, now), START + now)
    assert isinstance(step, Reissue)
    return step


def test_a_confirmed_reversal_is_written_first_and_closed_only_with_the_next_generation() -> None:
    before = reversing(Cause.REISSUE)
    told = undone(before)
    plan = plan_of(before)
    assert (told.status, told.undone) == (S.REVERSING, True)
    closed, successor = plan.close.after, plan.successor
    assert (closed.status, closed.replaced_by) == (S.REVERSED, successor.request_id)
    assert set(plan.close.requires) >= {"intent", "attempts"}
    assert successor.replaces == before.request_id != successor.request_id
    assert (successor.generation, successor.status, successor.attempts) == (1, S.PENDING, 0)
    assert (successor.value, successor.account, successor.key_hash) == (before.value, before.account, before.key_hash)
    assert successor.deadline_at == before.deadline_at
    assert (successor.due_at, successor.wake_at) == (START + MINUTE, START + MINUTE + LEASE)
    assert (successor.doubt, successor.cause, successor.gc_id, successor.undone) == (False, None, None, False)


def test_no_such_request_twice_after_the_in_flight_window_reissues_too_unless_the_card_is_seen_meanwhile() -> None:
    before = reversing(Cause.REISSUE, no_such_request_at=IN_FLIGHT_WINDOW + SECOND)
    written = after_reversal(
        before, reversal(NoSuchRequest(), IN_FLIGHT_WINDOW + 2 * MINUTE), IN_FLIGHT_WINDOW + 2 * MINUTE
    )
    assert (written.after.status, written.after.undone) == (S.REVERSING, True)
    assert set(written.requires) >= {"card_seen", "attempts"}
    assert isinstance(next_step(written.after, IN_FLIGHT_WINDOW + 2 * MINUTE), Reissue)


@pytest.mark.parametrize("generation", range(GENERATIONS_MAX))
def test_there_are_three_generations_at_most(generation: int) -> None:
    told = undone(reversing(Cause.REISSUE, generation=generation))
    assert told.undone is (generation < 2)
    assert told.status is (S.REVERSING if generation < 2 else S.REVERSED)


def test_nothing_is_reissued_past_the_deadline() -> None:
    before = reversing(Cause.REISSUE)
    assert undone(before, DEADLINE).status is S.REVERSED
    # Nor if the deadline passes between the two writes.
    step = next_step(undone(before), past_deadline(before))
    assert isinstance(step, Settle)
    assert step.change.after.status is S.REVERSED


@pytest.mark.parametrize("cause", [Cause.CANCEL, Cause.REVERSE, Cause.REFUSED])
def test_only_a_reversal_for_a_reissue_reissues(cause: Cause) -> None:
    assert undone(reversing(cause, intent=Intent.REISSUE)).status is S.REVERSED
