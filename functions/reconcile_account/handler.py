"""The tasks of the workflow that reconciles an account's day (reconcile_account.asl.json)."""

from __future__ import annotations

from datetime import date
from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.rounds import Progress, Task, reconcile


@function
def handler(event: Event, budget: Budget) -> dict[str, Any]:
    """Run one task and say what comes next. The event is `{"task", ...}`; the rest is as the last response told it."""
    task = Task(event["task"])
    here = Progress(
        account=event["account"],
        day=date.fromisoformat(event["day"]),
        round=int(event["round"]),
        pages=int(event["pages"]),
    )
    there = reconcile(task, here, container.books_dependencies, budget)
    return {
        "account": there.account,
        "day": there.day.isoformat(),
        "round": there.round,
        "pages": there.pages,
        "next": there.next.value,
        "waitSeconds": there.wait_seconds,
    }


in_init(lambda: (container.ready_for_amazon(), container.books_dependencies))
