"""Take an open request whose holder is gone, and carry it on."""

from __future__ import annotations

from incentives.domain.errors import StateConflict
from incentives.domain.ledger import Lost, Record, Status
from incentives.domain.transitions import reopen, take_over
from incentives.usecases.drive import drive
from incentives.usecases.find import find
from incentives.usecases.tools import Budget, Tools


def resume(request_id: str, tools: Tools, budget: Budget) -> Record:
    """Take a record over and carry it as far as the time allows. The claim code, if any, is dropped here.

    An ended record is returned as it is. An escalated one begins another round.

    Raises:
        NotFound, LedgerUnavailable
        StateConflict: its holder is alive, or somebody else took it first.
    """
    record = find(request_id, tools.ledger)
    now = tools.clock.now()
    if record.status is Status.ESCALATED:
        change = reopen(record, now)
    elif not record.status.is_open:
        return record
    elif record.wake_at is not None and record.wake_at > now:
        raise StateConflict(
            f"This request is in hand until {record.wake_at:%Y-%m-%dT%H:%M:%SZ}.",
            request_id=record.request_id,
            status=record.status,
            retryable=True,
        )
    else:
        change = take_over(record, now)
    taken = tools.ledger.apply(change, tools.new_nonce())
    if isinstance(taken, Lost):
        raise StateConflict(
            "Somebody else has just taken this request.",
            request_id=record.request_id,
            status=record.status,
            retryable=True,
        )
    tools.telemetry.log("takenOver", requestId=taken.request_id, status=taken.status.value, epoch=taken.epoch)
    return drive(taken, tools, budget).record
