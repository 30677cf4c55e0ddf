"""What moved the balance without a row: listed by month, named by people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from incentives.domain.errors import BooksNotFound, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.balance import MovementPart, PartType
from incentives.usecases.reconciliation.get_books import get_movements
from incentives.usecases.reconciliation.name_movement import name_movement
from tests.support.books_world import Kept, kept, level

MONTH = "2026-02"
ON = date(2026, 2, 20)


def part(amount: str = "500.00", on: date = ON, reference: str = "Wire 17") -> MovementPart:
    return MovementPart(type=PartType.DEPOSIT, amount=Decimal(amount), on=on, reference=reference)


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def with_deposit(day: date = ON, *, before: int = 100_000, after: int = 150_000) -> Kept:
    """Books in which a balance rose on a day."""
    here = kept()
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    balances = [[level(at(days[0], 9), before)], [level(at(day, 9), before), level(at(day, 10), after)]]
    balances.append([level(at(days[2], 9), after)])
    for each, levels in zip(days, balances, strict=True):
        here.judged(day=each, levels=levels)
    return here


def test_a_movement_is_listed_and_named_and_a_correction_is_added() -> None:
    here = with_deposit()
    ((found),) = get_movements("default", MONTH, here.here)
    assert (found.movement.amount, found.name) == (Decimal(500), None)
    # when it is named, named again in the same words, and then otherwise
    parts = [part("510.00"), MovementPart(type=PartType.FEE, amount=Decimal("-10.00"), on=ON, reference="Bank")]
    name_movement("default", found.movement.movement_id, parts, "finance", here.here)
    name_movement("default", found.movement.movement_id, parts, "finance", here.here)
    name_movement("default", found.movement.movement_id, [part()], "finance", here.here)
    # then the last naming counts, and the first is kept
    (told,) = get_movements("default", MONTH, here.here)
    assert told.name is not None
    assert (told.name.parts, told.name.by, told.name.revision) == ((part(),), "finance", 2)


def test_a_movement_across_the_end_of_a_month_is_in_both_and_is_found_by_either_date() -> None:
    day = date(2026, 1, 31)
    here = kept()
    here.judged(day=day, levels=[level(at(day, 9), 100_000)])
    here.judged(day=day + timedelta(days=1), levels=[level(at(day + timedelta(days=1), 9), 150_000)])
    (january,), (february,) = (get_movements("default", month, here.here) for month in ("2026-01", MONTH))
    assert january == february
    for on in (day, day + timedelta(days=1)):
        name_movement("default", january.movement.movement_id, [part(on=on)], "finance", here.here)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([], "parts"),
        ([part()] * 21, "parts"),
        ([part("499.99")], "parts"),
        ([part("250.00"), part("250.00", on=ON - timedelta(days=40))], "parts"),
        ([part(reference="AQ3R-ABCDEF-1234")], "parts.0.reference"),
        ([part(reference="r" * 101)], "parts.0.reference"),
        ([part(reference="a\nb")], "parts.0.reference"),
        ([part(on=ON + timedelta(days=3))], "parts.0.date"),
    ],
)
def test_a_naming_that_cannot_be_is_named(parts: list[MovementPart], field: str) -> None:
    here = with_deposit()
    ((found),) = get_movements("default", MONTH, here.here)
    with pytest.raises(InvalidInput) as refused:
        name_movement("default", found.movement.movement_id, parts, "finance", here.here)
    assert refused.value.field == field
    assert here.books.movement_names("default") == {}


def test_a_movement_whose_facts_have_changed_is_another_one() -> None:
    here = with_deposit()
    ((found),) = get_movements("default", MONTH, here.here)
    here.judged(day=ON, levels=[level(at(ON, 9), 100_000), level(at(ON, 11), 150_000)])
    with pytest.raises(BooksNotFound):
        name_movement("default", found.movement.movement_id, [part()], "finance", here.here)


def test_two_people_who_name_at_once_are_both_kept() -> None:
    here = with_deposit()
    ((found),) = get_movements("default", MONTH, here.here)

    def named_meanwhile(_: str) -> None:
        here.books.before_write = None
        name_movement("default", found.movement.movement_id, [part(reference="Other")], "other", here.here)

    here.books.before_write = named_meanwhile
    told = name_movement("default", found.movement.movement_id, [part()], "finance", here.here)
    assert told.name is not None
    assert (told.name.by, told.name.revision) == ("finance", 2)
    # and who is slower each time is told
    here.books.keep_movement_name = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(BooksUnavailable):
        name_movement("default", found.movement.movement_id, [part(reference="Third")], "third", here.here)


def test_where_a_balance_says_nothing_or_rows_are_missing_nothing_moved() -> None:
    assert get_movements("invoiced", MONTH, with_deposit().here) == []
    # given balances of zero whatever is charged, as Amazon's sandbox tells them
    here = kept()
    for number in range(3):
        day = ON + timedelta(days=number)
        here.judged(day=day, levels=[level(at(day, 9), 0)], net=5_000)
    assert get_movements("default", MONTH, here.here) == []
    here = with_deposit()
    window = here.day(ON).windows[0]

    here.judged(
        day=ON,
        levels=[level(at(ON, 9), 100_000), level(at(ON, 10), 150_000)],
        windows=(replace(window, given_up="more than 1000 rows within a second"),),
    )
    assert get_movements("default", MONTH, here.here) == []
