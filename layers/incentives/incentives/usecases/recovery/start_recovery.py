"""Take a request over and start its recovery: for the sweep if its holder is silent, for an operator at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.domain.errors import LedgerUnavailable, StateConflict
from incentives.domain.single_requests.record import Lost, Record, Status
from incentives.domain.single_requests.transitions import decided, put_again, reopen, take_over
from incentives.usecases.single_requests.drive import requeue, start
from incentives.usecases.single_requests.find import find

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Dependencies

#: Requests taken in one sweep: more than a minute's worth of them at the highest pace.
SWEEP_MAX = 200


def sweep(dependencies: Dependencies) -> list[str]:
    """Take up every open request whose holder is presumed dead. Sweeping twice at once is harmless.

    What was never executed goes to the backlog, the rest to a recovery.

    Returns:
        The request ids that were taken.

    Raises:
        LedgerUnavailable: the ledger cannot be read; the next sweep finds them. If only a part of its index cannot,
            what the rest holds has been taken up.
    """
    taken = []
    now = dependencies.clock.now()
    due = dependencies.ledger.due(now, SWEEP_MAX)
    for request_id in due.request_ids:
        record = dependencies.ledger.get(request_id)
        # The index lags behind the ledger: a record that has ended or been heard of since is left alone.
        if record is None or record.wake_at is None or record.wake_at > now:
            continue
        in_backlog = record.status is Status.PENDING and not record.may_have_executed
        change = put_again(record, now) if in_backlog else take_over(record, now)
        result = dependencies.ledger.apply(change, dependencies.new_nonce())
        if isinstance(result, Lost):
            continue
        if in_backlog:
            requeue(result, dependencies)
        else:
            start(result, dependencies)
        taken.append(request_id)
    dependencies.telemetry.log("swept", attempt=len(taken))
    dependencies.telemetry.count("Swept", len(taken))
    _measure(dependencies)
    if not due.is_whole:
        # A sweep that fails is seen; one that left a part out must be as well.
        raise LedgerUnavailable("a part of the index of open requests could not be read", in_doubt=False)
    return taken


def _measure(dependencies: Dependencies) -> None:
    """Tell how many requests are open. What is merely counted must not fail the sweep."""
    try:
        still_open = dependencies.ledger.still_open()
    except LedgerUnavailable:
        dependencies.telemetry.log("ledgerUnavailable")
        return
    since = still_open.oldest_unknown
    seconds = (dependencies.clock.now() - since).total_seconds() if since else 0.0
    dependencies.telemetry.count("OpenUnknown", still_open.unknown)
    dependencies.telemetry.count("OpenUnknownOldest", max(0.0, seconds), unit="Seconds")
    dependencies.telemetry.count("OpenWaiting", still_open.waiting)


def start_recovery(request_id: str, caller: str | None, dependencies: Dependencies) -> Record:
    """An operator starts another round. A round that is still under way loses its hold on the record.

    Args:
        request_id: of any generation.
        caller: ARN of who signed the call; the record keeps it, and its stream tells it.
        dependencies: the ports.

    Raises:
        NotFound, LedgerUnavailable
        StateConflict: the request has ended, or somebody else took it first.
    """
    record = find(request_id, dependencies.ledger)
    now = dependencies.clock.now()
    if record.status is Status.ESCALATED:
        change = reopen(record, now)
    elif record.status.is_open:
        change = take_over(record, now, silent_only=False)
    else:
        raise StateConflict(
            f"This request has ended as {record.status.value}: there is nothing to recover.",
            request_id=record.request_id,
            status=record.status,
        )
    try:
        taken = dependencies.ledger.apply(decided(change, caller, now), dependencies.new_nonce())
    except LedgerUnavailable as error:
        if not error.in_doubt:
            raise
        # It may be written, and then the sweep starts what this call did not.
        return record
    if isinstance(taken, Lost):
        raise StateConflict(
            "Somebody else has just taken this request.",
            request_id=record.request_id,
            status=(taken.current or record).status,
            retryable=True,
        )
    dependencies.telemetry.log("recoveryAsked", requestId=taken.request_id, was=record.status.value, caller=caller)
    start(taken, dependencies)
    return taken
