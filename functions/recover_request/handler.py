"""The tasks of the recovery workflow (recovery.asl.json)."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.dependencies import Budget
from incentives.usecases.recovery.recover import RecoveryTask, recover


@function
def handler(event: Event, budget: Budget) -> dict[str, Any]:
    """Run one task and say what comes next. The event is `{"task", "requestId", "epoch"}`."""
    done = recover(
        RecoveryTask(event["task"]),
        event["requestId"],
        int(event["epoch"]),
        container.dependencies,
        budget,
        support_address=container.settings.support_address,
    )
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


in_init(lambda: (container.ledger, container.ready_for_amazon()))
