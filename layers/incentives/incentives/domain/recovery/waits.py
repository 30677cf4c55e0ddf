"""The deadline, the in-flight window, and how long to wait between two tries. Every clock comes from the ledger."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE

#: Amazon accepts a signature for 15 minutes; 5 more for a request that was accepted at the last moment.
IN_FLIGHT_WINDOW: Final = timedelta(minutes=15 + 5)

#: A card that landed at the end of the in-flight window can be cancelled for 15 minutes: until then no wait is longer
#: than a minute.
AFTER_IN_FLIGHT_WINDOW: Final = timedelta(minutes=15)

#: With intent reverse or reissue the operation is repeated for this long after the first unknown, then reversed.
REPEAT_BEFORE_REVERSING: Final = timedelta(minutes=1)

FIRST_WAIT_SECONDS: Final = 1
FIRST_WAITS_FOR: Final = timedelta(seconds=10)
WAIT_INSIDE_WINDOW_SECONDS_MAX: Final = 60
WAIT_SECONDS_MAX: Final = 15 * 60


def deadline(record: Record) -> datetime:
    """When tries end, in whole seconds like the x-amz-dates it is compared with."""
    return (record.deadline_at or record.created_at + DEADLINE).replace(microsecond=0)


def in_flight_until(record: Record) -> datetime | None:
    """Until when a recorded send of the operation may still reach Amazon; None if none ever left."""
    return record.last_sent_at + IN_FLIGHT_WINDOW if record.last_sent_at else None


def next_wait_seconds(record: Record, now: datetime, *, doubles_at_once: bool = False) -> int:
    """Seconds until the next try: one for the first ten seconds, then doubling under a cap, never past what counts.

    The cap is a minute until 15 minutes past the in-flight window, then 15 minutes. A wait ends when
    the window does, at the deadline, and when repeating gives way to reversing.

    Args:
        record: open.
        now: aware UTC.
        doubles_at_once: without the first ten seconds of one: Amazon responds, and needs time.
    """
    started = record.phase_started_at or record.first_unknown_at or record.created_at
    if now - started < FIRST_WAITS_FOR and not doubles_at_once:
        return FIRST_WAIT_SECONDS
    window_end = (
        in_flight_until(record)
        if record.status is Status.REVERSING
        else (record.first_unknown_at or started) + IN_FLIGHT_WINDOW
    )
    inside = window_end is not None and now < window_end + AFTER_IN_FLIGHT_WINDOW
    cap = WAIT_INSIDE_WINDOW_SECONDS_MAX if inside else WAIT_SECONDS_MAX
    wait = min(2 * (record.wait_seconds or FIRST_WAIT_SECONDS), cap)
    # One second past the in-flight window: Amazon's Date header counts whole seconds and must be beyond it.
    marks = [deadline(record)] if window_end is None else [window_end + timedelta(seconds=1), deadline(record)]
    if record.status is Status.RECOVERING and record.intent is not Intent.RETRY and record.first_unknown_at:
        marks.append(record.first_unknown_at + REPEAT_BEFORE_REVERSING)
    until_mark = [math.ceil((mark - now).total_seconds()) for mark in marks if mark > now]
    return max(FIRST_WAIT_SECONDS, min([wait, *until_mark]))
