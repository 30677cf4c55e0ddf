"""A bulk order's file: every row of it valid, or what is wrong named by line and field."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incentives.agcod.marketplaces import check_value
from incentives.domain.bulk_orders.bulk_order import FileError, FileFormat
from incentives.domain.bulk_orders.row_files import ERRORS_KEPT
from incentives.domain.bulk_orders.rows import ROWS_MAX, Checked, Row, check_file, decode_rows, encode_row
from incentives.domain.money import parse_money
from tests.support.bulk import rows_of

US = partial(check_value, "US", "CreateGiftCard")
JP = partial(check_value, "JP", "CreateGiftCard")
CSV, JSONL = FileFormat.CSV, FileFormat.JSONL


def check(text: str | bytes, file_format: FileFormat = CSV) -> Checked:
    return check_file(text if isinstance(text, bytes) else text.encode(), file_format, US)


def kept(checked: Checked) -> tuple[Row, ...]:
    """The rows as they are found again."""
    return decode_rows(b"".join(checked.padded()), checked.width)


def errors(text: str | bytes, file_format: FileFormat = CSV) -> list[tuple[int, str | None]]:
    return [(error.line, error.field) for error in check(text, file_format).errors]


def test_a_valid_csv_file_is_its_rows_and_its_total() -> None:
    found = check('amount,key,reference,currency\n25,a,"x, ""y""",USD\n0.15,b,,USD\n')
    assert found.errors == ()
    assert found.totals == {"USD": Decimal("25.15")}
    assert kept(found) == (
        Row("a", parse_money("25.00", "USD"), {"externalReference": 'x, "y"'}),
        Row("b", parse_money("0.15", "USD")),
    )


def test_a_valid_json_lines_file_is_its_rows_and_its_total() -> None:
    found = check('{"key":"a","amount":25.10,"currency":"USD"}\r\n\n{"key":"b","amount":"2","currency":"USD",'
                  '"reference":"\\u00e9"}', JSONL)  # fmt: skip
    assert found.errors == ()
    assert found.totals == {"USD": Decimal("27.10")}
    assert [(row.key, row.value.amount_text, row.given.get("externalReference")) for row in kept(found)] == [
        ("a", "25.10", None),
        ("b", "2.00", "\u00e9"),
    ]


def test_a_number_keeps_the_digits_that_it_was_written_with() -> None:
    # 0.1 + 0.2 of binary floats would be 0.30000000000000004, and 1.005 would be 1.00499999999999989
    lines = '{"key":"a","amount":1.10,"currency":"USD"}\n{"key":"b","amount":1.005,"currency":"USD"}\n'
    found = check(lines, JSONL)
    assert [(error.line, error.field) for error in found.errors] == [(2, "amount")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [(1, None)]),
        ("key,amount,currency\n", [(1, None)]),
        ("key;amount;currency\na;1;USD\n", [(1, None)]),
        ("key,amount\na,1\n", [(1, "currency")]),
        ("key,amount,currency,colour\na,1,USD,red\n", [(1, "colour")]),
        ("key,key,amount,currency\n", [(1, "key")]),
        ("key,amount,currency\na,1\nb,2,USD\n", [(2, "currency")]),
        ("key,amount,currency\na,1,000,USD\n", [(2, None)]),
        ("key,amount,currency\na,1.000,USD\nb,25.000,USD\n", [(2, "amount"), (3, "amount")]),
        ('key,amount,currency\n a,1,USD\nb ,1,USD\nc\u00a0,1,USD\n"d"" ",1,USD\n', [(n, "key") for n in range(2, 6)]),
        ("key,amount,,currency\na,1,x,USD\n", [(2, None)]),
        ("sep=x\nkeyxamountxcurrency\n", [(1, None)]),
        ("sep=;\nkey,amount,currency\na,1,USD\n", [(2, "key,amount,currency")]),
        ("key,amount,currency\na,1,USD\na,1,USD\n", [(3, "key")]),
        ("key,amount,currency\n,1,USD\n", [(2, "key")]),
        ("key,amount,currency\n\u00e9,1,USD\n", [(2, "key")]),
        (f"key,amount,currency\n{'k' * 256},1,USD\n", [(2, "key")]),
        ("key,amount,currency\na,,\n", [(2, "amount"), (2, "currency")]),
        ("key,amount,currency\na,1,EUR\n", [(2, "currency")]),
        ("key,amount,currency\na,1,XXX\n", [(2, "currency")]),
        ("key,amount,currency\na,2000.01,USD\n", [(2, "amount")]),
        ("key,amount,currency\na,0.14,USD\n", [(2, "amount")]),
        ("key,amount,currency\na,-1,USD\nb,1e2,USD\nc,nan,USD\n", [(2, "amount"), (3, "amount"), (4, "amount")]),
        (f"key,amount,currency,reference\na,1,USD,{'r' * 101}\n", [(2, "reference")]),
        ('key,amount,currency,reference\na,1,USD,"two\nlines"\nb,1,EUR,\n', [(2, "reference"), (4, "currency")]),
        # A quotation mark that was never closed makes the next row part of this one's cell.
        ('key,amount,currency,reference\na,1,USD,"\nb,1,USD,"\nc,1,USD,\n', [(2, "reference")]),
        ('key,amount,currency\na,1\x1f,USD\nb,"1\n",USD\n', [(2, "amount"), (3, "amount")]),
        ('key,amount,currency\na,1,USD\nb,"1"2,USD\nc,1,EUR\n', [(3, None)]),
        ('key,amount,currency\na,"1,USD\n', [(2, None)]),
        ("k\n\r\n", [(1, "k")]),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_named(text: str, found: list[tuple[int, str | None]]) -> None:
    assert errors(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]\n", [(1, None)]),
        ("\n\n{\n", [(3, None)]),
        ('{"key":"a","amount":1,"currency":"USD"} x\n', [(1, None)]),
        ('{"key":"a","amount":1,"currency":"USD","colour":"red","size":1}\n', [(1, "colour"), (1, "size")]),
        ('{"key":"a","key":"b","amount":1,"currency":"USD"}\n', [(1, "key")]),
        ('{"key":1,"amount":1,"currency":"USD"}\n', [(1, "key")]),
        ('{"key":"a","amount":true,"currency":"USD"}\n', [(1, "amount")]),
        ('{"key":"a","amount":NaN,"currency":"USD"}\n', [(1, None)]),
        ('{"key":"a","amount":1e400,"currency":"USD"}\n', [(1, "amount")]),
        ('{"key":"a","amount":1e99999999999999999999,"currency":"USD"}\n', [(1, None)]),
        ('{"key":"a","amount":[1],"currency":"USD"}\n', [(1, "amount")]),
        ('{"key":"a","amount":1,"currency":["USD"]}\n', [(1, "currency")]),
        ('{"key":"a","amount":1,"currency":"USD","reference":7}\n', [(1, "reference")]),
        ('{"key":"a","amount":1,"currency":"USD","reference":"\\ud800"}\n', [(1, "reference")]),
        ('{"key":"a","amount":1,"currency":"USD","reference":"a\\u0000b"}\n', [(1, "reference")]),
        ('{"key":"a","amount":25.000,"currency":"USD"}\n', [(1, "amount")]),
        ('{"key":"a ","amount":1,"currency":"USD"}\n', [(1, "key")]),
        ("[" * 100_000 + "\n", [(1, None)]),
    ],
)
def test_what_is_wrong_with_a_json_lines_file_is_named(text: str, found: list[tuple[int, str | None]]) -> None:
    assert errors(text, JSONL) == found


def test_a_file_in_another_encoding_is_refused_by_line() -> None:
    assert errors("key,amount,currency\na,1,USD\n\u00e9,1,USD\n".encode("latin-1")) == [(3, None)]


def test_a_duplicate_names_the_line_that_was_first() -> None:
    (error,) = check("key,amount,currency\na,1,USD\nb,1,USD\na,1,USD\n").errors
    assert error == FileError(4, "key", 'is the same as on line 2: "a"')


def test_the_first_hundred_errors_are_kept_and_all_are_counted() -> None:
    found = check(rows_of(150, amount="0"))
    assert (len(found.errors), found.error_count) == (ERRORS_KEPT, 150)
    assert [error.line for error in found.errors] == list(range(2, 102))


def test_another_marketplaces_decimals_count() -> None:
    data = b"key,amount,currency\na,1000,JPY\nb,10.5,JPY\nc,1000.00,JPY\n"
    assert [(error.line, error.field) for error in check_file(data, CSV, JP).errors] == [(3, "amount"), (4, "amount")]


def test_a_row_more_than_an_order_may_have_is_refused_by_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incentives.domain.bulk_orders.rows.ROWS_MAX", 3)
    assert check(rows_of(3)).errors == ()
    assert errors(rows_of(4)) == [(5, None)]
    assert ROWS_MAX == 100_000


def test_a_callers_text_in_an_error_is_short_and_printable() -> None:
    (error,) = check(f"key,amount,currency,{'x' * 1000}\x07\n").errors
    assert error.field == f"{'x' * 25}\u2026{'x' * 23}<U+0007>"


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("tw-1 ,1,USD", '"tw-1 "'),
        ("a,1,US D", '"US D"'),
        ("a,1.000,USD", '"1.000"'),
        ("a,1,USD,x\u200b", '"x<U+200B>"'),
    ],
)
def test_what_is_quoted_is_quoted_so_that_a_blank_can_be_seen(row: str, shown: str) -> None:
    (error,) = check(f"key,amount,currency,reference\n{row}\n").errors
    assert error.problem.endswith(f": {shown}")


#: Rows as people write them, most of them good.
_keys = st.one_of(st.text("ab1 -", max_size=3), st.text(max_size=5))
_amounts = st.one_of(st.decimals("0.01", "2500", places=2).map(str), st.text("0123456789.-e ", max_size=6))
_currencies = st.sampled_from(["USD", "USD", "USD", "EUR", "usd", ""])
_references = st.one_of(st.none(), st.text(max_size=8), st.just("r" * 101))
_rows = st.lists(st.tuples(_keys, _amounts, _currencies, _references), max_size=8)


_COLUMNS = ("key", "amount", "currency", "reference")


def _holds(found: Checked, rows: list[dict[str, str | None]]) -> None:
    """Either all rows are valid, or there is an error, with a line of the file and a known field."""
    if found.error_count:
        assert found.errors
        assert all(error.line >= 1 and error.problem for error in found.errors)
        return
    rows = [row for row in rows if any((cell or "").strip() for cell in row.values())]
    assert [(row.key, row.value.amount, row.given.get("externalReference", "")) for row in kept(found)] == [
        (row["key"], Decimal((row["amount"] or "").strip()), (row["reference"] or "").strip()) for row in rows
    ]
    assert len({row["key"] for row in rows}) == len(rows)
    assert found.totals == {"USD": sum(Decimal((row["amount"] or "").strip()) for row in rows)}


@settings(deadline=None)
@given(_rows)
def test_any_csv_file_is_valid_as_a_whole_or_says_where_it_is_not(rows: list[tuple[str, str, str, str | None]]) -> None:
    named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(named)
    _holds(check(text.getvalue().encode("utf-8", "surrogatepass")), named)


@settings(deadline=None)
@given(_rows)
def test_any_json_lines_file_is_valid_as_a_whole_or_says_where_it_is_not(
    rows: list[tuple[str, str, str, str | None]],
) -> None:
    named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    _holds(check("".join(json.dumps(row) + "\n" for row in named), JSONL), named)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text('key,amountcurrency\n"1USD{}:[].\ufeff', max_size=80).map(str.encode)))
@example(b"\xef\xbb\xbf\xef\xbb\xbfkey,amount,currency\na,1,USD\n")
@example(b'"key\x00",amount,currency\n')
def test_no_bytes_are_too_odd_to_be_refused_by_line(data: bytes) -> None:
    for file_format in FileFormat:
        found = check(data, file_format)
        assert found.errors or found.rows
        assert bool(found.errors) == bool(found.error_count)
        assert all(1 <= error.line <= data.count(b"\n") + data.count(b"\r") + 1 for error in found.errors)


@given(st.text(max_size=20), st.text(max_size=20))
def test_rows_of_any_width_are_found_again(first: str, second: str) -> None:
    rows = [Row(text, parse_money("1", "USD"), {"externalReference": text}) for text in (first, second)]
    checked = Checked(rows=[encode_row(row) for row in rows])
    assert kept(checked) == tuple(rows)
