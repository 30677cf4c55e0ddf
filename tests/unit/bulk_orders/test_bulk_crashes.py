"""A bulk order with a budget, and a process that dies at any of its steps: no cent is lost, none is spent twice.

A step is before and after every call to a port. Whoever asked asks again, the workflow runs its task again, and at each
moment what the budget has left, what the order holds, and what its rows have taken over, is the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from incentives.domain.bulk_orders.bulk_order import Batch, Counts, OrderStatus
from incentives.domain.errors import OrderConflict
from incentives.domain.single_requests.record import Status
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.issue_batch import Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask, process_order
from tests.support.bulk import FUNCTION_SECONDS, Bulk, rows_of
from tests.unit.bulk_orders.test_bulk_budgets import NAME, balanced, funded, remaining

S = OrderStatus
ROWS: Final = 4


class DiedError(BaseException):
    """The process is gone: nothing catches this."""


class Steps:
    """Counts the steps of a history, and does something at one of them.

    Attributes:
        at: number of the step, from 1; 0: at none.
    """

    def __init__(self, at: int = 0, happens: Callable[[], None] | None = None) -> None:
        self.at, self.taken = at, 0
        self._happens = happens or self._die

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.at:
            self._happens()

    def _die(self) -> None:
        raise DiedError


class Stepped:
    """A port, each of whose calls is two steps."""

    def __init__(self, port: Any, steps: Steps) -> None:
        self._port, self._steps = port, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._steps.step()
            done = found(*given, **named)
            self._steps.step()
            return done

        return call


class Life:
    """An order from beginning to end; who finds that a process has died does the same again.

    Attributes:
        here: the world, without steps: others use it.
        mine: the same, of whoever dies.
    """

    def __init__(self, *, approved: bool, limit: str = "100.00") -> None:
        self.here = funded(limit)
        if approved:
            self.here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
        self.order_id = ""

    def stepped(self, steps: Steps) -> Bulk:
        its, of = self.here.dependencies, self.here.world.dependencies
        return replace(
            self.here,
            world=replace(
                self.here.world,
                dependencies=replace(
                    of,
                    ledger=Stepped(of.ledger, steps),
                    notifier=Stepped(of.notifier, steps),  # type: ignore[type-var]
                ),
            ),
            dependencies=replace(
                its,
                orders=Stepped(its.orders, steps),
                files=Stepped(its.files, steps),
                workflows=Stepped(its.workflows, steps),
                records=Stepped(its.records, steps),
            ),
        )

    def until_done(self, work: Callable[[], Any]) -> Any:
        while True:
            try:
                return work()
            except DiedError:
                assert balanced(self.here)

    def run(self, mine: Bulk, until: Callable[[OrderProgress], bool] = lambda _: False) -> None:
        """The workflow of the order's round: of a task whose process has died the same again."""
        here, task = OrderProgress(order_id=self.order_id, round=self.here.order(self.order_id).round), OrderTask.CHECK
        for _ in range(200):
            at = here
            here = self.until_done(
                lambda task=task, at=at: process_order(  # type: ignore[misc]
                    task, at, mine.world.dependencies, mine.dependencies, mine.world.budget(FUNCTION_SECONDS)
                )
            )
            assert balanced(self.here)
            mine.world.clock.sleep(here.wait_seconds)
            if here.waited:
                self.see_through()
            if here.next is OrderTask.DONE or until(here):
                return
            task = here.next
            if task is OrderTask.ISSUE:
                for number in here.batches:
                    work = Work(self.order_id, here.round, number)
                    self.until_done(
                        lambda work=work: issue_batch(  # type: ignore[misc]
                            work, mine.world.dependencies, mine.dependencies, mine.world.budget(FUNCTION_SECONDS)
                        )
                    )
                task = OrderTask.CHECK
        raise AssertionError("the workflow does not end")

    def see_through(self) -> None:
        """What recovery does meanwhile with requests whose process has died."""
        records = self.here.world.ledger.records
        for record in list(records.values()):
            if record.status is Status.PENDING:
                records[record.request_id] = replace(record, status=Status.SUCCEEDED, wake_at=None)


def lived(at: int, *, approved: bool, stopped: bool, rejected: bool = False) -> tuple[Life, int]:
    """An order in whose life a process dies at a step; and how many steps there were."""
    life = Life(approved=approved)
    steps = Steps(at)
    mine = life.stepped(steps)
    life.order_id = life.until_done(lambda: mine.create(budget=NAME)).order.order_id
    life.here.files.put(life.order_id, rows_of(ROWS).encode())
    life.until_done(lambda: mine.ask(life.order_id, Action.START))
    life.run(mine, until=lambda done: stopped and done.next is OrderTask.ISSUE)
    if rejected:
        life.until_done(lambda: mine.reject(life.order_id))
        life.until_done(lambda: mine.ask(life.order_id, Action.START))
        life.run(mine)
    if approved:
        life.until_done(lambda: mine.approve(life.order_id))
        life.run(mine, until=lambda done: stopped and done.next is OrderTask.ISSUE)
    if stopped:
        seconds = 20.3  # of the function: enough for two rows
        life.until_done(lambda: mine.issue(life.order_id, seconds=seconds))
        life.until_done(lambda: mine.ask(life.order_id, Action.STOP))
        life.run(mine)
    return life, steps.taken


LIVES: Final = {
    "issued": {"approved": False, "stopped": False},
    "stopped": {"approved": False, "stopped": True},
    "approved": {"approved": True, "stopped": False},
    "approved, then stopped": {"approved": True, "stopped": True},
    "rejected, then approved": {"approved": True, "stopped": False, "rejected": True},
}


@pytest.mark.parametrize("life", LIVES)
def test_whoever_dies_at_whatever_step_no_cent_is_lost_and_none_is_spent_twice(life: str) -> None:
    _, steps = lived(0, **LIVES[life])
    assert steps > 40
    for at in range(1, steps + 1):
        of, _ = lived(at, **LIVES[life])
        order, records = of.here.order(of.order_id), of.here.world.ledger.records
        assert order.status is S.FINISHED, at
        assert balanced(of.here), at
        assert remaining(of.here) == 10_000 - 1000 * len(records), at
        assert len(records) == ROWS or LIVES[life]["stopped"], at
        assert of.here.result(of.order_id).count(",issued,") == len(records), at
        # somebody has been told of an order that waited
        assert len(of.here.world.notifier.notices) >= LIVES[life]["approved"], at


# ---- a worker that is late -----------------------------------------------------------------------


def while_a_worker_works(at: int, happens: Callable[[Life], None]) -> tuple[Life, int]:
    """A worker at one of whose steps something else happens, from beginning to end; and how many steps it took."""
    life = Life(approved=False)
    life.order_id = life.here.place(rows_of(ROWS), budget=NAME)
    life.here.run(life.order_id, until=lambda done: done.next is OrderTask.ISSUE)
    steps = Steps(at, lambda: happens(life))
    life.stepped(steps).issue(life.order_id)
    return life, steps.taken


def stopped_and_settled(life: Life) -> None:
    life.here.ask(life.order_id, Action.STOP)
    life.run(life.here)
    # as of now its result is told: nothing of it may become untrue
    life.here.files.put("told", life.here.result(life.order_id).encode())


def test_a_worker_that_stands_still_while_its_order_is_stopped_and_settled_issues_no_row_that_was_given_back() -> None:
    _, steps = while_a_worker_works(0, lambda _: None)
    for at in range(1, steps + 1):
        life, _ = while_a_worker_works(at, stopped_and_settled)
        here, records = life.here, life.here.world.ledger.records
        if here.order(life.order_id).status is S.SETTLING:
            # the worker's row was under way: it has an end now
            life.run(here)
        assert here.order(life.order_id).status is S.FINISHED, at
        assert balanced(here), at
        assert remaining(here) == 10_000 - 1000 * len(records), at
        assert here.result(life.order_id).count(",notIssued,") == ROWS - len(records), at


@pytest.mark.parametrize("stopped", [True, False])
def test_a_row_that_a_late_worker_opens_at_whatever_step_of_settling_is_counted_or_not_opened(stopped: bool) -> None:
    def settled(at: int) -> tuple[Life, int]:
        life = Life(approved=False)
        life.order_id = life.here.place(rows_of(ROWS), budget=NAME)
        life.here.run(life.order_id, until=lambda done: done.next is OrderTask.ISSUE)
        # given a worker that has looked at the order before a row, and stands still while it is stopped
        looked, get, batch = life.here.order(life.order_id), life.here.orders.get, life.here.orders.batch
        if stopped:
            life.here.ask(life.order_id, Action.STOP)
        else:
            # or one that is settled since its rows are said to have been tried, of which nothing is in the ledger
            life.here.orders.advance(life.order_id, Batch(number=1, counts=Counts(issued=ROWS), round=looked.round))
        progress = life.here.process(life.order_id, OrderTask.CHECK)

        def goes_on() -> None:
            looks = iter([looked, looked])
            life.here.orders.get = lambda order_id: next(looks, get(order_id))  # type: ignore[method-assign]
            life.here.orders.batch = lambda _, number: Batch(number=number)  # type: ignore[method-assign]
            life.here.issue(life.order_id, round_number=looked.round)
            life.here.orders.get, life.here.orders.batch = get, batch  # type: ignore[method-assign]

        steps = Steps(at, goes_on)
        life.stepped(steps).process(life.order_id, OrderTask.SETTLE, progress)
        return life, steps.taken

    _, steps = settled(0)
    opened = set()
    for at in range(1, steps + 1):
        life, _ = settled(at)
        here, records = life.here, life.here.world.ledger.records
        life.run(here)
        opened.add(len(records))
        assert here.order(life.order_id).status is S.FINISHED, at
        assert balanced(here), at
        assert remaining(here) == 10_000 - 1000 * len(records), at
        assert here.result(life.order_id).count(",notIssued,") == ROWS - len(records), at
    assert opened == {0, 1}


def test_whoever_approves_while_another_rejects_at_whatever_step_one_of_them_counts() -> None:
    def decided(at: int) -> tuple[Life, int]:
        life = Life(approved=True)
        life.order_id = life.here.place(rows_of(ROWS), budget=NAME)
        life.here.run(life.order_id)

        def reject() -> None:
            try:
                life.here.reject(life.order_id)
            except OrderConflict:
                assert life.here.order(life.order_id).status is S.ISSUING

        steps = Steps(at, reject)
        try:
            life.stepped(steps).approve(life.order_id)
        except OrderConflict:
            assert life.here.order(life.order_id).status is S.VALIDATED
        return life, steps.taken

    _, steps = decided(0)
    seen = set()
    for at in range(1, steps + 1):
        life, _ = decided(at)
        order = life.here.order(life.order_id)
        seen.add(order.status)
        assert balanced(life.here), at
        assert (order.held, order.decision is not None) == (4000 if order.status is S.ISSUING else 0, True), at
    assert seen == {S.ISSUING, S.VALIDATED}
