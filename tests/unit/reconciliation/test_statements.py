"""Statements: read once, deleted at once, refused by column and line, and the days judged by their rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from incentives.domain.errors import BooksConflict, BooksNotFound, BooksUnavailable, InvalidInput, StatementRefused
from incentives.domain.money import Money
from incentives.domain.persons import Person
from incentives.domain.reconciliation.day_state import Source
from incentives.domain.reconciliation.rows import Row, decode_rows
from incentives.domain.reconciliation.statement_files import FILE_BYTES_MAX
from incentives.domain.reconciliation.statements import StatementStatus
from incentives.usecases.reconciliation.take_statement import OpenedStatement, open_statement, read_statement
from tests.support.books_world import DAY, Kept, kept

SHA: Final = "a" * 64
HEADER: Final = "requestId,activityTime,type,status,amount,currencyCode,gcId\n"
CHARGE: Final = "Test1A,2026-02-20T10:15:07Z,GCCreation,Success,25.00,USD,A2GCN9BRX5QS76\n"
REFUND: Final = "Test1A,2026-02-20T11:00:00Z,GCCancellation,Success,,,\n"
#: Berlin's midnight: this is the day after.
LATE: Final = "Test1B,2026-02-20T23:00:00Z,GCCreation,Success,30.00,USD,\n"
CANARY: Final = "AQ3R-ABCDEF-1234"


def opened(here: Kept, content: str | bytes | None = None, *, first: date = DAY, last: date = DAY) -> OpenedStatement:
    """A statement, put if there is anything to put."""
    made = open_statement(
        "default", first, last, SHA, person=Person("sso:ann", "ann"), caller="arn:ann", here=here.here
    )
    if content is not None:
        data = content.encode() if isinstance(content, str) else content
        here.uploads.uploads[made.statement.statement_id] = data
    return made


def read(here: Kept, made: OpenedStatement) -> list[date]:
    return [each.day for each in read_statement("default", made.statement.statement_id, by="ann", here=here.here)]


def rows_of(here: Kept, day: date) -> list[Row]:
    (window,) = here.day(day).windows
    return list(decode_rows(here.files.files[window.name or ""]))


def test_each_day_gets_its_rows_and_a_round_and_the_upload_is_gone() -> None:
    here = kept()
    # given a day on which the page was found switched off
    here.judged(windows=(), judged=None, source=None, page_off=True)
    made = opened(here, HEADER + CHARGE + REFUND + LATE, last=DAY + timedelta(days=1))
    # when it is read
    assert read(here, made) == [DAY, DAY + timedelta(days=1)]
    # then rows lie where those of a page would, by booking day
    charge = Row(
        "Test1A", datetime(2026, 2, 20, 10, 15, 7, tzinfo=UTC), "GCCreation", "Success",
        value=Money(Decimal("25.00"), "USD"), gc_id="A2GCN9BRX5QS76",
    )  # fmt: skip
    assert rows_of(here, DAY)[0] == charge
    assert [each.request_id for each in rows_of(here, DAY + timedelta(days=1))] == ["Test1B"]
    day = here.day()
    assert (day.source, day.uploaded_by, day.partner_id) == (Source.STATEMENT, "sso:ann", "Test1")
    assert (day.to_judge, day.final, day.fetched_at) == (True, True, here.world.clock.now())
    assert [each[1] for each in here.reconciliations.started] == [DAY, DAY + timedelta(days=1)]
    # and nothing of the upload is left
    assert here.uploads.uploads == {}
    statement = here.books.statement("default", made.statement.statement_id)
    assert statement is not None
    assert (statement.status, statement.rows, statement.sha256) == (StatementStatus.READ, 3, SHA)
    # and whoever calls again is told the same
    assert read(here, made) == [DAY, DAY + timedelta(days=1)]
    assert len(here.reconciliations.started) == 2


def test_a_better_statement_takes_the_place_of_one() -> None:
    here = kept()
    read(here, opened(here, HEADER + CHARGE))
    read(here, opened(here, HEADER))
    assert rows_of(here, DAY) == []


def test_whoever_read_the_day_by_its_page_meanwhile_has_lost_it_or_won() -> None:
    here = kept()
    made = opened(here, HEADER + CHARGE)

    # given a page that is read between the look and the write
    def read_meanwhile(part: str) -> None:
        if part.startswith("day#"):
            here.books.before_write = None
            here.judged()

    here.books.before_write = read_meanwhile
    with pytest.raises(BooksConflict) as refused:
        read(here, made)
    assert "2026-02-20" in refused.value.detail
    assert here.day().source is Source.PAGE


def test_the_page_goes_before_a_statement() -> None:
    here = kept()
    made = opened(here, HEADER + CHARGE)
    here.judged()
    with pytest.raises(BooksConflict):
        opened(here)
    with pytest.raises(BooksConflict):
        read(here, made)
    assert here.uploads.uploads == {}


@pytest.mark.parametrize(
    ("content", "field", "line"),
    [
        (HEADER.replace("gcId", "Claim Code") + CHARGE, "Claim Code", ""),
        (CHARGE, "column 1", ""),
        (HEADER.replace("gcId", CANARY), "column 7", ""),
        (HEADER.replace("gcId", "status"), "status", "twice"),
        (HEADER.replace("amount,", ""), "amount", "missing"),
        ("", "requestId", "missing"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "statement", "UTF-8"),
        (HEADER + CHARGE + '"never closed', "statement", "line 3"),
        (HEADER + "a,b\n", "statement", "line 2"),
        (HEADER + CHARGE + LATE, "activityTime", "line 3"),
        (HEADER + CHARGE.replace("10:15:07Z", "10:15:07"), "activityTime", "line 2"),
        (HEADER + CHARGE.replace("2026-02-20T", "2026-02-30T"), "activityTime", "line 2"),
        (HEADER + CHARGE.replace("2026-02-20T10", "0001-01-01T00"), "activityTime", "line 2"),
        (HEADER + CHARGE.replace("25.00", "25.000"), "amount", "line 2"),
        (HEADER + CHARGE.replace("25.00", "-25.00"), "amount", "line 2"),
        (HEADER + CHARGE.replace("25.00", ""), "amount", "line 2"),
        (HEADER + CHARGE.replace("USD", "usd"), "currencyCode", "line 2"),
        (HEADER + CHARGE.replace("GCCreation", "Gift card order"), "type", "line 2"),
        (HEADER + CHARGE.replace("Success", "Completed"), "status", "line 2"),
        (HEADER + CHARGE.replace("Test1A", CANARY), "requestId", "line 2"),
        (HEADER + CHARGE.replace("Test1A", CANARY.replace("-", "")), "requestId", "line 2"),
        (HEADER + CHARGE.replace("Test1A", "x" * 41), "requestId", "line 2"),
        (HEADER + CHARGE.replace("A2GCN9BRX5QS76", CANARY), "gcId", "line 2"),
        (HEADER + CHARGE.replace("A2GCN9BRX5QS76", "XQ3RABCDEF1234"), "gcId", "line 2"),
        (b"x" * (FILE_BYTES_MAX + 1), "statement", "bytes"),
    ],
)  # fmt: skip
def test_what_no_statement_may_hold_is_named_and_the_upload_is_gone(
    content: str | bytes, field: str, line: str
) -> None:
    here = kept()
    made = opened(here, content)
    with pytest.raises(StatementRefused) as refused:
        read(here, made)
    (found, *_) = refused.value.fields
    assert (found[0], line in found[1]) == (field, True)
    # and nothing of it came to rest, not even in what is said of it
    assert here.uploads.uploads == {}
    assert here.files.files == {}
    statement = here.books.statement("default", made.statement.statement_id)
    assert statement is not None
    assert statement.status is StatementStatus.REFUSED
    assert CANARY not in repr((here.books.items, here.world.telemetry.lines, refused.value.fields))
    assert CANARY.replace("-", "") not in repr((here.books.items, refused.value.fields))


def test_only_so_many_wrong_lines_are_told() -> None:
    here = kept()
    with pytest.raises(StatementRefused) as refused:
        read(here, opened(here, HEADER + CHARGE.replace("Success", "?") * 50))
    assert len(refused.value.fields) == 20


def test_what_amazon_may_lack_a_statement_may_lack() -> None:
    here = kept()
    failed = ",2026-02-20T10:15:07Z,GCCreation,Failed,,,\n"
    # given an id that might be a code but for the partner's at its beginning, no column for cards, a spreadsheet's file
    refund = REFUND.replace("Test1A", "Test1AQ3RABCDE")
    content = "\ufeff" + HEADER.replace(",gcId", "") + (failed + refund).replace(",,,\n", ",,\n")
    read(here, opened(here, content.replace("\n", "\r\n")))
    assert {(each.request_id, each.value) for each in rows_of(here, DAY)} == {("", None), ("Test1AQ3RABCDE", None)}


def test_an_upload_that_cannot_be_deleted_is_not_looked_at() -> None:
    here = kept()
    made = opened(here, HEADER + CHARGE)

    def fail(_: str) -> None:
        raise BooksUnavailable("down")

    here.uploads.delete = fail  # type: ignore[method-assign]
    with pytest.raises(BooksUnavailable):
        read(here, made)
    assert here.files.files == {}
    # and once it can be, the same call goes on
    del here.uploads.delete  # type: ignore[attr-defined]
    assert read(here, made) == [DAY]


def test_nothing_put_and_nothing_known_are_told_apart() -> None:
    here = kept()
    with pytest.raises(BooksConflict):
        read(here, opened(here))
    with pytest.raises(BooksNotFound):
        read(here, replace(opened(here), statement=replace(opened(here).statement, statement_id="f" * 32)))


@pytest.mark.parametrize(
    ("first", "last", "sha256", "field"),
    [
        (DAY, DAY - timedelta(days=1), SHA, "from"),
        (DAY - timedelta(days=31), DAY, SHA, "from"),
        (date(2025, 12, 31), date(2025, 12, 31), SHA, "from"),
        (DAY, date(2026, 3, 1), SHA, "to"),
        (DAY, DAY, "A" * 64, "sha256"),
    ],
)
def test_what_no_statement_can_cover_is_named(first: date, last: date, sha256: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_statement("default", first, last, sha256, person=None, caller=None, here=kept().here)
    assert refused.value.field == field
