"""A bulk order's file as its rows' cells, each with the line on which its row begins.

Read leniently where nothing is ambiguous, as spreadsheets save such files: a byte order mark, any line ends, a first
line `sep=;`, a header in any case, rows that are blank, columns that are empty, rows that end early. What is left out
is counted. What a cell may hold is not looked at here.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from incentives.domain import caller_fields
from incentives.domain.bulk_orders.bulk_order import FileError, FileFormat
from incentives.domain.texts import shown

#: Of what is wrong, this many are kept; all are counted.
ERRORS_KEPT: Final = 100

REQUIRED: Final = ("key", "amount", "currency")
COLUMNS: Final = (*REQUIRED, *caller_fields.COLUMNS)

Members = Mapping[str, object]


class UnreadableError(Exception):
    """The file cannot be read on from here."""

    def __init__(self, line: int, field: str | None, problem: str) -> None:
        super().__init__(problem)
        self.error = FileError(line, field, problem)


class Findings:
    """What is found in a file beside its rows.

    Attributes:
        errors: what is wrong, the first hundred of it.
        error_count: of all.
        blank_rows: left out: nothing is in them, or separators only.
        empty_columns: left out: without a name, and nothing is in them.
    """

    def __init__(self) -> None:
        self.errors: list[FileError] = []
        self.error_count = 0
        self.blank_rows = 0
        self.empty_columns = 0

    def add(self, line: int, field: str | None, problem: str) -> None:
        """Note what is wrong."""
        self.error_count += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(FileError(line, field, problem))


def read_members(data: bytes, file_format: FileFormat, found: Findings) -> Iterator[tuple[int, Members]]:
    """Each row's fields, with the line on which it begins. Lines that hold no row are noted and left out.

    Raises:
        UnreadableError: also while it is iterated.
    """
    text = decoded(data)
    match file_format:
        case FileFormat.CSV:
            return _read_csv(text, found)
        case FileFormat.JSONL:
            return _read_json_lines(text, found)


def decoded(data: bytes) -> str:
    """A file's text, without the mark that spreadsheets put before it.

    Raises:
        UnreadableError: it is written in something else than UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableError(1, None, f"is written in UTF-16; {_SAVE_AS}")
    body = data.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        line = len(_LINE_END.findall(body, 0, error.start)) + 1
        raise UnreadableError(line, None, f"is not written in UTF-8; {_SAVE_AS}") from None


#: Spreadsheets have three ways to save "CSV", of which one loses no letter.
_SAVE_AS: Final = 'save the file as UTF-8 (spreadsheets call it "CSV UTF-8")'

#: As editors count lines.
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


# ---- CSV ----------------------------------------------------------------------------------------


def _read_csv(text: str, found: Findings) -> Iterator[tuple[int, Members]]:
    # Untranslated, so that a cell keeps its line ends; each of the three ends a line.
    lines = io.StringIO(text, newline="")
    separator, before = _separator(lines)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    columns: list[str] = []
    is_named = False
    width = 0
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Where the row ends is not known, so neither is where the next one begins.
            raise UnreadableError(line, None, f"cannot be read as CSV ({error}); what follows was not read") from None
        if cells is None:
            break
        width = max(width, len(cells))
        if not any(map(str.strip, cells)):
            found.blank_rows += 1
        elif not columns:
            columns = _header(line, cells)
            is_named = all(columns)
        elif is_named and len(cells) <= len(columns):
            # A row that ends early lacks its last cells: they are as good as empty.
            yield line, dict(zip(columns, cells, strict=False))
        elif (stray := _stray(columns, cells)) is None:
            yield line, {name: cell for name, cell in zip(columns, cells, strict=False) if name}
        else:
            found.add(line, None, f"has {shown(stray)} where the header has no column")
    if columns:
        found.empty_columns = width - sum(map(bool, columns))


def _stray(columns: list[str], cells: list[str]) -> str | None:
    """What stands in a column that has no name."""
    named = {number for number, name in enumerate(columns) if name}
    return next((cell for number, cell in enumerate(cells) if number not in named and cell.strip()), None)


def _separator(lines: io.StringIO) -> tuple[str, int]:
    """What separates the cells, and how many lines said so: spreadsheets write and read a first line `sep=;`."""
    told = _SEPARATOR.fullmatch(lines.readline())
    if told is None:
        lines.seek(0)
        return ",", 0
    if told[1] not in _SEPARATORS:
        raise UnreadableError(1, None, f"names {shown(told[1])}; cells are separated by , or ; or | or a tab")
    return told[1], 1


#: Quoted, and with empty cells behind it, if it was saved as a row like any other.
_SEPARATOR: Final = re.compile(r'"?sep=([^"\r\n])"?[,;|\t ]*[\r\n]*', re.IGNORECASE)
_SEPARATORS: Final = frozenset(",;|\t")


def _header(line: int, cells: list[str]) -> list[str]:
    """The columns' names; empty for one that has none."""
    known = ", ".join(COLUMNS)
    names = [cell.strip().lower() for cell in cells]
    if len(cells) == 1 and ";" in cells[0]:
        raise UnreadableError(
            line, None, "must be separated by commas, not by semicolons; or say so in a first line: sep=;"
        )
    for name, cell in zip(names, cells, strict=True):
        if name and name not in COLUMNS:
            problem = f"is not a column; the first line names the columns {known}"
            raise UnreadableError(line, _named(cell.strip()), problem)
        if name and names.count(name) > 1:
            raise UnreadableError(line, name, "is a column twice")
    for name in REQUIRED:
        if name not in names:
            raise UnreadableError(line, name, f"is missing; the first line names the columns {known}")
    return names


# ---- JSON Lines ---------------------------------------------------------------------------------


def _read_json_lines(text: str, found: Findings) -> Iterator[tuple[int, Members]]:
    # No JSON text holds a line end but between its parts, so that each of the three may end a row.
    for line, row in enumerate(io.StringIO(text, newline=""), start=1):
        if row.isspace():
            found.blank_rows += 1
            continue
        try:
            members = _DECODER.decode(row)
        except _MemberTwiceError as error:
            found.add(line, _named(error.name), "is given twice")
            continue
        except (ValueError, ArithmeticError, RecursionError):
            # ArithmeticError: a number whose exponent not even a decimal can hold.
            found.add(line, None, "must be a JSON object")
            continue
        if not isinstance(members, dict):
            found.add(line, None, "must be a JSON object")
            continue
        unknown = [name for name in members if name not in COLUMNS]
        for name in unknown[:ERRORS_KEPT]:
            found.add(line, _named(name), f"is not known; a row has {', '.join(COLUMNS)}")
        if not unknown:
            yield line, members


class _MemberTwiceError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise _MemberTwiceError(next(name for name in times if times[name] > 1))
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


#: A number keeps the digits that it was written with.
_DECODER: Final = json.JSONDecoder(
    parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique_members
)


def _named(name: str) -> str:
    """A name of the caller's as the field that is to blame."""
    return shown(name)[1:-1] or "(no name)"
