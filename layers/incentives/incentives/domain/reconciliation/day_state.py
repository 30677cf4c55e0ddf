r"""A booking day of an account in the books: how far Amazon's rows have been read, and what came of judging them.

    start            reads its windows           judges
    PENDING -------> (a lease on its round) ---> OPEN -- 24 hours later, the total is the same --> BALANCED
                                             \-> DIFFERENCES, INCOMPLETE, NO_ACTIVITY_PAGE

Every write names the revision that it changes. Whoever works on a day holds its round under a lease: once another round
has begun, the former holder loses every write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from incentives.domain.reconciliation.windows import Window, total_of

if TYPE_CHECKING:
    from incentives.domain.reconciliation.findings import Kind

#: For longer than any step of a round takes, and than recovery may hold the page back.
LEASE: Final = timedelta(minutes=45)

#: After a day's end, its total is asked for again: rows come late.
TOTAL_AGAIN_AFTER: Final = timedelta(hours=24)

#: After a day's end, when it is read first.
FIRST_READ_AFTER: Final = timedelta(minutes=15)

#: Told like a kind of difference: a day whose rows cannot be read may hide any of them.
INCOMPLETE: Final = "incomplete"


class Source(StrEnum):
    """Where a day's rows are from."""

    PAGE = "page"
    STATEMENT = "statement"


class DayStatus(StrEnum):
    """How a day stands."""

    PENDING = "PENDING"  # not read yet
    OPEN = "OPEN"  # judged, and rows may still come, or have come since
    BALANCED = "BALANCED"
    DIFFERENCES = "DIFFERENCES"  # some of them are not resolved
    INCOMPLETE = "INCOMPLETE"  # some of its rows cannot be read
    NO_ACTIVITY_PAGE = "NO_ACTIVITY_PAGE"  # the page is switched off, and there is no statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Unresolved differences of one kind.

    Attributes:
        amount: what is at stake in the account's currency, in minor units.
        request_ids: the first ten.
    """

    count: int
    amount: int
    request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDay:
    """What came of judging a day, in short; the object of that name has it whole.

    Attributes:
        name: of the object.
        carried_from: digest of what the day before left unsettled, that it goes on from; None: there was no day before.
        carry: digest of what it leaves unsettled itself.
        charged, refunded: in minor units of `currency`.
        differences, unresolved: how many there are.
    """

    name: str
    at: datetime
    carried_from: str | None
    carry: str
    currency: str
    charges: int
    charged: int
    refunds: int
    refunded: int
    open_items: int
    differences: int
    unresolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksDay:
    """One booking day of one account.

    Attributes:
        revision: raised by every write.
        round: raised by whoever begins to work on it.
        lease_until: until when nobody else takes the round over; None: nobody works on it.
        started_by: who asked for the round; None: the watch.
        reading: windows of the round under way; empty: none is.
        windows: those that count: the last ones that were read to their end.
        reads_anew: the round reads all of the day, whatever was read before.
        checks_total: the round only asks whether the total is still the same.
        fetched_at: the rows that count were asked for at this time or later.
        final: that was, or their total was confirmed, a day after the day's end.
        to_judge: what its rows say, how final they are, or how a request ended, has changed since it was judged.
        page_off: Amazon does not show the page for this partner.
        found: unresolved differences by kind.
        told: kinds that people were told of.
        statement_id, uploaded_by: of the statement that the rows are from, and the person who asked for its upload.
    """

    account: str
    day: date
    revision: int = 1
    round: int = 0
    lease_until: datetime | None = None
    started_by: str | None = None
    source: Source | None = None
    partner_id: str | None = None
    reading: tuple[Window, ...] = ()
    windows: tuple[Window, ...] = ()
    reads_anew: bool = False
    checks_total: bool = False
    fetched_at: datetime | None = None
    final: bool = False
    to_judge: bool = False
    page_off: bool = False
    judged: JudgedDay | None = None
    found: Mapping[Kind, Found] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    statement_id: str | None = None
    uploaded_by: str | None = None

    @property
    def incomplete(self) -> str | None:
        """Why some of its rows could not be read; None: all were."""
        return next((window.given_up for window in self.windows if window.given_up), None)

    @property
    def status(self) -> DayStatus:
        """How it stands."""
        if not self.windows:
            return DayStatus.NO_ACTIVITY_PAGE if self.page_off else DayStatus.PENDING
        if self.judged is None:
            return DayStatus.PENDING
        if self.incomplete:
            return DayStatus.INCOMPLETE
        if self.judged.unresolved:
            return DayStatus.DIFFERENCES
        return DayStatus.BALANCED if self.final and not self.to_judge else DayStatus.OPEN

    @property
    def takes_statement(self) -> bool:
        """Whether a statement's rows may count: the page goes before it, where the page could be read whole."""
        is_unread = not self.windows and not self.reading
        cannot_be_read = bool(self.incomplete) or (self.page_off and not self.final)
        return is_unread or cannot_be_read or self.source is Source.STATEMENT

    def covers(self, end: datetime) -> bool:
        """Whether the rows that count reach to the day's end."""
        return bool(self.windows) and self.windows[-1].end >= end

    def is_held(self, now: datetime) -> bool:
        """Whether somebody works on it."""
        return self.lease_until is not None and self.lease_until > now


def begun(before: BooksDay, *, by: str | None, fresh: bool, now: datetime) -> BooksDay:
    """The next round of a day that nobody works on.

    Args:
        before: how it stands.
        by: who asks for it; None: the watch.
        fresh: whether all of it is to be read anew, or only what is left of the round before.
        now: aware UTC.
    """
    return replace(
        before,
        revision=before.revision + 1,
        round=before.round + 1,
        lease_until=now + LEASE,
        started_by=by,
        reading=() if fresh else before.reading,
        reads_anew=fresh,
        checks_total=False,
    )


def changed(before: BooksDay, **updates: object) -> BooksDay:
    """The day after one more write."""
    return replace(before, **{"revision": before.revision + 1, **updates})  # type: ignore[arg-type]


def with_rows(before: BooksDay, *, ends_at: datetime, now: datetime) -> BooksDay:
    """The day once the last window of its round is read: from now on those windows count."""
    fetched_at = min((window.asked_at for window in before.reading if window.asked_at), default=now)
    is_whole = before.reading[-1].end >= ends_at and not any(window.given_up for window in before.reading)
    return changed(
        before,
        source=Source.PAGE,
        statement_id=None,
        uploaded_by=None,
        reading=(),
        reads_anew=False,
        windows=before.reading,
        to_judge=True,
        fetched_at=fetched_at,
        final=is_whole and fetched_at >= ends_at + TOTAL_AGAIN_AFTER,
        page_off=False,
    )


def first_outdated(days: Sequence[BooksDay]) -> date | None:
    """The first of some days, in their order, that goes on from another judgement than the one before it now has."""
    judged = [(day.day, day.judged) for day in days if day.judged is not None]
    return next((day for (_, before), (day, after) in pairwise(judged) if after.carried_from != before.carry), None)


def still_told(told: Iterable[str], found: Mapping[Kind, Found], incomplete: str | None) -> tuple[str, ...]:
    """Of what people were told, what still stands: what went away and comes back is told again."""
    return tuple(kind for kind in told if kind in found or (kind == INCOMPLETE and incomplete))


def has_same_total(day: BooksDay, total: int | None) -> bool:
    """Whether Amazon still says of the whole day what its windows showed."""
    return total == total_of(day.windows)
