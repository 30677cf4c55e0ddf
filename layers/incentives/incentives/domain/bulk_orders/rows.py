"""The rows of a bulk order's file: read, checked one and all, and written anew in a form in which any can be found.

A CSV file has a header with the columns `key`, `amount`, `currency` and, if wanted, those of the caller's fields, in
any order; a JSON Lines file has an object a line with fields of these names. `row_files` reads both leniently. What
money hangs on is not: a key stands in its cell as it is, and amounts and currencies are read as they are anywhere else.

Valid rows are written as JSON, all padded to one width, so that row `n` begins at byte `n * width`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from incentives.domain.bulk_orders.bulk_order import FileError, FileFormat, add
from incentives.domain.bulk_orders.row_files import Findings, Members, UnreadableError, read_members
from incentives.domain.caller_fields import COLUMNS, CallerField
from incentives.domain.errors import InvalidInput
from incentives.domain.money import Money, parse_money
from incentives.domain.single_requests.request_ids import parse_idempotency_key
from incentives.domain.texts import BLANKS, shown

#: With BulkConcurrency at 8, eight a second: three and a half hours of issuing.
ROWS_MAX: Final = 100_000

#: Of the file: 250 bytes a row, which only long keys and references need.
FILE_BYTES_MAX: Final = 25 * 1024 * 1024

#: Of the form in which valid rows are kept. Rows outlive a deployment: one of version 1 is a list of key, amount,
#: currency and reference.
_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One valid row.

    Attributes:
        given: the caller's fields, as `domain.caller_fields` declares them.
    """

    key: str
    value: Money
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def canonical(self) -> bytes:
        """What the row is known by, in whatever form it is kept: without newer fields as it was before them."""
        given = dict(self.given)
        reference = given.pop("externalReference", None)
        known: list[object] = [self.key, self.value.amount_text, self.value.currency, reference]
        return _json([*known, given] if given else known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a file was found to be.

    Attributes:
        rows: encoded, not yet padded; of no use if there are errors.
        totals: by currency.
        errors: the first hundred, by line.
        error_count: of all.
        blank_rows, empty_columns: left out.
    """

    rows: Sequence[bytes] = field(default=(), repr=False)
    totals: Mapping[str, Decimal] = field(default_factory=dict)
    errors: tuple[FileError, ...] = ()
    error_count: int = 0
    blank_rows: int = 0
    empty_columns: int = 0

    @property
    def width(self) -> int:
        """Bytes of a padded row, its line feed included."""
        return max(map(len, self.rows), default=0) + 1

    def padded(self) -> Iterator[bytes]:
        """The rows as they are kept."""
        width = self.width
        return (row.ljust(width - 1) + b"\n" for row in self.rows)

    @property
    def digest(self) -> str:
        """What these rows are known by, in whatever bytes they came: key, value and the caller's fields of each.

        In whatever order, too: a file that was sorted asks for the same cards.
        """
        digest = hashlib.sha256()
        for row in sorted(decode_row(row).canonical for row in self.rows):
            digest.update(row + b"\n")
        return digest.hexdigest()


def check_file(data: bytes, file_format: FileFormat, check_value: Callable[[Money], None]) -> Checked:
    """Read a whole file and check every row of it.

    Args:
        data: the file.
        file_format: how its rows are written.
        check_value: raises `InvalidInput` for what the account's marketplace refuses.
    """
    found = Findings()
    rows: list[bytes] = []
    totals: dict[str, Decimal] = {}
    lines: dict[str, int] = {}
    try:
        for line, members in _limited(read_members(data, file_format, found)):
            row = _check_row(line, members, lines, check_value, found)
            if row is not None:
                rows.append(encode_row(row))
                add(totals, row.value)
        if not rows and not found.error_count:
            found.add(1, None, "is all there is: the file has no rows")
    except UnreadableError as unreadable:
        error = unreadable.error
        found.add(error.line, error.field, error.problem)
    return Checked(
        rows=rows,
        totals=totals,
        errors=tuple(found.errors),
        error_count=found.error_count,
        blank_rows=found.blank_rows,
        empty_columns=found.empty_columns,
    )


def digest_of(data: bytes, file_format: FileFormat) -> str | None:
    """The digest of a file's rows; None if there is no marketplace in which all of them would be valid."""
    checked = check_file(data, file_format, lambda _: None)
    return None if checked.errors else checked.digest


def encode_row(row: Row) -> bytes:
    """A row as JSON in ASCII."""
    return _json([_VERSION, row.key, row.value.amount_text, row.value.currency, dict(row.given)])


def decode_row(text: bytes) -> Row:
    """The inverse of `encode_row`; padding is ignored."""
    match json.loads(text):
        case [int(version), key, amount, currency, given] if version == _VERSION:
            return Row(key, parse_money(amount, currency), given)
        case [key, amount, currency, reference]:
            return Row(key, parse_money(amount, currency), {"externalReference": reference} if reference else {})
        case _:
            raise ValueError("a row is in no form that is known")


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def decode_rows(data: bytes, width: int) -> tuple[Row, ...]:
    """Padded rows that follow each other."""
    return tuple(decode_row(data[start : start + width]) for start in range(0, len(data), width))


def _limited(rows: Iterator[tuple[int, Members]]) -> Iterator[tuple[int, Members]]:
    for number, (line, members) in enumerate(rows, start=1):
        if number > ROWS_MAX:
            raise UnreadableError(line, None, f"is beyond the {ROWS_MAX:,} rows that an order may have")
        yield line, members


def _check_row(
    line: int, members: Members, lines: dict[str, int], check_value: Callable[[Money], None], found: Findings
) -> Row | None:
    before = found.error_count
    key = _key(line, members.get("key"), lines, found)
    value = _value(line, members, check_value, found)
    given = {each.name: _text(line, column, members.get(column), each, found) for column, each in COLUMNS.items()}
    if found.error_count > before or key is None or value is None:
        return None
    return Row(key, value, {name: text for name, text in given.items() if text is not None})


def _key(line: int, key: object, lines: dict[str, int], found: Findings) -> str | None:
    if key is not None and not isinstance(key, str):
        found.add(line, "key", "must be a text")
        return None
    try:
        kept = parse_idempotency_key(key)
    except InvalidInput as error:
        found.add(line, "key", f"{error.message}: {shown(key)}" if key else "is missing")
        return None
    first = lines.setdefault(kept, line)
    if first != line:
        found.add(line, "key", f"is the same as on line {first}: {shown(kept)}")
    return kept


def _value(line: int, members: Members, check_value: Callable[[Money], None], found: Findings) -> Money | None:
    cells = {name: _trimmed(members.get(name)) for name in ("amount", "currency")}
    missing = [name for name, cell in cells.items() if cell in (None, "")]
    for name in missing:
        found.add(line, name, "is missing")
    if missing:
        return None
    try:
        value = parse_money(cells["amount"], cells["currency"], currency_field="currency")
        check_value(value)
    except InvalidInput as error:
        name = "currency" if error.field == "currencyCode" else error.field
        cell = cells.get(name)
        quote = f": {shown(str(cell))}" if isinstance(cell, str | Decimal) else ""
        found.add(line, name, error.message + quote)
        return None
    return value


def _text(line: int, column: str, cell: object, declared: CallerField, found: Findings) -> str | None:
    text = _trimmed(cell)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        found.add(line, column, "must be a text")
    elif (why := declared.why_not(text)) is not None:
        found.add(line, column, f"{why}: {shown(text)}")
    else:
        return text
    return None


def _trimmed(cell: object) -> object:
    return cell.strip(BLANKS) if isinstance(cell, str) else cell
