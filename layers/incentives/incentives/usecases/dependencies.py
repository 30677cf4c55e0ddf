"""What every use case needs: the ports, and the time there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from incentives.usecases.ports import (
        Accounts,
        Amazon,
        Backlog,
        Budgets,
        Clock,
        KeptPages,
        Ledger,
        Notifier,
        RateLimiter,
        Recoveries,
        Telemetry,
        Vault,
    )


class Dependencies(Protocol):
    """The ports, each built when it is first asked for, and where nonces come from."""

    # ruff: noqa: D102 - each is described where its type is

    @property
    def ledger(self) -> Ledger: ...
    @property
    def budgets(self) -> Budgets: ...
    @property
    def rate_limiter(self) -> RateLimiter: ...
    @property
    def backlog(self) -> Backlog: ...
    @property
    def amazon(self) -> Amazon: ...
    @property
    def kept_pages(self) -> KeptPages: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def recoveries(self) -> Recoveries: ...
    @property
    def notifier(self) -> Notifier: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def telemetry(self) -> Telemetry: ...
    def new_nonce(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How long the function that runs this may still take.

    Attributes:
        seconds_left: asked anew each time.
    """

    seconds_left: Callable[[], float]

    # One try takes at most 8 s (connect 2, read 6), at worst after 2 s for another permit, and needs its response
    # written: no try starts with less left.
    SECONDS_FOR_A_TRY = 11.0

    def allows_a_try(self, after_seconds: float = 0.0) -> bool:
        """Whether a try that starts after a wait can be finished and written down."""
        return self.seconds_left() - after_seconds >= self.SECONDS_FOR_A_TRY


#: Total time of one call to Amazon: connect 2 s and read 6 s, of which 6 s is what Amazon's FAQ recommends.
CALL_SECONDS = 8.0
