"""Who may begin a round, and that books which nobody could look at are told of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from incentives.domain.errors import AccountUnusable, BooksUnavailable
from incentives.usecases.reconciliation.due_rounds import keep_books
from incentives.usecases.reconciliation.start_round import start_round
from tests.support.books_world import DAY, Kept, finding, kept


def test_an_account_that_does_not_exist_gets_no_books() -> None:
    here = kept()
    with pytest.raises(AccountUnusable, match="typo"):
        start_round("typo", DAY, by="operator", fresh=True, books=here.here)
    assert (here.books.items, here.reconciliations.started) == ({}, [])


def cannot_read(here: Kept, *unreadable: str) -> None:
    read = here.books.days

    def days(account: str, first: date, last: date) -> object:
        if account in unreadable:
            raise BooksUnavailable("the books could not be read (KeyError in an item)")
        return read(account, first, last)

    here.books.days = days  # type: ignore[method-assign,assignment]


def told(here: Kept, accounts: list[str], seconds: Iterator[float] | None = None) -> dict[str, float]:
    left = seconds or iter([900.0] * len(accounts))
    keep_books(accounts, here.here, lambda: next(left))
    return here.world.telemetry.counts


@pytest.mark.parametrize(("unreadable", "left"), [((), (900.0, 14.0)), (("other",), (900.0, 900.0))])
def test_books_that_could_not_be_looked_at_are_counted(unreadable: tuple[str, ...], left: tuple[float, ...]) -> None:
    here = kept()
    here.judged(finding())
    cannot_read(here, *unreadable)
    # what is known to be wrong with the others is told beside it
    counts = told(here, ["default", "other"], iter(left))
    assert (counts["BooksFailed"], counts["BooksUnresolved"]) == (1, 1)
    assert counts["BooksDaysLate"] > 30


def test_all_is_well_only_where_all_were_looked_at() -> None:
    # given books that nobody could look at: nobody knows that they have no day that is late
    here = kept()
    cannot_read(here, "default")
    assert told(here, ["default"]) == {"BooksFailed": 1}
    # given books that begin today
    here = kept()
    here.world.clock.time = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert told(here, ["default"]) == {"BooksFailed": 0, "BooksDaysLate": 0, "BooksUnresolved": 0}
