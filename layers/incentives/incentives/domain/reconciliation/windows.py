"""Windows of time in which Amazon is asked for its activity: each short enough that one page shows all of its rows.

    |<- 1 s ->|<---------- window ---------->|1 s|
    asked for   start included, end excluded   end: asked for

A second more is asked for at both ends, since whether Amazon counts a boundary is not documented; what lies outside is
not kept. Windows touch, so every row of a day belongs to exactly one. All times are whole seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from incentives.domain.reconciliation.rows import Row

#: Rows on Amazon's largest page.
PAGE_ROWS_MAX: Final = 1000

#: Charges that a window is cut for: the rest of the page is for reversals, and for what the ledger does not know.
EXPECTED_MAX: Final = 900

MARGIN: Final = timedelta(seconds=1)
_SHORTEST: Final = timedelta(seconds=1)

#: How often a window is asked for whose rows are not as many as Amazon says they are.
TRIES_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, and what became of asking for it.

    Attributes:
        start: included.
        end: excluded.
        name: of the object that holds its rows; None: not read yet.
        rows: how many there are in it, rows without a time included.
        before, after: how many more rows the page showed, earlier and later than the window.
        asked_at: when the page was asked for.
        tries: how often the page did not have as many rows as it said.
        given_up: why no page can show it whole.
    """

    start: datetime
    end: datetime
    name: str | None = None
    rows: int = 0
    before: int = 0
    after: int = 0
    asked_at: datetime | None = None
    tries: int = 0
    given_up: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it need not be asked for any more."""
        return self.name is not None or self.given_up is not None

    @property
    def frame(self) -> tuple[datetime, datetime]:
        """What is asked for: to Amazon, as far as is known, both ends are included."""
        return self.start - MARGIN, self.end


def cut(start: datetime, end: datetime, expected: Iterable[datetime]) -> tuple[Window, ...]:
    """Cut a stretch of time at every 900 charges that the ledger expects in it."""
    marks = sorted(moment.replace(microsecond=0) for moment in expected)
    edges = [start, *(mark for mark in marks[EXPECTED_MAX::EXPECTED_MAX] if start < mark < end), end]
    return tuple(Window(start=a, end=b) for a, b in itertools.pairwise(edges) if a < b)


def halves(window: Window) -> tuple[Window, ...]:
    """The two windows that take the place of one whose page overflowed; none if it cannot be any shorter."""
    if window.end - window.start <= _SHORTEST:
        return ()
    middle = window.start + timedelta(seconds=(window.end - window.start) // _SHORTEST // 2)
    return Window(start=window.start, end=middle), Window(start=middle, end=window.end)


def after_page(
    window: Window, rows: Sequence[Row], total: int | None, asked_at: datetime
) -> tuple[tuple[Window, ...], list[Row]]:
    """What comes of a page.

    Args:
        window: that was asked for.
        rows: all rows of the page, also those that cannot be read.
        total: how many there are in the frame, as Amazon says; None: it does not say.
        asked_at: when.

    Returns:
        The windows that take its place, and the rows to be kept with it where that is one window that need not be asked
        for again; its `name` is still to be set. Of one that is given up, the rows that were shown are kept all the
        same: what they tell of somebody else's charges is true.
    """
    number = len(rows)
    known = total if total is not None else number
    kept = [row for row in rows if row.time is None or window.start <= row.time < window.end]
    read = replace(
        window,
        rows=len(kept),
        before=sum(row.time is not None and row.time < window.start for row in rows),
        after=sum(row.time is not None and row.time >= window.end for row in rows),
        asked_at=asked_at,
    )
    if known > PAGE_ROWS_MAX or (total is None and number >= PAGE_ROWS_MAX):
        shorter = halves(window)
        if shorter:
            return shorter, []
        return (replace(read, given_up=f"more than {PAGE_ROWS_MAX} rows within a second"),), kept
    if number == known:
        return (read,), kept
    tries = window.tries + 1
    if tries < TRIES_MAX:
        return (replace(window, tries=tries),), []
    return (replace(read, tries=tries, given_up=f"a page of {number} rows that says there are {known}"),), kept


def total_of(windows: Sequence[Window]) -> int:
    """How many rows Amazon should say there are in all of these windows, with a second more at both ends."""
    return windows[0].before + sum(window.rows for window in windows) + windows[-1].after if windows else 0
