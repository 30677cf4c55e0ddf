"""The tasks of the workflow that works on a bulk order (process_order.asl.json)."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, Task, process_order


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Run one task and say what comes next. The event is `{"task", ...}`; the rest is as the last response told it."""
    try:
        return _issue(event, context) if event["task"] == Task.ISSUE else _process(event, context)
    finally:
        bootstrap.telemetry().flush()


def _process(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    here = OrderProgress(
        order_id=event["orderId"],
        round=int(event["round"]),
        done=int(event["done"]),
        settled=int(event["settled"]),
        waited=int(event["waited"]),
    )
    task, budget = Task(event["task"]), bootstrap.budget_of(context)
    there = process_order(task, here, bootstrap.dependencies(), bootstrap.order_dependencies(), budget)
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


def _issue(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    budget = bootstrap.budget_of(context)
    began_with = budget.seconds_left()
    work = Work(event["orderId"], round=int(event["round"]), batch=int(event["batch"]))
    left = issue_batch(work, bootstrap.dependencies(), bootstrap.order_dependencies(), budget)
    # An Express execution ends after five minutes: in time, the rest of the batch is left to another one.
    seconds_left = int(event["secondsLeft"] - (began_with - budget.seconds_left()))
    more = left is Next.MORE and seconds_left > 0
    return {
        "orderId": work.order_id,
        "round": work.round,
        "batch": work.batch,
        "secondsLeft": seconds_left,
        "next": (Task.ISSUE if more else Task.DONE).value,
    }


bootstrap.in_init(
    bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon, bootstrap.order_dependencies, bootstrap.order_files
)
