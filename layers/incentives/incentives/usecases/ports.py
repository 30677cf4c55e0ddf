"""What the use cases ask of the world outside: the ports.

Each has two implementations: the real adapter, and the one that the simulation and the unit tests use. Only type
checkers load this: no function pays for it when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from incentives.agcod.amazon import ActivityResponse, CardStateResponse, FundsResponse, SignedCall
from incentives.domain.accounts.account import Account
from incentives.domain.accounts.alerts import AlertStanding
from incentives.domain.accounts.freezing import Freeze
from incentives.domain.accounts.funds import AccountState, Snapshot
from incentives.domain.accounts.spend import Charge
from incentives.domain.calls import Attempt, Call
from incentives.domain.events import Event
from incentives.domain.keys.rotation import KeyNotes, Labels, Rotation
from incentives.domain.money import Money
from incentives.domain.outcomes import Outcome, ReversalOutcome
from incentives.domain.persons import RoleToLookUp
from incentives.domain.rate_limit import Allowance, Frozen, Full, Permit, Priority
from incentives.domain.recovery.kept_page import KeptPage
from incentives.domain.secret_text import Secret
from incentives.domain.single_requests.record import (
    Change,
    Due,
    KeyItem,
    KeyTaken,
    Lost,
    OpenRequests,
    OrderRow,
    Record,
    Reissue,
)


class Ledger(Protocol):
    """The durable record of every request. Reads are consistent; a repeated write recognises its own nonce.

    Every method raises `LedgerUnavailable`.
    """

    def open(self, record: Record, key: KeyItem, nonce: str, *, row: OrderRow | None = None) -> Record | KeyTaken:
        """Write the key item and the first record in one transaction, and take the amount from the record's budget.

        The key decides before the budget does: a key that is taken is told, whatever the budget would say.

        Args:
            record: not written yet.
            key: what guards its idempotency key.
            nonce: of this attempt.
            row: it is one of a bulk order, which holds its amount: nothing is taken.

        Returns:
            The record as written, with its budget's period.

        Raises:
            BudgetExceeded, BudgetBusy, BudgetUnusable: nothing was written.
            OrderClosed: the row's batch takes no more rows; nothing was written.
        """

    def get(self, request_id: str) -> Record | None:
        """Read one record."""

    def key(self, key_hash: str) -> KeyItem | None:
        """Read what guards an idempotency key."""

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        """Carry out one conditional write and return the record as it now stands."""

    def reissue(self, plan: Reissue, nonce: str, *, row: OrderRow | None = None) -> Record | Lost:
        """Close the old generation, open the new one and perhaps move the key to it, in one transaction.

        What the old one holds of its budget passes over. If that has been given back (a renewal only), it is taken anew
        from the period in which the new one is created.

        Returns:
            The new one.

        Raises:
            BudgetExceeded, BudgetBusy, BudgetUnusable: of a renewal; nothing was written.
            OrderClosed: the row's batch takes no more rows; nothing was written.
        """

    def due(self, now: datetime, limit: int) -> Due:
        """Open records whose holder is presumed dead at `now`, no more than `limit`."""

    def still_open(self) -> OpenRequests:
        """How many requests are open; the count lags behind the ledger by a moment."""

    def amount_at_risk(self, account: str) -> Mapping[str, Decimal] | None:
        """By currency, the sum of an account's open requests that may have been sent; None: too many are open."""


class Budgets(Protocol):
    """What is known of budgets before a request takes from one."""

    @property
    def required(self) -> bool:
        """Whether each request and each order must name one."""

    def was_refused(self, name: str) -> bool:
        """Whether this process was told a moment ago that a budget allows no request."""

    def check(self, name: str, value: Money) -> None:
        """Look at a budget, consistently, and take nothing.

        Raises:
            BudgetUnusable, BudgetExceeded: it would not allow this now.
            LedgerUnavailable: it cannot be read.
        """


class Records(Protocol):
    """The ledger, many records at a time."""

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that there are, by request id. Raises `LedgerUnavailable`."""

    def get_keys(self, key_hashes: Sequence[str]) -> Mapping[str, KeyItem]:
        """What guards idempotency keys, by their hashes, where there is any. Raises `LedgerUnavailable`."""


class Index(Protocol):
    """The ledger by account and day."""

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        """Records created on a day (UTC), newest first, each with its sort key, and whether there are more.

        Args:
            account: whose records.
            day: UTC.
            before: only records older than this sort key.
            limit: of records looked at.
        """


class RateLimiter(Protocol):
    """Hands out the moments at which calls may leave for Amazon."""

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        """Take the next permit if it begins soon enough for the priority. Raises `LedgerUnavailable`.

        Args:
            account: whose.
            priority: of who asks.
            allowance: what must be free as well.
            never_sent: Amazon has never seen what the permit is for: there is none while the account is frozen.
        """

    def line_up(self, account: str) -> datetime | Frozen:
        """Join the line of requests that wait for a permit; about when it will be due. Raises `LedgerUnavailable`."""

    def freeze(self, account: str, *, frozen: bool, version: int) -> None:
        """Write whether an account is frozen, unless that of a version as new is there. Raises `LedgerUnavailable`."""

    def slow_down(self, account: str) -> None:
        """Amazon has throttled a call. Raises `LedgerUnavailable`."""

    def want_activity(self, account: str) -> None:
        """Recovery has found the activity page taken: bulk work takes none for a while. Raises `LedgerUnavailable`."""


class Backlog(Protocol):
    """Requests that wait for their permit, roughly in order. One may come out twice, or get lost and be put again."""

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

    def funds(self, account: Account, *, seconds: float) -> FundsResponse:
        """Ask for the account's balance."""

    def activation_status(
        self, account: Account, *, request_id: str, card_number: Secret, seconds: float
    ) -> CardStateResponse:
        """Ask whether a physical card is active."""

    def activity_page(
        self, account: Account, *, request_id: str, query: Mapping[str, object], seconds: float
    ) -> ActivityResponse:
        """Ask for a page of the account's activity."""


class KeptPages(Protocol):
    """The last page of Amazon's activity that anybody was shown, by account."""

    def kept(self, account: str) -> KeptPage | None:
        """Return it; None if there is none that can be read. Raises `LedgerUnavailable`."""

    def keep(self, account: str, page: KeptPage) -> None:
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
    """Encrypts what must not be readable at rest."""

    def encrypt(self, key_hash: str, members: Mapping[str, Any]) -> str:
        """Encrypt fields of a request. Raises `VaultUnavailable`."""

    def decrypt(self, key_hash: str, encrypted: str) -> Mapping[str, Any]:
        """The inverse of `encrypt`, for the same request only. Raises `VaultUnavailable`."""


class RolePaths(Protocol):
    """Where the roles are that call."""

    def arn_of(self, role: RoleToLookUp) -> str | None:
        """Its ARN, with its path; None: there is none that we may read. Raises `IdentityUnavailable`."""


class Recoveries(Protocol):
    """Recovery workflows."""

    def start(self, request_id: str, epoch: int) -> bool:
        """Start the recovery of one epoch; starting twice is harmless. False: it could not be started now."""


class Notifier(Protocol):
    """Whom a machine cannot replace."""

    def mail(self, to: str, subject: str, text: str) -> str | None:
        """Send a mail; returns why it was not sent, None if it was."""

    def notify(self, subject: str, text: str) -> str | None:
        """Tell the operators; returns why they were not told, None if they were."""


class Bus(Protocol):
    """Where events go."""

    def publish(self, events: Sequence[Event]) -> None:
        """Put up to `events.EVENTS_MAX` events on the bus. Raises `NotPublished`."""


class Clock(Protocol):
    """The time, and the passing of it."""

    def now(self) -> datetime:
        """Aware UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after this long."""


class Telemetry(Protocol):
    """Logs and metrics. Only named, harmless facts go in: never an event, a body or a response."""

    def log(self, event: str, **facts: object) -> None:
        """Write one log line."""

    def count(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        """Add to a metric."""


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

    def keep_standing(self, account: str, standing: AlertStanding) -> bool:
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


class Freezes(Protocol):
    """Which accounts are frozen: the truth, of which the rate limiter has a copy. Reads are consistent.

    Each method raises `LedgerUnavailable`.
    """

    def get(self, account: str) -> Freeze | None:
        """Read an account's; None: it has never been frozen."""

    def keep(self, before: Freeze | None, after: Freeze) -> Freeze | None:
        """Write a state if the account's has still the version of `before`, and list the account; how it then stands.

        If that has the nonce of `after`, it is written.
        """

    def note_told(self, freeze: Freeze, told_at: datetime) -> Freeze | None:
        """Note when the operators were told, unless the state has another version by now; how it then stands."""


class KeyVersions(Protocol):
    """The versions of an account's secret. Each method raises `AccountUnusable`."""

    def labels(self, name: str) -> Labels:
        """Look at which version has which label. Raises `InvalidInput` for what can be no account's name."""

    def read(self, name: str, version: str) -> Account:
        """Read the keys of one version."""

    def make_current(self, name: str, version: str, *, instead_of: str) -> bool:
        """Make another version the current one; False if that was not `instead_of`."""

    def end_trial(self, name: str, version: str) -> None:
        """Take the pending label off a version, if it has it."""

    def give_up(self, name: str, version: str) -> None:
        """Take every label off a version that is not current."""


class Rotations(Protocol):
    """The newest rotation of each account. Each method raises `LedgerUnavailable`."""

    def read(self, account: str) -> Rotation | None:
        """Read an account's."""

    def keep(self, rotation: Rotation) -> None:
        """Write how far it is."""


class Notes(Protocol):
    """What functions note of the keys that they call Amazon with."""

    def key_notes(self, account: str, key_fingerprint: str) -> KeyNotes:
        """Of one key. Raises `LedgerUnavailable`."""
