"""A bulk order's file as spreadsheets and people save it: the same rows, whatever the bytes."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incentives.api.gateway import ApiCall
from incentives.api.parameters import read_key
from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.bulk_orders.rows import Checked, check_file, decode_rows, digest_of
from incentives.domain.errors import InvalidInput
from incentives.domain.texts import why_no_text

CSV, JSONL = FileFormat.CSV, FileFormat.JSONL
GOOD = "key,amount,currency,reference\na,1,USD,x\nb,2,USD,\n"


def check(text: str | bytes, file_format: FileFormat = CSV) -> Checked:
    return check_file(text if isinstance(text, bytes) else text.encode(), file_format, lambda _: None)


def rows(checked: Checked) -> list[tuple[str, str, str | None]]:
    found = decode_rows(b"".join(checked.padded()), checked.width)
    return [(row.key, str(row.value), row.given.get("externalReference")) for row in found]


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("\ufeff" + GOOD, (0, 0)),
        (GOOD.replace("\n", "\r\n"), (0, 0)),
        (GOOD.replace("\n", "\r"), (0, 0)),
        (GOOD.replace("\n", "\r\n", 1).replace("x\n", "x\r"), (0, 0)),
        ("sep=,\n" + GOOD, (0, 0)),
        ("\ufeffSEP=;\r\n" + GOOD.replace(",", ";"), (0, 0)),
        ('"sep=;";;;\n' + GOOD.replace(",", ";"), (0, 0)),
        ("sep=\t\n" + GOOD.replace(",", "\t"), (0, 0)),
        (GOOD.replace("\n", "\n\n"), (3, 0)),
        (GOOD + ",,,\n , ,\t,\n", (2, 0)),
        ("\n,,,\n" + GOOD, (2, 0)),
        (GOOD.replace("\n", ",,\n"), (0, 2)),
        (GOOD.replace("\na,1,USD,x", "\na,1,USD,x, ,"), (0, 2)),
        (GOOD.replace("key,amount,", "key,amount,,").replace(",1,", ",1,,").replace(",2,", ",2, ,"), (0, 1)),
        (GOOD.replace("b,2,USD,", "b,2,USD"), (0, 0)),
        (GOOD.replace("key,amount,currency", "Key, AMOUNT ,\u00a0currency"), (0, 0)),
        (GOOD.replace("1,USD,x", " 1 ,USD\u00a0,\tx "), (0, 0)),
    ],
    ids=ascii,
)
def test_what_is_not_ambiguous_is_read_and_what_is_nothing_is_counted(text: str, left_out: tuple[int, int]) -> None:
    found = check(text)
    assert found.errors == ()
    assert rows(found) == [("a", "1.00 USD", "x"), ("b", "2.00 USD", None)]
    assert (found.blank_rows, found.empty_columns) == left_out


def test_blank_lines_of_json_are_left_out_and_any_line_end_ends_one() -> None:
    row = '{"key":"%s","amount":1,"currency":"USD"}'
    found = check("\ufeff" + "\r".join([row % "a", "", row % "b"]) + "\r\n \n" + row % "c", JSONL)
    assert [key for key, _, _ in rows(found)] == ["a", "b", "c"]
    assert found.blank_rows == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("within", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("first", ["", "sep=,"])
def test_a_line_is_that_of_an_editor_however_lines_end(end: str, within: str, first: str) -> None:
    # given a cell of two lines, a blank row, and then an error
    cells = [*([first] if first else []), "key,amount,currency,reference", f'a,1,USD,"x{within}y"', "", "b,0,USD,"]
    lines = [error.line - bool(first) for error in check(end.join(cells)).errors]
    assert lines == [2, 5]


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [(GOOD.encode("utf-16"), 1, "UTF-16"), (b"key,amount,currency\r\na,1,USD\rb\xe9,1,USD", 3, "UTF-8")],
)
def test_another_encoding_is_refused_with_what_to_do(data: bytes, line: int, said: str) -> None:
    (error,) = check(data).errors
    assert error.line == line
    assert said in error.problem
    assert "CSV UTF-8" in error.problem


# ---- the same rows ------------------------------------------------------------------------------

_references = st.one_of(st.just(""), st.text(max_size=20).filter(lambda text: not text or why_no_text(text) is None))
_row = st.tuples(
    st.text("ab1-,;", min_size=1, max_size=6),
    st.decimals("0.01", "2500", places=2),
    st.sampled_from(["USD", "EUR"]),
    _references,
)
_files = st.lists(_row, min_size=1, max_size=6, unique_by=lambda row: row[0])


@st.composite
def saved(draw: st.DrawFn, table: list[tuple[str, Decimal, str, str]]) -> tuple[bytes, FileFormat]:
    """The same rows as some program may save them."""
    table = draw(st.permutations(table))
    amounts = draw(st.sampled_from([str, lambda value: f"{value.normalize():f}", lambda value: f"00{value}"]))
    if draw(st.booleans()):
        members = [dict(zip(("key", "amount", "currency", "reference"), row, strict=True)) for row in table]
        ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
        lines = [json.dumps(each | {"amount": str(each["amount"])}) + draw(ends) for each in members]
        return "".join(lines).encode(), JSONL
    order = draw(st.permutations(range(4)))
    delimiter = draw(st.sampled_from(",;\t|"))
    ragged: list[list[Any]] = [[draw(st.sampled_from(["Key", "key "])), "AMOUNT", " currency", "reference"]]
    ragged += [[key, amounts(value), f" {currency}", reference] for key, value, currency, reference in table]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    width = draw(st.integers(0, 2))
    for cells in ragged:
        writer.writerow([cells[number] for number in order] + [""] * width)
        if draw(st.booleans()):
            writer.writerow([""] * (4 + width))
    first = f"sep={delimiter}\n" if delimiter != "," or draw(st.booleans()) else ""
    return (draw(st.sampled_from(["", "\ufeff"])) + first + text.getvalue()).encode(), CSV


@settings(deadline=None)
@given(st.data(), _files)
def test_rows_are_known_by_what_they_mean_however_they_are_saved(
    data: st.DataObject, table: list[tuple[str, Decimal, str, str]]
) -> None:
    one, other = data.draw(saved(table)), data.draw(saved(table))
    assert digest_of(*one) == digest_of(*other) is not None


@settings(deadline=None)
@given(st.data(), _files, _files)
def test_other_rows_are_known_as_others(
    data: st.DataObject, table: list[tuple[str, Decimal, str, str]], other: list[tuple[str, Decimal, str, str]]
) -> None:
    # given other rows, or the same but for one cell
    number, column = data.draw(st.integers(0, len(table) - 1)), data.draw(st.integers(0, 3))
    changed = list(table[number])
    changed[column] = ["zz", Decimal("3000.00"), "GBP", "another reference than any"][column]
    one_cell: Any = [*table[:number], tuple(changed), *table[number + 1 :]]
    digest = digest_of(*data.draw(saved(table)))
    assert digest != digest_of(*data.draw(saved(one_cell)))
    assert (digest == digest_of(*data.draw(saved(other)))) == (sorted(table) == sorted(other))


def test_a_file_that_is_refused_everywhere_has_no_digest() -> None:
    assert digest_of(b"key,amount,currency\na,0,USD\n", CSV) is None


# ---- one rule for keys --------------------------------------------------------------------------

_texts = st.one_of(st.text(max_size=6), st.text('k "\\\t', max_size=6), st.text("~!k", min_size=250, max_size=260))


def _of_header(text: str) -> str | None:
    call = ApiCall(headers={"idempotency-key": text}, path={}, query={}, body=b"", caller=None, base_path="")
    try:
        return read_key(call)
    except InvalidInput:
        return None


def _of_file(text: str) -> str | None:
    found = check(json.dumps({"key": text, "amount": 1, "currency": "USD"}), JSONL)
    return None if found.errors else rows(found)[0][0]


@settings(deadline=None)
@given(_texts)
def test_a_text_is_a_key_in_a_header_exactly_if_it_is_one_in_a_file(text: str) -> None:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    kept = _of_file(text)
    assert _of_header(f'"{escaped}"') == kept
    assert kept in {None, text}
    if not text.strip(" \t").startswith('"'):
        # without quotes, blanks around are none of the key's
        assert _of_header(text) == _of_file(text.strip(" \t"))
