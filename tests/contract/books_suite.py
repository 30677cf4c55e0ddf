"""What every table of the books promises."""

from __future__ import annotations

import itertools
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import pytest

from incentives.domain.errors import BooksUnavailable
from incentives.domain.money import Money
from incentives.domain.reconciliation.balance import BalanceSnapshot, MovementName, MovementPart, PartType
from incentives.domain.reconciliation.closing import Close, CloseStatus, NextVersion, Opening, SignOff
from incentives.domain.reconciliation.day_state import BooksDay, Found, JudgedDay, Source, changed
from incentives.domain.reconciliation.findings import Decision, FileRef, Kind, Reason, Resolution
from incentives.domain.reconciliation.statements import Statement, StatementStatus
from incentives.domain.reconciliation.windows import Window
from incentives.usecases.reconciliation.ports import Books
from tests.contract.subject import THREADS, all_at_once
from tests.support.fakes import START

T = TypeVar("T")

DAY: Final = date(2026, 11, 22)
SECOND: Final = timedelta(seconds=1)
MIDNIGHT: Final = datetime(2026, 11, 22, tzinfo=UTC)
FOLDER: Final = "default/Test1/2026-11-22/r3/"

WINDOW: Final = Window(
    start=MIDNIGHT,
    end=MIDNIGHT + 20 * SECOND,
    name=f"{FOLDER}rows-20261122T000000-0123456789abcdef.jsonl",
    rows=900,
    before=1,
    after=2,
    asked_at=START + timedelta(milliseconds=123),
    tries=1,
    given_up="a page of 3 rows that says there are 4",
)
#: Nothing in it is as it would be by default.
FULL_DAY: Final = BooksDay(
    account="-",
    day=DAY,
    revision=7,
    round=3,
    lease_until=START,
    started_by="arn:aws:iam::123456789012:user/a",
    source=Source.STATEMENT,
    partner_id="Test1",
    reading=(Window(start=MIDNIGHT, end=MIDNIGHT + SECOND), replace(WINDOW, name="elsewhere/rows.jsonl")),
    windows=(WINDOW, replace(WINDOW, name="rows.jsonl", given_up=None)),
    reads_anew=True,
    to_judge=True,
    checks_total=True,
    fetched_at=START,
    final=True,
    page_off=True,
    judged=JudgedDay(
        name=f"{FOLDER}judged-0.json",
        at=START,
        carried_from="ab",
        carry="cd",
        currency="USD",
        charges=3,
        charged=7500,
        refunds=1,
        refunded=2500,
        open_items=2,
        differences=1,
        unresolved=1,
    ),
    found={Kind.CHARGED_TWICE: Found(count=1, amount=2500, request_ids=("Test1R1",))},
    told=("chargedTwice",),
    statement_id="S1",
    uploaded_by="a",
)
FULL_CLOSE: Final = Close(
    account="-",
    month="2026-11",
    revision=3,
    version=2,
    status=CloseStatus.BLOCKED,
    blocked_by=("2026-11-03 is not judged",),
    digest="ab",
    opening=Opening(amount=Decimal("-1200.50"), source="the portal"),
    figures={"charges": "100.00"},
    files=(FileRef(name="default/closes/2026-11/v2/summary.csv", sha256="cd", rows=3),),
    manifest=FileRef(name="default/closes/2026-11/v2/manifest.json", sha256="ef", rows=1),
    closed_by="a",
    caller="arn:aws:iam::123456789012:user/a",
    closed_at=START,
    signed_off=SignOff(by="b", caller="arn:b", at=START, manifest_sha256="ef"),
    next_version=NextVersion(version=3, digest="gh"),
)
FULL_STATEMENT: Final = Statement(
    account="-",
    statement_id="S1",
    first=DAY,
    last=DAY + timedelta(days=3),
    sha256="ab",
    uploaded_by="a",
    caller="arn:a",
    at=START,
    status=StatementStatus.REFUSED,
    rows=7,
    why="line 3: time",
    revision=2,
)
FULL_NAME: Final = MovementName(
    account="-",
    movement_id="M1",
    parts=(MovementPart(type=PartType.TAX, amount=Decimal("-7.10"), on=DAY, reference="T1"),),
    by="a",
    at=START,
    revision=1,
)


@dataclass(frozen=True)
class Kept:
    """The books, seen by two kinds of callers.

    Attributes:
        books: by one whose calls are answered.
        repeated: by one whose first try of each write takes effect and loses its response, and whose SDK repeats it.
    """

    books: Books
    repeated: Books


@pytest.fixture
def account() -> str:
    return f"books-{next(_numbers)}"


_numbers = itertools.count()


def snapshot(account: str, after: timedelta = timedelta(), **updates: Any) -> BalanceSnapshot:
    base = BalanceSnapshot(
        account=account,
        partner_id="Test1",
        taken_at=START + after + SECOND,
        as_of=START + after,
        available=Money(Decimal("-1.50"), "USD"),
        counted_before={DAY: 1200},
        counted_after={DAY: 1300, DAY - timedelta(days=1): 5},
        at_risk=2500,
    )
    return replace(base, **updates)


def resolution(account: str, difference_id: str = "d1", number: int = 1, note: str = "") -> Resolution:
    decisions = tuple(
        Decision(reason=Reason.SUPPORT_CASE, note=f"{note}{n}", by="a", at=START + n * SECOND) for n in range(number)
    )
    return Resolution(
        account=account,
        difference_id=difference_id,
        kind=Kind.UNREADABLE_ROW,
        request_id="",
        day=DAY,
        decisions=decisions,
    )


def begun_day(books: Books, account: str) -> BooksDay:
    day = BooksDay(account=account, day=DAY)
    assert books.keep_day(None, day)
    return day


class BooksContract:
    """A class of tests inherits this and supplies the fixture `kept`."""

    @pytest.mark.parametrize("full", [FULL_DAY, FULL_CLOSE, FULL_STATEMENT], ids=lambda each: type(each).__name__)
    def test_what_stands_is_read_as_it_was_written(self, kept: Kept, account: str, full: Any) -> None:
        # A field that is new has to be here, too.
        assert [each.name for each in fields(full) if getattr(full, each.name) == each.default] == []
        bare = type(full)(**{
            each.name: getattr(full, each.name)
            for each in fields(full)
            if each.default is MISSING and each.default_factory is MISSING
        })  # fmt: skip
        for before, value in ((None, replace(bare, account=account)), (bare, replace(full, account=account))):
            read, keep = _calls(kept.books, value)
            assert keep(before, value)
            assert read() == value

    def test_what_nobody_wrote_is_none(self, kept: Kept, account: str) -> None:
        books = kept.books
        assert (books.day(account, DAY), books.close(account, "2026-11"), books.statement(account, "S1")) == (None,) * 3
        assert (books.first_balance(account), books.first_day(account), [*books.last_balances(account, 3)]) == (
            None, None, []
        )  # fmt: skip
        assert (books.movement_names(account), books.resolutions(account, ["d1"]), books.resolutions(account, [])) == (
            {}, {}, {}
        )  # fmt: skip
        assert (books.days_of_rows(account, ["R1"]), [*books.ended(account, DAY)]) == ({}, [])

    def test_of_all_who_write_the_same_revision_one_is_through(self, kept: Kept, account: str) -> None:
        books = kept.books
        before = begun_day(books, account)

        done = all_at_once(*[
            lambda name=f"caller-{n}": books.keep_day(before, changed(before, started_by=name)) for n in range(THREADS)
        ])  # fmt: skip

        assert done.count(True) == 1
        now = books.day(account, DAY)
        assert now is not None
        assert (now.revision, now.started_by) == (2, f"caller-{done.index(True)}")
        assert not books.keep_day(None, before)

    def test_decisions_and_the_day_are_written_in_one_or_not_at_all(self, kept: Kept, account: str) -> None:
        books, day = kept.books, begun_day(kept.books, account)
        first = [resolution(account, f"d{n}") for n in range(99)]
        before, day = day, changed(day, told=("a",))
        assert books.keep_day(before, day, first)
        assert books.resolutions(account, [*(each.difference_id for each in first), "d1", "none"]) == {
            each.difference_id: each for each in first
        }
        # A decision that another one came before
        second = resolution(account, "d1", 2, "mine ")
        assert not books.keep_day(day, changed(day), [resolution(account, "new"), resolution(account, "d2", 1)])
        assert not books.keep_day(replace(day, revision=1), changed(replace(day, revision=1)), [second])
        assert (books.day(account, DAY), books.resolutions(account, ["new", "d1"])) == (day, {"d1": first[1]})
        # and one that corrects it
        assert books.keep_day(day, changed(day), [second])
        assert books.resolutions(account, ["d1"])["d1"] == second
        with pytest.raises(ValueError, match="99"):
            books.keep_day(day, changed(day), [*first, second])

    def test_of_all_who_decide_at_once_one_is_through(self, kept: Kept, account: str) -> None:
        books, day = kept.books, begun_day(kept.books, account)

        done = all_at_once(*[
            lambda note=f"{n}-": books.keep_day(day, changed(day), [resolution(account, note=note)]) for n in range(4)
        ])  # fmt: skip

        assert done.count(True) == 1
        assert books.resolutions(account, ["d1"])["d1"].newest.note == f"{done.index(True)}-0"

    def test_a_write_that_is_repeated_knows_itself(self, kept: Kept, account: str) -> None:
        day, name = BooksDay(account=account, day=DAY), replace(FULL_NAME, account=account)
        assert kept.repeated.keep_day(None, day)
        assert kept.repeated.keep_day(day, changed(day), [resolution(account)])
        assert kept.repeated.keep_movement_name(None, name)
        # and takes nothing of somebody else's for its own
        assert not kept.repeated.keep_day(day, changed(day))
        assert not kept.repeated.keep_day(day, changed(day), [resolution(account, "d2")])

    def test_days_come_in_order_and_belong_to_one_account(self, kept: Kept, account: str) -> None:
        days = [BooksDay(account=account, day=DAY + timedelta(days=n)) for n in range(-30, 30)]
        for day in [*reversed(days), BooksDay(account=f"{account}0", day=DAY)]:
            kept.books.keep_day(None, day)
        kept.books.keep_close(None, replace(FULL_CLOSE, account=account))

        assert [*kept.books.days(account, days[2].day, days[40].day)] == days[2:41]
        assert kept.books.first_day(account) == days[0].day
        assert [*kept.books.days(account, DAY, DAY - timedelta(days=1))] == []

    def test_a_day_of_as_many_windows_as_there_can_be_is_kept(self, kept: Kept, account: str) -> None:
        # given 700,000 charges, with the longest names that their objects can have
        folder = f"{'a' * 63}/Test1/2026-11-22/r1234/"
        windows = tuple(
            replace(WINDOW, start=MIDNIGHT + n * SECOND, name=f"{folder}rows-20261122T000000-{n:016x}.jsonl")
            for n in range(778)
        )
        day = replace(FULL_DAY, account=account, windows=windows, reading=windows)
        assert kept.books.keep_day(None, day)
        # when there are more than a page of such days, then all of them come
        for n in range(1, 10):
            kept.books.keep_day(None, replace(day, day=DAY + timedelta(days=n)))
        found = [*kept.books.days(account, DAY, DAY + timedelta(days=20))]
        assert (len(found), found[0]) == (10, day)

    def test_the_first_balance_of_a_time_stays_and_all_come_by_amazons_time(self, kept: Kept, account: str) -> None:
        books, later = kept.books, timedelta(minutes=15)
        made = [snapshot(account, n * later, at_risk=n or None) for n in range(6)]
        for each in [*made[::-1], replace(made[2], at_risk=77), snapshot(f"{account}0", -later)]:
            books.keep_balance(each)

        assert [*books.balances(account, made[1].as_of, made[4].as_of)] == made[1:5]
        assert [*books.balances(account, made[1].as_of + SECOND, made[2].as_of - SECOND)] == []
        assert books.first_balance(account) == made[0]
        assert [*books.last_balances(account, 2)] == [made[5], made[4]]

    def test_what_ended_is_noted_once_and_by_day(self, kept: Kept, account: str) -> None:
        books = kept.books
        for day, request_id in ((DAY, "R2"), (DAY, "R1"), (DAY, "R2"), (DAY + timedelta(days=1), "R3")):
            books.note_ended(account, day, request_id, START)
        assert sorted(books.ended(account, DAY)) == ["R1", "R2"]

    def test_days_of_rows_add_up(self, kept: Kept, account: str) -> None:
        # given more requests than one call takes
        books, many = kept.books, [f"R{n}" for n in range(105)]
        books.note_rows(account, DAY, many)
        books.note_rows(account, DAY, ["R1", "R1", "R999"])
        books.note_rows(account, DAY + timedelta(days=1), ["R1"])
        books.note_rows(account, DAY, [])

        found = books.days_of_rows(account, [*many, "R1", "R999", "none"])

        assert set(found) == {*many, "R999"}
        assert found["R1"] == {DAY, DAY + timedelta(days=1)}
        assert found["R2"] == found["R999"] == {DAY}

    def test_what_a_movement_is_can_be_said_anew(self, kept: Kept, account: str) -> None:
        books, name = kept.books, replace(FULL_NAME, account=account)
        for each in (name, replace(name, movement_id="M2")):
            assert books.keep_movement_name(None, each)
        assert not books.keep_movement_name(None, replace(name, by="b"))
        anew = replace(name, by="b", revision=2, parts=(*name.parts, replace(name.parts[0], amount=Decimal(3))))
        assert books.keep_movement_name(name, anew)
        assert not books.keep_movement_name(name, replace(anew, by="c"))
        assert books.movement_names(account) == {"M1": anew, "M2": replace(name, movement_id="M2")}


def unreachable(books: Books) -> None:
    """Every method says so in the same way."""
    day = BooksDay(account="none", day=DAY)
    for call in (
        lambda: books.day("none", DAY),
        lambda: books.days("none", DAY, DAY),
        lambda: books.keep_day(None, day),
        lambda: books.keep_day(None, day, [resolution("none")]),
        lambda: books.resolutions("none", ["d1"]),
        lambda: books.keep_balance(snapshot("none")),
        lambda: books.balances("none", START, START),
        lambda: books.first_balance("none"),
        lambda: books.first_day("none"),
        lambda: books.last_balances("none", 1),
        lambda: books.note_ended("none", DAY, "R1", START),
        lambda: books.ended("none", DAY),
        lambda: books.note_rows("none", DAY, ["R1"]),
        lambda: books.days_of_rows("none", ["R1"]),
        lambda: books.movement_names("none"),
        lambda: books.keep_movement_name(None, FULL_NAME),
        lambda: books.statement("none", "S1"),
        lambda: books.keep_statement(None, FULL_STATEMENT),
        lambda: books.close("none", "2026-11"),
        lambda: books.keep_close(None, FULL_CLOSE),
    ):
        with pytest.raises(BooksUnavailable):
            call()


def _calls(books: Books, value: Any) -> tuple[Any, Any]:
    match value:
        case BooksDay():
            return lambda: books.day(value.account, value.day), books.keep_day
        case Close():
            return lambda: books.close(value.account, value.month), books.keep_close
        case _:
            return lambda: books.statement(value.account, value.statement_id), books.keep_statement
