"""A day's transactions as a file: Amazon's rows of the day, each with what the ledger knows of its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import money_of
from incentives.domain.csv_files import csv_file
from incentives.domain.texts import plain

if TYPE_CHECKING:
    from incentives.domain.reconciliation.entries import Entry
    from incentives.domain.reconciliation.findings import Kind
    from incentives.domain.reconciliation.judging import Move

COLUMNS: Final = (
    "activityTime",
    "bookingDate",
    "requestId",
    "replaces",
    "operation",
    "type",
    "signedAmount",  # charges are negative
    "currencyCode",
    "gcId",
    "externalReference",
    "costCenter",
    "budget",
    "caller",
    "kind",
)


def transactions_file(moves: Sequence[tuple[Move, Kind]], entries: Mapping[str, Entry]) -> bytes:
    """The file of a day's moves, in the order in which they are given."""
    return csv_file([COLUMNS, *(_line(move, kind, entries.get(move.row.request_id)) for move, kind in moves)])


def _line(move: Move, kind: Kind, entry: Entry | None) -> list[str | None]:
    fields = entry.shown if entry is not None else {}
    return [
        move.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        move.day.isoformat(),
        plain(move.row.request_id),
        entry.replaces if entry is not None else None,
        entry.operation if entry is not None else None,
        plain(move.row.type),
        money_of(-move.signed, move.currency).amount_text,
        move.currency,
        plain(move.row.gc_id or (entry.gc_id if entry is not None else None)),
        plain(fields.get("externalReference")),
        plain(fields.get("costCenter")),
        plain(entry.budget) if entry is not None else None,
        plain(entry.caller) if entry is not None else None,
        kind.value,
    ]
