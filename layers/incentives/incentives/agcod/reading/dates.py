"""The dates that Amazon writes, read without the machine's language or time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Final

#: Longer than any date; nothing longer is looked at.
_DATE_LENGTH_MAX: Final = 40

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}

#: Java's `Date.toString()`: `EEE MMM dd HH:mm:ss zzz yyyy`. Zone names other than these two are ambiguous (CST, IST,
#: BST ...); Amazon is only known to write UTC.
_JAVA: Final = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{1,2}) (?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}) "
    r"(?:UTC|Z|GMT)(?P<offset>[+-][0-9]{2}:[0-9]{2})? (?P<year>[0-9]{4})"
)
_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_BASIC: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def parse_date(text: object) -> datetime | None:
    """Aware UTC of a Java date, an ISO date (UTC if it names no zone) or `YYYYMMDDTHHMMSSZ`; None if it is neither."""
    if not isinstance(text, str) or len(text) > _DATE_LENGTH_MAX:
        return None
    stripped = text.strip()
    try:
        if _BASIC.fullmatch(stripped):
            return datetime.strptime(stripped, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if _ISO.fullmatch(stripped):
            parsed = datetime.fromisoformat(stripped)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        return _parse_java(stripped)
    except (ValueError, OverflowError):
        return None


def _parse_java(text: str) -> datetime | None:
    match = _JAVA.fullmatch(text)
    if match is None or match["month"] not in _MONTHS:
        return None
    hour, minute, second = (int(part) for part in match["time"].split(":"))
    zone = _zone(match["offset"])
    local = datetime(int(match["year"]), _MONTHS[match["month"]], int(match["day"]), hour, minute, second, tzinfo=zone)
    return local.astimezone(UTC)


def _zone(offset: str | None) -> timezone:
    if offset is None:
        return UTC
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return timezone(-size if offset[0] == "-" else size)


def parse_http_date(text: str | None) -> datetime | None:
    """Aware UTC of an HTTP Date header; None if it is missing or none."""
    if text is None or len(text) > _DATE_LENGTH_MAX:
        return None
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
