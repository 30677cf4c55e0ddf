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
    from incentives.usecases.ports import AccountStates, Bus, Freezes, Index
    from incentives.usecases.reconciliation.ports import Books


def utc_day(moment: datetime) -> date:
    """The UTC day of a moment."""
    return moment.astimezone(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDependencies:
    """The ports, and what freezing and listing accounts needs beside them.

    Attributes:
        freezes: which accounts are frozen.
        states: what is known of accounts.
        default: the account of requests that name none.
    """

    dependencies: Dependencies
    freezes: Freezes
    states: AccountStates
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDependencies:
    """The ports, and what watching accounts needs beside them.

    Attributes:
        states: what is known of accounts.
        bus: where events go.
        limits: what the deployment sets.
        freezes: which accounts are frozen; None: none ever is.
        books: where balances are kept, and reversals noted; None: they are not.
        index: the ledger by day, which is asked before a decrease of a balance is told; None: it is not.
        booking_day: the day of a moment, in the zone that the books are kept in.
    """

    dependencies: Dependencies
    states: AccountStates
    bus: Bus
    limits: Limits
    freezes: Freezes | None = None
    books: Books | None = None
    index: Index | None = None
    booking_day: Callable[[datetime], date] = utc_day

    @property
    def today(self) -> date:
        """The UTC day."""
        return utc_day(self.dependencies.clock.now())
