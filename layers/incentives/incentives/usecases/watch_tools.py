"""What watching accounts works with: its ports, and the bag that carries them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from incentives.domain.values import frozen

if TYPE_CHECKING:
    # Named only: whoever counts what is spent asks Amazon nothing, and need not load what asking takes.
    from incentives.domain.alerts import Limits, Standing
    from incentives.domain.funds import AccountState, Snapshot
    from incentives.domain.ledger import Record
    from incentives.domain.spend import Charge
    from incentives.usecases.publish_events import Bus
    from incentives.usecases.tools import Tools


class Balances(Protocol):
    """What is known of accounts without asking Amazon. Each method raises `LedgerUnavailable`."""

    def read(self, account: str, today: date) -> AccountState:
        """Read what is known of an account; of what it spent, the days that an average needs, and today."""

    def keep_funds(self, snapshot: Snapshot) -> None:
        """Keep a balance, unless a newer one is kept already."""


class AccountStates(Balances, Protocol):
    """What is known of accounts: balances, totals, alerts, and which accounts there are.

    Each method raises `LedgerUnavailable`.
    """

    def accounts(self) -> list[str]:
        """The accounts that have ever been asked about or charged."""

    def keep_standing(self, account: str, standing: Standing) -> bool:
        """Write the alerts that stand; False if others have written since."""

    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        """Count a request as its record stands, unless a newer version of it has been counted.

        Args:
            record: one version.
            was: what the version before it cost.
            now: aware UTC.

        Returns:
            Whether anything was written.
        """


@frozen(kw_only=True)
class WatchTools:
    """The ports, and what watching accounts needs beside them.

    Attributes:
        states: what is known of accounts.
        bus: where events go.
        limits: what the deployment sets.
    """

    tools: Tools
    states: AccountStates
    bus: Bus
    limits: Limits

    @property
    def today(self) -> date:
        """The UTC day."""
        return self.tools.clock.now().astimezone(UTC).date()
