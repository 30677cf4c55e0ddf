"""What watching accounts works with: the bag that carries its ports."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING

from incentives.domain.values import frozen

if TYPE_CHECKING:
    # Named only: whoever counts what is spent asks Amazon nothing, and need not load what asking takes.
    from incentives.domain.alerts import Limits
    from incentives.usecases.ports import AccountStates, Bus
    from incentives.usecases.tools import Tools


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
