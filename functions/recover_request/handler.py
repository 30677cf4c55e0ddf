"""The tasks of the recovery workflow (recovery.asl.json)."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.recovery.recover import Task, recover


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Run one task and say what comes next.

    Args:
        event: `{"task", "requestId", "epoch"}`.
        context: Lambda's.
    """
    try:
        done = recover(
            Task(event["task"]),
            event["requestId"],
            int(event["epoch"]),
            bootstrap.dependencies(),
            bootstrap.budget_of(context),
            support_address=bootstrap.settings().support_address,
        )
    finally:
        bootstrap.telemetry().flush()
    return {
        "requestId": done.request_id,
        "epoch": done.epoch,
        "next": done.next.value,
        "pause": done.pause.value,
        "waitSeconds": done.wait_seconds,
        "status": done.status,
        "attempts": done.attempts,
        "reversalAttempts": done.reversal_attempts,
    }


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon)
