"""The ledger by account and day, in memory, with the index's own order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from incentives.aws.items import format_time
from incentives.domain.single_requests.record import Record
from tests.support.fakes import FakeLedger


@dataclass
class FakeIndex:
    """`Index` over a `FakeLedger`.

    Attributes:
        asked: account, day, sort key and limit of every query.
    """

    ledger: FakeLedger
    asked: list[tuple[str, date, str | None, int]] = field(default_factory=list)

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        self.asked.append((account, day, before, limit))
        rows = sorted(
            (
                (sort_key(record), record)
                for record in self.ledger.records.values()
                if record.account == account and record.created_at.date() == day
            ),
            key=lambda row: row[0],
            reverse=True,
        )
        older = [row for row in rows if before is None or row[0] < before]
        return older[:limit], len(older) > limit


def sort_key(record: Record) -> str:
    return f"{format_time(record.created_at)}#{record.request_id}"
