"""The books as they are read: pages of days, pages of one day's differences."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from incentives.domain.errors import BooksNotFound, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.findings import Kind
from incentives.usecases.reconciliation.get_books import get_day, get_days
from incentives.usecases.reconciliation.pages import write_cursor
from tests.support.books_world import DAY, finding, kept


def test_days_come_in_pages_that_join_without_a_gap() -> None:
    here = kept()
    written = [DAY - timedelta(days=n) for n in (230, 131, 130, 31, 30, 0)]
    for day in written:
        here.judged(day=day)
    # when a year is read page by page
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = get_days("default", DAY - timedelta(days=230), DAY, cursor, here.here)
        found += [each.day for each in page.days]
        cursor, pages = page.cursor, pages + 1
    # then each day comes once, oldest first
    assert (found, pages) == (written, 3)


def test_without_dates_it_is_the_week_up_to_today_in_the_books_zone() -> None:
    here = kept()
    # given 23:30 UTC, when Berlin has the next day already
    here.world.clock.time = here.world.clock.time.replace(hour=23, minute=30)
    for number in range(1, 10):
        here.judged(day=date(2026, 2, 22) + timedelta(days=number))
    page = get_days("default", None, None, None, here.here)
    assert [page.days[0].day, page.days[-1].day] == [date(2026, 2, 24), date(2026, 3, 2)]


@pytest.mark.parametrize(
    ("first", "cursor", "field"),
    [
        (DAY + timedelta(days=1), None, "from"),
        (DAY - timedelta(days=400), None, "from"),
        (DAY, "?", "cursor"),
        (DAY, "x" * 600, "cursor"),
        (DAY, write_cursor(["2026-02-20", "x"]), "cursor"),
        (DAY, write_cursor(["tomorrow"]), "cursor"),
        (DAY, write_cursor(["2026-02-19"]), "cursor"),
    ],
)
def test_what_no_list_can_be_asked_for_is_named(first: date, cursor: str | None, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        get_days("default", first, DAY, cursor, kept().here)
    assert refused.value.field == field


def test_differences_come_by_kind_and_request_with_what_was_decided() -> None:
    here = kept()
    many = [finding(request_id=f"Test1{number:03}") for number in range(150)]
    here.judged(finding(Kind.IN_TRANSIT, "Test1Z"), *many, finding(Kind.UNREADABLE_ROW, ""))
    first = get_day("default", DAY, None, None, here.here)
    rest = get_day("default", DAY, None, first.cursor, here.here)
    # open items first, then differences
    shown = [each.request_id for each, _ in (*first.findings, *rest.findings)]
    assert shown == ["Test1Z", *(each.request_id for each in many), ""]
    assert (len(first.findings), rest.cursor) == (100, None)
    # and of one kind only that
    of_kind = get_day("default", DAY, Kind.IN_TRANSIT, None, here.here)
    assert [each.kind for each, _ in of_kind.findings] == [Kind.IN_TRANSIT]


def test_a_page_goes_on_where_the_last_one_ended_though_the_day_was_judged_again() -> None:
    here = kept()
    many = [finding(request_id=f"Test1{number:03}") for number in range(150)]
    here.judged(*many)
    first = get_day("default", DAY, None, None, here.here)
    # given that half of what was shown is gone
    here.judged(*many[50:])
    rest = get_day("default", DAY, None, first.cursor, here.here)
    assert [each.request_id for each, _ in rest.findings] == [each.request_id for each in many[100:]]


@pytest.mark.parametrize("cursor", ["?", write_cursor(["01", "a"]), write_cursor(["77", "a", "b"]), "00"])
def test_a_cursor_of_another_kind_or_none_is_refused(cursor: str) -> None:
    here = kept()
    here.judged()
    with pytest.raises(InvalidInput):
        get_day("default", DAY, None, cursor, here.here)
    with pytest.raises(InvalidInput):
        get_day("default", DAY, Kind.CHARGED_TWICE, write_cursor(["00", "a", "b"]), here.here)


def test_a_day_that_nobody_began_is_not_found_and_one_that_is_not_judged_has_nothing() -> None:
    here = kept()
    with pytest.raises(BooksNotFound):
        get_day("default", DAY, None, None, here.here)
    here.judged(judged=None)
    assert get_day("default", DAY, None, None, here.here).findings == []


def test_a_judgement_that_is_not_where_it_should_be_is_not_taken_for_an_empty_one() -> None:
    here = kept()
    here.judged(finding())
    here.files.files.clear()
    with pytest.raises(BooksUnavailable):
        get_day("default", DAY, None, None, here.here)
