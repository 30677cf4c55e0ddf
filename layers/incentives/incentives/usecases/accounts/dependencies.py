"""What watching accounts needs: its ports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Named only: whoever counts what is spent asks Amazon nothing, and need not load what asking takes.
    from incentives.domain.accounts.alerts import Limits
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import AccountStates, Books, Bus


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDependencies:
    """The ports, and what watching accounts needs beside them.

    Attributes:
        states: what is known of accounts.
        bus: where events go.
        limits: what the deployment sets.
        books: where balances are kept; None: they are not.
    """

    dependencies: Dependencies
    states: AccountStates
    bus: Bus
    limits: Limits
    books: Books | None = None

    @property
    def today(self) -> date:
        """The UTC day."""
        return self.dependencies.clock.now().astimezone(UTC).date()
