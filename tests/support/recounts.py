"""A day of requests, orders and counting on a virtual clock, for recounts to look at while it goes on.

Whatever is written is seen by its reader at once, and in the ledger's index some seconds later.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from incentives.domain.budgets.recount import Counted, HeldOrder, HeldRequest
from incentives.domain.single_requests.record import Status
from tests.support.budgets import FakeBudgets
from tests.support.fakes import START, FakeClock

_ids = itertools.count()


class BusyClock(FakeClock):
    """A clock while which sleeps others work."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, seconds: float, work: Callable[[], None]) -> None:
        """Have something done so many seconds from now."""
        due = self.time + timedelta(seconds=seconds)
        heapq.heappush(self._due, (due, next(self._numbers), work))

    def sleep(self, seconds: float) -> None:
        """Let the others work until then."""
        until = self.time + timedelta(seconds=seconds)
        while self._due and self._due[0][0] <= until:
            self.time, _, work = heapq.heappop(self._due)
            work()
        self.time = until


@dataclass
class LiveRecounts:
    """`Recounts` of a ledger that is being written.

    Attributes:
        lag: how far the index is behind, in seconds.
        history: of each request, how it stood from when on.
        dead: the consumer counts nothing.
        seconds_per_request: that reading the index takes.
        asked: how often the ledger's index was read.
    """

    clock: BusyClock
    budgets: FakeBudgets
    lag: float = 1.0
    history: dict[str, list[tuple[datetime, HeldRequest]]] = field(default_factory=dict)
    latches: dict[str, Counted] = field(default_factory=dict)
    its_orders: dict[str, HeldOrder] = field(default_factory=dict)
    dead: bool = False
    seconds_per_request: float = 0.0
    asked: int = 0

    # ---- the port ---------------------------------------------------------------------------------------------

    def requests(self, account: str, day: date) -> Iterator[HeldRequest]:
        self.asked += 1
        shown = self.clock.time - timedelta(seconds=self.lag)
        for versions in self.history.values():
            seen = [each for at, each in versions if at <= shown]
            if seen and seen[0].account == account and seen[0].created_at.astimezone(UTC).date() == day:
                self.clock.time += timedelta(seconds=self.seconds_per_request)
                yield seen[-1]

    def open_accounts(self) -> set[str]:
        return {each.account for each in map(self.now, self.history) if each.status.is_open}

    def counted(self, requests: Sequence[tuple[str, str]]) -> Mapping[str, Counted]:
        return {each: self.latches[each] for _, each in requests if each in self.latches}

    def orders(self, since: datetime, known: Iterable[str] = ()) -> Mapping[str, HeldOrder]:
        wanted = {*known}
        return {name: each for name, each in self.its_orders.items() if each.finished_at is None or name in wanted}

    # ---- what goes on -----------------------------------------------------------------------------------------

    def open(
        self, budget: str, amount: int, *, read_at: float = 0.0, order: str | None = None, account: str = "default"
    ) -> str:
        """Open a request that read its clock some seconds ago; returns its id."""
        created = self.clock.time - timedelta(seconds=read_at)
        period = self.its_orders[order].period if order else self._take(budget, amount, created)
        request = HeldRequest(
            request_id=f"R{next(_ids)}",
            account=account,
            budget=budget,
            period=period,
            amount=amount,
            status=Status.PENDING,
            created_at=created,
            updated_at=created,
            order_id=order,
        )
        self._write(request)
        return request.request_id

    def change(self, request_id: str, status: Status, **updates: Any) -> None:
        """Write a request anew."""
        self._write(replace(self.now(request_id), status=status, updated_at=self.clock.time, **updates))

    def succeed(self, request_id: str) -> None:
        """Amazon has charged it."""
        self.change(request_id, Status.SUCCEEDED, answered_at=self.clock.time)

    def follow(self, request_id: str, *, status: Status, anew: bool = False) -> str:
        """End a request and open the next one of its key, which keeps what it holds, or takes it anew."""
        before = self.now(request_id)
        period = self._take(before.budget, before.amount, self.clock.time) if anew else before.period
        following = HeldRequest(
            request_id=f"R{next(_ids)}",
            account=before.account,
            budget=before.budget,
            period=period,
            amount=before.amount,
            status=Status.PENDING,
            created_at=self.clock.time,
            updated_at=self.clock.time,
            generation=before.generation + 1,
            replaces=request_id,
            order_id=before.order_id,
        )
        self._write(following)
        self.change(request_id, status, replaced_by=following.request_id)
        return following.request_id

    def count(self, request_id: str) -> None:
        """Count a request as it stands."""
        if self.dead:
            return
        request, was = self.now(request_id), self.latches.get(request_id, Counted())
        amount = request.amount if request.is_charged else 0
        gives = request.has_ended and request.replaced_by is None and not was.given_back
        if amount != was.amount:
            self.budgets.add_spent(request.budget, request.period, amount - was.amount)
        if gives:
            self.budgets.give_back(request.budget, request.period, request.amount)
        self.latches[request_id] = Counted(amount, was.given_back or gives, self.clock.time)

    def begin(self, budget: str, held: int) -> str:
        """Let a bulk order begin."""
        order_id = f"O{next(_ids)}"
        period = self._take(budget, held, self.clock.time)
        self.its_orders[order_id] = HeldOrder(
            order_id=order_id,
            budget=budget,
            period=period,
            held=held,
            created_at=self.clock.time,
            began_at=self.clock.time,
        )
        return order_id

    def finish(self, order_id: str) -> None:
        """Let it finish: what it has not opened goes back, and what it held is written nowhere any more."""
        order = self.its_orders[order_id]
        rows = (versions[-1][1] for versions in self.history.values())
        opened = sum(row.amount for row in rows if row.order_id == order_id and row.generation == 0)
        self.budgets.give_back(order.budget, order.period, order.held - opened)
        self.its_orders[order_id] = replace(order, held=0, finished_at=self.clock.time)

    def now(self, request_id: str) -> HeldRequest:
        """How a request stands."""
        return self.history[request_id][-1][1]

    def _take(self, budget: str, amount: int, moment: datetime) -> str:
        period = self.budgets.period_at(budget, moment)
        assert period.remaining >= amount
        self.budgets.add(budget, period, -amount)
        return period.period

    def _write(self, request: HeldRequest) -> None:
        self.history.setdefault(request.request_id, []).append((self.clock.time, request))
