"""What watching accounts needs: its ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Named only: whoever counts what is spent asks Amazon nothing, and need not load what asking takes.
    from incentives.domain.accounts.alerts import Limits
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import AccountStates, Books, Bus, Index


def utc_day(moment: datetime) -> date:
    """The UTC day of a moment."""
    return moment.astimezone(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDependencies:
    """The ports, and what watching accounts needs beside them.

    Attributes:
        states: what is known of accounts.
        bus: where events go.
        limits: what the deployment sets.
        books: where balances are kept, and reversals noted; None: they are not.
        index: the ledger by day, which is asked before a decrease of a balance is told; None: it is not.
        booking_day: the day of a moment, in the zone that the books are kept in.
    """

    dependencies: Dependencies
    states: AccountStates
    bus: Bus
    limits: Limits
    books: Books | None = None
    index: Index | None = None
    booking_day: Callable[[datetime], date] = utc_day

    @property
    def today(self) -> date:
        """The UTC day."""
        return utc_day(self.dependencies.clock.now())
