"""Search the ledger by account and day, newest first. One query a day of the range, never a scan."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import InvalidInput

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record, Status
    from incentives.usecases.ports import Index

#: Each day is a query of its own: a year's range would be a denial of service by one call.
DAYS_MAX: Final = 92

PAGE_SIZE: Final = 50

#: Records looked at for one page, however few of them have the status asked for.
LOOKED_AT_MAX: Final = 500

#: Far above any cursor; a longer text is none, and is not parsed.
_CURSOR_LENGTH_MAX: Final = 256

#: The index's sort key: the time of creation and the request id.
_SORT_KEY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z#[A-Za-z0-9]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for: records of one account created from `first` to `last`, both included, UTC."""

    account: str
    first: date
    last: date
    status: Status | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first.

    Attributes:
        cursor: what to ask for next; None at the end.
    """

    records: tuple[Record, ...]
    cursor: str | None


def search(query: Query, index: Index) -> Page:
    """One page of what the query finds. A page may be short, even empty, while there is a cursor.

    Raises:
        InvalidInput: names `from`, `to` or `cursor`.
        LedgerUnavailable
    """
    if query.first > query.last:
        raise InvalidInput("from", "must not be after to")
    if (query.last - query.first).days >= DAYS_MAX:
        raise InvalidInput("from", f"must be less than {DAYS_MAX} days before to")
    day, before = _read_cursor(query)
    found: list[Record] = []
    looked_at = 0
    while day >= query.first:
        rows, more = index.day(query.account, day, before, min(PAGE_SIZE, LOOKED_AT_MAX - looked_at))
        for key, record in rows:
            looked_at += 1
            before = key
            if query.status is None or record.status is query.status:
                found.append(record)
            if len(found) == PAGE_SIZE:
                return Page(tuple(found), _cursor(day, before))
        if not more:
            day, before = day - timedelta(days=1), None
        if looked_at >= LOOKED_AT_MAX and day >= query.first:
            return Page(tuple(found), _cursor(day, before))
    return Page(tuple(found), None)


_NO_CURSOR: Final = "must be a cursor that this route returned"


def _cursor(day: date, before: str | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([day.isoformat(), before]).encode()).decode("ascii").rstrip("=")


def _read_cursor(query: Query) -> tuple[date, str | None]:
    if query.cursor is None:
        return query.last, None
    if len(query.cursor) > _CURSOR_LENGTH_MAX:
        raise InvalidInput("cursor", _NO_CURSOR)
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        text, before = json.loads(base64.urlsafe_b64decode(padded))
        day = date.fromisoformat(text)
    except (ValueError, TypeError, binascii.Error):
        raise InvalidInput("cursor", _NO_CURSOR) from None
    if before is not None and not (isinstance(before, str) and _SORT_KEY.fullmatch(before)):
        # A key that the index cannot have is refused here: the ledger's "cannot be searched" would blame the ledger.
        raise InvalidInput("cursor", _NO_CURSOR)
    if not (query.first <= day <= query.last and (before is None or before.startswith(day.isoformat()))):
        raise InvalidInput("cursor", "belongs to another search")
    return day, before
