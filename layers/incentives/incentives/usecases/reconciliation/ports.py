"""What the use cases of the books ask of the world outside: their ports. See `usecases.ports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import Download, Upload
    from incentives.domain.reconciliation.balance import BalanceSnapshot, MovementName
    from incentives.domain.reconciliation.closing import Close
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.domain.reconciliation.findings import Resolution
    from incentives.domain.reconciliation.statements import Statement


class Books(Protocol):
    """The books' table. Reads are consistent; every method raises `BooksUnavailable`.

    Writes name what they change: they return False, and change nothing, where somebody else has written since.
    """

    def day(self, account: str, day: date) -> BooksDay | None:
        """Read one day."""

    def days(self, account: str, first: date, last: date) -> Sequence[BooksDay]:
        """The days that there are of a stretch, both ends included, oldest first."""

    def first_day(self, account: str) -> date | None:
        """The oldest day that there is."""

    def keep_day(self, before: BooksDay | None, after: BooksDay, resolutions: Sequence[Resolution] = ()) -> bool:
        """Write a day if it still has the revision of before (None: if there is none), and resolutions with it, in one.

        Of the resolutions, each is written only if what was decided before it is still its newest; 99 at most.
        """

    def resolutions(self, account: str, difference_ids: Sequence[str]) -> Mapping[str, Resolution]:
        """What was decided of findings, by their ids, where anything was."""

    def keep_balance(self, snapshot: BalanceSnapshot) -> None:
        """Keep a balance for 400 days, by Amazon's time of it; the first one that is kept of a time stays."""

    def balances(self, account: str, first: datetime, last: datetime) -> Sequence[BalanceSnapshot]:
        """The balances of a stretch of Amazon's time, both ends included, oldest first."""

    def first_balance(self, account: str) -> BalanceSnapshot | None:
        """The oldest one that is kept."""

    def last_balances(self, account: str, limit: int) -> Sequence[BalanceSnapshot]:
        """The newest, newest first."""

    def note_ended(self, account: str, day: date, request_id: str, now: datetime) -> None:
        """Note that a reversal began or ended on a later booking day than that of its request; for 400 days."""

    def ended(self, account: str, day: date) -> Sequence[str]:
        """The requests noted for a day."""

    def note_rows(self, account: str, day: date, request_ids: Sequence[str]) -> None:
        """Note that Amazon has rows of requests on a day on which nobody would look for them."""

    def days_of_rows(self, account: str, request_ids: Sequence[str]) -> Mapping[str, frozenset[date]]:
        """Those days, by request, where there are any."""

    def movement_names(self, account: str) -> Mapping[str, MovementName]:
        """What finance said that movements are, by their ids."""

    def keep_movement_name(self, before: MovementName | None, after: MovementName) -> bool:
        """Write what a movement is, if it still has the revision of before. What was said before is kept beside it."""

    def statement(self, account: str, statement_id: str) -> Statement | None:
        """Read a statement."""

    def keep_statement(self, before: Statement | None, after: Statement) -> bool:
        """Write a statement if it still has the revision of before."""

    def close(self, account: str, month: str) -> Close | None:
        """Read a month's close."""

    def keep_close(self, before: Close | None, after: Close) -> bool:
        """Write a close if it still has the revision of before."""


class BooksFiles(Protocol):
    """The books' bucket. Nothing in it is ever overwritten or deleted. Every method raises `BooksUnavailable`."""

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Write a file, unless it is there already. Raises `BooksConflict` if other bytes are there."""

    def get(self, name: str) -> bytes | None:
        """Read a file; None: there is none."""

    def link(self, name: str, file_name: str) -> Download:
        """Where a file is, for a quarter of an hour."""


class StatementUploads(Protocol):
    """Where statements are put, until they are read. Every method raises `BooksUnavailable`."""

    def upload(self, statement_id: str) -> Upload:
        """Where a statement is to be put."""

    def read(self, statement_id: str, bytes_max: int) -> bytes | None:
        """What was put; of a longer one, one byte more than the limit. None: there is nothing."""

    def delete(self, statement_id: str) -> None:
        """Forget it, for good."""


class Reconciliations(Protocol):
    """The workflows that reconcile days."""

    def start(self, account: str, day: date, round_number: int) -> bool:
        """Start the workflow of one round; starting twice is harmless. False: it could not be started now."""
