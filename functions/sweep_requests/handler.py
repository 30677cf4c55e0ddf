"""Every minute: start the recovery of what a crash left open."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.dependencies import Budget
from incentives.usecases.recovery.start_recovery import sweep


@function
def handler(_: Event, __: Budget) -> dict[str, Any]:
    """Sweep once. A sweep that fails raises: its silence or its failure must be seen."""
    return {"taken": sweep(container.dependencies)}


in_init(lambda: container.ledger)
