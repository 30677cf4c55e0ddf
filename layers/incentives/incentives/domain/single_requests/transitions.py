"""How a request begins, is sent, is cancelled and is taken over: each a pure function to a `Change`.

What a response of Amazon's means, and what to do next, is `incentives.domain.recovery.rules`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from incentives.domain.single_requests.record import Cause, Change, Intent, Record, Status, change

#: A record whose holder is silent for this long may be taken: the function's time-out of 25 s and some clock skew.
LEASE: Final = timedelta(seconds=30)

#: A request that is still in the backlog this long after it was due may have got lost there. Taking it up twice is
#: harmless, but costs a permit.
IN_BACKLOG: Final = timedelta(minutes=5)

#: Amazon's rule: retrying ends after 24 hours.
DEADLINE: Final = timedelta(hours=24)

#: Amazon cancels a gift card only within 15 minutes of its creation.
CANCEL_WINDOW: Final = timedelta(minutes=15)


def first_send(record: Record, sent_at: datetime, now: datetime) -> Record:
    """A new record whose first send is recorded in the very write that creates it."""
    return replace(
        record,
        attempts=1,
        in_flight=True,
        first_sent_at=sent_at,
        last_sent_at=sent_at,
        due_at=None,
        wake_at=now + LEASE,
    )


def queued_until(record: Record, due_at: datetime) -> Record:
    """A new record that waits in the backlog for its permit, unsent."""
    return replace(record, due_at=due_at, wake_at=due_at + IN_BACKLOG)


def put_again(record: Record, now: datetime) -> Change:
    """The backlog may have lost an unsent record: it is added once more, and looked after again later."""
    return change(record, requires=("wake_at",), wake_at=max(now, record.due_at or now) + IN_BACKLOG, updated_at=now)


def record_send(record: Record, sent_at: datetime, now: datetime) -> Change:
    """Record one more send of the operation, before it leaves.

    An earlier send without a recorded response becomes a doubt here: its process died.
    """
    unanswered = record.in_flight
    first_unknown_at = record.first_unknown_at or (record.last_sent_at if unanswered else None)
    return change(
        record,
        requires=("attempts",),
        attempts=record.attempts + 1,
        in_flight=True,
        doubt=record.doubt or unanswered,
        first_unknown_at=first_unknown_at,
        deadline_at=record.deadline_at or (first_unknown_at + DEADLINE if first_unknown_at else None),
        first_sent_at=record.first_sent_at or sent_at,
        last_sent_at=sent_at,
        wake_at=now + LEASE,
        updated_at=now,
    )


def record_reversal_send(record: Record, sent_at: datetime, now: datetime) -> Change:
    """Record one more send of the reversal, before it leaves."""
    return change(
        record,
        requires=("reversal_attempts",),
        reversal_attempts=record.reversal_attempts + 1,
        last_reversal_sent_at=sent_at,
        wake_at=now + LEASE,
        updated_at=now,
    )


def accept_cancel(record: Record, now: datetime) -> Change:
    """A caller's cancel: `intent` becomes `reverse` for good, and the operation is never sent again."""
    if record.status is Status.REVERSING:
        return change(record, intent=Intent.REVERSE, wake_at=record.wake_at, updated_at=now)
    return change(
        record,
        status=Status.REVERSING,
        # Whoever held it until now loses every write: another holder begins here.
        epoch=record.epoch + 1,
        intent=Intent.REVERSE,
        cause=Cause.CANCEL,
        # What an earlier reversal was told says nothing about this one.
        too_late=None,
        no_such_request_at=None,
        undone=False,
        gave_up=False,
        phase_started_at=now,
        wait_seconds=None,
        due_at=now,
        wake_at=now + LEASE,
        # A reversal that a caller asks for has 24 hours of its own.
        deadline_at=now + DEADLINE,
        updated_at=now,
    )


def begin_reversal(record: Record, cause: Cause, now: datetime) -> Change:
    """From sending the operation to undoing it, for the reason given."""
    return change(
        record,
        # Only a cancel may change an intent: it must not be overtaken.
        requires=("intent",),
        status=Status.REVERSING,
        cause=cause,
        phase_started_at=now,
        wait_seconds=None,
        due_at=now,
        wake_at=now + LEASE,
        updated_at=now,
    )


def hand_off(record: Record, now: datetime) -> Change:
    """The holder's time is up. What is unknown goes to a recovery, under a new epoch; the rest waits to be taken."""
    due_at = max(now, record.due_at or now)
    if record.status is Status.PENDING and not record.may_have_executed:
        return change(record, wake_at=due_at + IN_BACKLOG, updated_at=now)
    return change(
        record,
        status=Status.RECOVERING if record.status is Status.PENDING else record.status,
        epoch=record.epoch + 1,
        phase_started_at=now if record.status is Status.PENDING else record.phase_started_at,
        wait_seconds=None if record.status is Status.PENDING else record.wait_seconds,
        wake_at=due_at + LEASE,
        updated_at=now,
    )


def take_over(record: Record, now: datetime, *, silent_only: bool = True) -> Change:
    """Take an open record: raise its epoch, so that the former holder loses every write.

    Args:
        record: open.
        now: aware UTC.
        silent_only: give way if its holder has been heard of since (`wake_at` has moved). An operator need not.
    """
    return change(
        record,
        requires=("wake_at",) if silent_only else (),
        status=Status.RECOVERING if record.status is Status.PENDING else record.status,
        epoch=record.epoch + 1,
        phase_started_at=now if record.status is Status.PENDING else record.phase_started_at,
        wait_seconds=None if record.status is Status.PENDING else record.wait_seconds,
        # Its new holder waits until the next try is due: until then its silence says nothing.
        wake_at=max(now, record.due_at or now) + LEASE,
        updated_at=now,
    )


def reopen(record: Record, now: datetime) -> Change:
    """An operator starts another round for an escalated record, with a new epoch and a new deadline."""
    return change(
        record,
        status=Status.REVERSING if record.reversal_attempts or record.cause is not None else Status.RECOVERING,
        epoch=record.epoch + 1,
        conflict=None,
        gave_up=False,
        too_late=None,
        no_such_request_at=None,
        case_file=None,
        mailed_at=None,
        phase_started_at=now,
        wait_seconds=None,
        due_at=now,
        wake_at=now + LEASE,
        deadline_at=now + DEADLINE,
        updated_at=now,
    )


def decided(planned: Change, by: str | None, now: datetime) -> Change:
    """The same write, with who asked for it: nobody's name is lost by a crash that follows."""
    return replace(planned, after=replace(planned.after, decided_by=by, decided_at=now))


def cancellable_until(record: Record) -> datetime | None:
    """What a caller is told: 15 minutes from the first send, when the card may first have come to life."""
    return record.first_sent_at + CANCEL_WINDOW if record.first_sent_at else None


def cancel_surely_over_at(record: Record) -> datetime | None:
    """When a cancel is refused without asking Amazon: the card is no younger than its last SUCCESS."""
    return record.answered_at + CANCEL_WINDOW if record.answered_at else None
