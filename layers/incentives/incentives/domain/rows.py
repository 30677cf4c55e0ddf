"""The rows of a bulk order's file: read, checked one and all, and written anew in a form in which any can be found.

A CSV file has a header with the columns `key`, `amount`, `currency` and, if wanted, `reference`, in any order; a JSON
Lines file has an object a line with members of these names. UTF-8, with or without a byte order mark.

Valid rows are written as JSON, all padded to one width, so that row `n` begins at byte `n * width`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any, Final, NoReturn

from incentives.domain.bulk import FileError, FileFormat, add
from incentives.domain.errors import InvalidInput
from incentives.domain.money import Money, parse_money
from incentives.domain.request_ids import parse_idempotency_key
from incentives.domain.values import frozen

#: At eight a second, three and a half hours of issuing.
ROWS_MAX: Final = 100_000

#: Of the file: 250 bytes a row, which only long keys and references need.
FILE_BYTES_MAX: Final = 25 * 1024 * 1024

#: Of what is wrong, this many are kept; all are counted.
ERRORS_KEPT: Final = 100

#: As Amazon limits externalReference.
REFERENCE_LENGTH_MAX: Final = 100

REQUIRED: Final = ("key", "amount", "currency")
COLUMNS: Final = (*REQUIRED, "reference")

#: A caller's own text in a message is cut to this: 100 errors have to fit into one item.
_QUOTED_LENGTH_MAX: Final = 50


@frozen
class Row:
    """One valid row.

    Attributes:
        reference: Amazon's externalReference.
    """

    key: str
    value: Money
    reference: str | None


@frozen(kw_only=True)
class Checked:
    """What a file was found to be.

    Attributes:
        rows: encoded, not yet padded; of no use if there are errors.
        totals: by currency.
        errors: the first hundred, by line.
        error_count: of all.
    """

    rows: Sequence[bytes] = field(default=(), repr=False)
    totals: Mapping[str, Decimal] = field(default_factory=dict)
    errors: tuple[FileError, ...] = ()
    error_count: int = 0

    @property
    def width(self) -> int:
        """Bytes of a padded row, its line feed included."""
        return max(map(len, self.rows), default=0) + 1

    def padded(self) -> Iterator[bytes]:
        """The rows as they are kept."""
        width = self.width
        return (row.ljust(width - 1) + b"\n" for row in self.rows)


class _UnreadableError(Exception):
    """The file cannot be read on from here."""

    def __init__(self, line: int, field: str | None, problem: str) -> None:
        super().__init__(problem)
        self.error = FileError(line, field, problem)


class _Errors:
    """What is wrong, the first hundred of it."""

    def __init__(self) -> None:
        self.kept: list[FileError] = []
        self.count = 0

    def add(self, line: int, field: str | None, problem: str) -> None:
        self.count += 1
        if len(self.kept) < ERRORS_KEPT:
            self.kept.append(FileError(line, field, problem))


def check_file(data: bytes, file_format: FileFormat, check_value: Callable[[Money], None]) -> Checked:
    """Read a whole file and check every row of it.

    Args:
        data: the file.
        file_format: how its rows are written.
        check_value: raises `InvalidInput` for what the account's marketplace refuses.
    """
    errors = _Errors()
    rows: list[bytes] = []
    totals: dict[str, Decimal] = {}
    lines: dict[str, int] = {}
    try:
        for line, members in _limited(_members_of(data, file_format, errors)):
            row = _check_row(line, members, lines, check_value, errors)
            if row is not None:
                rows.append(encode_row(row))
                add(totals, row.value)
        if not rows and not errors.count:
            errors.add(1, None, "is all there is: the file has no rows")
    except _UnreadableError as unreadable:
        error = unreadable.error
        errors.add(error.line, error.field, error.problem)
    return Checked(rows=rows, totals=totals, errors=tuple(errors.kept), error_count=errors.count)


def encode_row(row: Row) -> bytes:
    """A row as JSON in ASCII."""
    members = [row.key, row.value.amount_text, row.value.currency, row.reference]
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def decode_row(text: bytes) -> Row:
    """The inverse of `encode_row`; padding is ignored."""
    key, amount, currency, reference = json.loads(text)
    return Row(key, parse_money(amount, currency), reference)


def decode_rows(data: bytes, width: int) -> tuple[Row, ...]:
    """Padded rows that follow each other."""
    return tuple(decode_row(data[start : start + width]) for start in range(0, len(data), width))


def _limited(rows: Iterator[tuple[int, Mapping[str, object]]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, (line, members) in enumerate(rows, start=1):
        if number > ROWS_MAX:
            raise _UnreadableError(line, None, f"is beyond the {ROWS_MAX:,} rows that an order may have")
        yield line, members


def _check_row(
    line: int,
    members: Mapping[str, object],
    lines: dict[str, int],
    check_value: Callable[[Money], None],
    errors: _Errors,
) -> Row | None:
    found = errors.count
    key = _key(line, members.get("key"), lines, errors)
    value = _value(line, members, check_value, errors)
    reference = _reference(line, members.get("reference"), errors)
    if errors.count > found or key is None or value is None:
        return None
    return Row(key, value, reference)


def _key(line: int, key: object, lines: dict[str, int], errors: _Errors) -> str | None:
    if key is not None and not isinstance(key, str):
        errors.add(line, "key", "must be a text")
        return None
    try:
        found = parse_idempotency_key(key)
    except InvalidInput as error:
        errors.add(line, "key", error.message if key else "is missing")
        return None
    first = lines.setdefault(found, line)
    if first != line:
        errors.add(line, "key", f"is the same as on line {first}")
    return found


def _value(
    line: int, members: Mapping[str, object], check_value: Callable[[Money], None], errors: _Errors
) -> Money | None:
    missing = [name for name in ("amount", "currency") if members.get(name) in (None, "")]
    for name in missing:
        errors.add(line, name, "is missing")
    if missing:
        return None
    try:
        value = parse_money(members["amount"], members["currency"], currency_field="currency")
        check_value(value)
    except InvalidInput as error:
        errors.add(line, "currency" if error.field == "currencyCode" else error.field, error.message)
        return None
    return value


def _reference(line: int, reference: object, errors: _Errors) -> str | None:
    if reference is None or reference == "":
        return None
    if not isinstance(reference, str):
        errors.add(line, "reference", "must be a text")
    elif len(reference) > REFERENCE_LENGTH_MAX:
        errors.add(line, "reference", f"must have at most {REFERENCE_LENGTH_MAX} characters")
    elif not reference.isprintable() and any(unicodedata.category(each) in _NO_TEXT for each in reference):
        errors.add(line, "reference", "must hold no control characters")
    else:
        return reference
    return None


#: Control characters, and halves of characters, which JSON can name and UTF-8 cannot hold.
_NO_TEXT: Final = frozenset({"Cc", "Cs"})


def _members_of(data: bytes, file_format: FileFormat, errors: _Errors) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Each row's members, with the line on which it begins. Lines that hold no row are noted and left out."""
    text = _decode(data)
    match file_format:
        case FileFormat.CSV:
            return _read_csv(text, errors)
        case FileFormat.JSONL:
            return _read_json_lines(text, errors)


def _decode(data: bytes) -> str:
    body = data.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _UnreadableError(body.count(b"\n", 0, error.start) + 1, None, "is not written in UTF-8") from None


def _read_csv(text: str, errors: _Errors) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Where the row ends is not known, so neither is where the next one begins.
            raise _UnreadableError(line, None, f"cannot be read as CSV ({error}); what follows was not read") from None
        if cells is None:
            break
        if not cells:
            continue
        if columns is None:
            columns = _header(line, cells)
        elif len(cells) != len(columns):
            errors.add(line, None, f"has {len(cells)} cells; the header has {len(columns)}")
        else:
            yield line, dict(zip(columns, cells, strict=True))


def _header(line: int, cells: list[str]) -> list[str]:
    names = ", ".join(COLUMNS)
    if len(cells) == 1 and ";" in cells[0]:
        raise _UnreadableError(line, None, "must be separated by commas, not by semicolons")
    for name in cells:
        if name not in COLUMNS:
            raise _UnreadableError(line, _quoted(name), f"is not a column; the first line names the columns {names}")
        if cells.count(name) > 1:
            raise _UnreadableError(line, name, "is a column twice")
    for name in REQUIRED:
        if name not in cells:
            raise _UnreadableError(line, name, f"is missing; the first line names the columns {names}")
    return cells


def _read_json_lines(text: str, errors: _Errors) -> Iterator[tuple[int, Mapping[str, object]]]:
    # Only a line feed ends a line: a JSON text may hold what other readers of lines take for one.
    for line, row in enumerate(io.StringIO(text, newline="\n"), start=1):
        if row.isspace():
            continue
        try:
            members = _DECODER.decode(row)
        except _MemberTwiceError as error:
            errors.add(line, _quoted(error.name), "is given twice")
            continue
        except (ValueError, ArithmeticError, RecursionError):
            # ArithmeticError: a number whose exponent not even a decimal can hold.
            errors.add(line, None, "must be a JSON object")
            continue
        if not isinstance(members, dict):
            errors.add(line, None, "must be a JSON object")
            continue
        unknown = [name for name in members if name not in COLUMNS]
        for name in unknown[:ERRORS_KEPT]:
            errors.add(line, _quoted(name), f"is not known; a row has {', '.join(COLUMNS)}")
        if not unknown:
            yield line, members


class _MemberTwiceError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _MemberTwiceError(next(name for name in names if names.count(name) > 1))
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


#: A number keeps the digits that it was written with.
_DECODER: Final = json.JSONDecoder(
    parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique_members
)


def _quoted(name: str) -> str:
    """A name of the caller's, short and printable."""
    short = name if len(name) <= _QUOTED_LENGTH_MAX else name[: _QUOTED_LENGTH_MAX - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in short) or "(no name)"
