"""What the use cases of bulk orders work with: their ports, and the bag that carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from incentives.domain.bulk import Batch, BulkOrder, Download, FileFormat, OrderMoved, Started, Upload
from incentives.domain.ledger import Record
from incentives.domain.rows import Row
from incentives.domain.values import frozen
from incentives.usecases.tools import Clock, Telemetry


class Orders(Protocol):
    """Bulk orders, and how far their batches have come. Reads are consistent; all raise `OrderUnavailable`."""

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write a new order, unless there is one with its id."""

    def get(self, order_id: str) -> BulkOrder | None:
        """Read one order."""

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write an order whose status and round are still as before."""

    def batches(self, order_id: str) -> Sequence[Batch]:
        """Of the batches that have been worked on, how far each has come; by number."""

    def batch(self, order_id: str, number: int) -> Batch:
        """How far one batch has come."""

    def advance(self, order_id: str, batch: Batch) -> Batch:
        """Write how far a batch has come, unless it is further already; as it then stands."""

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


class Records(Protocol):
    """The ledger, many records at a time."""

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that there are, by request id. Raises `LedgerUnavailable`."""


@frozen(kw_only=True)
class OrderTools:
    """The ports, and where nonces come from."""

    orders: Orders
    files: OrderFiles
    workflows: OrderWorkflows
    records: Records
    clock: Clock
    telemetry: Telemetry
    new_nonce: Callable[[], str]
