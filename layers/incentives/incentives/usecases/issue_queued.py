"""Issue a request from the backlog: one that was recorded and answered 202 because there was no slot for it.

The slot is taken when a request is taken up, so the backlog drains at whatever pace Amazon allows just then. A request
may come out twice, or long after somebody else has issued or cancelled it: the ledger says what is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.backlog import read_message
from incentives.domain.ledger import Status
from incentives.domain.pacing import WAIT_SECONDS_MAX, Full, Lane
from incentives.domain.recovery import SendOperation, Settle, next_step
from incentives.usecases.drive import drive, put_back
from incentives.usecases.pace import take_slot

if TYPE_CHECKING:
    from incentives.usecases.tools import Budget, Tools

#: Between two looks for a slot, at least.
AGAIN: Final = timedelta(milliseconds=100)

#: At a slow pace chance may give every slot to others: whoever has lost them for this long goes before those.
LOSES_FOR: Final = timedelta(seconds=5)


def issue_messages(messages: Sequence[Mapping[str, Any]], tools: Tools, budget: Budget) -> None:
    """Issue the requests that a batch of the backlog's messages names.

    Raises:
        ValueError: a message is none of ours. It comes again, and in the end is set aside.
        LedgerUnavailable: the messages come again; what was sent is in the ledger.
    """
    for message in messages:
        issue_queued(read_message(message), tools, budget)


def issue_queued(request_id: str, tools: Tools, budget: Budget) -> None:
    """Issue one request, if it is still to be issued; one that has to wait longer is put back.

    Raises:
        LedgerUnavailable: take it up again; what was sent is in the ledger.
    """
    since = tools.clock.now()
    while True:
        record = tools.ledger.get(request_id)
        if record is None or record.status is not Status.PENDING or record.may_have_executed:
            return
        now = tools.clock.now()
        step = next_step(record, now)
        if not isinstance(step, SendOperation | Settle):
            # Something else than the pace holds it up, for instance a missing key: not before it is due.
            put_back(record, tools)
            return
        if isinstance(step, Settle):
            drive(record, tools, budget)
            return
        lane = Lane.BACKLOG if now - since < LOSES_FOR else Lane.RECOVERY
        slot = take_slot(record.account, lane, tools)
        if not isinstance(slot, Full):
            # The claim code, if one comes, ends here: its owner fetches it by its own route.
            drive(record, tools, budget, slot=slot, lane=Lane.BACKLOG)
            return
        seconds = (max(slot.again_at, now + AGAIN) - now).total_seconds()
        # A slot may be that much further off, and one that is taken too late for a try is lost to everybody.
        if not budget.allows_a_try(seconds + WAIT_SECONDS_MAX):
            put_back(record, tools, delay_seconds=seconds)
            return
        tools.clock.sleep(seconds)
