"""What of a record the books look at: what is due by it, when, and where Amazon's rows of it are to be expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from incentives.domain.caller_fields import shown
from incentives.domain.reconciliation.days import day_of, days_between
from incentives.domain.reconciliation.findings import Decision, Reason
from incentives.domain.single_requests.record import Status

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.single_requests.record import Record

#: Amazon's clock and ours may differ by as much as Amazon tolerates in a signature.
CLOCKS_APART: Final = timedelta(minutes=15)

#: For a request that ended so nothing is due.
NOTHING_DUE: Final = frozenset({Status.REFUSED, Status.REVERSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request as the ledger holds it. Times are aware UTC.

    Attributes:
        changed_at: its last change.
        sent: first and last send of the operation; None: it was never sent.
        reversed: likewise of its reversal, as far as is known.
        shown: the caller's fields that may be shown.
    """

    request_id: str
    account: str
    operation: str
    status: Status
    value: Money
    created_at: datetime
    changed_at: datetime
    answered_at: datetime | None
    sent: tuple[datetime, datetime] | None
    reversed: tuple[datetime, datetime] | None
    replaces: str | None
    caller: str | None
    budget: str | None
    gc_id: str | None
    shown: Mapping[str, str | None]

    def expected_on(self, zone: ZoneInfo) -> frozenset[date]:
        """The booking days on which Amazon's rows of it are to be expected, whatever the clocks say."""
        stretches = [stretch for stretch in (self.sent, self.reversed) if stretch is not None]
        return frozenset(
            day for first, last in stretches for day in days_between(first - CLOCKS_APART, last + CLOCKS_APART, zone)
        )

    def booked(self, zone: ZoneInfo, decision: Decision | None) -> list[tuple[date, int]]:
        """What the ledger books, in whole units of one charge: +1 on the day of its success, -1 when it is undone.

        Args:
            zone: of the books.
            decision: how finance settled it, if it is escalated.
        """
        charged = [(day_of(self.answered_at, zone), 1)] if self.answered_at is not None else []
        if self.status in NOTHING_DUE:
            return [*charged, (day_of(self.changed_at, zone), -1)] if charged else []
        if self.status is not Status.ESCALATED or decision is None:
            return charged
        settled_on = day_of(decision.at, zone)
        if decision.reason is Reason.SETTLED_REFUNDED:
            return [*charged, (settled_on, -1)] if charged else []
        return charged or [(settled_on, 1)]


def entry_of(record: Record) -> Entry:
    """What of a record the books look at."""
    first, last = record.first_sent_at, record.last_sent_at or record.first_sent_at
    undone = record.last_reversal_sent_at
    began = record.phase_started_at
    return Entry(
        request_id=record.request_id,
        account=record.account,
        operation=record.operation.value,
        status=record.status,
        value=record.value,
        created_at=record.created_at,
        changed_at=record.updated_at,
        answered_at=record.answered_at,
        sent=(first, last) if first is not None and last is not None else None,
        reversed=(min(began or undone, undone), undone) if undone is not None else None,
        replaces=record.replaces,
        caller=record.caller,
        budget=record.budget,
        gc_id=record.gc_id,
        shown=shown(record.details),
    )
