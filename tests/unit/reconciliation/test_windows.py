"""Windows: whole, or halved, or given up; never endlessly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from incentives.domain.reconciliation.rows import Row
from incentives.domain.reconciliation.windows import (
    EXPECTED_MAX,
    PAGE_ROWS_MAX,
    TRIES_MAX,
    Window,
    after_page,
    cut,
    total_of,
)

START = datetime(2026, 11, 22, tzinfo=UTC)
END = START + timedelta(days=1)
SECOND = timedelta(seconds=1)


def rows_at(*moments: datetime) -> list[Row]:
    return [Row(f"R{n}", moment, "GCCreation", "Success") for n, moment in enumerate(moments)]


def amazon(rows: Sequence[Row], window: Window) -> tuple[list[Row], int]:
    """A page of Amazon's, and its total: both ends included."""
    first, last = window.frame
    found = [row for row in rows if row.time is not None and first <= row.time <= last]
    return found[:PAGE_ROWS_MAX], len(found)


def read(rows: Sequence[Row], windows: Sequence[Window]) -> tuple[list[Window], list[Row], int]:
    """All windows, all rows that were kept, and how many pages that took."""
    waiting, done, kept, pages = list(windows), [], [], 0
    while waiting:
        window = waiting.pop(0)
        page, total = amazon(rows, window)
        pages += 1
        instead, its = after_page(window, page, total, END)
        if len(instead) == 1 and instead[0].asked_at is not None:
            done.append(instead[0])
            kept += its
        else:
            waiting = [*instead, *waiting]
    return done, kept, pages


def test_a_day_is_cut_at_every_900_charges_and_every_row_is_read_once() -> None:
    # Given rows at each second's boundary, and windows cut in the middle of them
    moments = [START + SECOND * (n // 2) for n in range(5000)]
    rows = rows_at(*moments)
    windows = cut(START, END, moments)
    assert windows[0].start == START
    assert windows[-1].end == END
    assert all(a.end == b.start for a, b in pairwise(windows))
    # When they are read
    done, kept, pages = read(rows, windows)
    # Then each row is kept once, no page overflowed, and the total of the day is what Amazon says of it
    assert sorted(row.request_id for row in kept) == sorted(row.request_id for row in rows)
    assert pages == len(windows) == 1 + (5000 - 1) // EXPECTED_MAX
    assert total_of(done) == amazon(rows, Window(start=START, end=END))[1]


def test_what_the_ledger_did_not_expect_halves_its_window() -> None:
    rows = rows_at(*(START + SECOND * n for n in range(0, 86400, 20)))
    done, kept, pages = read(rows, cut(START, END, []))
    assert len(kept) == len(rows) == 4320
    assert pages < 20
    assert not any(window.given_up for window in done)


def test_too_many_rows_within_a_second_are_given_up_and_the_rest_is_read() -> None:
    # Given 2,500 rows within one second, and one an hour
    rows = rows_at(*([START + SECOND * 40_000] * 2500), *(START + timedelta(hours=n) for n in range(24)))
    # When
    done, kept, pages = read(sorted(rows, key=lambda row: str(row.time)), cut(START, END, []))
    # Then that second, and those that touch it, are incomplete, loudly; all others are read
    given_up = [window for window in done if window.given_up]
    assert {window.given_up for window in given_up} == {f"more than {PAGE_ROWS_MAX} rows within a second"}
    assert all(window.end - window.start == SECOND for window in given_up)
    assert len(given_up) <= 3
    assert pages < 60
    assert {row.request_id for row in kept} >= {f"R{n}" for n in range(2500, 2524)}


def test_a_total_that_never_matches_is_given_up_and_its_rows_are_kept() -> None:
    window, rows = Window(start=START, end=END), rows_at(START, START + SECOND)
    for number in range(TRIES_MAX):
        assert window.given_up is None
        (window,), kept = after_page(window, rows, 3, END)
        assert len(kept) == (2 if number == TRIES_MAX - 1 else 0)
    assert window.given_up == "a page of 2 rows that says there are 3"


@pytest.mark.parametrize(("number", "is_whole"), [(999, True), (1000, False)])
def test_a_full_page_that_names_no_total_may_have_more(number: int, *, is_whole: bool) -> None:
    instead, kept = after_page(Window(start=START, end=END), rows_at(*[START] * number), None, END)
    assert (len(instead) == 1, len(kept)) == (is_whole, number if is_whole else 0)


def test_a_row_without_a_time_is_kept() -> None:
    (window,), kept = after_page(Window(start=START, end=END), [Row("R1", None, "GCCreation", "Success")], 1, END)
    assert (window.rows, len(kept)) == (1, 1)
