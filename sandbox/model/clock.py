"""The sandbox's settable time of day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def system_time() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass
class Clock:
    """Runs `offset` away from the real time, or stands still at `frozen_at`."""

    real: Callable[[], datetime] = system_time
    offset: timedelta = timedelta()
    frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The sandbox's time, aware, in UTC."""
        return self.real() + self.offset if self.frozen_at is None else self.frozen_at

    def reset(self) -> None:
        """Back to the real time."""
        self.offset, self.frozen_at = timedelta(), None

    def shift_to(self, offset_seconds: float) -> None:
        """Run `offset_seconds` away from the real time."""
        self.offset, self.frozen_at = timedelta(seconds=offset_seconds), None

    def advance(self, seconds: float) -> None:
        """Jump by `seconds`, running or frozen."""
        if self.frozen_at is None:
            self.offset += timedelta(seconds=seconds)
        else:
            self.frozen_at += timedelta(seconds=seconds)

    def freeze(self, at: datetime | None = None) -> None:
        """Stand still at `at`, or where the clock is now."""
        self.frozen_at = self.now() if at is None else at

    def run(self) -> None:
        """Go on from where the clock stands."""
        self.offset, self.frozen_at = self.now() - self.real(), None
