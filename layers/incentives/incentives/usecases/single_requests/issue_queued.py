"""Issue a request from the backlog: one that was recorded and answered 202 because there was no permit for it.

The permit is taken when a request is taken up, so the backlog drains at whatever pace Amazon allows just then. A
request may come out twice, or long after somebody else has issued or cancelled it: the ledger says what is left to do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Frozen, Permit, Priority
from incentives.domain.recovery.rules import SendOperation, Settle, next_step
from incentives.domain.single_requests.record import Status
from incentives.usecases.permits import take_permit
from incentives.usecases.single_requests.drive import Progress, drive, requeue, write_kept_back

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Budget, Dependencies

#: Between two looks for a permit, at least.
AGAIN: Final = timedelta(milliseconds=100)

#: At a slow pace chance may give every permit to others: whoever has lost them for this long goes before those.
LOSES_FOR: Final = timedelta(seconds=5)


def issue_queued(request_id: str, dependencies: Dependencies, budget: Budget) -> None:
    """Issue one request, if it is still to be issued; one that has to wait longer is requeued.

    Raises:
        LedgerUnavailable: take it up again; what was sent is in the ledger.
    """
    since = dependencies.clock.now()
    while True:
        record = dependencies.ledger.get(request_id)
        if record is None or record.status is not Status.PENDING or record.may_have_executed:
            return
        now = dependencies.clock.now()
        step = next_step(record, now)
        if not isinstance(step, SendOperation | Settle):
            # Something else than the rate limit delays it, for instance a missing key: not before it is due.
            requeue(record, dependencies)
            return
        if isinstance(step, Settle):
            drive(record, dependencies, budget)
            return
        priority = Priority.BACKLOG if now - since < LOSES_FOR else Priority.RECOVERY
        permit = take_permit(record.account, priority, dependencies, never_sent=True)
        if isinstance(permit, Frozen):
            here, held = write_kept_back(Progress(record), permit, dependencies)
            if held:
                requeue(here.record, dependencies)
            return
        if isinstance(permit, Permit):
            # The claim code, if one comes, ends here: its owner fetches it by its own route.
            drive(record, dependencies, budget, permit=permit, priority=Priority.BACKLOG)
            return
        seconds = (max(permit.again_at, now + AGAIN) - now).total_seconds()
        # A permit may be that much further off, and one that is taken too late for a try is lost to everybody.
        if not budget.allows_a_try(seconds + WAIT_SECONDS_MAX):
            requeue(record, dependencies, delay_seconds=seconds)
            return
        dependencies.clock.sleep(seconds)
