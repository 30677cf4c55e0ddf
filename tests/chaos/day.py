"""The day after: every open request grows older, step by step, until it has ended or 24 hours are over.

Nobody can wait for a in-flight window of 20 minutes, let alone a day. The clocks that a request's life depends on are
in its record: setting them all back by an hour is, for this request, an hour gone by. Amazon's window for cancelling,
which is not in the record, is made shorter by as much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from incentives.aws.items import format_time, parse_time
from tests.stack.cloud import Cloud

#: Everything in a record that a clock is compared with. `updatedAt` only tells when it was written.
CLOCKS: Final = (
    "createdAt",
    "firstSentAt",
    "lastSentAt",
    "firstUnknownAt",
    "answeredAt",
    "lastReversalSentAt",
    "noSuchRequestAt",
    "phaseStartedAt",
    "dueAt",
    "wakeAt",
    "deadlineAt",
)
ENDED: Final = frozenset({"SUCCEEDED", "REFUSED", "REVERSED", "ESCALATED"})
ACTIVITY_LAST_READ: Final = "activityTat"
CANCEL_WINDOW_SECONDS: Final = 900.0

#: Waits of workflows, which are asked in vain if the record does not say that it is time, take a twentieth.
WAIT_SCALE: Final = 0.05
#: How long what is due may take, by the real clock, before the record grows older all the same.
ROUND_SECONDS: Final = 45.0
LOOK_SECONDS: Final = 0.5

#: By how much all open requests grow older each time. No effect is on its way any more, hence the longer steps: past
#: the in-flight window at 20 minutes, and on to the end of the day.
STEPS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 1, 2, 4, 6, 8, 2, 2, 2, 2, 5, 5, 20, 60, 120, 240, 480, 480)
)
DAY: Final = timedelta(hours=24)


@dataclass
class Day:
    """What the day brought.

    Attributes:
        open_at_first: requests that were open when it began.
        ended_within: how old they had grown when the last one ended; None if any never did.
        still_open: ids and states of those.
    """

    open_at_first: int = 0
    ended_within: timedelta | None = None
    still_open: dict[str, str] = field(default_factory=dict)


def let_a_day_go_by(cloud: Cloud, bulk_is_done: Callable[[], bool], stop: threading.Event) -> Day:
    """Bring every open request to its end, as the sweep, the backlog and recovery would in a day."""
    sandbox = cloud.sandbox
    # By real time Amazon's activity may be asked once a minute, and here all that are open ask for it in a few.
    sandbox.post("throttle", {"activityPerMinute": None})
    cloud.set_wait_scale(WAIT_SCALE)
    day, aged = Day(open_at_first=len(_open(cloud))), timedelta()
    try:
        for step in (timedelta(), *STEPS):
            aged += step
            sandbox.post("options", {"cancelWindowSeconds": max(0.0, CANCEL_WINDOW_SECONDS - aged.total_seconds())})
            for item in _open(cloud):
                _grow_older(cloud, item, step)
            left = _let_it_work(cloud, stop, bulk_is_done)
            if not left and bulk_is_done():
                day.ended_within = aged
                break
            if stop.is_set():
                break
        day.still_open = {item["id"]: item["status"] for item in _open(cloud)}
    finally:
        cloud.set_wait_scale(1)
        sandbox.post("throttle", {"activityPerMinute": 1})
        sandbox.post("options", {"cancelWindowSeconds": CANCEL_WINDOW_SECONDS})
    return day


def effects_have_landed(cloud: Cloud, stop: threading.Event, seconds: float) -> bool:
    """Wait until nothing is on its way to Amazon any more, by Amazon's own account."""
    end = time.monotonic() + seconds
    while cloud.sandbox.get("faults")["pendingEffects"]:
        if stop.is_set() or time.monotonic() > end:
            return False
        stop.wait(LOOK_SECONDS)
    return True


def _let_it_work(cloud: Cloud, stop: threading.Event, bulk_is_done: Callable[[], bool]) -> list[dict[str, Any]]:
    """Sweep until nothing is due, or for a while; return what is open then."""
    end = time.monotonic() + ROUND_SECONDS
    while True:
        _let_the_activity_be_read(cloud)
        cloud.invoke("SweepRequests")
        stop.wait(LOOK_SECONDS)
        left = _open(cloud)
        now = datetime.now(UTC)
        waiting = all(_waits(item, now) for item in left)
        if (waiting and (left or bulk_is_done())) or stop.is_set() or time.monotonic() > end:
            return left


def _let_the_activity_be_read(cloud: Cloud) -> None:
    """Forget when each account last did so, which the pace goes by."""
    for item in cloud.items(cloud.rate_limiter):
        if ACTIVITY_LAST_READ in item:
            cloud.rate_limiter.update_item(Key={"id": item["id"]}, UpdateExpression=f"REMOVE {ACTIVITY_LAST_READ}")


def _waits(item: dict[str, Any], now: datetime) -> bool:
    """Whether a request has nothing to do for now: its next try, or the lease of who may be at it, is still to come.

    One that was just taken over has no next try yet. It must not grow older before it has had the try that is due: on a
    machine that is too busy, a day would go by without any.
    """
    until = item.get("dueAt") or (item["wakeAt"] if item["status"] == "PENDING" else None)
    return until is not None and parse_time(until) > now


def _open(cloud: Cloud) -> list[dict[str, Any]]:
    return [item for item in cloud.items(cloud.ledger) if item.get("status", "SUCCEEDED") not in ENDED]


def _grow_older(cloud: Cloud, item: dict[str, Any], by: timedelta) -> None:
    """Set a record's times back, unless somebody has written it since it was read: it is in hand, and goes on."""
    if not by:
        return
    names = [name for name in CLOCKS if name in item]
    try:
        cloud.ledger.update_item(
            Key={"id": item["id"]},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in names),
            ConditionExpression="version = :version",
            ExpressionAttributeValues={
                ":version": item["version"],
                **{f":{name}": format_time(parse_time(item[name]) - by) for name in names},
            },
        )
    except cloud.ledger.meta.client.exceptions.ConditionalCheckFailedException:
        return
