"""Counts calls in sliding periods: lets them through, and says afterwards how many came in any one second."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = 1.0
MINUTE = 60.0


@dataclass
class Throttle:
    """The accepted calls of each bucket.

    Ticks are seconds on a clock that never goes back; a period is half open: a call exactly one period after
    another does not count together with it. Refused calls use nothing up.
    """

    accepted: dict[str, deque[float]] = field(default_factory=dict)

    def accepts(self, wanted: Iterable[tuple[str, int | None, float]], tick: float) -> bool:
        """Whether every bucket (name, most calls or None for no limit, period in seconds) lets a call through now.

        If so, all count the call.
        """
        buckets = [(self.accepted.setdefault(name, deque()), most, period) for name, most, period in wanted]
        for calls, _, period in buckets:
            while calls and tick - calls[0] >= period:
                calls.popleft()
        if any(most is not None and len(calls) >= most for calls, most, _ in buckets):
            return False
        for calls, _, _ in buckets:
            calls.append(tick)
        return True


def most_in_any_second(ticks: Iterable[float]) -> int:
    """The largest number of calls in any half-open second."""
    ordered = sorted(ticks)
    # A window that starts at a call holds at least as many calls as any other.
    return max((bisect_left(ordered, start + SECOND) - at for at, start in enumerate(ordered)), default=0)
