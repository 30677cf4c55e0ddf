"""Begin a round of a booking day: read what Amazon shows of it, and judge it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.day_state import BooksDay, begun
from incentives.domain.reconciliation.days import day_of

if TYPE_CHECKING:
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: A watch and some operators at once.
TRIES_MAX: Final = 8


def start_round(account: str, day: date, *, by: str | None, fresh: bool, books: BooksDependencies) -> BooksDay:
    """Begin a round, unless one is under way: then that one goes on.

    Args:
        account: whose books.
        day: the booking day; it need not be over.
        by: who asks; None: the watch.
        fresh: read all of the day anew; else only what is left to read, or whether its total has changed.
        books: the ports.

    Returns:
        The day with its round.

    Raises:
        AccountUnusable: Amazon is to be asked anew, and there is no such account: nothing is kept.
        InvalidInput: `day` is to come, or before the books begin.
        BooksUnavailable
    """
    if fresh:
        # A name that somebody mistyped would have books for good, and a round that asks for two days.
        books.dependencies.accounts.get(account)
    check_day(account, day, books)
    now = books.dependencies.clock.now()
    for _ in range(TRIES_MAX):
        before = books.books.day(account, day)
        if before is not None and before.is_held(now):
            held = before
            break
        held = begun(before or BooksDay(account=account, day=day, revision=0), by=by, fresh=fresh, now=now)
        if books.books.keep_day(before, held):
            break
    else:
        raise BooksUnavailable("the day's books are written by too many at once")
    if not books.reconciliations.start(account, day, held.round):
        # Its lease ends by itself, and the next watch begins another round.
        raise BooksUnavailable("the round could not be started")
    books.dependencies.telemetry.log("roundStarted", account=account, day=day.isoformat(), round=held.round)
    return held


def check_day(account: str, day: date, books: BooksDependencies) -> None:
    """Refuse a day that has no books.

    Raises:
        InvalidInput: names `day`.
        BooksUnavailable
    """
    today = day_of(books.dependencies.clock.now(), books.settings.zone)
    if day > today:
        raise InvalidInput("day", "must not be in the future")
    # Of an account that has just been made the books begin today.
    begin = begin_of(account, books) or today
    if day < begin:
        raise InvalidInput("day", f"must not be before the books begin ({begin})")


def begin_of(account: str, books: BooksDependencies) -> date | None:
    """The account's first booking day; None while nothing is known of the account.

    Raises:
        BooksUnavailable
    """
    if books.settings.begin is not None:
        return books.settings.begin
    # Balances are kept for 400 days, days for good.
    balance, day = books.books.first_balance(account), books.books.first_day(account)
    known = [day_of(balance.taken_at, books.settings.zone)] if balance is not None else []
    return min([*known, *([day] if day is not None else [])], default=None)


def yesterday(books: BooksDependencies) -> date:
    """The last booking day that is over."""
    return day_of(books.dependencies.clock.now(), books.settings.zone) - timedelta(days=1)
