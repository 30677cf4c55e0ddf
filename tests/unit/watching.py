"""A company with accounts at Amazon, watched by a clock that is set: `hours` watches once an hour, to save time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from incentives.agcod.reading.responses import Failure, Funds
from incentives.aws.single_requests.record_items import encode_record
from incentives.aws.stream import read_stream
from incentives.domain.accounts.account import Account
from incentives.domain.accounts.alerts import Alert, Limits
from incentives.domain.events import Event
from incentives.domain.money import Money
from incentives.domain.outcomes import AmazonError
from incentives.domain.reconciliation.days import day_of, read_zone
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.accounts.count_spend import count_spend
from incentives.usecases.accounts.dependencies import WatchDependencies
from incentives.usecases.accounts.watch_account import WATCH_EVERY_SECONDS, watch_accounts
from incentives.usecases.ports import AccountStates
from tests.support.books import FakeBooks
from tests.support.fakes import START, FakeAccountStates, World, account, usd, world
from tests.unit.builders import record

HOUR = timedelta(hours=1)
QUARTER = timedelta(seconds=WATCH_EVERY_SECONDS)
DAY = timedelta(days=1)
SHORT = AmazonError("F300", "InsufficientFunds", "Insufficient Funds")

#: What Amazon says when asked for a balance: itself, or what is raised.
Says = Funds | Failure | Exception


@dataclass
class Told:
    """What the operators got."""

    at: datetime
    account: str
    alert: str
    text: str


@dataclass
class KeepingBus:
    """`Bus` that keeps what it got."""

    events: list[Event] = field(default_factory=list)
    fault: Exception | None = None

    def publish(self, events: Sequence[Event]) -> None:
        if self.fault is not None:
            raise self.fault
        self.events += events


@dataclass
class Company:
    """Accounts, what Amazon says of each, and what the watch tells of them.

    Attributes:
        balances: what each account has at Amazon.
        says: in place of its balance.
    """

    world: World = field(default_factory=world)
    states: AccountStates = field(default_factory=FakeAccountStates)
    bus: KeepingBus = field(default_factory=KeepingBus)
    limits: Limits = field(default_factory=Limits)
    books: FakeBooks | None = None
    zone: str = "UTC"
    balances: dict[str, Decimal] = field(default_factory=lambda: {"default": Decimal(10_000)})
    says: dict[str, Says] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    measured: list[tuple[str, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.accounts.accounts = {name: account(name) for name in self.balances}
        self.world.amazon.funds = self._funds  # type: ignore[method-assign]
        self.world.telemetry.count = self._measure  # type: ignore[method-assign]

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    @property
    def watch(self) -> WatchDependencies:
        return WatchDependencies(
            dependencies=self.world.dependencies,
            states=self.states,
            bus=self.bus,
            limits=self.limits,
            freezes=self.world.freezes,
            books=self.books,
            booking_day=lambda moment: day_of(moment, read_zone(self.zone)),
        )

    def look(self, seconds_left: float = 900.0) -> dict[str, int]:
        """One run of the schedule."""
        end = self.now + timedelta(seconds=seconds_left)
        return watch_accounts("default", self.watch, lambda: (end - self.now).total_seconds())  # noqa: PLW0108 - read anew

    def hours(self, number: int) -> None:
        for _ in range(number):
            self.look()
            self.world.clock.time = self.world.clock.time.replace(minute=0, second=0, microsecond=0) + HOUR

    def spend(self, amount: str, account: str = "default") -> None:
        """A card is issued, if there is money for it; the ledger's stream tells of it."""
        value = usd(amount)
        before = self.record(amount, account)
        if self.balances[account] < value.amount:
            after = replace(before, status=Status.REFUSED, refusal=SHORT, version=2, updated_at=self.now)
        else:
            self.balances[account] -= value.amount
            after = replace(before, status=Status.SUCCEEDED, answered_at=self.now, version=2, updated_at=self.now)
        assert count_spend(read_stream({"Records": [image(before, after)]}), self.watch) is None

    def key(self, created_at: datetime | None, name: str = "default") -> None:
        self.world.accounts.accounts[name] = account(name, key_created_at=created_at)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """Account, alert and time of each event; each has its notice."""
        notices = self.world.notifier.notices
        assert len(notices) == len(self.bus.events)
        for (subject, text), event in zip(notices, self.bus.events, strict=True):
            assert str(event.detail["account"]) in subject
            assert all(part in text for part in ("What happened: ", "How long there is: ", "What to do: "))
            assert len(subject) <= 100
            assert subject.isascii()
        since = START.replace(hour=0)
        return [(str(e.detail["account"]), str(e.detail["alert"]), str(e.time - since)) for e in self.bus.events]

    @property
    def alerts(self) -> list[str]:
        return [alert for _, alert, _ in self.told]

    def stands(self, name: str = "default") -> set[Alert]:
        return set(self.states.read(name, self.now.date()).standing.alerts)

    def record(self, amount: str, account: str) -> Record:
        """A new request."""
        made = record(request_id=f"Test1{next(_numbers):08}", account=account, value=usd(amount))
        return replace(made, created_at=self.now, updated_at=self.now)

    def _funds(self, account: Account, *, seconds: float) -> Funds | Failure:
        self.asked.append(account.name)
        says = self.says.get(account.name)
        if isinstance(says, Exception):
            raise says
        if says is not None:
            self.world.clock.sleep(0.2)
            return says
        return Funds(Money(self.balances[account.name].quantize(Decimal("0.01")), "USD"), None)

    def _measure(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        if "account" in dimensions:
            self.measured.append((dimensions["account"], metric, value))


def image(before: Record | None, after: Record, number: int = 1) -> dict[str, Any]:
    """A record of the ledger's stream."""
    images: dict[str, Any] = {"NewImage": encode_record(after), "SequenceNumber": str(number)}
    if before is not None:
        images["OldImage"] = encode_record(before)
    return {"dynamodb": images}


def of_accounts(**balances: str) -> Company:
    return Company(balances={name: Decimal(amount) for name, amount in balances.items()})


_numbers = count()
