"""What a day is judged by: Amazon's rows as they were read, other files of the books, and the ledger's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksUnavailable
from incentives.domain.reconciliation.rows import Row, decode_rows, line_of

if TYPE_CHECKING:
    from incentives.domain.reconciliation.windows import Window
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.ports import Index
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: Records read at a time.
_PAGE: Final = 500

_ONE_DAY: Final = timedelta(days=1)


def rows_of(windows: Iterable[Window], books: BooksDependencies) -> Iterator[Row]:
    """The rows of windows that were read.

    A row without a time may have been shown with two windows that touch: it counts as often as one of them had it.

    Raises:
        BooksUnavailable
    """
    timeless: Counter[str] = Counter()
    rows: dict[str, Row] = {}
    for window in windows:
        if window.name is None:
            continue
        here: Counter[str] = Counter()
        for row in decode_rows(content_of(window.name, books)):
            if row.time is not None:
                yield row
            else:
                here[line_of(row)] += 1
                rows[line_of(row)] = row
        timeless |= here
    for line, number in timeless.items():
        for _ in range(number):
            yield rows[line]


def content_of(name: str, books: BooksDependencies) -> bytes:
    """A file that an item of the books names.

    Raises:
        BooksUnavailable: it cannot be read, or is not there.
    """
    content = books.files.get(name)
    if content is None:
        raise BooksUnavailable("a file of the books could not be read (it is not there)")
    return content


def records_created(account: str, start: datetime, end: datetime, index: Index) -> Iterator[Record]:
    """The records that were created from `start`, included, to `end`, excluded; newest first, day by day of UTC.

    Raises:
        LedgerUnavailable
    """
    day, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    while day <= last:
        before: str | None = None
        more = True
        while more:
            found, more = index.day(account, day, before, _PAGE)
            for key, record in found:
                before = key
                if start <= record.created_at < end:
                    yield record
        day += _ONE_DAY
