"""Every minute: start the recovery of what a crash left open."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.recovery.start_recovery import sweep


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Sweep once. A sweep that fails raises: its silence or its failure must be seen."""
    try:
        return {"taken": sweep(bootstrap.dependencies())}
    finally:
        bootstrap.telemetry().flush()


bootstrap.in_init(bootstrap.ledger)
