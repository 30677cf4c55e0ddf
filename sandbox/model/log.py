"""The activity log: what the activity page and the statement are read from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sandbox.model.values import Json, Money

#: The operations that are logged, by the activityType that stands for each unless an option renames it. The first two
#: are Amazon's; the other four are not documented.
ACTIVITY_TYPES = {
    "CreateGiftCard": "GCCreation",
    "CancelGiftCard": "GCCancellation",
    "ActivateGiftCard": "GCActivation",
    "DeactivateGiftCard": "GCDeactivation",
    "LoadAmazonBalance": "BalanceLoad",
    "VoidAmazonBalanceLoad": "BalanceLoadVoid",
}
#: Those that give money back.
REVERSALS = frozenset({"CancelGiftCard", "DeactivateGiftCard", "VoidAmazonBalanceLoad"})


@dataclass(frozen=True, slots=True)
class Activity:
    """One row of the log.

    `value`: the amount that moved, positive for reversals, too. `real` is false for repeats and failures.
    `visible_at`: from when on the row is shown; None for ever. `shown`: fields of the page's row that are shown as
    something else.
    """

    account: str
    at: datetime
    operation: str
    request_id: str | None
    gc_id: str | None = None
    card_number: str | None = None
    value: Money | None = None
    failure: str | None = None
    real: bool = True
    visible_at: datetime | None = None
    shown: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class ActivityLog:
    """The rows of each account, oldest first."""

    _rows: dict[str, list[Activity]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: Activity) -> None:
        """Put the row behind those of its moment."""
        insort(self._rows[row.account], row, key=_at)

    def extend(self, account: str, rows: Iterable[Activity]) -> None:
        """Put many rows of one account in at once."""
        self._rows[account].extend(rows)
        self._rows[account].sort(key=_at)

    def within(self, account: str, start: datetime, end: datetime, now: datetime) -> list[Activity]:
        """The rows from `start` to `end`, in whole seconds as they are shown, both included, that are visible now."""
        rows = self._rows[account]
        first, last = bisect_left(rows, start, key=_second), bisect_right(rows, end, key=_second)
        return [row for row in rows[first:last] if row.visible_at is None or row.visible_at <= now]

    def of_request(self, account: str, request_id: str, operation: str) -> list[Activity]:
        """The real rows of one operation of a request, visible or not."""
        return [
            row
            for row in self._rows[account]
            if row.request_id == request_id and row.operation == operation and row.real
        ]

    def replace(self, old: Activity, new: Activity | None) -> None:
        """Put `new`, of the same moment, in the place of `old`; without `new` take `old` out."""
        rows = self._rows[old.account]
        position = next(number for number, row in enumerate(rows) if row is old)
        rows[position : position + 1] = [] if new is None else [new]


def _at(row: Activity) -> datetime:
    return row.at


def _second(row: Activity) -> datetime:
    return row.at.replace(microsecond=0)
