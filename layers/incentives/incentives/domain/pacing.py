"""Pacing: the generic cell rate algorithm (GCRA), in the form that one conditional update can carry out.

One number per account says when the next call may leave, the theoretical arrival time:

    now          tat
     |------------|===slot===|                the caller's slot begins at tat; tat moves on by one interval
     waits (at most what it is willing to)

If `tat` is in the past the account is idle: the slot is now, and tat becomes now + interval. All times are
milliseconds since the epoch, whole numbers, because that is what the update adds up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

#: Amazon refuses more than 10 requests in any second per account, of all kinds together. Calls leave up to a few
#: tenths of a second after their slot, so eight leaves room.
REQUESTS_PER_SECOND_DEFAULT = 8.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A call may leave at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Full:
    """No slot within the time that the caller would wait: the next one begins at about `next_at`."""

    next_at: datetime


def interval_milliseconds(requests_per_second: float) -> int:
    """Distance between two slots, rounded up so that the pace is never above the rate."""
    if not requests_per_second > 0 or math.isinf(requests_per_second):
        raise ValueError("requests per second must be a positive number")
    return math.ceil(1000 / requests_per_second)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    """Aware UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
