"""Booking days and months: in the zone that the books are kept in, with the changes of its clocks.

A day begins at its zone's midnight, and has 23 hours in spring and 25 in autumn. All arithmetic is done in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

#: The version of the zones' rules: a close names it, since governments change them.
TZDATA: Final[str] = tzdata.IANA_VERSION

_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@cache
def read_zone(name: str) -> ZoneInfo:
    """Read a zone from the pinned package, whatever the machine has.

    Raises:
        ValueError: there is no such zone.
    """
    if _ZONE_NAME.fullmatch(name):
        place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
        if place.is_file():
            with place.open("rb") as file:
                try:
                    return ZoneInfo.from_file(file, name)
                except ValueError:
                    # A file of the package that is no zone, such as its list of zones.
                    pass
    raise ValueError(f"{name!r} is no time zone such as Europe/Berlin")


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a booking day begins, included, and ends, excluded; aware UTC."""
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where the clock skips midnight this is the moment of the skip; where it shows midnight twice, the first time.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The booking day of a moment."""
    return moment.astimezone(zone).date()


def days_between(start: datetime, end: datetime, zone: ZoneInfo) -> list[date]:
    """The booking days that a stretch of time touches, both ends included."""
    first, last = day_of(start, zone), day_of(end, zone)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def month_of(day: date) -> str:
    """The month of a day, as `2026-11`."""
    return day.isoformat()[:7]


def days_of(month: str) -> list[date]:
    """The days of a month.

    Raises:
        ValueError: it is not written as `2026-11`, or is of a year at the calendar's ends.
    """
    match = _MONTH.fullmatch(month)
    if match is None or match[1] in {"0000", "0001", "9999"}:
        raise ValueError("must be a month such as 2026-11")
    first = date(int(match[1]), int(match[2]), 1)
    return [day for n in range(31) if month_of(day := first + timedelta(days=n)) == month]


def next_month(month: str) -> str:
    """The month after a month."""
    return month_of(days_of(month)[-1] + timedelta(days=1))


def previous_month(month: str) -> str:
    """The month before a month."""
    return month_of(days_of(month)[0] - timedelta(days=1))
