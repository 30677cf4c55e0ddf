"""The rate limiter's rule in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from incentives.domain.rate_limit import (
    ACTIVITY_WANTED_APART_MILLISECONDS,
    ACTIVITY_YIELDED_MILLISECONDS,
    ALLOWANCE_MILLISECONDS,
    SLOW_DOWN_APART_MILLISECONDS,
    Allowance,
    Frozen,
    Full,
    Pace,
    Permit,
    Priority,
    from_milliseconds,
    slower,
    to_milliseconds,
)

Now = Callable[[], datetime]


class ModelRateLimiter:
    """The rule with all the world in one lock: what the rate limiter of the table is compared with.

    Args:
        shared: what all know of each account.
        lock: around it.
        pace: of each account.
        now: the one clock that all go by.
        own: the caller's, by which it is answered.
    """

    def __init__(self, shared: dict[str, dict[str, int]], lock: threading.Lock, pace: Pace, now: Now, own: Now) -> None:
        self._accounts = shared
        self._lock = lock
        self._pace = pace
        self._now = now
        self._own = own

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        with self._lock:
            item, now, interval = self._look(account)
            if never_sent and item.get("frozen"):
                return Frozen()
            tolerance = (self._pace.burst - 1) * self._pace.interval
            patience = self._pace.patience(priority)
            begins = max(item.get("tat", 0), now)
            waits = [begins - tolerance]
            if priority is Priority.CALLER:
                waits.append(item.get("line", 0))
            too_far = [(wait, wait - patience) for wait in waits if wait > now + patience]
            if allowance is not None and item.get(allowance, 0) > begins:
                too_far.append((item[allowance], item[allowance] - (begins - now)))
            left_until = item.get("wanted", -ACTIVITY_YIELDED_MILLISECONDS) + ACTIVITY_YIELDED_MILLISECONDS
            if priority is Priority.BULK and allowance is Allowance.ACTIVITY and left_until > now:
                too_far.append((left_until, left_until))
            if too_far:
                next_at, again_at = max(too_far)
                return Full(self._moment(next_at), self._moment(max(now, again_at)))
            item["tat"] = begins + interval
            if allowance is not None:
                item[allowance] = begins + ALLOWANCE_MILLISECONDS[allowance]
            return Permit(self._moment(max(begins - tolerance, now)))

    def line_up(self, account: str) -> datetime | Frozen:
        with self._lock:
            item, now, interval = self._look(account)
            if item.get("frozen"):
                return Frozen()
            line = item.get("line", 0)
            item["line"] = (line if line >= now else max(now, item.get("tat", 0))) + interval
            return self._moment(item["line"])

    def slow_down(self, account: str) -> None:
        with self._lock:
            item, now, interval = self._look(account)
            if now - item.get("slowed", 0) >= SLOW_DOWN_APART_MILLISECONDS:
                item |= {"slowed": now, "slow": slower(interval)}

    def freeze(self, account: str, *, frozen: bool, version: int) -> None:
        with self._lock:
            item, _, _ = self._look(account)
            if version > item.get("freeze_version", 0):
                item |= {"frozen": int(frozen), "freeze_version": version}

    def want_activity(self, account: str) -> None:
        with self._lock:
            item, now, _ = self._look(account)
            if now - item.get("wanted", 0) >= ACTIVITY_WANTED_APART_MILLISECONDS:
                item["wanted"] = now

    def _moment(self, milliseconds: int) -> datetime:
        return from_milliseconds(milliseconds) + (self._own() - self._now())

    def _look(self, account: str) -> tuple[dict[str, int], int, int]:
        item, now = self._accounts.setdefault(account, {}), to_milliseconds(self._now())
        return item, now, self._pace.interval_at(now, item.get("slowed", 0), item.get("slow", 0))
