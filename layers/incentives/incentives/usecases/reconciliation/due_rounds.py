"""What the watch begins: each day's first round, what an earlier one left, and the total a day later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksUnavailable
from incentives.domain.reconciliation.day_state import (
    FIRST_READ_AFTER,
    TOTAL_AGAIN_AFTER,
    BooksDay,
    DayStatus,
    Source,
    first_outdated,
)
from incentives.domain.reconciliation.days import bounds
from incentives.usecases.reconciliation.start_round import begin_of, start_round, yesterday
from incentives.usecases.reconciliation.tell_differences import tell_differences, untold

if TYPE_CHECKING:
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: How far back the watch looks: a month to be closed, and the one before. An operator may run older days.
DAYS_MAX: Final = 62

#: An account's page is shown once a minute, whoever asks: more rounds at once would only wait for each other.
ROUNDS_MAX: Final = 4

#: Clocks of functions differ by less.
_CLOCKS_OFF: Final = timedelta(minutes=5)

#: For reading an account's days and starting its rounds.
SECONDS_FOR_AN_ACCOUNT: Final = 15.0

#: A day that is over for so long and not judged is late: a first round, a day's total, and room for a long one.
LATE_AFTER: Final = timedelta(hours=30)


@dataclass(frozen=True, slots=True)
class BooksHealth:
    """How an account's books stand.

    Attributes:
        started: rounds that were begun now.
        late: days that are over for 30 hours and not judged, those without a page left out.
        unresolved: differences that nobody has resolved.
    """

    started: int
    late: int
    unresolved: int


def keep_books(accounts: Iterable[str], books: BooksDependencies, seconds_left: Callable[[], float]) -> dict[str, int]:
    """Begin what is due of each account, and count how all of them stand.

    Nothing that goes wrong with one keeps the others waiting. Without those that could not be looked at the sums are
    too small: what they hold is told, and that there is nothing only where all were looked at.

    Returns:
        How many rounds were begun, and how many accounts' books could not be looked at.
    """
    telemetry = books.dependencies.telemetry
    healths: list[BooksHealth] = []
    failed = 0
    for account in accounts:
        if seconds_left() < SECONDS_FOR_AN_ACCOUNT:
            telemetry.log("booksSkipped", account=account)
            failed += 1
            continue
        try:
            healths.append(start_due_rounds(account, books))
        except Exception as error:  # noqa: BLE001 - a fault in one account's books must not hide the others
            telemetry.log("booksFailed", account=account, exception=type(error).__name__)
            failed += 1
    late, unresolved = sum(each.late for each in healths), sum(each.unresolved for each in healths)
    telemetry.count("BooksFailed", failed)
    if late or not failed:
        telemetry.count("BooksDaysLate", late)
    if unresolved or not failed:
        telemetry.count("BooksUnresolved", unresolved)
    return {"rounds": sum(each.started for each in healths), "booksFailed": failed}


def start_due_rounds(account: str, books: BooksDependencies) -> BooksHealth:
    """Begin what is due of an account.

    Raises:
        BooksUnavailable
    """
    begin = begin_of(account, books)
    if begin is None:
        return BooksHealth(0, 0, 0)
    now, last = books.dependencies.clock.now(), yesterday(books)
    first = max(begin, last - timedelta(days=DAYS_MAX - 1))
    days = books.books.days(account, first, last + timedelta(days=1))
    known, outdated = {day.day: day for day in days}, first_outdated(days)
    free = ROUNDS_MAX - sum(day.is_held(now) for day in known.values())
    ends = {
        day: bounds(day, books.settings.zone)[1]
        for day in (first + timedelta(days=n) for n in range(max(0, (last - first).days + 1)))
    }
    due = [
        day
        for day, end in ends.items()
        if _is_due(known.get(day), end, now) or (day == outdated and not known[day].is_held(now))
    ]
    started = 0
    # Days that fail again and again must not keep others from their first round.
    for day in sorted(due, key=lambda day: (known[day].round if day in known else 0, day))[: max(0, free)]:
        try:
            start_round(account, day, by=None, fresh=_is_of_the_future(known.get(day), now), books=books)
            started += 1
        except BooksUnavailable:
            # One round that cannot be started says nothing of the others, and the next watch tries it again.
            books.dependencies.telemetry.log("roundNotStarted", account=account, day=day.isoformat())
    late = sum(_is_late(known.get(day), end, now) for day, end in ends.items())
    for item in known.values():
        if untold(item):
            # The round that found it could not tell it.
            tell_differences(account, item.day, books)
    unresolved = sum(day.judged.unresolved for day in known.values() if day.judged)
    return BooksHealth(started, late, unresolved)


def _is_due(day: BooksDay | None, end: datetime, now: datetime) -> bool:
    if now < end + FIRST_READ_AFTER:
        return False
    if day is None or day.is_held(now):
        return day is None
    if day.reading or (day.windows and (day.to_judge or _is_of_the_future(day, now))):
        return True
    if day.final or day.source is Source.STATEMENT or (day.page_off and day.windows):
        return False
    # Once more a day later, also what could not be read whole: rows come late. From then on it takes a person.
    again_at = end + TOTAL_AGAIN_AFTER
    is_again_due = now >= again_at + FIRST_READ_AFTER and (day.fetched_at is None or day.fetched_at < again_at)
    return is_again_due or not (day.covers(end) or day.page_off)


def _is_of_the_future(day: BooksDay | None, now: datetime) -> bool:
    """Whether it was read by a clock that was wrong: what it took for a whole day may be half of one."""
    return day is not None and day.fetched_at is not None and day.fetched_at > now + _CLOCKS_OFF


def _is_late(day: BooksDay | None, end: datetime, now: datetime) -> bool:
    if now < end + LATE_AFTER:
        return False
    return day is None or day.status in {DayStatus.PENDING, DayStatus.OPEN, DayStatus.INCOMPLETE}
