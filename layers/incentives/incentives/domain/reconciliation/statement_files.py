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
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from incentives.domain.errors import InvalidInput, StatementRefused
from incentives.domain.money import Money, parse_money
from incentives.domain.reconciliation.days import day_of
from incentives.domain.reconciliation.rows import FAILED, SUCCESS, ActivityTypes, Effect, Row
from incentives.domain.reconciliation.words import looks_like_code, looks_like_grouped_code
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

REQUIRED: Final = ("requestId", "activityTime", "type", "status", "amount", "currencyCode")
COLUMNS: Final = (*REQUIRED, "gcId")

#: Half a million rows, and what one function can hold.
FILE_BYTES_MAX: Final = 64 * 1024 * 1024

#: Of what is wrong, this much is told.
TOLD_MAX: Final = 20

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

#: Amazon's ids of cards: 16 digits, or an A with 13 or 14 letters and digits behind it. A column of claim codes without
#: their hyphens is none.
_GC_ID: Final = re.compile(r"[0-9]{16}|A[A-Z0-9]{12,15}")

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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StatementRefused([("statement", "must be written in UTF-8")]) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    wrong: list[tuple[str, str]] = []
    try:
        columns = _header(next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            try:
                rows.append(_row(dict(zip(columns, cells, strict=True)), rules))
            except InvalidInput as error:
                wrong.append((error.field, f"of line {line} {error.message}"))
            except ValueError:
                wrong.append(("statement", f"has {len(cells)} cells on line {line} and {len(columns)} columns"))
            if len(wrong) >= TOLD_MAX:
                break
            line = reader.line_num + 1
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


def _row(cells: Mapping[str, str], rules: StatementRules) -> Row:
    status = _one_of("status", cells["status"], (SUCCESS, FAILED))
    kind = _one_of("type", cells["type"], tuple(rules.types))
    return Row(
        request_id=_request_id(cells["requestId"], rules),
        time=_time(cells["activityTime"], rules),
        type=kind,
        status=status,
        value=_value(cells, may_lack=status == FAILED or rules.types[kind] is not Effect.CHARGE),
        gc_id=_gc_id(cells.get("gcId", "")),
    )


def _one_of(field: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise InvalidInput(field, f"must be one of {', '.join(known)}")
    return text


def _request_id(text: str, rules: StatementRules) -> str:
    # A row may name no request: judging it tells so.
    if not (text.isascii() and text.isprintable() and len(text) <= REQUEST_ID_LENGTH_MAX and text == text.strip()):
        raise InvalidInput("requestId", f"must be at most {REQUEST_ID_LENGTH_MAX} printable ASCII characters")
    if looks_like_grouped_code(text) or (looks_like_code(text) and not text.startswith(rules.partner_id)):
        raise InvalidInput("requestId", "looks like a claim code: is it the column of request ids?")
    return text


def _gc_id(text: str) -> str | None:
    if text and not _GC_ID.fullmatch(text):
        raise InvalidInput(
            "gcId", "is no gift card id of Amazon's: leave the column out if you are not sure what it is"
        )
    return text or None


def _time(text: str, rules: StatementRules) -> datetime:
    try:
        time = datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        time = None
    if time is None:
        raise InvalidInput("activityTime", "must be a time in UTC such as 2026-11-22T10:15:07Z")
    try:
        day = day_of(time, rules.zone)
    except OverflowError:
        day = None
    if day is None or not rules.first <= day <= rules.last:
        raise InvalidInput(
            "activityTime", f"is on none of the days from {rules.first} to {rules.last}, {rules.zone.key}"
        )
    return time


def _value(cells: Mapping[str, str], *, may_lack: bool) -> Money | None:
    if cells["amount"]:
        return parse_money(cells["amount"], cells["currencyCode"])
    if not may_lack:
        raise InvalidInput("amount", "is missing")
    return None
