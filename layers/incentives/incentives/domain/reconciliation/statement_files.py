"""A statement as it is uploaded: Amazon's rows as CSV, in columns of our own and in no other.

    requestId,activityTime,type,status,amount,currencyCode,gcId
    Corp1A,2026-11-22T10:15:07Z,GCCreation,Success,25.00,USD,

A download from Amazon's portal may hold claim codes: its columns are mapped where it was downloaded, and a file with
any other column is refused whole. Nothing of a cell is quoted in what is said of it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from incentives.domain.errors import InvalidInput, StatementRefused
from incentives.domain.money import Money, parse_money
from incentives.domain.reconciliation.days import bounds
from incentives.domain.reconciliation.rows import FAILED, SUCCESS, ActivityTypes, Effect, Row
from incentives.domain.reconciliation.words import looks_like_code, looks_like_grouped_code
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

REQUIRED: Final = ("requestId", "activityTime", "type", "status", "amount", "currencyCode")
COLUMNS: Final = (*REQUIRED, "gcId")

#: 300,000 rows, which are read and written anew within half of the time that a call has.
FILE_BYTES_MAX: Final = 32 * 1024 * 1024

#: Of what is wrong, this much is told.
TOLD_MAX: Final = 20

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

#: Amazon's ids of cards: 16 digits, or an A with 13 or 14 letters and digits behind it. A column of claim codes without
#: their hyphens is none.
GC_ID: Final = re.compile(r"[0-9]{16}|A[A-Z0-9]{12,15}")

#: A name that may be quoted. A file without a header has a row of data there.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z]{1,20}([ _-]?[A-Za-z]{1,20}){0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRules:
    """What the rows of one statement have to be.

    Attributes:
        first, last: booking days, both included.
        partner_id: with which every request id of the account begins.
    """

    first: date
    last: date
    zone: ZoneInfo
    types: ActivityTypes
    partner_id: str


def read_statement_rows(content: bytes, rules: StatementRules) -> list[Row]:
    """The rows of a statement.

    Raises:
        StatementRefused: names the column, or each line, up to twenty, and what is wrong with it.
    """
    # Decoded as it is read: at once it would take several times its size.
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
    rows: list[Row] = []
    wrong: list[tuple[str, str]] = []
    cells_of = _Cells(rules)
    try:
        columns = _header(next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            try:
                rows.append(cells_of.row(dict(zip(columns, cells, strict=True))))
            except InvalidInput as error:
                wrong.append((error.field, f"of line {line} {error.message}"))
            except ValueError:
                wrong.append(("statement", f"has {len(cells)} cells on line {line} and {len(columns)} columns"))
            if len(wrong) >= TOLD_MAX:
                break
            line = reader.line_num + 1
    except UnicodeDecodeError:
        wrong.append(("statement", "must be written in UTF-8"))
    except csv.Error:
        wrong.append(("statement", f"cannot be read as CSV on line {reader.line_num}"))
    if wrong:
        raise StatementRefused(wrong)
    return rows


def _header(cells: Sequence[str]) -> Sequence[str]:
    known = ", ".join(COLUMNS)
    for number, name in enumerate(cells, start=1):
        if name not in COLUMNS:
            shown = name if _PLAIN_NAME.fullmatch(name) and not looks_like_code(name) else f"column {number}"
            raise StatementRefused([(shown, f"is not a column of a statement: only {known} may be uploaded")])
        if cells.count(name) > 1:
            raise StatementRefused([(name, "is a column twice")])
    for name in REQUIRED:
        if name not in cells:
            raise StatementRefused([(name, f"is missing: a statement has the columns {known}")])
    return cells


class _Cells:
    """Reads cells. Few of their texts are not the same as in an earlier row, but for ids."""

    def __init__(self, rules: StatementRules) -> None:
        self._rules = rules
        self._start, self._end = bounds(rules.first, rules.zone)[0], bounds(rules.last, rules.zone)[1]
        self._words: dict[tuple[str, str], tuple[str, str, bool]] = {}
        self._values: dict[tuple[str, str], Money] = {}

    def row(self, cells: Mapping[str, str]) -> Row:
        kind, status, may_lack = self._kind(cells["type"], cells["status"])
        return Row(
            request_id=self._request_id(cells["requestId"]),
            time=self._time(cells["activityTime"]),
            type=kind,
            status=status,
            value=self._value(cells["amount"], cells["currencyCode"], may_lack=may_lack),
            gc_id=_gc_id(cells.get("gcId", "")),
        )

    def _kind(self, kind: str, status: str) -> tuple[str, str, bool]:
        """Type, status, and whether Amazon may leave the amount out."""
        found = self._words.get((kind, status))
        if found is None:
            _one_of("status", status, (SUCCESS, FAILED))
            _one_of("type", kind, tuple(self._rules.types))
            found = kind, status, status == FAILED or self._rules.types[kind] is not Effect.CHARGE
            self._words[kind, status] = found
        return found

    def _request_id(self, text: str) -> str:
        # A row may name no request: judging it tells so.
        is_ours = text.startswith(self._rules.partner_id)
        if len(text) > REQUEST_ID_LENGTH_MAX or not (text.isascii() and text.isprintable() and text == text.strip()):
            raise InvalidInput("requestId", f"must be at most {REQUEST_ID_LENGTH_MAX} printable ASCII characters")
        if not (is_ours and text.isalnum()) and (
            looks_like_grouped_code(text) or (not is_ours and looks_like_code(text))
        ):
            raise InvalidInput("requestId", "looks like a claim code: is it the column of request ids?")
        return text

    def _time(self, text: str) -> datetime:
        try:
            # What is no day of any calendar has the form all the same.
            time = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
        except ValueError:
            time = None
        if time is None:
            raise InvalidInput("activityTime", "must be a time in UTC such as 2026-11-22T10:15:07Z")
        if not self._start <= time < self._end:
            its = self._rules
            raise InvalidInput("activityTime", f"is on none of the days from {its.first} to {its.last}, {its.zone.key}")
        return time

    def _value(self, amount: str, currency: str, *, may_lack: bool) -> Money | None:
        if not amount:
            if not may_lack:
                raise InvalidInput("amount", "is missing")
            return None
        found = self._values.get((amount, currency))
        if found is None:
            found = self._values[amount, currency] = parse_money(amount, currency)
        return found


def _one_of(field: str, text: str, known: Sequence[str]) -> None:
    if text not in known:
        raise InvalidInput(field, f"must be one of {', '.join(known)}")


def _gc_id(text: str) -> str | None:
    if text and not GC_ID.fullmatch(text):
        raise InvalidInput(
            "gcId", "is no id of a card of Amazon's: leave the column out if you are not sure what it is"
        )
    return text or None
