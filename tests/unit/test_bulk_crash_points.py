"""Kill a bulk order's processes at every moment, and compare ledger, Amazon and result at the end."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest

from incentives.agcod.amazon import SignedCall
from incentives.domain.bulk_orders.bulk_order import Counts, OrderStatus, RowOutcome, row_outcome
from incentives.domain.single_requests.record import Intent
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, Task, process_order
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.issue_queued import issue_queued
from tests.support.bulk import CHILD_SECONDS, Bulk, budget_of, bulk, row_id, rows_of
from tests.support.workflow import run_execution
from tests.unit.amazon_model import Fault, ModelAmazon

F = Fault
ROWS = 5

#: More steps than any life takes.
STEPS_MAX = 400


class ProcessDied(BaseException):
    """Nothing catches this but the workflow, as Lambda would."""


class RowAmazon(ModelAmazon):
    """Amazon, whose faults are those of one row's calls."""

    request_id: str = ""

    def _begin(self, signed: SignedCall) -> Fault:
        kept, self.faults = self.faults, self.faults if signed.call.request_id == self.request_id else []
        try:
            return super()._begin(signed)
        finally:
            self.faults = kept


class Watched:
    """A port whose every call is a moment to die before and after."""

    def __init__(self, port: object, name: str, life: Life) -> None:
        self._port, self._name, self._life = port, name, life

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        def call(*args: Any, **options: Any) -> Any:
            self._life.moment(f"before {self._name}.{method}")
            result = real(*args, **options)
            self._life.moment(f"after {self._name}.{method}")
            return result

        return call


@dataclass
class Life:
    """An order from its start to its end, in which one process may die.

    Attributes:
        faults: of the responses that the second row gets, one each.
        dies_at: number of the moment, from 0; None: nobody dies.
        retried: the workflow runs the task again; else a child of it has failed.
        stopped_after: rows, if somebody stops the order.
        moments: that there were while tasks ran.
        paused: how the rows stood whenever the order was.
    """

    faults: tuple[Fault, ...] = ()
    intent: Intent = Intent.RETRY
    dies_at: int | None = None
    retried: bool = True
    stopped_after: int | None = None
    moments: list[str] = field(default_factory=list)
    paused: list[Counts] = field(default_factory=list)
    here: Bulk = field(default_factory=bulk)

    def __post_init__(self) -> None:
        base = self.here
        self.amazon = RowAmazon(base.world.clock, list(self.faults))
        self._running = False
        plain = base.world.dependencies
        names = ("ledger", "rate_limiter", "accounts", "backlog", "recoveries", "notifier")
        watched: Any = {name: Watched(getattr(plain, name), name, self) for name in names}
        self.dependencies = replace(plain, **watched, amazon=cast("Any", Watched(self.amazon, "amazon", self)))
        self.plain = replace(plain, amazon=cast("Any", self.amazon))
        ports: Any = {
            name: Watched(getattr(base.dependencies, name), name, self) for name in ("orders", "files", "records")
        }
        self.order_dependencies = replace(base.dependencies, **ports)
        self.order_id = base.place(rows_of(ROWS), on_unknown=self.intent)
        self.amazon.request_id = row_id(base.order(self.order_id), "row-2")

    def moment(self, name: str) -> None:
        if not self._running:
            return
        self.moments.append(name)
        if len(self.moments) - 1 == self.dies_at:
            self._running = False
            raise ProcessDied(name)

    def play(self) -> Life:
        """Run the workflow as its definition does, and let everybody else do their part meanwhile."""
        here, task = OrderProgress(order_id=self.order_id, round=1), Task.CHECK
        for _ in range(STEPS_MAX):
            here = self._run(task, here)
            self._pass(here.wait_seconds)
            if here.next is Task.DONE:
                if self.here.order(self.order_id).status is not OrderStatus.PAUSED:
                    return self
                # What was in the way is mended.
                self.paused.append(self.here.view(self.order_id).counts)
                round_number = self.here.ask(self.order_id, Action.RESUME).order.round
                here, task = OrderProgress(order_id=self.order_id, round=round_number), Task.CHECK
                continue
            task = here.next
            if task is Task.ISSUE:
                for number in here.batches:
                    self._child(Work(self.order_id, here.round, number))
                task = Task.CHECK
        raise AssertionError("the order does not end")

    def _run(self, task: Task, here: OrderProgress) -> OrderProgress:
        while True:
            try:
                self._running = True
                return process_order(
                    task, here, self.dependencies, self.order_dependencies, budget_of(self.here.world.clock)
                )
            except ProcessDied:
                self._pass(2)
            finally:
                self._running = False

    def _child(self, work: Work) -> None:
        for _ in range(CHILD_SECONDS // 60 + 1):
            self._stop_in_time()
            try:
                self._running = True
                left = issue_batch(work, self.dependencies, self.order_dependencies, budget_of(self.here.world.clock))
            except ProcessDied:
                self._pass(2)
                if not self.retried:
                    return
                continue
            finally:
                self._running = False
            if left is not Next.MORE:
                return

    def _stop_in_time(self) -> None:
        order = self.here.order(self.order_id)
        known = len(self.here.world.ledger.records)
        if self.stopped_after is not None and known >= self.stopped_after and order.status is OrderStatus.ISSUING:
            self.here.ask(self.order_id, Action.STOP)

    def _pass(self, seconds: float) -> None:
        """Time passes; who has been started, put or lost meanwhile is looked after."""
        world = self.here.world
        world.clock.sleep(seconds)
        sweep(self.plain)
        waiting, world.backlog.puts = world.backlog.puts, []
        for request_id, _ in waiting:
            issue_queued(request_id, self.plain, world.budget())
        while world.recoveries.started:
            run_execution(*world.recoveries.started.pop(), self.plain)
        self.amazon.deliver_late_calls()

    # ---- its end --------------------------------------------------------------------------------

    def check(self) -> None:
        """Ledger, Amazon, counts and result say the same, and no row was charged twice."""
        here = self.here
        order = here.order(self.order_id)
        assert order.status is OrderStatus.FINISHED
        keys = [f"row-{number}" for number in range(1, ROWS + 1)]
        assert len(order.rows_of(1)) + len(order.rows_of(2)) + len(order.rows_of(3)) == ROWS
        rows = {row["key"]: row for row in csv.DictReader(io.StringIO(here.result(self.order_id)))}
        assert list(rows) == keys
        charged = dict(self.amazon.live)
        for key in keys:
            first = here.world.ledger.get(row_id(order, key))
            newest = find(first.request_id, here.world.ledger) if first else None
            assert rows[key]["outcome"] == row_outcome(newest)
            live = [request_id for request_id in charged if newest and request_id == newest.request_id]
            assert len(live) == (rows[key]["outcome"] == RowOutcome.ISSUED)
            assert rows[key]["requestId"] == (newest.request_id if newest else "")
            for request_id in live:
                del charged[request_id]
        assert not charged, "a charge nobody knows of"
        counts = here.view(self.order_id).counts
        assert (counts.open, counts.waiting, counts.done) == (0, 0, ROWS)
        assert counts.issued == len(self.amazon.live)
        assert here.view(self.order_id).issued_value.get("USD", Decimal()) == 10 * counts.issued
        if self.stopped_after is None:
            assert counts.not_issued == 0
        assert "CANARY" not in repr([here.orders.__dict__, here.files.files, here.world.telemetry.lines])


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches of five rows."""
    monkeypatch.setattr("incentives.domain.bulk_orders.bulk_order.BATCH_ROWS", 2)


STORIES: Mapping[str, Callable[..., Life]] = {
    "plain": Life,
    "lost after": partial(Life, (F.LOST_AFTER,)),
    "lost before, to be reversed": partial(Life, (F.LOST_BEFORE,) * 15, Intent.REVERSE),
    "lost after, to be reissued": partial(Life, (F.LOST_AFTER,) * 15, Intent.REISSUE),
    "throttled": partial(Life, (F.THROTTLED,) * 4),
    "key refused": partial(Life, (F.KEY_REFUSED,) * 2),
    "key refused in the backlog": partial(Life, (F.THROTTLED,) * 3 + (F.KEY_REFUSED,) * 2),
    "stopped": partial(Life, stopped_after=2),
    "key refused, then stopped": partial(Life, (F.KEY_REFUSED,) * 2, stopped_after=2),
}


@pytest.mark.parametrize("retried", [True, False], ids=["retried", "not retried"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_wherever_a_process_dies_the_result_is_what_amazon_charges_for(
    story: Callable[..., Life], retried: bool
) -> None:
    whole = story().play()
    whole.check()

    for number in range(len(whole.moments)):
        life = story(dies_at=number, retried=retried)
        life.play().check()

    assert len(whole.moments) > 40


def test_the_stories_have_the_ends_that_they_are_named_for() -> None:
    lives = {name: story().play() for name, story in STORIES.items()}
    ends = {name: life.here for name, life in lives.items()}
    counts = {name: here.view(next(iter(here.orders.orders))).counts for name, here in ends.items()}

    assert counts["plain"].issued == counts["lost after"].issued == counts["throttled"].issued == ROWS
    assert counts["lost before, to be reversed"].reversed == 1
    assert counts["lost after, to be reissued"].issued == ROWS
    assert counts["stopped"].not_issued > 0
    assert lives["key refused"].paused == [Counts(issued=1, waiting=4)]
    assert lives["key refused in the backlog"].paused == [Counts(issued=4, open=1)]
    assert counts["key refused"].issued == counts["key refused in the backlog"].issued == ROWS
    assert any(record.generation for record in ends["lost after, to be reissued"].world.ledger.records.values())
