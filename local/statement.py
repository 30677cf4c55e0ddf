"""A download from Amazon's portal as a statement that may leave this machine: of its columns only what was mapped.

Amazon documents no such file, so nothing of it is guessed: which column is what, in which zone and form its times are,
whose amounts have a minus sign, and what its words for types and results mean is said by whoever uploads it.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from incentives.domain.errors import StatementRefused
from incentives.domain.reconciliation.days import day_of, read_zone
from incentives.domain.reconciliation.rows import ActivityTypes, Effect, Row
from incentives.domain.reconciliation.statement_files import COLUMNS, StatementRules, read_statement_rows
from incentives.domain.reconciliation.words import looks_like_grouped_code
from local.settings import RefusedError

#: Whose amounts begin with a minus sign.
SIGNS: Final = ("none", "negative-refunds", "negative-charges")
#: What a download may leave out, so that one value is for all rows.
CONSTANTS: Final = ("currencyCode", "status")
_SECRET: Final = re.compile("claim|secret|pin", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """How a download is read. What is empty has not been said yet.

    Attributes:
        columns: by our name the download's; what it has no column for and every row has alike as `=USD`.
        zone: IANA, of its times.
        time_format: as Python's `strptime` has it.
        twice: which one is meant of the times that come twice when clocks are set back: first or second.
        signs: one of `SIGNS`.
        decimal, thousands: the characters of its amounts.
        types, statuses: by the download's word ours; an empty one leaves the row out.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    time_format: str = ""
    twice: str = ""
    signs: str = ""
    decimal: str = "."
    thousands: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Self:
        """One that was kept. Raises `RefusedError`: it cannot be read, or has something that no reading has."""
        try:
            return cls.parse(file.read_bytes(), str(file))
        except OSError as error:
            raise RefusedError(f"{file} cannot be read as a mapping: {error}") from error

    @classmethod
    def parse(cls, content: bytes, what: str) -> Self:
        """The same of a file's content. Raises `RefusedError`: names `what`."""
        try:
            kept = json.loads(content)
            # JSON can name halves of characters, which nothing else can hold.
            json.dumps(kept, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise RefusedError(f"{what} cannot be read as a mapping: {error}") from error
        known = {each.name: each.default for each in fields(cls)}
        unknown = kept.keys() - known.keys() if isinstance(kept, dict) else {"?"}
        if unknown:
            raise RefusedError(f"{what} has what no mapping has: {', '.join(sorted(unknown))}")
        for name, value in kept.items():
            texts = [value] if isinstance(known[name], str) else _texts_of(value)
            if not all(isinstance(each, str) for each in texts):
                raise RefusedError(
                    f"{what}: {name} must be {'a text' if texts == [value] else 'texts, each by a name'}"
                )
        return cls(**kept)

    def with_said(self, **said: Any) -> Self:  # noqa: ANN401 - fields of several types
        """With what was said besides; mappings are added to each other."""
        changes: dict[str, Any] = {}
        for name, value in said.items():
            if value:
                before = getattr(self, name)
                changes[name] = {**before, **value} if isinstance(value, Mapping) else value
        return replace(self, **changes)


@dataclass(frozen=True)
class Mapped:
    """What may leave this machine.

    Attributes:
        content: CSV in canonical columns.
        rows: the same, read as the gateway will.
        left_out: rows of other days, and rows that were said to be left out.
    """

    content: bytes
    rows: Sequence[Row]
    left_out: int


def _texts_of(value: object) -> list[object]:
    """The words of a mapping, by name and value; what is no mapping has none that is a text."""
    return [*value.keys(), *value.values()] if isinstance(value, dict) else [None]


def header_of(content: bytes) -> Sequence[str]:
    """The download's columns. Raises `RefusedError`: it has none."""
    names = next(csv.reader(io.StringIO(_text(content), newline="")), [])
    if not names or len(set(names)) != len(names):
        raise RefusedError("The download's first line must name its columns, each by a name of its own.")
    return names


def words_of(content: bytes, column: str) -> list[str]:
    """The words of one column, each once, for those that mean one of a few things."""
    return sorted({cells[column].strip() for _, cells in _lines(content)})


def read_columns(content: bytes) -> list[list[str]]:
    """The cells of each column of a download, in its order. Raises `RefusedError`: a line is not like the first."""
    columns: list[list[str]] = [[] for _ in header_of(content)]
    for _, cells in _lines(content):
        for column, cell in zip(columns, cells.values(), strict=True):
            column.append(cell.strip())
    return columns


def may_hold_codes(column: str) -> bool:
    """Whether a column's name says so: such a column is mapped to nothing, whatever is asked for."""
    return bool(_SECRET.search(column))


def check_columns(columns: Mapping[str, str], names: Sequence[str]) -> None:
    """Refuse a mapping of columns that cannot be. Raises `RefusedError`."""
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            raise RefusedError(f"{ours} is no column of a statement, which are {', '.join(COLUMNS)}")
        if theirs.startswith("="):
            if ours not in CONSTANTS:
                raise RefusedError(f"{ours} cannot be the same for all rows")
        elif theirs not in names:
            raise RefusedError(f"{ours}: the download has no column {theirs!r}; it has {', '.join(names)}")
        elif may_hold_codes(theirs):
            raise RefusedError(f"{ours}: the column {theirs!r} may hold claim codes, and stays here")


def mapped(
    content: bytes, reading: Reading, *, first: date, last: date, books_zone: ZoneInfo, types: ActivityTypes
) -> Mapped:
    """Map a download.

    Args:
        content: of the file.
        reading: whole.
        first: booking day.
        last: booking day, included.
        books_zone: of the booking days.
        types: what the gateway's types do to the balance.

    Raises:
        RefusedError: names the line, and quotes no cell that may be a code.
    """
    check_columns(reading.columns, header_of(content))
    if not date.min.year < first.year <= last.year < date.max.year:
        raise RefusedError("No books are kept at an end of the calendar: which days does the download have whole?")
    if reading.decimal == reading.thousands:
        raise RefusedError(f"{reading.decimal!r} cannot both begin the decimals and group the digits")
    text, left_out = io.StringIO(), 0
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(name for name in COLUMNS if name in reading.columns)
    for line, cells in _lines(content):
        try:
            row = _row(cells, reading, types)
            is_asked = row is not None and first <= day_of(row["activityTime"], books_zone) <= last
        except OverflowError:
            raise RefusedError(f"Line {line}: its time is at an end of the calendar") from None
        except ValueError as error:
            raise RefusedError(f"Line {line}: {error}") from error
        if row is None or not is_asked:
            left_out += 1
            continue
        row["activityTime"] = row["activityTime"].strftime("%Y-%m-%dT%H:%M:%SZ")
        writer.writerow(row[name] for name in COLUMNS if name in reading.columns)
    made = text.getvalue().encode()
    # No request id is told by its partner here; the gateway does.
    rules = StatementRules(first=first, last=last, zone=books_zone, types=types, partner_id="")
    try:
        return Mapped(made, read_statement_rows(made, rules), left_out)
    except StatementRefused as error:
        raise RefusedError("\n".join(f"{name} {why}" for name, why in error.wrong)) from error


def _row(cells: Mapping[str, str], reading: Reading, types: ActivityTypes) -> dict[str, Any] | None:
    found = {
        ours: theirs[1:] if theirs.startswith("=") else cells[theirs].strip()
        for ours, theirs in reading.columns.items()
    }
    kind = _word("type", found["type"], reading.types)
    status = found["status"]
    if not reading.columns["status"].startswith("="):
        status = _word("status", status, reading.statuses)
    if not kind or not status:
        return None
    if kind not in types:
        raise ValueError(f"{kind} is no type of the gateway's, which are {', '.join(types)}")
    for name in ("requestId", "gcId"):
        if looks_like_grouped_code(found.get(name, "")):
            raise ValueError(f"{name} looks like a claim code, which must not leave this machine")
    time = _time(found["activityTime"], reading)
    return {
        **found,
        "type": kind,
        "status": status,
        "activityTime": time,
        "amount": _amount(found["amount"], types[kind], reading),
    }


def _word(what: str, word: str, known: Mapping[str, str]) -> str:
    if word not in known:
        raise ValueError(f"nobody has said what its {what} means")
    return known[word]


def _time(text: str, reading: Reading) -> datetime:
    try:
        local = datetime.strptime(text, reading.time_format)  # noqa: DTZ007 - its zone is the next line's
    except (ValueError, re.error):
        raise ValueError(f"its time is not written as {reading.time_format}") from None
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    zone = read_zone(reading.zone)
    moments = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    # A time that clocks skip comes back as another one.
    if all(each.astimezone(zone).replace(tzinfo=None) != local for each in moments):
        raise ValueError(f"its time is one that clocks skip in {reading.zone}: is that its zone?")
    if moments[0] != moments[1] and reading.twice not in {"first", "second"}:
        raise ValueError(f"its time comes twice in {reading.zone}: say which is meant, the first or the second")
    return moments[reading.twice == "second"]


def _amount(text: str, effect: Effect, reading: Reading) -> str:
    if not text:
        return ""
    if not re.fullmatch(_number(reading.decimal, reading.thousands), text):
        raise ValueError("its amount is no plain number: how are its decimals and thousands written?")
    plain = text.replace(reading.thousands, "") if reading.thousands else text
    plain = plain.replace(reading.decimal, ".")
    negative = {"negative-refunds": Effect.REFUND, "negative-charges": Effect.CHARGE}.get(reading.signs)
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError("its amount is no number") from None
    if value != 0 and (value < 0) != (effect is negative):
        raise ValueError(f"its amount has not the sign that {reading.signs} gives a {effect}")
    return plain.removeprefix("-")


@cache
def _number(decimal: str, thousands: str) -> str:
    """What an amount looks like. Three digits follow a mark that groups them: `12,50` is no 1250."""
    groups = rf"|[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+" if thousands else ""
    return rf"-?(?:[0-9]+{groups})(?:{re.escape(decimal)}[0-9]+)?"


def _lines(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        names = next(reader, [])
        line = reader.line_num + 1
        for cells in reader:
            if any(cells):
                if len(cells) != len(names):
                    raise RefusedError(f"Line {line} has {len(cells)} cells, and the first line {len(names)}.")
                yield line, dict(zip(names, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise RefusedError(f"Line {reader.line_num} cannot be read as CSV.") from error


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError("The download is not written in UTF-8: save it so.") from error
