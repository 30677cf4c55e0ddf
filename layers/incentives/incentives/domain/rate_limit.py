"""Pacing: the generic cell rate algorithm (GCRA), in the form that one conditional update can carry out.

One number per account says when the next call may leave, the theoretical arrival time:

    now          tat
     |------------|==permit==|                the caller's permit begins at tat; tat moves on by one interval
     waits (at most what its priority allows)

If `tat` is in the past the account is idle: the permit is now, and tat becomes now + interval. All times are
milliseconds since the epoch, whole numbers, because that is what the update adds up.

How far ahead a caller may take a permit depends on its priority, and that alone decides who goes first when there are
more callers than permits: whoever may look further ahead finds a permit where the others find none. A share of what is
ahead is kept for each priority from those below it.

    now                                            2 s
     |---- bulk ----|-- backlog --|-- caller --|-- recovery --|

A throttled call halves the pace, which then climbs back step by step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Final

#: Amazon refuses more than 10 requests in any second per account, of all kinds together. Calls leave up to a few
#: tenths of a second after their permit, so eight leaves enough.
REQUESTS_PER_SECOND_DEFAULT = 8.0

#: Nobody waits longer than this for a permit: a function that waits is paid for, and uses up the account's concurrency.
WAIT_SECONDS_MAX: Final = 2.0

#: Of the permits of the next two seconds, the share that each priority leaves to every priority above it.
SHARE_KEPT_DEFAULT = 0.25

#: Four priorities: with more, the lowest would see nothing.
SHARE_KEPT_MAX = 0.3

#: A call that comes this much too late to its permit takes another one. After a stall, calls would leave all at once.
LATE_SECONDS: Final = 0.25

#: Permits are handed out two seconds ahead and responses take one more: until then, throttles tell of the old pace.
SLOW_DOWN_APART_MILLISECONDS: Final = 3_000

#: The pace climbs by a sixteenth of the configured rate every five seconds: from half of it back in 40 s.
CLIMB_EVERY_MILLISECONDS: Final = 5_000
CLIMB_STEPS: Final = 16

#: However often Amazon throttles, somebody must ask whether it still does.
SLOWEST_INTERVAL_MILLISECONDS: Final = 4_000


class Priority(IntEnum):
    """Who asks for a permit; a higher priority goes first."""

    BULK = 0  # rows of a bulk order, and reconciliation
    BACKLOG = 1  # requests that were answered 202 because there was no permit
    CALLER = 2  # somebody waits for the response
    RECOVERY = 3  # reversals, and whatever finds out what became of a request


class Allowance(StrEnum):
    """Operations with a rate of their own, which counts beside the account's."""

    FUNDS = "funds"  # GetAvailableFunds
    ACTIVITY = "activity"  # GetGiftCardActivityPage


#: Between two calls. Amazon ignores a greater rate of funds, and gives a page of activity about once a minute.
ALLOWANCE_MILLISECONDS: Final[Mapping[Allowance, int]] = {Allowance.FUNDS: 1_000, Allowance.ACTIVITY: 60_000}

#: For this long after recovery has found the activity page taken, bulk work (reconciliation, which asks minute after
#: minute) takes none. Waits of a recovery are 15 minutes at most, so whoever left the wish is back before it is over.
ACTIVITY_YIELDED_MILLISECONDS: Final = 20 * 60_000

#: A wish as old as this is left anew by whoever finds the page taken: it is given once a minute, and a write for each
#: of many recoveries would say no more.
ACTIVITY_WANTED_APART_MILLISECONDS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Permit:
    """A call may leave at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Full:
    """No permit within the time that the priority may wait.

    Attributes:
        next_at: about when the next permit begins.
        again_at: when the priority may have a permit again.
    """

    next_at: datetime
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Frozen:
    """No permit for a call whose request Amazon has never seen: somebody has frozen the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a deployment sets.

    Attributes:
        requests_per_second: of each account, over all functions.
        burst: calls that an idle account may make at once. They come on top of the rate within the first second.
        share_kept: of the permits ahead, what each priority leaves to every priority above it.
    """

    requests_per_second: float = REQUESTS_PER_SECOND_DEFAULT
    burst: int = 1
    share_kept: float = SHARE_KEPT_DEFAULT

    def __post_init__(self) -> None:
        if not self.requests_per_second > 0 or math.isinf(self.requests_per_second):
            raise ValueError("requests per second must be a positive number")
        if self.burst < 1:
            raise ValueError("burst must be at least 1")
        if not 0 <= self.share_kept <= SHARE_KEPT_MAX:
            raise ValueError(f"the share kept must be between 0 and {SHARE_KEPT_MAX}")

    @property
    def interval(self) -> int:
        """Milliseconds between two permits, rounded up so that the pace is never above the rate."""
        return interval_milliseconds(self.requests_per_second)

    @property
    def tolerance(self) -> int:
        """Milliseconds by which the first calls of a burst may leave before their time."""
        return (self.burst - 1) * self.interval

    def patience(self, priority: Priority) -> int:
        """Milliseconds ahead within which a priority may take a permit."""
        return int(WAIT_SECONDS_MAX * 1000 * (1 - self.share_kept * (Priority.RECOVERY - priority)))

    def interval_at(self, now: int, slowed_at: int, slow_interval: int) -> int:
        """Milliseconds between two permits, some time after Amazon has throttled.

        Args:
            now: milliseconds since the epoch.
            slowed_at: likewise, when Amazon last throttled; 0: never.
            slow_interval: the interval that the last slow-down set.
        """
        if not slowed_at or not slow_interval:
            return self.interval
        steps = max(0, now - slowed_at) // CLIMB_EVERY_MILLISECONDS
        rate = 1000 / slow_interval + steps * self.requests_per_second / CLIMB_STEPS
        return max(self.interval, min(slow_interval, interval_milliseconds(rate)))

    @property
    def climbed_back_after(self) -> int:
        """Milliseconds after which no slow-down is felt any more."""
        return (CLIMB_STEPS + 1) * CLIMB_EVERY_MILLISECONDS


def yields(priority: Priority, allowance: Allowance | None) -> bool:
    """Whether who asks for this leaves it to a recovery that has found the activity page taken."""
    return priority is Priority.BULK and allowance is Allowance.ACTIVITY


def slower(interval: int) -> int:
    """The interval after Amazon has throttled at this one: half the pace."""
    return max(interval, min(2 * interval, SLOWEST_INTERVAL_MILLISECONDS))


def interval_milliseconds(requests_per_second: float) -> int:
    """Distance between two permits, rounded up so that the pace is never above the rate."""
    if not requests_per_second > 0 or math.isinf(requests_per_second):
        raise ValueError("requests per second must be a positive number")
    return math.ceil(1000 / requests_per_second)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch, cut off."""
    # In whole numbers: a float's milliseconds may be one too few.
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_milliseconds(milliseconds: int) -> datetime:
    """Aware UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
