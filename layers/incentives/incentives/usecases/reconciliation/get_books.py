"""Read the books: days, one day's differences, movements of the balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksNotFound, InvalidInput
from incentives.domain.reconciliation.balance import has_balance
from incentives.domain.reconciliation.days import day_of, days_of, month_of, next_month
from incentives.domain.reconciliation.findings import SETTLED, Finding, Judged, Kind, Resolution
from incentives.domain.reconciliation.judged_objects import decode_judged
from incentives.domain.reconciliation.movements import DayLevels, Movement, movements_of
from incentives.usecases.reconciliation.pages import foreign_cursor, read_cursor, write_cursor
from incentives.usecases.reconciliation.sources import content_of

if TYPE_CHECKING:
    from incentives.domain.reconciliation.balance import MovementName
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: What may be asked for at once: a year, and a month to look back.
DAYS_MAX: Final = 400

#: Without `from`, a list goes back a week from `to`.
DAYS_DEFAULT: Final = 7

#: Days, or differences, of one page.
PAGE_SIZE: Final = 100

#: Of the days before and after a month that levels need: a busy account has seldom a quiet snapshot.
MARGIN_DAYS: Final = 3

_ORDER: Final = {kind: f"{number:02}" for number, kind in enumerate(kind for kind in Kind if kind not in SETTLED)}


@dataclass(frozen=True, slots=True)
class DaysPage:
    """Some days, oldest first; none, too, while there is a cursor."""

    days: Sequence[BooksDay]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class DayPage:
    """A day, and some of its differences and open items, each with what was decided of it."""

    day: BooksDay
    findings: Sequence[tuple[Finding, Resolution | None]]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class NamedMovement:
    """A movement, and what finance says that it was."""

    movement: Movement
    name: MovementName | None


def get_days(
    account: str, first: date | None, last: date | None, cursor: str | None, here: BooksDependencies
) -> DaysPage:
    """Days of an account, both ends included; a week up to today if nothing is said.

    Raises:
        InvalidInput: names `from`, `to` or `cursor`.
        BooksUnavailable
    """
    last = last or day_of(here.dependencies.clock.now(), here.settings.zone)
    first = first or last - timedelta(days=DAYS_DEFAULT - 1)
    if first > last:
        raise InvalidInput("from", "must not be after to")
    if (last - first).days >= DAYS_MAX:
        raise InvalidInput("from", f"must be less than {DAYS_MAX} days before to")
    start = first
    if cursor is not None:
        (text,) = read_cursor(cursor, 1)
        try:
            start = date.fromisoformat(text)
        except ValueError:
            raise foreign_cursor() from None
        if not first <= start <= last:
            raise foreign_cursor()
    end = min(last, start + timedelta(days=PAGE_SIZE - 1))
    after = write_cursor([(end + timedelta(days=1)).isoformat()]) if end < last else None
    return DaysPage(here.books.days(account, start, end), after)


def get_day(account: str, day: date, kind: Kind | None, cursor: str | None, here: BooksDependencies) -> DayPage:
    """One day, and its differences and open items, by kind and request.

    Raises:
        InvalidInput: names `cursor`.
        BooksNotFound: nobody has begun to read that day.
        BooksUnavailable
    """
    after = read_cursor(cursor, 3) if cursor is not None else None
    if after is not None and (after[0] not in _ORDER.values() or (kind is not None and after[0] != _ORDER[kind])):
        raise foreign_cursor()
    found = day_in_books(account, day, here)
    judged = judged_of(found, here)
    left = [
        each
        for each in sorted(shown_of(judged) if judged else (), key=_place)
        if (kind is None or each.kind is kind) and (after is None or _place(each) > tuple(after))
    ]
    page = left[:PAGE_SIZE]
    decided = here.books.resolutions(account, [each.difference_id for each in page]) if page else {}
    return DayPage(
        found,
        [(each, decided.get(each.difference_id)) for each in page],
        write_cursor(_place(page[-1])) if len(left) > PAGE_SIZE else None,
    )


def get_movements(account: str, month: str, here: BooksDependencies) -> Sequence[NamedMovement]:
    """What moved an account's balance in a month although no row says so; none where its balance says nothing.

    Raises:
        BooksUnavailable
    """
    found = movements_in(account, month, here)
    names: Mapping[str, MovementName] = here.books.movement_names(account) if found else {}
    return [NamedMovement(each, names.get(each.movement_id)) for each in found]


def movements_in(account: str, month: str, here: BooksDependencies) -> list[Movement]:
    """The movements that touch a month, oldest first. Raises `BooksUnavailable`."""
    days = days_of(month)
    first, last = days[0], days[-1]
    judged = list(_judged(account, first, last, here)) if account not in here.settings.without_balance else []
    its = [each for each in judged if first <= each.day <= last]
    told = [level.balance for each in its for level in each.levels]
    charges = sum(each.charges.amount for each in its)
    if not has_balance(account, here.settings.without_balance, told, charges):
        return []
    levels = [DayLevels(day=each.day, levels=each.levels, net=each.net, currency=each.currency) for each in judged]
    return [each for each in movements_of(account, levels) if each.first_day <= last and each.last_day >= first]


def months_around(first: date, last: date) -> list[str]:
    """The months of a stretch of days, and those that it borders on."""
    months = [month_of(first - timedelta(days=1))]
    while months[-1] < month_of(last + timedelta(days=1)):
        months.append(next_month(months[-1]))
    return months


def _judged(account: str, first: date, last: date, here: BooksDependencies) -> Iterator[Judged]:
    margin = timedelta(days=MARGIN_DAYS)
    for day in here.books.days(account, first - margin, last + margin):
        # What is missing of a day's rows would look like a movement.
        judged = judged_of(day, here) if day.incomplete is None else None
        if judged is not None:
            yield sums_of(judged)


def day_in_books(account: str, day: date, here: BooksDependencies) -> BooksDay:
    """A day. Raises `BooksNotFound`, `BooksUnavailable`."""
    found = here.books.day(account, day)
    if found is None:
        raise BooksNotFound(f"The books of {account} have no day {day}.")
    return found


def judged_of(day: BooksDay, here: BooksDependencies) -> Judged | None:
    """What came of judging a day, whole; None: it has not been judged. Raises `BooksUnavailable`."""
    if day.judged is None:
        return None
    return decode_judged(content_of(day.judged.name, here))


def sums_of(judged: Judged) -> Judged:
    """A judgement without what may be long: its sums and its balances."""
    return replace(judged, findings=(), cleared=(), open_items=(), carry=(), later=(), allocation=())


def shown_of(judged: Judged) -> Sequence[Finding]:
    """A day's differences and open items."""
    return (*judged.findings, *judged.open_items)


def _place(finding: Finding) -> tuple[str, str, str]:
    # The id tells apart what is otherwise the same, such as rows that cannot be read.
    return _ORDER[finding.kind], finding.request_id, finding.difference_id
