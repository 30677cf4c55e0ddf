"""The recovery policy: what a response means for the request, and what to do next, when and why.

Pure functions of the ledger's record and the time. The function that issues a card, the recovery workflow, the
operator's command and the simulation all act on what these return; none of them decides anything itself.

Sources: Amazon's six steps for RESEND (retry, reverse, reissue, one second, back off, 24 hours), made exact. Every
clock comes from the ledger, so that a process that died is no loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    Conflict,
    ConflictKind,
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    TooLate,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.recovery.waits import (
    REPEAT_BEFORE_REVERSING,
    WAIT_SECONDS_MAX,
    deadline,
    in_flight_until,
    next_wait_seconds,
)
from incentives.domain.single_requests.history import noted
from incentives.domain.single_requests.parking import PARKED_SECONDS_FIRST, is_unfunded
from incentives.domain.single_requests.record import (
    EDGES,
    Cause,
    Change,
    Intent,
    Record,
    Reissue,
    Status,
    TooLateStage,
    change,
    successor_of,
)
from incentives.domain.single_requests.request_ids import derive_request_id
from incentives.domain.single_requests.transitions import DEADLINE, IN_BACKLOG, LEASE, begin_reversal

if TYPE_CHECKING:
    from incentives.domain.calls import Attempt

#: Two responses "no such request" count only this far apart: one read may be stale.
NO_SUCH_REQUEST_APART: Final = timedelta(seconds=60)

#: Generation 0, 1 and 2: a request that fails to settle three times is for people.
GENERATIONS_MAX: Final = 3

#: The errorTypes with which Amazon says that a card was activated under another request id (F2010).
ALREADY_ACTIVATED: Final = frozenset(
    {"CardAlreadyActivatedWithDifferentRequestId", "CardActivatedWithDifferentRequestId"}
)


# ---- what to do next ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due yet."""

    until: datetime


@dataclass(frozen=True, slots=True)
class SendOperation:
    """Repeat the operation under the same request id."""


@dataclass(frozen=True, slots=True)
class SendReversal:
    """Send the reversal with the request id of what it reverses."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Read a card that is known to exist, by sending its operation once more."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing needs to be asked of Amazon: write this."""

    change: Change


@dataclass(frozen=True, slots=True)
class Escalate:
    """Amazon will not say any more, or says what only people can settle: write this, with a case file."""

    change: Change


@dataclass(frozen=True, slots=True)
class Done:
    """The record has ended."""


Step = Wait | SendOperation | SendReversal | Probe | Settle | Reissue | Escalate | Done


def next_step(record: Record, now: datetime) -> Step:
    """What a holder of this record does now."""
    match record.status:
        case Status.PENDING | Status.RECOVERING:
            return _next_forward(record, now)
        case Status.REVERSING:
            return _next_backward(record, now)
        case _:
            return Done()


def _next_forward(record: Record, now: datetime) -> Step:
    if record.conflict is not None:
        return Escalate(_end(record, Status.ESCALATED, now))
    if now >= deadline(record):
        if not record.may_have_executed:
            unfunded = record.error if is_unfunded(record.error) else None
            return Settle(_end(record, Status.REFUSED, now, refusal=unfunded or NOT_SENT))
        tried = record.gave_up or _tried_since(record.last_sent_at, deadline(record))
        if record.status is Status.RECOVERING and tried:
            return Escalate(_end(record, Status.ESCALATED, now))
    if (
        record.intent in {Intent.REVERSE, Intent.REISSUE}
        and record.status is Status.RECOVERING
        and record.first_unknown_at is not None
        and now >= record.first_unknown_at + REPEAT_BEFORE_REVERSING
    ):
        return Settle(begin_reversal(record, Cause(record.intent.value), now))
    return SendOperation() if _is_due(record, now) else Wait(record.due_at or now)


def _next_backward(record: Record, now: datetime) -> Step:
    if record.cause is Cause.REFUNDED or record.never_sent:
        return Settle(_end(record, Status.REVERSED, now))
    if record.undone:
        # A cancel may have come since: then it ends here.
        return _reissue(record, now) if _may_reissue(record, now) else Settle(_end(record, Status.REVERSED, now))
    if record.conflict is not None or record.too_late is TooLateStage.FINAL:
        return Escalate(_end(record, Status.ESCALATED, now))
    if now >= deadline(record) and (record.gave_up or _tried_since(_last_try(record), deadline(record))):
        return Escalate(_end(record, Status.ESCALATED, now))
    if not _is_due(record, now):
        return Wait(record.due_at or now)
    return Probe() if record.too_late is TooLateStage.ANSWERED else SendReversal()


def _is_due(record: Record, now: datetime) -> bool:
    # When a request in line will have its permit is a guess: whoever has one for it need not wait.
    return record.due_at is None or now >= record.due_at or record.waits_for_permit


def _tried_since(last: datetime | None, moment: datetime) -> bool:
    return last is not None and last >= moment


def _last_try(record: Record) -> datetime | None:
    tries = [t for t in (record.last_reversal_sent_at, record.last_sent_at) if t is not None]
    return max(tries, default=None)


# ---- what a response means -----------------------------------------------------------------------

#: Stored as the refusal of a request that was never executed by its deadline.
NOT_SENT: Final = AmazonError(type="notSent", message="The request was not sent to Amazon within 24 hours.")

#: Stored as the refusal of a request that Amazon would not take because of the account's key.
KEY_REFUSED: Final = AmazonError(
    type="AccountKeyRefused", message="Amazon refused the account's access key or its signature."
)


def after_operation(  # noqa: C901, PLR0911 - one branch per row of the table of outcomes
    record: Record, attempt: Attempt[Outcome], now: datetime, *, key_was_fresh: bool = True, parks: bool = False
) -> Change:
    """What the response to a sent operation means for a PENDING or RECOVERING request.

    Args:
        record: as it stands after the send was recorded.
        attempt: the send and what it came back with.
        now: aware UTC.
        key_was_fresh: whether the key had been read anew after an earlier refusal of it.
        parks: whether a request that the balance does not cover waits until it does.
    """
    read = replace(record, in_flight=False, evidence=attempt.evidence, history=noted(record, attempt), updated_at=now)
    match attempt.outcome:
        case Succeeded(card):
            return _close_succeeded(record, read, card, now)
        case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):
            return _from(record, begin_reversal(replace(read, card_seen=True, gc_id=gc_id), Cause.REFUNDED, now))
        case Conflict(kind=kind, gc_id=gc_id, error=error):
            # Something is charged that nobody asked for. Not ours to reverse by guess, never ours to deliver. Should
            # operators start another round, a refusal of the repeat does not mean that nothing is charged.
            return change_from(
                record,
                read,
                status=Status.RECOVERING,
                conflict=kind,
                doubt=True,
                card_seen=True,
                gc_id=gc_id,
                error=error,
                phase_started_at=now,
                due_at=now,
                wake_at=now + LEASE,
            )
        case Refused(error) if _is_our_own_earlier_generation(record, error):
            return _unknown(record, read, error, now)
        case Refused(error) if record.doubt:
            # Amazon validates before it looks the id up: the card of the earlier attempt may exist.
            return _from(record, begin_reversal(replace(read, refusal=error, error=error), Cause.REFUSED, now))
        case Refused(error) if parks and is_unfunded(error) and record.status is Status.PENDING:
            return _park(record, replace(read, error=error), now)
        case Refused(error):
            return change_from(
                record, read, requires=("attempts", "doubt"), status=Status.REFUSED, refusal=error, error=error
            )
        case NotExecuted(because=NotExecutedBecause.CREDENTIALS, error=error) if key_was_fresh and not record.doubt:
            refusal = replace(KEY_REFUSED, code=error.code)
            return change_from(
                record, read, requires=("attempts", "doubt"), status=Status.REFUSED, refusal=refusal, error=error
            )
        case NotExecuted(because=because, error=error):
            named = error if error.type else replace(error, type=because.value)
            return _wait_on(record, replace(read, error=named), now)
        case Unknown(because=because, error=error):
            named = error if error.type else replace(error, type=because.value)
            return _unknown(record, read, named, now, needs_time=because is UnknownBecause.NOT_READY)


def _park(record: Record, read: Record, now: datetime) -> Change:
    """Nothing was charged, and nothing is open: it goes on from the backlog, and is refused in the end."""
    seconds = min(max(2 * (record.wait_seconds or 0), PARKED_SECONDS_FIRST), WAIT_SECONDS_MAX)
    due_at = min(now + timedelta(seconds=seconds), max(now, deadline(record)))
    return change_from(
        record, read, requires=("attempts", "doubt"), wait_seconds=seconds, due_at=due_at, wake_at=due_at + IN_BACKLOG
    )


def _close_succeeded(record: Record, read: Record, card: Card, now: datetime) -> Change:
    return change_from(
        record,
        read,
        status=Status.SUCCEEDED,
        card_seen=True,
        gc_id=card.gc_id,
        expires_at=card.expires_at,
        answered_at=now,
        error=None,
        deadline_at=None,
    )


def _is_our_own_earlier_generation(record: Record, error: AmazonError) -> bool:
    return record.operation is Operation.ACTIVATE_GIFT_CARD and record.reissues > 0 and error.type in ALREADY_ACTIVATED


def _unknown(record: Record, read: Record, error: AmazonError, now: datetime, *, needs_time: bool = False) -> Change:
    first = record.first_unknown_at or now
    read = replace(
        read, doubt=True, first_unknown_at=first, deadline_at=record.deadline_at or first + DEADLINE, error=error
    )
    return _wait_on(record, read, now, doubles_at_once=needs_time)


class ActivityFinding(StrEnum):
    """What Amazon's activity page says of a request that its reversal did not find."""

    AGREES = "agrees"  # it holds nothing of it
    DISAGREES = "disagrees"  # it holds it
    UNAVAILABLE = "unavailable"  # not to be had for this account, or too long to read
    UNANSWERED = "unanswered"  # not now, or with a row that may be of any request


def asks_activity(record: Record, attempt: Attempt[ReversalOutcome], now: datetime) -> bool:
    """Whether this response ends the request since Amazon knows nothing of it: then its activity page is asked, too."""
    return after_reversal(record, attempt, now) != after_reversal(
        record, attempt, now, activity=ActivityFinding.UNANSWERED
    )


def after_reversal(  # noqa: PLR0911 - one return per row of the table of outcomes
    record: Record,
    attempt: Attempt[ReversalOutcome],
    now: datetime,
    *,
    activity: ActivityFinding = ActivityFinding.AGREES,
) -> Change:
    """What the response to a sent reversal means for a REVERSING request.

    Args:
        record: as it stands after the send was recorded.
        attempt: the send and what it came back with.
        now: aware UTC.
        activity: what Amazon's activity page says, where `asks_activity`.
    """
    read = replace(record, evidence=attempt.evidence, history=noted(record, attempt), updated_at=now)
    match attempt.outcome:
        case Reversed():
            may_revive = record.operation is not Operation.CREATE_GIFT_CARD and record.may_have_executed
            if may_revive and not is_after_in_flight_window(record, attempt.amazon_date):
                # A late activation or load may undo the reversal; a late create replays as refunded. Where every send
                # was answered, none can be late.
                return _wait_on(record, read, now)
            return _undone(record, replace(read, error=None), now)
        case NoSuchRequest(error):
            read = replace(read, error=error)
            if record.card_seen or not is_after_in_flight_window(record, attempt.amazon_date):
                return _wait_on(record, read, now)
            first = record.no_such_request_at
            if first is None:
                return _wait_on(record, replace(read, no_such_request_at=attempt.amazon_date), now)
            if attempt.amazon_date is None or attempt.amazon_date < first + NO_SUCH_REQUEST_APART:
                return _wait_on(record, read, now)
            return _by_activity(record, read, activity, now)
        case TooLate(error):
            read = replace(read, error=error)
            if record.too_late is TooLateStage.ALIVE:
                return _stays(record, read, now)
            return change_from(record, read, too_late=TooLateStage.ANSWERED, due_at=now, wake_at=now + LEASE)
        case Unresolved(error=error, unknown=unknown, not_executed=not_executed):
            why = unknown or not_executed
            named = error if error.type or why is None else replace(error, type=why.value)
            return _wait_on(record, replace(read, error=named), now)


def after_probe(record: Record, attempt: Attempt[Outcome], now: datetime) -> Change:
    """What reading the card means, after its reversal was called too late."""
    read = replace(record, in_flight=False, evidence=attempt.evidence, history=noted(record, attempt), updated_at=now)
    match attempt.outcome:
        case Succeeded(card):
            return change_from(
                record,
                read,
                too_late=TooLateStage.ALIVE,
                card_seen=True,
                gc_id=card.gc_id,
                expires_at=card.expires_at,
                answered_at=now,
                due_at=now,
                wake_at=now + LEASE,
            )
        case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):
            return change_from(record, read, status=Status.REVERSED, card_seen=True, gc_id=gc_id, error=None)
        case Conflict(kind=kind, error=error):
            return change_from(record, read, conflict=kind, error=error, due_at=now, wake_at=now + LEASE)
        case Refused(error) | Unknown(error=error) | NotExecuted(error=error):
            return _wait_on(record, replace(read, error=error), now)


def note_seen(record: Record, card: Card, now: datetime) -> Change:
    """A SUCCESS read by a process that no longer holds the record: no longer may "no such request" count."""
    return change(record, card_seen=True, gc_id=card.gc_id, wake_at=record.wake_at, updated_at=now)


def _undone(record: Record, read: Record, now: datetime, *, requires: tuple[str, ...] = ()) -> Change:
    if _may_reissue(record, now):
        return change_from(record, read, requires=requires, undone=True, error=None, due_at=now, wake_at=now + LEASE)
    return change_from(record, read, requires=requires, status=Status.REVERSED, error=None)


def _by_activity(record: Record, read: Record, activity: ActivityFinding, now: datetime) -> Change:
    match activity:
        case ActivityFinding.AGREES | ActivityFinding.UNAVAILABLE:
            return _nothing_there(record, read, now)
        case ActivityFinding.DISAGREES:
            # It exists: from now on only its reversal counts.
            return _wait_on(record, replace(read, card_seen=True, no_such_request_at=None), now)
        case ActivityFinding.UNANSWERED:
            return _wait_on(record, read, now)


def _nothing_there(record: Record, read: Record, now: datetime) -> Change:
    requires = ("card_seen", "attempts")
    if record.cause is Cause.REFUSED:
        return change_from(record, read, requires=requires, status=Status.REFUSED, error=record.refusal)
    return _undone(record, read, now, requires=requires)


def _stays(record: Record, read: Record, now: datetime) -> Change:
    if record.cause is Cause.REVERSE:
        # It is charged and nobody knows of it: people must decide.
        return change_from(record, read, too_late=TooLateStage.FINAL, due_at=now, wake_at=now + LEASE)
    return change_from(record, read, status=Status.SUCCEEDED)


def _may_reissue(record: Record, now: datetime) -> bool:
    return (
        record.intent is Intent.REISSUE
        and record.cause is Cause.REISSUE
        and record.reissues + 1 < GENERATIONS_MAX
        and now < deadline(record)
    )


def _reissue(record: Record, now: datetime) -> Reissue:
    generation = record.generation + 1
    request_id = derive_request_id(record.partner_id, record.account, record.operation, record.key_hash, generation)
    return Reissue(
        close=change(
            record, requires=("intent", "attempts"), status=Status.REVERSED, replaced_by=request_id, updated_at=now
        ),
        # The deadline is among what is passed on: however often it is reissued, a request ends within the first one's
        # 24 hours.
        successor=successor_of(
            record,
            request_id=request_id,
            status=Status.PENDING,
            created_at=now,
            updated_at=now,
            generation=generation,
            replaces=record.request_id,
            due_at=now,
            wake_at=now + LEASE,
        ),
    )


def is_after_in_flight_window(record: Record, amazon_date: datetime | None) -> bool:
    """Whether Amazon knew by then all that ever will be of a request. By its own clock: ours may be wrong."""
    limit = in_flight_until(record)
    return limit is None or (amazon_date is not None and amazon_date > limit)


def postpone(record: Record, error: AmazonError, now: datetime) -> Change:
    """A try that could not even be signed, for example because the account's secret is missing: try again later.

    At the deadline there is no later: the last try was due and cannot be made.
    """
    read = replace(record, error=error, updated_at=now)
    if now >= deadline(record) and Status.ESCALATED in EDGES[record.status]:
        return change_from(record, read, gave_up=True, due_at=now, wake_at=now + LEASE)
    return _wait_on(record, read, now)


def permit_due(record: Record, due_at: datetime, now: datetime) -> Change:
    """A try whose permit is further off than its holder may wait."""
    return change(record, due_at=due_at, wake_at=due_at + LEASE, updated_at=now)


# ---- waits --------------------------------------------------------------------------------------


def _wait_on(before: Record, read: Record, now: datetime, *, doubles_at_once: bool = False) -> Change:
    seconds = next_wait_seconds(read, now, doubles_at_once=doubles_at_once)
    due_at = now + timedelta(seconds=seconds)
    # A wait cut short by a mark must not restart the doubling.
    kept = max(seconds, before.wait_seconds or 0)
    return change_from(before, read, wait_seconds=kept, due_at=due_at, wake_at=due_at + LEASE)


def _end(record: Record, status: Status, now: datetime, *, refusal: AmazonError | None = None) -> Change:
    requires = ("attempts",) if status is not Status.ESCALATED else ()
    extra = {"refusal": refusal} if refusal else {}
    return change(record, requires=requires, status=status, updated_at=now, **extra)


def change_from(before: Record, read: Record, *, requires: tuple[str, ...] = (), **updates: object) -> Change:
    """A change of `before` that also writes what `read` has learned."""
    return _from(before, change(read, requires=requires, **updates))


def _from(before: Record, learned: Change) -> Change:
    return replace(learned, before=before)
