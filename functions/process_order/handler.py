"""The tasks of the workflow that works on a bulk order (process_order.asl.json)."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import client, container, in_init
from incentives.invocation import Event, function
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask, process_order
from incentives.usecases.dependencies import Budget


@function
def handler(event: Event, budget: Budget) -> dict[str, Any]:
    """Run one task and say what comes next. The event is `{"task", ...}`; the rest is as the last response told it."""
    return _issue(event, budget) if event["task"] == OrderTask.ISSUE else _process(event, budget)


def _process(event: Event, budget: Budget) -> dict[str, Any]:
    here = OrderProgress(
        order_id=event["orderId"],
        round=int(event["round"]),
        done=int(event["done"]),
        settled=int(event["settled"]),
        waited=int(event["waited"]),
    )
    there = process_order(OrderTask(event["task"]), here, container.dependencies, container.order_dependencies, budget)
    return {
        "orderId": there.order_id,
        "round": there.round,
        "next": there.next.value,
        "waitSeconds": there.wait_seconds,
        "batches": list(there.batches),
        "done": there.done,
        "settled": there.settled,
        "waited": there.waited,
    }


def _issue(event: Event, budget: Budget) -> dict[str, Any]:
    began_with = budget.seconds_left()
    work = Work(event["orderId"], round=int(event["round"]), batch=int(event["batch"]))
    left = issue_batch(work, container.dependencies, container.order_dependencies, budget)
    # An Express execution ends after five minutes: in time, the rest of the batch is left to another one.
    seconds_left = int(event["secondsLeft"] - (began_with - budget.seconds_left()))
    more = left is Next.MORE and seconds_left > 0
    return {
        "orderId": work.order_id,
        "round": work.round,
        "batch": work.batch,
        "secondsLeft": seconds_left,
        "next": (OrderTask.ISSUE if more else OrderTask.DONE).value,
    }


in_init(lambda: (container.ledger, container.ready_for_amazon(), container.order_dependencies, client("s3")))
