"""Searching the ledger over HTTP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.requests import request
from incentives.domain.errors import InvalidInput
from incentives.domain.single_requests.record import Record, Status

#: Without `from`, a week up to `to`.
DAYS_DEFAULT = 7

#: No gift card of Amazon's is this old, and nothing before it needs calendars that end.
FIRST_DAY: Final = date(2000, 1, 1)

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

PARAMETERS = ("account", "status", "from", "to", "cursor")


def read_search(call: ApiCall, now: datetime) -> tuple[str | None, Status | None, date, date, str | None]:
    """The query: account, status, first and last day (UTC, both included), cursor.

    Raises:
        InvalidInput: names the parameter.
    """
    query = call.query_of(*PARAMETERS)
    last = read_day(query.get("to"), "to") or now.astimezone(UTC).date()
    first = read_day(query.get("from"), "from") or last - timedelta(days=DAYS_DEFAULT - 1)
    status = query.get("status")
    if status is not None and status not in Status.__members__:
        raise InvalidInput("status", f"must be one of {', '.join(Status)}")
    return query.get("account"), Status(status) if status else None, first, last, query.get("cursor")


def read_day(text: str | None, field: str) -> date | None:
    """A day as `YYYY-MM-DD`; None if there is none.

    Raises:
        InvalidInput: names the field.
    """
    if text is None:
        return None
    try:
        # The form is checked by itself: the parser also takes other forms of the standard, and other scripts' digits.
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidInput(field, "must be a day such as 2026-03-01")
    if day < FIRST_DAY:
        raise InvalidInput(field, f"must not be before {FIRST_DAY.isoformat()}")
    return day


def found(records: Sequence[Record], cursor: str | None) -> ApiResponse:
    """200: a page of requests, newest first, and the cursor of the next page."""
    return ApiResponse(200, {"requests": [request(record) for record in records], "cursor": cursor})
