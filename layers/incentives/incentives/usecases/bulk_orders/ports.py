"""What the use cases of bulk orders ask of the world outside: their ports. See `usecases.ports`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import (
        Batch,
        BulkOrder,
        Download,
        FileFormat,
        OrderMoved,
        RowsClaim,
        RowsTaken,
        Started,
        Upload,
    )
    from incentives.domain.bulk_orders.rows import Row


class Orders(Protocol):
    """Bulk orders, and how far their batches have come. Reads are consistent; all raise `OrderUnavailable`."""

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write a new order, unless there is one with its id."""

    def get(self, order_id: str) -> BulkOrder | None:
        """Read one order."""

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write an order whose status and round are still as before."""

    def begin(
        self, before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str, *, over: RowsClaim | None = None
    ) -> BulkOrder | OrderMoved | RowsTaken:
        """As `move`, and claim its rows for it and take what it holds from its budget, all in one write.

        Args:
            before: as it was read.
            after: as it is to be, with what it holds.
            claim: on its rows.
            nonce: of this attempt.
            over: the claim, as it was read, whose place this one may take. If any other holds, nothing is written.

        Returns:
            The order as written, with its budget's period.

        Raises:
            BudgetExceeded, BudgetBusy, BudgetUnusable: nothing was written.
            LedgerUnavailable: the budgets cannot be read; nothing was written.
        """

    def finish(self, before: BulkOrder, after: BulkOrder, nonce: str, *, unopened: int) -> BulkOrder | OrderMoved:
        """As `move`, and in one write give back to its budget what rows that were never opened hold, in minor units."""

    def close(self, order_id: str, number: int) -> None:
        """Have a batch take no more rows, for good. From then on all records of its rows are there to be read."""

    def newest(self, before: tuple[datetime, str] | None, limit: int) -> tuple[Sequence[BulkOrder], bool]:
        """Orders by when they were made, newest first, and whether there are more. It lags behind by a moment.

        Args:
            before: only those that come after the one that was made then and has this id.
            limit: no more than that, and at least one if there is any.
        """

    def claim_on(self, account: str, digest: str, now: datetime) -> RowsClaim | None:
        """The claim on these rows that holds now."""

    def batches(self, order_id: str) -> Sequence[Batch]:
        """Of the batches that have been worked on, how far each has come; by number."""

    def batch(self, order_id: str, number: int) -> Batch:
        """How far one batch has come."""

    def advance(self, order_id: str, batch: Batch) -> Batch:
        """Write how far a batch has come, unless it is further, or as far in this round, already; as it then stands."""

    def settle(self, order_id: str, batch: Batch, lines: str | None) -> None:
        """Write how all rows of a batch stand.

        Args:
            order_id: whose.
            batch: settled, or with rows still open.
            lines: its part of the result; None while rows are open.
        """

    def results(self, order_id: str) -> Iterator[str]:
        """The parts of the result, by number of their batches."""


class OrderFiles(Protocol):
    """The files of bulk orders. All raise `OrderUnavailable`."""

    def upload(self, order_id: str, file_format: FileFormat) -> Upload:
        """Where an order's file is to be put."""

    def read_upload(self, order_id: str, bytes_max: int) -> bytes | None:
        """The file that was put; of a longer one, one byte more than the limit. None: there is none."""

    def write_rows(self, order_id: str, rows: Iterable[bytes]) -> str:
        """Write the checked rows; the name by which they are found, which no other rows have."""

    def read_rows(self, order: BulkOrder, numbers: range) -> Sequence[Row]:
        """Some rows that follow each other, by number from 0."""

    def write_result(self, order_id: str, parts: Iterable[str]) -> None:
        """Write the result."""

    def result(self, order_id: str) -> Download:
        """Where the result is."""


class OrderWorkflows(Protocol):
    """The workflows that work on bulk orders."""

    def start(self, order_id: str, round_number: int) -> Started:
        """Start the workflow of one round; starting twice is harmless."""
