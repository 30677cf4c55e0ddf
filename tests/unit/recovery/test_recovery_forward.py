"""What a response to the operation means, and what comes next, while nothing is being reversed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from incentives.domain.outcomes import (
    AmazonError,
    Conflict,
    ConflictKind,
    NotExecuted,
    NotExecutedBecause,
    Refused,
    Unknown,
)
from incentives.domain.recovery.rules import Done, Escalate, SendOperation, Settle, after_operation, next_step, postpone
from incentives.domain.single_requests.record import Cause, Intent, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE, LEASE, reopen
from tests.support.fakes import START
from tests.unit.builders import (
    EXPIRED,
    KEY_REFUSED,
    MINUTE,
    OTHER_VALUE,
    REFUNDED,
    REFUSAL,
    REFUSED,
    SECOND,
    SUCCESS,
    UNKNOWNS,
    attempt,
    past_deadline,
    record,
    unknown_since,
)

S = Status
NOW = START + 5 * SECOND

FORWARD = {
    "pending": record(),
    "pending after a doubt": record(doubt=True, first_unknown_at=START, deadline_at=START + DEADLINE),
    "recovering": unknown_since(in_flight=True),
}
either = pytest.mark.parametrize("before", FORWARD.values(), ids=FORWARD.keys())


@either
def test_a_success_closes_the_request(before: Record) -> None:
    closed = after_operation(before, attempt(SUCCESS), NOW).after
    assert closed.status is S.SUCCEEDED
    assert (closed.gc_id, closed.card_seen, closed.answered_at) == ("GC1", True, NOW)
    assert (closed.in_flight, closed.wake_at, closed.deadline_at) == (False, None, None)
    assert next_step(closed, NOW) == Done()


@pytest.mark.parametrize("unknown", UNKNOWNS.values(), ids=UNKNOWNS.keys())
@either
def test_an_unknown_is_a_doubt_and_neither_a_success_nor_a_failure(before: Record, unknown: Unknown) -> None:
    noted = after_operation(before, attempt(unknown), NOW).after
    assert noted.status is before.status
    assert (noted.doubt, noted.in_flight) == (True, False)
    assert noted.first_unknown_at == (before.first_unknown_at or NOW)
    assert noted.deadline_at == (before.deadline_at or NOW + DEADLINE)
    assert noted.error is not None
    assert noted.error.type == unknown.because.value


def test_a_refusal_without_an_earlier_doubt_is_a_stored_result() -> None:
    closed = after_operation(record(), attempt(REFUSED), NOW)
    assert closed.after.status is S.REFUSED
    assert closed.after.refusal == REFUSAL
    assert set(closed.requires) == {"attempts", "doubt"}


@pytest.mark.parametrize("before", [FORWARD["pending after a doubt"], FORWARD["recovering"]], ids=lambda r: r.status)
def test_a_refusal_after_a_doubt_reverses_instead(before: Record) -> None:
    reversed_ = after_operation(before, attempt(REFUSED), NOW).after
    assert (reversed_.status, reversed_.cause) == (S.REVERSING, Cause.REFUSED)
    assert reversed_.refusal == REFUSAL
    assert reversed_.doubt


def test_a_key_that_was_cached_is_tried_again_and_one_read_anew_ends_the_request() -> None:
    cached = after_operation(record(), attempt(KEY_REFUSED), NOW, key_was_fresh=False).after
    fresh = after_operation(record(), attempt(KEY_REFUSED), NOW, key_was_fresh=True)
    assert cached.status is S.PENDING
    assert fresh.after.status is S.REFUSED
    assert fresh.after.refusal is not None
    assert fresh.after.refusal.type == "AccountKeyRefused"
    assert set(fresh.requires) == {"attempts", "doubt"}


@either
def test_a_refunded_card_is_reversed_without_asking_again(before: Record) -> None:
    reversing = after_operation(before, attempt(REFUNDED), NOW).after
    step = next_step(reversing, NOW)
    assert (reversing.status, reversing.cause) == (S.REVERSING, Cause.REFUNDED)
    assert isinstance(step, Settle)
    assert step.change.after.status is S.REVERSED


@pytest.mark.parametrize("outcome", [EXPIRED, OTHER_VALUE], ids=["expired", "another value"])
@either
def test_a_success_of_another_card_is_for_people_and_is_never_a_success(before: Record, outcome: Conflict) -> None:
    noted = after_operation(before, attempt(outcome), NOW).after
    step = next_step(noted, NOW)
    assert (noted.status, noted.conflict, noted.card_seen) == (S.RECOVERING, outcome.kind, True)
    assert isinstance(step, Escalate)
    assert step.change.after.status is S.ESCALATED


@pytest.mark.parametrize("outcome", [REFUSED, KEY_REFUSED], ids=["refused", "key refused"])
@pytest.mark.parametrize("shown", [EXPIRED, OTHER_VALUE], ids=["expired", "another value"])
def test_a_refusal_in_an_operators_round_does_not_hide_a_card_that_was_shown(
    shown: Conflict, outcome: Refused | NotExecuted
) -> None:
    # given a request that is for people, because Amazon has shown another card than was ordered
    noted = after_operation(record(), attempt(shown), NOW).after
    escalated = replace(noted, status=S.ESCALATED)
    # when operators start another round, and its repeat is refused
    repeated = after_operation(reopen(escalated, NOW).after, attempt(outcome), NOW, key_was_fresh=True).after
    # then it is neither taken for one that nothing is charged for, nor is it at its deadline
    assert repeated.status in {S.REVERSING, S.RECOVERING}
    assert not isinstance(next_step(repeated, past_deadline(repeated)), Settle)


@pytest.mark.parametrize("because", NotExecutedBecause)
@pytest.mark.parametrize("kind", [None, *ConflictKind])
@either
def test_whatever_is_left_open_wakes_somebody(
    before: Record, because: NotExecutedBecause, kind: ConflictKind | None
) -> None:
    outcome = NotExecuted(because) if kind is None else Conflict(kind)
    noted = after_operation(before, attempt(outcome), NOW, key_was_fresh=False).after
    assert noted.status.is_open
    assert noted.wake_at is not None
    assert noted.due_at is not None
    assert noted.wake_at == noted.due_at + LEASE


# ---- what comes next ----------------------------------------------------------------------------


@pytest.mark.parametrize("intent", [Intent.REVERSE, Intent.REISSUE])
def test_reverse_and_reissue_repeat_for_a_minute_from_the_first_unknown_and_then_reverse(intent: Intent) -> None:
    # Created an hour before its first unknown: a paced order waits unsent.
    late = unknown_since(START, intent=intent, created_at=START - 60 * MINUTE)
    before, after = next_step(late, START + 59 * SECOND), next_step(late, START + 60 * SECOND)
    assert before == SendOperation()
    assert isinstance(after, Settle)
    assert (after.change.after.status, after.change.after.cause) == (S.REVERSING, Cause(intent.value))
    assert "intent" in after.change.requires


@pytest.mark.parametrize("status", [S.PENDING, S.RECOVERING])
def test_what_was_never_executed_by_its_deadline_is_refused_as_not_sent(status: Status) -> None:
    unsent = record(status, in_flight=False, attempts=3)
    step = next_step(unsent, past_deadline(unsent))
    assert isinstance(step, Settle)
    assert step.change.after.status is S.REFUSED
    assert step.change.after.refusal is not None
    assert step.change.after.refusal.type == "notSent"
    assert "attempts" in step.change.requires


def test_a_try_that_cannot_be_signed_is_put_off_but_not_beyond_the_deadline() -> None:
    doubtful = unknown_since()
    why = AmazonError(type="AccountUnusable", message="has no secret")
    early = postpone(doubtful, why, START + MINUTE).after
    late = postpone(doubtful, why, past_deadline(doubtful)).after
    assert (early.status, early.error) == (S.RECOVERING, why)
    assert early.due_at is not None
    assert early.due_at > START + MINUTE
    assert (late.status, late.gave_up, late.error) == (S.RECOVERING, True, why)
    step = next_step(late, past_deadline(doubtful))
    assert isinstance(step, Escalate)
    assert (step.change.after.status, step.change.after.wake_at) == (S.ESCALATED, None)
