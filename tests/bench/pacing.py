"""How much of what Amazon allows is used, in virtual time: by callers, and by a bulk order.

Real use cases, rate limiter and client, in processes that take turns; the ways to DynamoDB and to Amazon take their
time, at random. On the local cloud `make chaos` measures the first, and `make bulk` the second.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.rate_limit import Pace
from incentives.domain.single_requests.record import Intent, Status
from incentives.usecases.bulk_orders.control_order import Action, control_order
from incentives.usecases.bulk_orders.create_order import create_order
from incentives.usecases.bulk_orders.dependencies import OrderDependencies
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask, process_order
from incentives.usecases.dependencies import Budget
from sandbox.model.throttle import most_in_any_second
from tests.bench.report import Line
from tests.pacing.shop import Load, Shop
from tests.support.budgets import FakeBudgets
from tests.support.bulk import FakeDefinitions, FakeOrderFiles, FakeOrders, FakeOrderWorkflows, FakeRecords, rows_of
from tests.support.fakes import START
from tests.support.freezes import FakeFreezes

#: More than Amazon takes, for a while; the backlog lasts far longer.
RUSH: Final = Load(seconds=20, per_second=40, reversals_per_second=0)

ROWS: Final = 1000
BULK_SECONDS: Final = 60

#: As the workflow's definition has it.
CHILDREN_AT_ONCE: Final = 8

RATE_USED_LEAST: Final = 0.95
CALLS_IN_A_SECOND_MAX: Final = 10


def rate_lines(what: str, ticks: Iterable[float]) -> Iterable[Line]:
    """What is promised of calls to Amazon at these times, in seconds."""
    times = sorted(ticks)
    rate, allowed, busiest = (
        (len(times) - 1) / (times[-1] - times[0]),
        Pace().requests_per_second,
        most_in_any_second(times),
    )
    yield Line(
        f"{what}, a second",
        f"{rate:.2f}",
        f">= {RATE_USED_LEAST:.0%}",
        rate >= RATE_USED_LEAST * allowed,
        baseline=f"allowed {allowed:.0f}: {rate / allowed:.0%}",
    )
    yield Line(
        "  most in any second",
        str(busiest),
        f"<= {CALLS_IN_A_SECOND_MAX}",
        busiest <= CALLS_IN_A_SECOND_MAX,
        baseline=f"Amazon's limit {CALLS_IN_A_SECOND_MAX}",
    )


def rates_achieved() -> Iterable[Line]:
    """Of a rush of callers, and of a bulk order."""
    rush = int(RUSH.seconds * RUSH.per_second)
    for what, shop, expected in (
        ("calls, more requests than permits", Shop(RUSH).run(), rush),
        ("rows of a bulk order", _bulk(), ROWS),
    ):
        statuses = Counter(record.status for record in shop.records)
        if statuses != {Status.SUCCEEDED: expected}:
            raise RuntimeError(f"{what}: not every card was issued: {statuses}")
        yield from rate_lines(what, (call.tick for call in shop.sandbox.calls))


def _bulk() -> Shop:
    """A bulk order, its batches issued side by side as the workflow does."""
    shop = Shop(Load(seconds=0))
    dependencies = shop.recoveries.dependencies
    assert dependencies is not None
    files = FakeOrderFiles(dependencies.clock)  # type: ignore[arg-type] # it asks for no more than a clock
    order_dependencies = OrderDependencies(
        orders=FakeOrders(),
        files=files,
        workflows=FakeOrderWorkflows(),
        records=FakeRecords(dependencies.ledger),
        budgets=dependencies.budgets,
        definitions=FakeDefinitions(FakeBudgets()),  # type: ignore[arg-type] # nothing is taken from one
        freezes=FakeFreezes(),
        clock=dependencies.clock,
        telemetry=dependencies.telemetry,
        new_nonce=dependencies.new_nonce,
        approvals={},
    )

    def budget() -> Budget:
        end = dependencies.clock.now() + timedelta(seconds=BULK_SECONDS)
        return Budget(lambda: (end - dependencies.clock.now()).total_seconds())  # noqa: PLW0108 - the clock is read anew each time

    def child(work: Work) -> None:
        while issue_batch(work, dependencies, order_dependencies, budget()) is Next.MORE:
            pass

    def workflow() -> None:
        view = create_order(
            key="bulk",
            account="default",
            file_format=FileFormat.CSV,
            on_unknown=Intent.RETRY,
            caller=None,
            dependencies=order_dependencies,
            accounts=dependencies.accounts,
        )
        order_id = view.order.order_id
        files.put(order_id, rows_of(ROWS).encode())
        control_order(order_id, Action.START, order_dependencies)
        order = order_dependencies.orders.get(order_id)
        assert order is not None
        here = OrderProgress(order_id=order_id, round=order.round)
        here = process_order(OrderTask.VALIDATE, here, dependencies, order_dependencies, budget())
        here = process_order(here.next, here, dependencies, order_dependencies, budget())
        left = deque(Work(order_id, order.round, number) for number in here.batches)

        def children() -> None:
            while left:
                child(left.popleft())

        for _ in range(CHILDREN_AT_ONCE):
            shop.stage.spawn(children)

    shop.stage.time = START
    shop.stage.spawn(workflow)
    shop.stage.run()
    return shop
