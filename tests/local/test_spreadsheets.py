"""A result as .xlsx, read back without the library that wrote it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from incentives.domain.csv_files import csv_file
from local.spreadsheets import workbook

MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COLUMNS: Final = ("key", "amount", "currency", "reference", "outcome", "requestId", "gcId")
#: Of cells: `s` is text of the workbook's own list, `n` a number; a formula would be neither.
Cell = tuple[str, str]


class Sheet:
    """The one sheet of a workbook."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            self.names = parts.namelist()
            self._sheet = ET.fromstring(parts.read("xl/worksheets/sheet1.xml"))
            self._styles = ET.fromstring(parts.read("xl/styles.xml"))
            shared = ET.fromstring(parts.read("xl/sharedStrings.xml"))
        self._texts = [_read("".join(each.itertext())) for each in shared.iter(f"{MAIN}si")]

    def rows(self) -> Iterator[dict[str, Cell]]:
        """Each row by the letter of its columns; a cell is its type and what is in it."""
        for row in self._sheet.iter(f"{MAIN}row"):
            yield {re.sub("[0-9]", "", cell.get("r", "")): self._cell(cell) for cell in row.iter(f"{MAIN}c")}

    def format_of(self, place: str) -> str:
        """How a cell's number is shown."""
        cell = next(each for each in self._sheet.iter(f"{MAIN}c") if each.get("r") == place)
        formats = self._styles.find(f"{MAIN}cellXfs")
        assert formats is not None
        number = formats[int(cell.get("s", "0"))].get("numFmtId")
        own = {each.get("numFmtId"): each.get("formatCode", "") for each in self._styles.iter(f"{MAIN}numFmt")}
        return own.get(number) or {"3": "#,##0", "4": "#,##0.00", "49": "@"}.get(number or "", f"built-in {number}")

    @property
    def frozen_rows(self) -> str | None:
        pane = next(self._sheet.iter(f"{MAIN}pane"), None)
        return None if pane is None else pane.get("ySplit")

    def _cell(self, cell: ET.Element) -> Cell:
        assert cell.find(f"{MAIN}f") is None, "a formula"
        value = cell.findtext(f"{MAIN}v") or ""
        return ("s", self._texts[int(value)]) if cell.get("t") == "s" else (cell.get("t", "n"), value)


def _read(text: str) -> str:
    """What a spreadsheet shows of it: `_x0041_` is how the format writes a character that XML may not hold."""
    return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)


def test_ids_are_text_and_amounts_are_numbers_with_their_currencys_decimals() -> None:
    sheet = Sheet(workbook(csv_file([
        COLUMNS,
        ("00123", "1250.10", "USD", "J\u00fcrgen", "issued", "Test1LRUN", "1234567890123456"),
        ("2e5", "1000", "JPY", "", "refused", "", ""),
        ("x", "1.5", "XXX", "", "refused", "", ""),
        ("y", "ten", "USD", "", "refused", "", ""),
    ])))  # fmt: skip
    header, first, second, unknown, odd = sheet.rows()
    assert [text for _, text in header.values()] == list(COLUMNS)
    assert sheet.frozen_rows == "1"
    assert [first[each] for each in "ABCDG"] == [
        ("s", "00123"), ("n", "1250.1"), ("s", "USD"), ("s", "J\u00fcrgen"), ("s", "1234567890123456"),
    ]  # fmt: skip
    assert (second["A"], second["B"], "D" in second) == (("s", "2e5"), ("n", "1000"), False)
    # what has no known decimals, or is none, stands as it is
    assert (unknown["B"], odd["B"]) == (("s", "1.5"), ("s", "ten"))
    # a text stays text when somebody edits its cell
    assert [sheet.format_of(place) for place in ("A2", "B2", "B3", "G2")] == ["@", "#,##0.00", "#,##0", "@"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "'=1+1", '=HYPERLINK("https://x.test")', "{=A1}", "https://x.test/", "mailto:a@x.test", "<b>&amp;",
        "<r><t>1,000.00</t></r>", "<r>&</r>", "_x0041_", "<r>_x0041_</r>", " 1 ", "a\x01",
    ],
)  # fmt: skip
def test_what_looks_like_a_formula_an_address_or_markup_is_text(text: str) -> None:
    sheet = Sheet(workbook(csv_file([COLUMNS, (text, "1.00", "USD", text, "issued", "", "")])))
    _, row = sheet.rows()
    assert (row["A"], row["D"]) == (("s", text), ("s", text))
    assert not [name for name in sheet.names if "rels" in name and "sheet" in name], "it links somewhere"


@pytest.mark.parametrize("broken", [b"", b"\xff\xfe", b'key,amount\n"a', b"key,amount\na,1,2\n"])
def test_what_is_no_result_is_told_and_not_made_up(broken: bytes) -> None:
    with pytest.raises(ValueError, match="The result is"):
        workbook(broken)
