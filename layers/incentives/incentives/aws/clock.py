"""The time of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`Clock` of this machine."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after this long, at once if it is not positive."""
        if seconds > 0:
            time.sleep(seconds)
