"""In-memory doubles of the ports.

The ledger has the semantics of conditional writes and passes the real one's suite.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from incentives.agcod.activity import ActivityPage
from incentives.agcod.amazon import FundsResponse, SignedCall
from incentives.agcod.reading.responses import UNREADABLE
from incentives.aws.telemetry import FACTS
from incentives.domain.accounts.account import Account
from incentives.domain.accounts.freezing import Freeze, next_version
from incentives.domain.accounts.spend import may_be_forgotten
from incentives.domain.calls import Attempt, Call, Evidence
from incentives.domain.errors import AccountUnusable, LedgerUnavailable, OrderClosed, VaultUnavailable
from incentives.domain.money import Money, parse_money
from incentives.domain.outcomes import Card, ClaimCode, Outcome, ReversalOutcome, Reversed, Succeeded
from incentives.domain.rate_limit import Allowance, Frozen, Full, Permit, Priority
from incentives.domain.recovery.kept_page import RESPONSES_APART, KeptPage
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
    Status,
    sum_at_risk,
)
from incentives.usecases.dependencies import Budget, Dependencies
from tests.support.account_states import FakeAccountStates as FakeAccountStates  # noqa: PLC0414 - handed on to tests
from tests.support.budgets import FakeBudgets
from tests.support.freezes import FakeFreezes
from tests.support.ports import Ports

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CODE = "TEST-CANARY-CODE"


class FakeLedger:
    """`Ledger` in memory.

    Attributes:
        budgets: that it takes from.
        given_back: requests whose amounts whoever counts has given back.
        closed: batches of orders that take no more rows: order id and number.
    """

    def __init__(self, budgets: FakeBudgets | None = None) -> None:
        self.records: dict[str, Record] = {}
        self.keys: dict[str, KeyItem] = {}
        self.budgets = budgets or FakeBudgets()
        self.given_back: set[str] = set()
        self.closed: set[tuple[str, int]] = set()
        self.writes = 0
        self.lock = threading.RLock()

    def open(self, record: Record, key: KeyItem, nonce: str, *, row: OrderRow | None = None) -> Record | KeyTaken:
        with self.lock:
            taken = self.keys.get(key.key_hash)
            if taken is not None:
                # What was written, not what others have made of it since: their epoch is not ours.
                period = self.records[record.request_id].budget_period if record.request_id in self.records else None
                ours = replace(record, nonce=nonce, budget_period=period)
                return as_kept(ours) if taken.nonce == nonce else KeyTaken(taken)
            if record.request_id in self.records:
                raise LedgerUnavailable(f"request id {record.request_id} exists without its key item", in_doubt=False)
            self._refuse_closed(row)
            if record.budget is not None and row is None:
                period = self.budgets.take(record.budget, record.value, record.created_at)
                record = replace(record, budget_period=period)
            self.writes += 1
            self.keys[key.key_hash] = replace(key, nonce=nonce)
            self.records[record.request_id] = as_kept(replace(record, nonce=nonce))
            return self.records[record.request_id]

    def get(self, request_id: str) -> Record | None:
        return self.records.get(request_id)

    def key(self, key_hash: str) -> KeyItem | None:
        return self.keys.get(key_hash)

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        with self.lock:
            current = self.records.get(change.before.request_id)
            if current is not None and current.nonce == nonce:
                return current
            if current is None or not _holds(change, current):
                return Lost(current)
            self.writes += 1
            after, names = change.after, change.changed_fields
            updates: dict[str, Any] = {name: _value_as_kept(name, getattr(after, name)) for name in names}
            written = replace(current, **updates, version=current.version + 1, nonce=nonce)
            self.records[written.request_id] = written
            return written

    def reissue(self, plan: Reissue, nonce: str, *, row: OrderRow | None = None) -> Record | Lost:
        with self.lock:
            before, successor = plan.close.before, plan.successor
            current = self.records.get(before.request_id)
            if successor.request_id in self.records:
                assert current is not None
                period = self.records[successor.request_id].budget_period
                ours = replace(successor, nonce=nonce, budget_period=period)
                return as_kept(ours) if current.nonce == nonce else Lost(current)
            if current is None or not _holds(plan.close, current):
                return Lost(current)
            self._refuse_closed(row)
            forgotten = may_be_forgotten(before, successor)
            if plan.moves_key and before.budget is not None and (forgotten or before.request_id in self.given_back):
                period = self.budgets.take(before.budget, successor.value, successor.created_at)
                successor = replace(successor, budget_period=period)
            self.apply(plan.close, nonce)
            if plan.moves_key:
                key = self.keys[successor.key_hash]
                self.keys[key.key_hash] = replace(key, request_id=successor.request_id)
            self.records[successor.request_id] = as_kept(replace(successor, nonce=nonce))
            return self.records[successor.request_id]

    def _refuse_closed(self, row: OrderRow | None) -> None:
        if row is not None and (row.order_id, row.batch) in self.closed:
            raise OrderClosed(row.order_id)

    def due(self, now: datetime, limit: int) -> Due:
        until = to_the_millisecond(now)
        waiting = [
            (r.wake_at, r.request_id) for r in self.records.values() if r.wake_at is not None and r.wake_at <= until
        ]
        return Due(tuple(request_id for _, request_id in sorted(waiting))[:limit])

    def still_open(self) -> OpenRequests:
        unknown = [r for r in self.records.values() if r.status in {Status.RECOVERING, Status.REVERSING}]
        waiting = [r for r in self.records.values() if r.status is Status.PENDING]
        since = [r.phase_started_at for r in unknown if r.phase_started_at is not None]
        return OpenRequests(unknown=len(unknown), waiting=len(waiting), oldest_unknown=min(since, default=None))

    def amount_at_risk(self, account: str) -> Mapping[str, Decimal] | None:
        return sum_at_risk(r for r in self.records.values() if r.account == account and r.wake_at is not None)


def _holds(change: Change, current: Record) -> bool:
    names = ("status", "epoch", *change.requires)
    return all(getattr(current, name) == _value_as_kept(name, getattr(change.before, name)) for name in names)


_NAMES = tuple(each.name for each in fields(Record))


def as_kept(record: Record) -> Record:
    """A record as every ledger keeps it: times cut off at the millisecond, no empty texts."""
    kept: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(record, name)
        as_written = _value_as_kept(name, value)
        if as_written is not value:
            kept[name] = as_written
    return replace(record, **kept) if kept else record


def _value_as_kept(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return to_the_millisecond(value)
    return None if value == "" and name != "nonce" else value


def to_the_millisecond(moment: datetime) -> datetime:
    beyond = moment.microsecond % 1000
    return moment - timedelta(microseconds=beyond) if beyond else moment


class FakeClock:
    """`Clock` whose time passes only by sleeping."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=max(seconds, 0.0))


class FakeRateLimiter:
    """`RateLimiter` that has a permit at once, unless told otherwise.

    Attributes:
        full_for: seconds from now until the next permit, whenever it is asked for; None: not full.
        free_at: when there are permits again; None: now.
        begins_in: seconds from now at which the next permits begin, in order; negative: whoever asked was held up.
        fails: names of the methods that cannot be carried out.
        priorities, allowances: of the permits that were taken, in order.
        lined_up: requests that have joined the line.
        slowed_down: accounts of which a call was throttled, in order.
        wanted: accounts of which recovery wants the activity page, in order.
        copies: whether an account is frozen, and of which version that is.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.full_for: float | None = None
        self.free_at: datetime | None = None
        self.begins_in: list[float] = []
        self.fails: set[str] = set()
        self.priorities: list[Priority] = []
        self.allowances: list[Allowance] = []
        self.lined_up = 0
        self.slowed_down: list[str] = []
        self.wanted: list[str] = []
        self.copies: dict[str, tuple[bool, int]] = {}

    @property
    def reserved(self) -> int:
        """Permits that were taken."""
        return len(self.priorities)

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        self._may_fail("reserve")
        if never_sent and self.copies.get(account, (False, 0))[0]:
            return Frozen()
        free_at = self._free_at()
        if free_at is not None:
            return Full(free_at, free_at)
        self.priorities.append(priority)
        self.allowances.extend([allowance] if allowance else [])
        return Permit(self.clock.now() + timedelta(seconds=self.begins_in.pop(0) if self.begins_in else 0.0))

    def line_up(self, account: str) -> datetime | Frozen:
        self._may_fail("line_up")
        if self.copies.get(account, (False, 0))[0]:
            return Frozen()
        self.lined_up += 1
        return self._free_at() or self.clock.now()

    def freeze(self, account: str, *, frozen: bool, version: int) -> None:
        self._may_fail("freeze")
        if version > self.copies.get(account, (False, 0))[1]:
            self.copies[account] = frozen, version

    def slow_down(self, account: str) -> None:
        self._may_fail("slow_down")
        self.slowed_down.append(account)

    def want_activity(self, account: str) -> None:
        self._may_fail("want_activity")
        self.wanted.append(account)

    def _free_at(self) -> datetime | None:
        now = self.clock.now()
        if self.full_for is not None:
            return now + timedelta(seconds=self.full_for)
        return self.free_at if self.free_at is not None and self.free_at > now else None

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise LedgerUnavailable("the pace could not be kept", in_doubt=False)


@dataclass
class FakeBacklog:
    """`Backlog` that keeps what was put into it: request id and delay in seconds."""

    puts: list[tuple[str, float]] = field(default_factory=list)
    works: bool = True

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        if self.works:
            self.puts.append((request_id, delay_seconds))
        return self.works


class FakeKeptPages:
    """`KeptPages` in memory.

    Attributes:
        pages: by account.
        fails: names of the methods that cannot be carried out.
    """

    def __init__(self) -> None:
        self.pages: dict[str, KeptPage] = {}
        self.fails: set[str] = set()

    def kept(self, account: str) -> KeptPage | None:
        self._may_fail("kept")
        return self.pages.get(account)

    def keep(self, account: str, page: KeptPage) -> None:
        self._may_fail("keep")
        there = self.pages.get(account)
        if there is None or there.as_of < page.as_of or there.as_of > page.as_of + RESPONSES_APART:
            self.pages[account] = page

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise LedgerUnavailable("the page of Amazon's book is out of reach", in_doubt=False)


class FakeAccounts:
    """`Accounts` in memory.

    Attributes:
        refusals: prints of keys that Amazon refused, in order.
    """

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.name: account for account in accounts or (account(),)}
        self.reread = 0
        self.refusals: list[str] = []

    def get(self, name: str, *, fresh: bool = False) -> Account:
        self.reread += fresh
        if name not in self.accounts:
            raise AccountUnusable(name, "has no secret", has_secret=False)
        return self.accounts[name]

    def refused(self, name: str) -> None:
        self.refusals.append(self.accounts[name].key_fingerprint)


class FakeVault:
    """`Vault` in memory: an encrypted text says nothing, and opens for its own order only."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def encrypt(self, key_hash: str, members: Mapping[str, Any]) -> str:
        encrypted = f"sealed-{len(self.kept)}"
        self.kept[encrypted] = (key_hash, dict(members))
        return encrypted

    def decrypt(self, key_hash: str, encrypted: str) -> Mapping[str, Any]:
        owner, members = self.kept[encrypted]
        if owner != key_hash:
            raise VaultUnavailable("the request could not be unsealed (InvalidCiphertextException)")
        return members


@dataclass
class FakeRecoveries:
    """`Recoveries` that remembers what was started."""

    started: list[tuple[str, int]] = field(default_factory=list)
    works: bool = True

    def start(self, request_id: str, epoch: int) -> bool:
        if self.works:
            self.started.append((request_id, epoch))
        return self.works


@dataclass
class FakeNotifier:
    """`Notifier` that keeps what they were told."""

    mails: list[tuple[str, str, str]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    mail_fault: str | None = None
    notice_fault: str | None = None

    def mail(self, to: str, subject: str, text: str) -> str | None:
        if self.mail_fault is None:
            self.mails.append((to, subject, text))
        return self.mail_fault

    def notify(self, subject: str, text: str) -> str | None:
        if self.notice_fault is None:
            self.notices.append((subject, text))
        return self.notice_fault


@dataclass
class FakeTelemetry:
    """`Telemetry` that remembers."""

    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)

    def log(self, event: str, **facts: object) -> None:
        # The real one drops what is not on its list; a fact that nobody would ever read is a mistake.
        assert facts.keys() <= FACTS, f"not loggable: {facts.keys() - FACTS}"
        self.lines.append((event, facts))

    def count(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        self.counts[metric] = self.counts.get(metric, 0) + value

    def begin(self, context: object, api_request_id: str | None) -> None:
        """The lines of an invocation are no others' here."""

    def flush(self) -> None:
        """Nothing is kept back."""


Scripted = Outcome | ReversalOutcome | Callable[["Sent"], Outcome | ReversalOutcome]


@dataclass(frozen=True)
class Sent:
    """One call that left."""

    call: Call
    at: datetime
    sent_at: datetime


class ScriptedAmazon:
    """`Amazon` that answers from a script, and when it runs out, as an obliging Amazon does.

    A scripted answer may be a function of the call: it runs while the call is under way, which is how a test does
    something between a send and its response.
    """

    def __init__(self, clock: FakeClock, script: Iterable[Scripted] = ()) -> None:
        self.clock = clock
        self.script = list(script)
        self.sent: list[Sent] = []
        #: What the activity page says, in order; then that nothing happened.
        self.pages: list[Any] = []
        self.pages_asked: list[Mapping[str, object]] = []
        self.seconds_per_call = 0.2
        #: None: Amazon's clock is ours.
        self.date_offset = timedelta()
        self.funds_response: FundsResponse = UNREADABLE

    def sign(self, call: Call, account: Account) -> SignedCall:
        sent_at = self.clock.now().replace(microsecond=0)
        return SignedCall(
            call=call,
            partner_id=account.partner_id,
            url=f"https://amazon.test/{call.name}",
            amz_date=sent_at.strftime("%Y%m%dT%H%M%SZ"),
            sent_at=sent_at,
            string_to_sign="AWS4-HMAC-SHA256 test",
            body=b"{}",
            prepared=requests.PreparedRequest(),
        )

    def attempt(self, signed: SignedCall, *, seconds: float) -> Attempt[Outcome]:
        outcome = self._response(signed, Succeeded(card(signed.call)))
        return Attempt(outcome=outcome, evidence=evidence(signed), amazon_date=self.clock.now() + self.date_offset)

    def attempt_reversal(self, signed: SignedCall, *, seconds: float) -> Attempt[ReversalOutcome]:
        outcome = self._response(signed, Reversed())
        return Attempt(outcome=outcome, evidence=evidence(signed), amazon_date=self.clock.now() + self.date_offset)

    def funds(self, account: Account, *, seconds: float) -> FundsResponse:
        return self.funds_response

    def activation_status(self, account: Account, *, request_id: str, card_number: Secret, seconds: float) -> Any:
        return self.script.pop(0)

    def activity_page(self, account: Account, *, request_id: str, query: Mapping[str, object], seconds: float) -> Any:
        self.pages_asked.append(query)
        return self.pages.pop(0) if self.pages else ActivityPage((), 0)

    @property
    def names(self) -> list[str]:
        return [sent.call.name for sent in self.sent]

    def _response(self, signed: SignedCall, otherwise: Any) -> Any:
        sent = Sent(signed.call, self.clock.now(), signed.sent_at)
        self.sent.append(sent)
        self.clock.sleep(self.seconds_per_call)
        response = self.script.pop(0) if self.script else otherwise
        return response(sent) if callable(response) else response


def account(name: str = "default", **updates: Any) -> Account:
    base = Account(
        name=name,
        partner_id="Test1",
        marketplace="US",
        access_key_id="AKIDTESTTESTTEST",
        secret_access_key=Secret("not-a-real-secret"),
    )
    return replace(base, **updates)


def card(call: Call, **updates: Any) -> Card:
    assert call.value is not None
    base = Card(
        gc_id=f"GC{call.request_id[-8:]}",
        claim_code=ClaimCode(CODE),
        expires_at=None,
        status="Fulfilled",
        value=call.value,
    )
    return replace(base, **updates)


def evidence(signed: SignedCall) -> Evidence:
    return Evidence(url=signed.url, amz_date=signed.amz_date, string_to_sign=signed.string_to_sign, http_status=200)


@dataclass
class World:
    """The tools of a test, each within reach."""

    dependencies: Dependencies
    ledger: FakeLedger
    budgets: FakeBudgets
    clock: FakeClock
    rate_limiter: FakeRateLimiter
    backlog: FakeBacklog
    amazon: ScriptedAmazon
    kept_pages: FakeKeptPages
    accounts: FakeAccounts
    vault: FakeVault
    recoveries: FakeRecoveries
    notifier: FakeNotifier
    telemetry: FakeTelemetry
    freezes: FakeFreezes = field(default_factory=FakeFreezes)

    def freeze(self, account: str = "default", *, frozen: bool = True) -> None:
        """Freeze or unfreeze an account: the truth, and the rate limiter's copy."""
        before, now = self.freezes.get(account), self.clock.now()
        after = Freeze(
            account=account,
            frozen=frozen,
            since=now,
            version=next_version(before, now),
            reason="A key has leaked" if frozen else None,
            by="user/anna",
            told_at=now,
        )
        self.freezes.keep(before, after)
        self.rate_limiter.freeze(account, frozen=frozen, version=after.version)

    def budget(self, seconds: float = 25.0) -> Budget:
        """The time of one invocation that begins now."""
        end = self.clock.now() + timedelta(seconds=seconds)
        return Budget(lambda: (end - self.clock.time).total_seconds())  # noqa: PLW0108 - read anew each time


def world(*script: Scripted) -> World:
    clock = FakeClock()
    ledger, telemetry = FakeLedger(FakeBudgets(now=clock.now)), FakeTelemetry()
    rate_limiter, accounts = FakeRateLimiter(clock), FakeAccounts()
    backlog, kept_pages = FakeBacklog(), FakeKeptPages()
    vault, recoveries, notifier = FakeVault(), FakeRecoveries(), FakeNotifier()
    amazon = ScriptedAmazon(clock, script)
    numbers = iter(range(1_000_000))
    dependencies = Ports(
        ledger=ledger,
        budgets=ledger.budgets,
        rate_limiter=rate_limiter,
        backlog=backlog,
        amazon=amazon,
        kept_pages=kept_pages,
        accounts=accounts,
        vault=vault,
        recoveries=recoveries,
        notifier=notifier,
        clock=clock,
        telemetry=telemetry,
        new_nonce=lambda: f"nonce-{next(numbers)}",
    )
    return World(
        dependencies,
        ledger,
        ledger.budgets,
        clock,
        rate_limiter,
        backlog,
        amazon,
        kept_pages,
        accounts,
        vault,
        recoveries,
        notifier,
        telemetry,
    )


def options(**members: object) -> Mapping[str, object]:
    return members


def usd(amount: str) -> Money:
    return parse_money(amount, "USD")
