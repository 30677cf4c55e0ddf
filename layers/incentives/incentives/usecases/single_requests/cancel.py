"""Cancel a request: make sure that nothing is charged for it, or say that it is too late."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from incentives.domain.errors import CancelWindowOver, LedgerUnavailable, NotFound, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Lost, Record, Status
from incentives.domain.single_requests.transitions import accept_cancel, cancel_surely_over_at
from incentives.usecases.single_requests.drive import drive, start
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.results import Accepted, Standing, accepted

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Budget, Dependencies

#: A cancel races with an issue that closes and with a recovery that takes over; each can beat it once or twice.
RACES_MAX = 5


def cancel(
    request_id: str, operation: Operation, caller: str | None, dependencies: Dependencies, budget: Budget
) -> Standing | Accepted:
    """Reverse a request.

    An issued card is reversed at once if Amazon answers in time. A request whose outcome is still open has its intent
    changed, for good, and a recovery reverses it.

    Raises:
        NotFound, LedgerUnavailable
        CancelWindowOver: Amazon's 15 minutes are surely over; nothing was sent.
        StateConflict: there is nothing to reverse.
    """
    record = find(request_id, dependencies.ledger, operation=operation)
    for _ in range(RACES_MAX):
        now = dependencies.clock.now()
        known = _known(record, now)
        if known is not None:
            return known
        try:
            result = dependencies.ledger.apply(accept_cancel(record, now), dependencies.new_nonce())
        except LedgerUnavailable as error:
            if not error.in_doubt:
                raise
            # It may be written: look. If it cannot even be read, the caller has to ask again.
            record = find(record.request_id, dependencies.ledger, operation=operation)
            continue
        if not isinstance(result, Lost):
            dependencies.telemetry.log(
                "cancelAccepted", requestId=result.request_id, was=record.status.value, caller=caller
            )
            if record.status is Status.SUCCEEDED:
                return _reverse(result, dependencies, budget)
            if record.status is not Status.REVERSING:
                start(result, dependencies)
            return accepted(result, now)
        if result.current is None:
            raise NotFound(request_id)
        record = find(result.current.request_id, dependencies.ledger, operation=operation)
    raise StateConflict(
        "Others keep changing this request; try again.",
        request_id=record.request_id,
        status=record.status,
        retryable=True,
    )


def _known(record: Record, now: datetime) -> Standing | Accepted | None:
    """What a cancel is answered without changing anything; None if there is something to do."""
    match record.status:
        case Status.REVERSED:
            return Standing(record, replayed=True)
        case Status.REFUSED | Status.ESCALATED:
            raise _nothing_to_cancel(record)
        case Status.REVERSING if record.intent is Intent.REVERSE:
            return accepted(record, now)
        case Status.SUCCEEDED if record.operation is Operation.CREATE_GIFT_CARD:
            over_at = cancel_surely_over_at(record)
            if over_at is not None and now >= over_at:
                raise _window_over(record)
    return None


def _reverse(record: Record, dependencies: Dependencies, budget: Budget) -> Standing | Accepted:
    try:
        record = drive(record, dependencies, budget).record
    except LedgerUnavailable:
        # The cancel is written: it will be carried out.
        return accepted(record, dependencies.clock.now())
    if record.status.is_open:
        return accepted(record, dependencies.clock.now())
    match record.status:
        case Status.REVERSED:
            return Standing(record)
        case Status.SUCCEEDED:
            raise _too_late(record)
        case _:
            raise _nothing_to_cancel(record)


def _window_over(record: Record) -> CancelWindowOver:
    over_at = cancel_surely_over_at(record)
    until = over_at.strftime("%Y-%m-%dT%H:%M:%SZ") if over_at else "15 minutes after its creation"
    return CancelWindowOver(
        f"Amazon cancels a gift card only within 15 minutes of its creation. For this one they ended at {until} at the "
        "latest. The card is live and stays charged.",
        request_id=record.request_id,
        status=record.status,
    )


def _too_late(record: Record) -> CancelWindowOver:
    return CancelWindowOver(
        "Amazon says that its time to cancel this card, 15 minutes from its creation, is over. The card is live and "
        "stays charged.",
        request_id=record.request_id,
        status=record.status,
    )


def _nothing_to_cancel(record: Record) -> StateConflict:
    detail = {
        Status.REFUSED: "This request was refused: nothing was charged, and there is nothing to cancel.",
        Status.ESCALATED: "What became of this request at Amazon could not be found out. People are on it: tell them "
        "that it is not wanted.",
    }[record.status]
    return StateConflict(detail, request_id=record.request_id, status=record.status)
