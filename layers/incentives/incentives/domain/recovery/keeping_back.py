"""A send that does not leave: of a request that Amazon has never executed, while its account is frozen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from incentives.domain.accounts.freezing import FROZEN, FROZEN_AGAIN_AFTER
from incentives.domain.outcomes import AmazonError, NotExecutedBecause
from incentives.domain.recovery.rules import postpone
from incentives.domain.recovery.waits import FIRST_WAIT_SECONDS, deadline
from incentives.domain.single_requests.record import Change, Record, Status, change
from incentives.domain.single_requests.transitions import IN_BACKLOG, LEASE

_NOT_SENT: Final = AmazonError(type=NotExecutedBecause.NOT_SENT.value)


def keep_back(record: Record, now: datetime) -> Change:
    """A request waits until its account is unfrozen; at its deadline it is refused like any other that was not sent.

    Args:
        record: that Amazon cannot have executed. If a send of it is recorded as under way, then it is that of whoever
            calls this, and it has not left.
        now: aware UTC.
    """
    due_at = min(now + FROZEN_AGAIN_AFTER, max(now, deadline(record)))
    return change(
        record,
        requires=("attempts",),
        in_flight=False,
        # A card comes to life with a send that leaves: until then the time for its cancel has not begun.
        first_sent_at=None,
        error=FROZEN,
        # What is due by the clock has waited; the doubling of later waits begins with the first.
        wait_seconds=record.wait_seconds or FIRST_WAIT_SECONDS,
        due_at=due_at,
        wake_at=due_at + (IN_BACKLOG if record.status is Status.PENDING else LEASE),
        updated_at=now,
    )


def keep_back_for_now(record: Record, now: datetime) -> Change:
    """The same where nobody can tell whether the account is frozen: it waits as after any send that did not leave."""
    return replace(postpone(replace(record, in_flight=False, first_sent_at=None), _NOT_SENT, now), before=record)
