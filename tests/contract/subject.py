"""What the suites test, and what they do with it again and again."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from incentives.domain.budgets.budget import Budget
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import Cause, Change, Intent, OrderRow, Record, Status, change
from incentives.usecases.ports import AccountStates, Ledger
from tests.contract.records import in_state, key_of, new_nonce

T = TypeVar("T")

#: Enough for two of them to meet in nearly every round, few enough to start at once on two cores.
THREADS = 12


@dataclass(frozen=True)
class Subject:
    """A ledger, seen by two kinds of callers.

    Attributes:
        ledger: by one whose calls are answered.
        repeated: by one whose first try of each write takes effect and loses its response, and whose SDK repeats it.
        states, repeated_states: likewise whoever counts what requests cost.
        desk: what else there is.
    """

    ledger: Ledger
    repeated: Ledger
    states: AccountStates
    repeated_states: AccountStates
    desk: Desk


@dataclass(frozen=True)
class Figures:
    """A period of a budget, in minor units."""

    limit: int
    remaining: int
    spent: int


class Desk(Protocol):
    """What is beside a ledger: budgets, and the batches of orders."""

    def define(self, budget: Budget) -> None: ...
    def figures(self, name: str, period: str) -> Figures | None: ...
    def set_limit(self, name: str, period: str, minor: int, *, active: bool = True) -> None: ...
    def close(self, order_id: str, batch: int) -> None: ...


def all_at_once(*calls: Callable[[], T]) -> list[T]:
    """Carry out calls in as many threads, started together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def opened(ledger: Ledger, record: Record) -> Record:
    """Write a record that nobody else has; what it holds of a budget, its order held before."""
    row = OrderRow(order_id=record.order_id or "ORDER", batch=1) if record.budget or record.order_id else None
    result = ledger.open(record, key_of(record), new_nonce(), row=row)
    assert isinstance(result, Record)
    return result


def touched(record: Record, **updates: Any) -> Change:
    """A change that leaves a record's status as it is, and its `wake_at` unless given."""
    return change(record, **({"wake_at": record.wake_at} | updates))


def to_be_reissued() -> Record:
    return in_state(Status.REVERSING, intent=Intent.REISSUE, cause=Cause.REISSUE, error=AmazonError("F400"))


def own_time() -> datetime:
    """A time that nothing else in a table has, days from the next and long past."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=next(_days))


_days = itertools.count(1000, 3)
