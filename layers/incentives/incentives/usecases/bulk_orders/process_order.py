"""The tasks of the workflow that works on a bulk order: each does a part, and says what comes next.

    Check -> Validate -> Issue (a child for each batch) -> Check -> Settle
                      -> Check (that its approval is asked for, where it needs one)

The order's item says what is to be done; the workflow only carries its id, its round, and where it has got to. A task
whose round is no longer the order's does nothing and ends its execution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderMoved, OrderStatus, moved, sum_of
from incentives.domain.errors import LedgerUnavailable, OrderUnavailable
from incentives.usecases.bulk_orders.ask_approval import ask_approval
from incentives.usecases.bulk_orders.pause_order import pause_order
from incentives.usecases.bulk_orders.settle_order import Settling, settle_order
from incentives.usecases.bulk_orders.validate_order import validate_order

if TYPE_CHECKING:
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Budget, Dependencies

#: Before anything that could not be done is tried again.
AGAIN_SECONDS: Final = 15

#: Before people who could not be told that an order awaits their approval are told again.
TELL_AGAIN_SECONDS: Final = 900


class OrderTask(StrEnum):
    """What the workflow can do; the names of its states."""

    CHECK = "Check"
    VALIDATE = "Validate"
    ISSUE = "Issue"
    SETTLE = "Settle"
    DONE = "Done"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProgress:
    """What the workflow carries from state to state: ids, numbers, what comes next. Nothing of any row.

    Attributes:
        round: of the order, that this execution works in.
        next: the task to run, after the wait.
        wait_seconds: how long.
        batches: that are to be issued.
        done: rows tried when they were last counted; -1: they never were.
        settled: the last batch that settling has looked at.
        waited: seconds that settling last waited for open rows.
    """

    order_id: str
    round: int
    next: OrderTask = OrderTask.CHECK
    wait_seconds: int = 0
    batches: tuple[int, ...] = ()
    done: int = -1
    settled: int = 0
    waited: int = 0


def process_order(
    task: OrderTask,
    here: OrderProgress,
    dependencies: Dependencies,
    order_dependencies: OrderDependencies,
    budget: Budget,
) -> OrderProgress:
    """Run one task and say what comes next. It raises nothing that could be an outcome.

    Args:
        task: what the workflow was told to do next.
        here: how far it is.
        dependencies: the ports of issuing.
        order_dependencies: those of bulk orders.
        budget: the function's time.
    """
    there = replace(here, next=OrderTask.DONE, wait_seconds=0, batches=())
    try:
        order = order_dependencies.orders.get(here.order_id)
        if order is None or order.round != here.round or not order.status.is_worked_on:
            return _ask(order, there, dependencies, order_dependencies)
        match task, order.status:
            case OrderTask.VALIDATE, OrderStatus.VALIDATING:
                validate_order(order, dependencies.accounts, order_dependencies)
                return replace(there, next=OrderTask.CHECK)
            case OrderTask.SETTLE, OrderStatus.SETTLING:
                settled = settle_order(order, Settling(here.settled, here.waited), order_dependencies, budget)
                if settled is not None and settled.why_paused is not None:
                    pause_order(order, settled.why_paused, dependencies, order_dependencies)
                if settled is None or settled.why_paused is not None:
                    return there
                return replace(
                    there,
                    next=OrderTask.SETTLE,
                    wait_seconds=settled.wait_seconds,
                    settled=settled.batch,
                    waited=settled.waited,
                )
            case _:
                return _check(order, there, order_dependencies)
    except (OrderUnavailable, LedgerUnavailable) as error:
        order_dependencies.telemetry.log("orderUnavailable", orderId=here.order_id, because=error.detail)
        return replace(there, next=OrderTask.CHECK, wait_seconds=AGAIN_SECONDS)


def _ask(
    order: BulkOrder | None, there: OrderProgress, dependencies: Dependencies, order_dependencies: OrderDependencies
) -> OrderProgress:
    """Of an order that is not worked on: that the operators know if it awaits approval. Nothing else is left to do."""
    if order is None or order.status is not OrderStatus.AWAITING_APPROVAL:
        return there
    told = ask_approval(order, dependencies, order_dependencies)
    if told or order.round != there.round:
        return there
    return replace(there, next=OrderTask.CHECK, wait_seconds=TELL_AGAIN_SECONDS)


def _check(order: BulkOrder, there: OrderProgress, dependencies: OrderDependencies) -> OrderProgress:
    """What an order's state asks for."""
    if order.status is OrderStatus.VALIDATING:
        return replace(there, next=OrderTask.VALIDATE)
    if order.status is OrderStatus.ISSUING:
        kept = {batch.number: batch for batch in dependencies.orders.batches(order.order_id)}
        numbers = range(1, order.batches + 1)
        left = tuple(n for n in numbers if n not in kept or order.has_work(kept[n]))
        done = sum_of(batch.counts for batch in kept.values()).done
        if left:
            # No row since the last look: whatever is in the way, it is not to be asked all the time.
            seconds = AGAIN_SECONDS if done == there.done else 0
            return replace(there, next=OrderTask.ISSUE, batches=left, done=done, wait_seconds=seconds)
    if order.status is not OrderStatus.SETTLING:
        now = dependencies.clock.now()
        after = moved(order, OrderStatus.SETTLING, now, issuing_until=order.issuing_until or now)
        if isinstance(dependencies.orders.move(order, after, dependencies.new_nonce()), OrderMoved):
            # Somebody has just paused or stopped it.
            return replace(there, next=OrderTask.CHECK)
        dependencies.telemetry.log("orderSettling", orderId=order.order_id, round=order.round, rows=order.rows)
    return replace(there, next=OrderTask.SETTLE, settled=0, waited=0)
