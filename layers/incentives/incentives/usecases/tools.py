"""What every use case works with: the ports, and the bag that carries them.

Each port has two implementations: the real adapter, and the one that the simulation and the unit tests use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from incentives.domain.accounts import Account, Secret
from incentives.domain.calls import Attempt, Call
from incentives.domain.ledger import Change, KeyItem, KeyTaken, Lost, OpenRequests, Record
from incentives.domain.outcomes import Outcome, ReversalOutcome
from incentives.domain.pacing import Allowance, Full, Lane, Slot
from incentives.domain.recovery import Reissue
from incentives.domain.values import frozen

if TYPE_CHECKING:
    # Not loaded by functions that never call Amazon: it brings the HTTP library.
    from incentives.agcod.amazon import ActivityAnswer, CardStateAnswer, FundsAnswer, SignedCall
    from incentives.domain.book_page import BookPage


class Ledger(Protocol):
    """The durable record of every request. Reads are consistent; a repeated write recognises its own nonce.

    Every method raises `LedgerUnavailable`.
    """

    def open(self, record: Record, key: KeyItem, nonce: str) -> Record | KeyTaken:
        """Write the key item and the first record in one transaction."""

    def get(self, request_id: str) -> Record | None:
        """Read one record."""

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        """Carry out one conditional write and return the record as it now stands."""

    def reissue(self, plan: Reissue, nonce: str) -> Record | Lost:
        """Close the old generation and open the new one in one transaction; returns the new one."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Request ids of open records whose holder is presumed dead at `now`, longest silent first."""

    def still_open(self) -> OpenRequests:
        """How many requests are open; the count lags behind the ledger by a moment."""


class Pacer(Protocol):
    """Hands out the moments at which calls may leave for Amazon."""

    def reserve(self, account: str, lane: Lane, *, allowance: Allowance | None = None) -> Slot | Full:
        """Take the next slot if it begins soon enough for the lane. Raises `LedgerUnavailable`."""

    def line_up(self, account: str) -> datetime:
        """Join the line of requests that wait for a slot; about when it will be due. Raises `LedgerUnavailable`."""

    def slow_down(self, account: str) -> None:
        """Amazon has throttled a call. Raises `LedgerUnavailable`."""


class Backlog(Protocol):
    """Requests that wait for their slot, roughly in order. One may come out twice, or get lost and be put again."""

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        """Add a request, to come out after the delay, 15 minutes at most. False: it could not be added now."""


class Amazon(Protocol):
    """The Incentives API of every account's marketplace."""

    def sign(self, call: Call, account: Account) -> SignedCall:
        """Write and sign a call; it is valid for 15 minutes."""

    def attempt(self, signed: SignedCall, *, seconds: float) -> Attempt[Outcome]:
        """Send an operation once."""

    def attempt_reversal(self, signed: SignedCall, *, seconds: float) -> Attempt[ReversalOutcome]:
        """Send a reversal once."""

    def funds(self, account: Account, *, seconds: float) -> FundsAnswer:
        """Ask for the account's balance."""

    def activation_status(
        self, account: Account, *, request_id: str, card_number: Secret, seconds: float
    ) -> CardStateAnswer:
        """Ask whether a physical card is active."""

    def activity_page(
        self, account: Account, *, request_id: str, query: Mapping[str, object], seconds: float
    ) -> ActivityAnswer:
        """Ask for a page of the account's activity."""


class Books(Protocol):
    """The last page of Amazon's book that anybody was shown, by account."""

    def kept(self, account: str) -> BookPage | None:
        """Return it; None if there is none that can be read. Raises `LedgerUnavailable`."""

    def keep(self, account: str, page: BookPage) -> None:
        """Keep a page, unless the one that is there is newer. Raises `LedgerUnavailable`."""


class Accounts(Protocol):
    """The accounts' keys."""

    def get(self, name: str, *, fresh: bool = False) -> Account:
        """Return an account. Raises `AccountUnusable`.

        Args:
            name: as callers use it.
            fresh: read it anew, because Amazon refused the key at hand.
        """

    def refused(self, name: str) -> None:
        """Note that Amazon refused the key at hand. Raises `LedgerUnavailable`."""


class Vault(Protocol):
    """Seals what must not be readable at rest."""

    def seal(self, key_hash: str, members: Mapping[str, Any]) -> str:
        """Encrypt members of an order. Raises `VaultUnavailable`."""

    def unseal(self, key_hash: str, sealed: str) -> Mapping[str, Any]:
        """The inverse of `seal`, for the same order only. Raises `VaultUnavailable`."""


class Recoveries(Protocol):
    """Recovery workflows."""

    def start(self, request_id: str, epoch: int) -> bool:
        """Start the recovery of one epoch; starting twice is harmless. False: it could not be started now."""


class People(Protocol):
    """Whom a machine cannot replace."""

    def mail(self, to: str, subject: str, text: str) -> str | None:
        """Send a mail; returns why it was not sent, None if it was."""

    def notify(self, subject: str, text: str) -> str | None:
        """Tell the operators; returns why they were not told, None if they were."""


class Clock(Protocol):
    """The time, and the passing of it."""

    def now(self) -> datetime:
        """Aware UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after this long."""


class Telemetry(Protocol):
    """Logs and metrics. Only named, harmless facts go in: never an event, a body or an answer."""

    def log(self, event: str, **facts: object) -> None:
        """Write one log line."""

    def count(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        """Add to a metric."""


@frozen(kw_only=True)
class Tools:
    """The ports, and where nonces come from."""

    ledger: Ledger
    pacer: Pacer
    backlog: Backlog
    amazon: Amazon
    books: Books
    accounts: Accounts
    vault: Vault
    recoveries: Recoveries
    people: People
    clock: Clock
    telemetry: Telemetry
    new_nonce: Callable[[], str]


@frozen
class Budget:
    """How long the function that runs this may still take.

    Attributes:
        seconds_left: asked anew each time.
    """

    seconds_left: Callable[[], float]

    # One try takes at most 8 s (connect 2, read 6), at worst after 2 s for another slot, and needs its answer written:
    # no try starts with less left.
    SECONDS_FOR_A_TRY = 11.0

    def allows_a_try(self, after_seconds: float = 0.0) -> bool:
        """Whether a try that starts after a wait can be finished and written down."""
        return self.seconds_left() - after_seconds >= self.SECONDS_FOR_A_TRY


#: Total time of one call to Amazon: connect 2 s and read 6 s, of which 6 s is what Amazon's FAQ recommends.
CALL_SECONDS = 8.0
