"""Settle a bulk order: wait until each of its requests has ended, then write what became of every row.

Batch after batch, and only those that are not settled yet: with a hundred thousand rows a pass takes more than one
function's time. The result tells of the newest generation of each row's request, as the ledger had it when its batch
was settled.

A row that ended without Amazon having looked at it is no result yet, unless the order was stopped: the order is paused,
and tries it again once it is resumed.

    close the batch -> read its records -> what no record took over goes back to the budget, with FINISHED, in one

No row of a closed batch is opened: one that is found without a record never gets one, however late its worker comes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import minor_units
from incentives.domain.bulk_orders.bulk_order import (
    Batch,
    BulkOrder,
    Counts,
    OrderMoved,
    OrderStatus,
    RowOutcome,
    add,
    moved,
    row_outcome,
)
from incentives.domain.caller_fields import COLUMNS as FIELD_COLUMNS
from incentives.domain.caller_fields import in_columns
from incentives.domain.csv_files import BYTE_ORDER_MARK, csv_text
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.renewal import is_renewable
from incentives.domain.texts import plain
from incentives.usecases.single_requests.find import STEPS_MAX

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.rows import Row
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.ports import Records

#: Between two looks at requests that are still open: doubling, as a recovery's own waits do.
WAIT_SECONDS_FIRST: Final = 15
WAIT_SECONDS_MAX: Final = 900

#: A batch takes four calls to AWS, each of which may have to be repeated.
BATCH_SECONDS: Final = 12.0

#: The result of a hundred thousand rows is read in 20 pages and written in one go.
RESULT_SECONDS: Final = 35.0

#: Of results that were written before parts said themselves which they have. Readers may go by their places, so what is
#: new comes behind them.
_FIRST_COLUMNS: Final = (
    "key",
    "amount",
    "currency",
    "reference",
    "outcome",
    "requestId",
    "gcId",
    "gcExpirationDate",
    "errorCode",
    "errorType",
)
COLUMNS: Final = (*_FIRST_COLUMNS, *(column for column in FIELD_COLUMNS if column not in _FIRST_COLUMNS), "budget")


@dataclass(frozen=True, slots=True)
class Settling:
    """How far settling has come.

    Attributes:
        batch: the last one that this pass has looked at.
        waited: seconds that the last pass ended with.
        wait_seconds: before going on.
        why_paused: it cannot be settled: rows have ended without Amazon having looked at them.
    """

    batch: int
    waited: int
    wait_seconds: int = 0
    why_paused: str | None = None


def settle_order(order: BulkOrder, here: Settling, dependencies: OrderDependencies, budget: Budget) -> Settling | None:
    """Settle what can be settled, while the function's time allows.

    Args:
        order: SETTLING.
        here: how far it is.
        dependencies: the ports.
        budget: the function's time.

    Returns:
        How far it is now; None if nothing is left to do.

    Raises:
        LedgerUnavailable, OrderUnavailable: what was settled is settled.
    """
    unopened = 0
    if order.rows_name is not None:
        unsettled = _settle_batches(order, here, dependencies, budget)
        if unsettled is not None:
            return unsettled
        if budget.seconds_left() < RESULT_SECONDS:
            return replace(here, batch=order.batches, wait_seconds=0)
        dependencies.files.write_result(order.order_id, _result(order, dependencies))
        if order.held:
            unopened = sum(batch.unopened for batch in dependencies.orders.batches(order.order_id))
    now = dependencies.clock.now()
    after = moved(order, OrderStatus.FINISHED, now, finished_at=now)
    made = dependencies.orders.finish(order, after, dependencies.new_nonce(), unopened=unopened)
    if not isinstance(made, OrderMoved):
        dependencies.telemetry.log("orderFinished", orderId=order.order_id, round=order.round, rows=order.rows)
        dependencies.telemetry.count("OrderFinished")
    return None


def _settle_batches(
    order: BulkOrder, here: Settling, dependencies: OrderDependencies, budget: Budget
) -> Settling | None:
    """How far it is; None once every batch is settled."""
    kept = {batch.number: batch for batch in dependencies.orders.batches(order.order_id)}
    settled = {number for number, batch in kept.items() if batch.settled}
    unlooked_at: list[Record] = []
    for number in range(here.batch + 1, order.batches + 1):
        if number in settled:
            continue
        if budget.seconds_left() < BATCH_SECONDS:
            # What was found is told at once: the next function does not know of it.
            return replace(here, batch=number - 1, wait_seconds=0, why_paused=_why_paused(unlooked_at))
        if _settle_batch(order, number, dependencies, unlooked_at):
            settled.add(number)
    if len(settled) < order.batches:
        seconds = min(max(2 * here.waited, WAIT_SECONDS_FIRST), WAIT_SECONDS_MAX)
        return Settling(0, waited=seconds, wait_seconds=seconds, why_paused=_why_paused(unlooked_at))
    return None


def _why_paused(unlooked_at: Sequence[Record]) -> str | None:
    if not unlooked_at:
        return None
    error = unlooked_at[0].refusal
    return (
        f"{len(unlooked_at)} or more of the rows ended without Amazon having looked at them; nothing was charged for "
        f"them. Of the first: {error.message if error else None} A resumed order tries them again, a stopped one tells "
        "them as refused."
    )


def _settle_batch(order: BulkOrder, number: int, dependencies: OrderDependencies, unlooked_at: list[Record]) -> bool:
    """Write how a batch's rows stand; whether all of them have ended. Adds those that are to be tried again."""
    rows = dependencies.files.read_rows(order, order.rows_of(number))
    found: list[Record | None] = []
    if order.stopped_at is None:
        # Its rows were all tried. Those that may have to be tried again need the batch open.
        found = _found(order, rows, dependencies)
        again = [record for record in found if record is not None and is_renewable(record)]
        if again or any(row_outcome(record) is RowOutcome.OPEN for record in found):
            unlooked_at += again
            return _write_batch(order, number, rows, found, dependencies)
    if order.stopped_at is not None or None in found:
        dependencies.orders.close(order.order_id, number)
        found = _found(order, rows, dependencies)
    return _write_batch(order, number, rows, found, dependencies)


def _found(order: BulkOrder, rows: Sequence[Row], dependencies: OrderDependencies) -> list[Record | None]:
    return newest([order.key_hash(row.key) for row in rows], dependencies.records)


def _write_batch(
    order: BulkOrder, number: int, rows: Sequence[Row], found: Sequence[Record | None], dependencies: OrderDependencies
) -> bool:
    counts, value, results, unopened = Counts(), dict[str, Decimal](), list[list[str | None]](), 0
    for row, record in zip(rows, found, strict=True):
        outcome = row_outcome(record)
        if record is not None and is_renewable(record) and order.stopped_at is None:
            outcome = RowOutcome.OPEN
        counts = counts.plus(outcome)
        if outcome is RowOutcome.ISSUED:
            add(value, row.value)
        if record is None:
            unopened += minor_units(row.value)
        results.append(_cells(row, outcome, record, order.budget))
    is_settled = counts.open == 0
    batch = Batch(
        number=number,
        counts=counts,
        issued_value=value,
        settled=is_settled,
        round=order.round,
        updated_at=dependencies.clock.now(),
        unopened=unopened,
    )
    dependencies.orders.settle(order.order_id, batch, _encode_part(results) if is_settled else None)
    return is_settled


def newest(key_hashes: Sequence[str], records: Records) -> list[Record | None]:
    """The newest generation of each key's request; None where there is no request.

    Raises:
        LedgerUnavailable: it cannot be read, or lacks a successor.
    """
    at = {key_hash: key.request_id for key_hash, key in records.get_keys(key_hashes).items()}
    known: dict[str, Record] = {}
    for _ in range(STEPS_MAX):
        known |= records.get_many([request_id for request_id in at.values() if request_id not in known])
        if any(request_id not in known for request_id in at.values()):
            break
        newer = {key_hash: known[request_id].replaced_by or request_id for key_hash, request_id in at.items()}
        if newer == at:
            return [known[at[key_hash]] if key_hash in at else None for key_hash in key_hashes]
        at = newer
    # One transaction wrote both: what is missing here is not ours to guess, and least of all "reversed".
    raise LedgerUnavailable("the successor of a row's request is missing", in_doubt=False)


def _cells(row: Row, outcome: RowOutcome, record: Record | None, budget: str | None) -> list[str | None]:
    """A row of the result, by `COLUMNS`."""
    cells: dict[str, str | None] = {
        "key": plain(row.key),
        "amount": row.value.amount_text,
        "currency": row.value.currency,
        "outcome": outcome.value,
        "budget": budget,
        **{column: plain(text) for column, text in in_columns(row.given).items()},
    }
    if record is not None:
        error = None if outcome is RowOutcome.ISSUED else record.refusal or record.error
        cells |= {
            "requestId": record.request_id,
            "gcId": record.gc_id,
            "gcExpirationDate": _time(record.expires_at),
            "errorCode": error.code if error else None,
            "errorType": error.type if error else None,
        }
    return [cells.get(column) for column in COLUMNS]


def _encode_part(results: list[list[str | None]]) -> str:
    """A batch's part of the result as it is kept. It outlives a deployment, so it says which columns it has."""
    return _PART_BEGINS + json.dumps({"columns": COLUMNS, "rows": results}, separators=(",", ":"))[1:]


#: No CSV begins so: a cell with a quotation mark in it begins with one. A key may well begin with a brace.
_PART_BEGINS: Final = '{"version":2,'


def _decode_part(text: str) -> Iterator[dict[str, str | None]]:
    """The rows of a part, each by column. Version 1 is CSV without a header."""
    if not text.startswith(_PART_BEGINS):
        return csv.DictReader(io.StringIO(text, newline=""), _FIRST_COLUMNS)
    part = json.loads(text)
    return (dict(zip(part["columns"], row, strict=True)) for row in part["rows"])


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _result(order: BulkOrder, dependencies: OrderDependencies) -> Iterator[str]:
    yield BYTE_ORDER_MARK + csv_text([COLUMNS])
    for part in dependencies.orders.results(order.order_id):
        yield csv_text([row.get(column) for column in COLUMNS] for row in _decode_part(part))
