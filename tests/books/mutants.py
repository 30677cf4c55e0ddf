"""Each rule of judging taken out, and the days that notice it.

One rule is not here, since no history needs it as long as the index is less than a day behind the ledger: that a record
which is not as it should be is read by its id once more. It only makes fewer open items for a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final

import pytest

from incentives.domain.reconciliation import day_state, days, entries, judging, rows, windows
from incentives.usecases.reconciliation import judge_day, rounds, tell_differences
from tests.books.checks import examine
from tests.books.desk import Desk
from tests.books.world import draw_world
from tests.simulation.mutants_run import Cut, cut, without

JUDGING: Final = judge_day._Judging

#: Few rows, so that few requests make many windows.
PAGE_ROWS: Final = 40


@dataclass(frozen=True)
class Mutant:
    """The books less a rule.

    Attributes:
        says: the rule.
        cuts: what is taken out.
        noticed: how the text begins that notices it; any of them.
        seed: that notices it.
    """

    says: str
    cuts: Sequence[Cut]
    noticed: tuple[str, ...]
    seed: int


def mutant(says: str, *cuts: Cut, noticed: str = "false|missed|2026", seed: int = 1) -> Mutant:
    return Mutant(says, cuts, tuple(noticed.split("|")), seed)


# A table: a row has its own line breaks.
# fmt: off
MUTANTS: Final = (
    mutant("clocks are a quarter of an hour apart",
        cut(entries.Entry.expected_on, "first - CLOCKS_APART, last + CLOCKS_APART", "first, last"), seed=4),
    mutant("nothing is missing before Amazon's rows have reached it",
        cut(JUDGING._has_reached, "for day in", "return True\nfor day in")),
    mutant("nothing is missing before the total was asked for again",
        cut(JUDGING._has_reached, "not item.final", "False")),
    mutant("rows a day old are final, and no earlier",
        cut(day_state.with_rows, "fetched_at >= ends_at + TOTAL_AGAIN_AFTER", "True")),
    mutant("a total that has changed is read again",
        cut(rounds._with_total, "has_same_total(day, shown.page.total)", "True")),
    mutant("what is open, and what stands, is carried to the next day",
        cut(judging._note, "done.carry.append(finding)", "pass")),
    mutant("what both sides book on different days is looked at on both",
        cut(judging._note, "done.later.append(request_id)", "pass"), noticed="the ledger books"),
    mutant("a reversal that ended later is looked at",
        cut(JUDGING._looked_at, "ended = self._books.books.ended(self._item.account, self._item.day)", "ended = ()")),
    mutant("what was created on the day is looked at",
        cut(JUDGING._looked_at, "created.add(record.request_id)", "pass")),
    mutant("rows on days on which nobody would look are remembered",
        cut(JUDGING._note_away, "if done.away:", "if False:")),
    mutant("a request is all of its rows, of other days, too",
        cut(JUDGING.judged, "others=self._others(inputs)", "others=()")),
    mutant("a refund without an amount takes the charge's",
        cut(judging._moves, "open_charges.pop() if open_charges else charges[0] if charges else None", "None")),
    mutant("money is booked when Amazon moved it",
        cut(judging._moves, "value.currency, day_of(row.time, zone)",
            "value.currency, day_of((entry and entry.created_at) or row.time, zone)")),
    mutant("days begin at their zone's midnight",
        cut(days._midnight, "datetime.combine(day, time(), zone).astimezone(UTC)",
            "datetime.combine(day, time(), UTC)")),
    mutant("days have 23 and 25 hours, too",
        cut(days.bounds, "_midnight(day + timedelta(days=1), zone)", "_midnight(day, zone) + timedelta(days=1)")),
    mutant("a second more is asked for before a window",
        cut(windows.Window.frame.fget, "self.start - MARGIN", "self.start")),
    mutant("a window's end is not in it",
        cut(windows.after_page, "window.start <= row.time < window.end", "window.start <= row.time <= window.end"),
        seed=2),
    mutant("a window's start is in it",
        cut(windows.after_page, "window.start <= row.time < window.end", "window.start < row.time < window.end")),
    mutant("a page is whole if it has as many rows as it says",
        cut(windows.after_page, "if number == known:", "if True:"), seed=3),
    mutant("a window that overflows is halved",
        cut(windows.after_page, "known > PAGE_ROWS_MAX or (total is None and number >= PAGE_ROWS_MAX)", "False"),
        noticed="2026"),
    mutant("what the index does not know is read by its id",
        cut(JUDGING._looked_at, "self._books.records.get_many(sorted(names - entries.keys()))", "{}")),
    mutant("what is not as it should be is looked for on other days",
        cut(JUDGING._looked_at_again, "books.days_of_rows(account, unsettled)", "{}"), seed=2),
    mutant("what finance says of an escalated request counts",
        cut(JUDGING._looked_at_again, "resolution.newest", "None"), noticed="open to the end"),
    mutant("rows of another day are that day's to tell",
        cut(judging._verdict, "known = [move for move in moves if move.day <= inputs.day]", "known = moves"),
        noticed="it says otherwise"),
    mutant("what was found before is not found again", cut(judging._note, "elif not is_known:", "else:")),
    mutant("a row that cannot be read stands for what its request lacks",
        cut(judging.judge, "request_id in hidden and verdict.kind in _LACKS", "False")),
    mutant("what failed, and repeats, move nothing",
        cut(rows.meaning_of, "row.status == FAILED or not row.is_real", "False")),
    mutant("people are told once of each kind and day",
        cut(tell_differences.untold, "kind not in item.told", "True"), noticed="told"),
    mutant("another amount is told at once", cut(judging._compared, "if due and number == 1:", "if False:")),
    mutant("a difference that is gone is cleared on the day that found it",
        cut(judge_day.judge_from, "waiting += [each for each in cleared_on if each not in waiting]", "pass"),
        cut(judge_day.judge_day, "_mark(account, earlier, books)", "pass")),
)
# fmt: on


@contextmanager
def small_pages() -> Iterator[None]:
    """A page of forty rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "PAGE_ROWS_MAX", PAGE_ROWS)
        patch.setattr(windows, "EXPECTED_MAX", PAGE_ROWS - 10)
        yield


def examined(seed: int, cuts: Sequence[Cut] = ()) -> Iterator[str]:
    """What a short stretch of days breaks, within which the clock is put back."""
    world = draw_world(seed, first=date(2026, 10, 22), days=5, requests=260, plants=85)
    desk = Desk(world, page_rows=PAGE_ROWS)
    with small_pages(), without(cuts):
        try:
            yield from examine(desk.run())
        except Exception as error:  # noqa: BLE001 - whatever it is, a mutant's row says whether it counts
            yield f"it broke off: {type(error).__name__}: {error}"


def noticed(each: Mutant) -> str | None:
    """The first text that notices it."""
    return next((text for text in examined(each.seed, each.cuts) if text.startswith(each.noticed)), None)
