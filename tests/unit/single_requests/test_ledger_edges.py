from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from incentives.domain.outcomes import ConflictKind
from incentives.domain.recovery.rules import note_seen
from incentives.domain.single_requests.record import EDGES, Cause, Change, Intent, Record, Status, TooLateStage, change
from incentives.domain.single_requests.transitions import (
    DEADLINE,
    IN_BACKLOG,
    LEASE,
    accept_cancel,
    begin_reversal,
    cancel_surely_over_at,
    cancellable_until,
    first_send,
    hand_off,
    queued_until,
    record_reversal_send,
    record_send,
    reopen,
    take_over,
)
from tests.support.fakes import START
from tests.support.record_types import RECORD_TYPES
from tests.unit.builders import LIVE, MINUTE, SECOND, record, reversing, unknown_since

S = Status
OPEN = {S.PENDING, S.RECOVERING, S.REVERSING}

#: As the protocol draws them, apart from an open state's edge to itself.
DRAWN = {
    (S.PENDING, S.SUCCEEDED),
    (S.PENDING, S.REFUSED),
    (S.PENDING, S.RECOVERING),
    (S.PENDING, S.REVERSING),
    (S.RECOVERING, S.SUCCEEDED),
    (S.RECOVERING, S.REFUSED),
    (S.RECOVERING, S.REVERSING),
    (S.RECOVERING, S.ESCALATED),
    (S.SUCCEEDED, S.REVERSING),
    (S.REVERSING, S.REVERSED),
    (S.REVERSING, S.SUCCEEDED),
    (S.REVERSING, S.REFUSED),
    (S.REVERSING, S.ESCALATED),
    (S.ESCALATED, S.RECOVERING),
    (S.ESCALATED, S.REVERSING),
    (S.REFUSED, S.REFUSED),
}
ALL = set(itertools.product(Status, Status))
#: An escalated record stays escalated while its case file is completed.
ALLOWED = DRAWN | {(status, status) for status in OPEN | {S.ESCALATED}}


@pytest.mark.parametrize(("before", "after"), sorted(ALLOWED))
def test_every_edge_of_the_protocol_exists(before: Status, after: Status) -> None:
    wake_at = START if after.is_open else None
    replaced_by = "Test1NEXT" if before is S.REFUSED else None
    written = Change(before=record(before), after=record(after, wake_at=wake_at, replaced_by=replaced_by))
    assert written.after.status is after


@pytest.mark.parametrize(("before", "after"), sorted(ALL - ALLOWED))
def test_no_other_edge_can_even_be_built(before: Status, after: Status) -> None:
    with pytest.raises(ValueError, match="no edge"):
        Change(before=record(before), after=record(after))


def test_the_table_of_edges_is_the_drawing() -> None:
    assert {(before, after) for before, targets in EDGES.items() for after in targets} == ALLOWED
    assert {status for status in Status if status.is_open} == OPEN


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), ("Test1ONE", "Test1ONE"), ("Test1ONE", "Test1TWO"), ("Test1ONE", None)]
)
def test_a_refused_record_can_only_name_its_one_successor(before: str | None, after: str | None) -> None:
    with pytest.raises(ValueError, match="to name the one"):
        change(record(S.REFUSED, replaced_by=before), replaced_by=after, gc_id="GC2")


@pytest.mark.parametrize("status", sorted(OPEN))
def test_an_open_state_without_wake_at_cannot_be_built(status: Status) -> None:
    before = record(S.PENDING if status is not S.REVERSING else S.SUCCEEDED)
    with pytest.raises(ValueError, match="wake_at"):
        change(before, status=status, wake_at=None)


@pytest.mark.parametrize("status", sorted(set(Status) - OPEN))
def test_a_closing_change_takes_the_record_off_the_clock(status: Status) -> None:
    before = reversing(due_at=START) if status is not S.SUCCEEDED else record()
    closed = change(before, status=status)
    assert closed.after.wake_at is None
    assert closed.after.due_at is None


def test_only_fields_that_differ_are_written_and_never_the_id_the_version_or_the_nonce() -> None:
    before = record(nonce="a", version=3)
    written = Change(before=before, after=replace(before, account="jp", nonce="b", version=9, gc_id="GC2"))
    assert written.changed_fields == ("account", "gc_id")


# ---- transitions --------------------------------------------------------------------------------


def test_the_first_send_is_recorded_in_the_record_that_is_opened() -> None:
    opened = first_send(record(attempts=0, in_flight=False), START, START + SECOND)
    assert (opened.attempts, opened.in_flight) == (1, True)
    assert opened.first_sent_at == opened.last_sent_at == START
    assert opened.wake_at == START + SECOND + LEASE
    assert opened.may_have_executed
    assert not opened.never_sent


@pytest.mark.parametrize(
    "updates", [{"attempts": 1}, {"wait_seconds": 1}, {"status": S.RECOVERING}, {"status": S.REVERSING}], ids=",".join
)
def test_only_what_nothing_but_the_pace_holds_up_waits_for_its_permit(updates: dict[str, Any]) -> None:
    waiting = queued_until(record(attempts=0, in_flight=False), START + MINUTE)
    assert not replace(waiting, **updates).waits_for_permit


def test_a_send_after_an_answered_one_leaves_no_doubt() -> None:
    sent = record_send(record(in_flight=False), START + SECOND, START + 2 * SECOND).after
    assert (sent.attempts, sent.in_flight, sent.doubt) == (2, True, False)
    assert sent.first_unknown_at is None
    assert sent.last_sent_at == START + SECOND
    assert sent.wake_at == START + 2 * SECOND + LEASE


def test_a_send_after_an_unanswered_one_turns_that_into_a_doubt_from_when_it_left() -> None:
    sent = record_send(record(in_flight=True), START + MINUTE, START + MINUTE).after
    assert sent.doubt
    assert sent.first_unknown_at == START
    assert sent.deadline_at == START + DEADLINE
    assert sent.first_sent_at == START


def test_a_send_never_moves_the_first_unknown_or_the_deadline() -> None:
    before = unknown_since(START, in_flight=True, last_sent_at=START + MINUTE)
    sent = record_send(before, START + 2 * MINUTE, START + 2 * MINUTE).after
    assert sent.first_unknown_at == START
    assert sent.deadline_at == START + DEADLINE


def test_two_sends_cannot_be_recorded_from_one_reading() -> None:
    assert "attempts" in record_send(record(), START, START).requires
    assert "reversal_attempts" in record_reversal_send(reversing(), START, START).requires


def test_a_recorded_reversal_leaves_the_in_flight_window_where_it_is() -> None:
    before = reversing()
    sent = record_reversal_send(before, START + MINUTE, START + MINUTE).after
    assert sent.last_reversal_sent_at == START + MINUTE
    assert sent.last_sent_at == before.last_sent_at
    assert sent.reversal_attempts == 1


@pytest.mark.parametrize("before", [record(), unknown_since(), record(S.SUCCEEDED)], ids=lambda r: r.status)
def test_a_cancel_fixes_the_intent_takes_the_record_and_has_24_hours_of_its_own(before: Record) -> None:
    now = START + 5 * MINUTE
    cancelled = accept_cancel(before, now).after
    assert cancelled.status is S.REVERSING
    assert (cancelled.intent, cancelled.cause) == (Intent.REVERSE, Cause.CANCEL)
    assert cancelled.deadline_at == now + DEADLINE
    assert cancelled.wake_at == now + LEASE
    assert cancelled.epoch == before.epoch + 1, "whoever held it until now loses every write"
    assert (cancelled.due_at, cancelled.wait_seconds, cancelled.phase_started_at) == (now, None, now)


def test_a_cancel_of_what_is_being_reversed_only_fixes_the_intent() -> None:
    before = reversing(Cause.REISSUE)
    written = accept_cancel(before, START + MINUTE)
    assert set(written.changed_fields) == {"intent", "updated_at"}
    assert written.after.intent is Intent.REVERSE


def test_a_cancel_owes_nothing_to_what_an_earlier_reversal_was_told() -> None:
    kept = record(
        S.SUCCEEDED, too_late=TooLateStage.ALIVE, no_such_request_at=START, undone=True, gave_up=True, card_seen=True
    )
    cancelled = accept_cancel(kept, START + MINUTE).after
    assert cancelled.too_late is None
    assert cancelled.no_such_request_at is None
    assert not cancelled.undone
    assert not cancelled.gave_up, "it has a last try of its own"
    assert cancelled.card_seen


def test_our_own_reversal_must_not_overtake_a_cancel() -> None:
    assert "intent" in begin_reversal(unknown_since(intent=Intent.REISSUE), Cause.REISSUE, START).requires


@pytest.mark.parametrize(("in_flight", "doubt"), [(True, False), (False, True), (True, True)])
def test_handing_over_what_may_have_executed_recovers_it(in_flight: bool, doubt: bool) -> None:
    handed = hand_off(record(in_flight=in_flight, doubt=doubt, due_at=START + MINUTE), START).after
    assert handed.status is S.RECOVERING
    assert handed.epoch == 1, "the recovery's own"
    assert handed.wake_at == START + MINUTE + LEASE


def test_handing_over_what_was_certainly_not_executed_leaves_it_pending() -> None:
    handed = hand_off(record(in_flight=False, due_at=START - MINUTE), START).after
    assert handed.status is S.PENDING
    assert handed.epoch == 0
    assert handed.wake_at == START + IN_BACKLOG


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (replace(unknown_since(), status=S.ESCALATED), S.RECOVERING),
        (replace(unknown_since(), status=S.ESCALATED, reversal_attempts=1), S.REVERSING),
        (replace(reversing(Cause.REFUSED), status=S.ESCALATED), S.REVERSING),
    ],
    ids=["never reversed", "a reversal was sent", "being reversed"],
)
def test_an_operators_round_has_a_new_epoch_and_deadline_and_forgets_what_was_concluded(
    before: Record, after: Status
) -> None:
    told = replace(
        before,
        conflict=ConflictKind.VALUE,
        too_late=TooLateStage.ALIVE,
        no_such_request_at=START,
        gave_up=True,
        case_file="{}",
        mailed_at=START,
    )
    now = START + 2 * DEADLINE
    opened = reopen(told, now).after
    assert (opened.status, opened.epoch, opened.deadline_at) == (after, before.epoch + 1, now + DEADLINE)
    assert (opened.conflict, opened.too_late, opened.no_such_request_at) == (None, None, None)
    assert (opened.gave_up, opened.case_file, opened.mailed_at) == (False, None, None)
    assert opened.wake_at == now + LEASE


def test_an_operator_need_not_wait_for_the_holder_and_the_new_one_waits_for_its_try() -> None:
    before = unknown_since(due_at=START + 10 * MINUTE, wake_at=START + 10 * MINUTE + LEASE)
    taken = take_over(before, START + MINUTE, silent_only=False)
    assert taken.requires == ()
    assert taken.after.epoch == before.epoch + 1
    assert (taken.after.due_at, taken.after.wake_at) == (before.due_at, before.wake_at)


def test_a_card_that_was_seen_is_noted_and_nothing_else() -> None:
    written = note_seen(reversing(), LIVE, START + SECOND)
    assert set(written.changed_fields) == {"card_seen", "gc_id", "updated_at"}


@pytest.mark.parametrize(
    ("answered_at", "first_sent_at", "until", "over"),
    [
        (None, None, None, None),
        (None, START, START + 15 * MINUTE, None),
        (START + MINUTE, START, START + 15 * MINUTE, START + 16 * MINUTE),
    ],
)
def test_callers_are_told_15_minutes_from_the_send_and_refused_15_minutes_from_the_response(
    answered_at: datetime | None, first_sent_at: datetime | None, until: datetime | None, over: datetime | None
) -> None:
    sent = record(S.SUCCEEDED, answered_at=answered_at, first_sent_at=first_sent_at)
    assert cancellable_until(sent) == until
    assert cancel_surely_over_at(sent) == over


def test_no_record_can_hold_a_claim_code() -> None:
    kinds = " ".join(str(kind) for kind in RECORD_TYPES.values())
    assert "AmazonError" in kinds
    assert "Card" not in kinds
    assert "ClaimCode" not in kinds
