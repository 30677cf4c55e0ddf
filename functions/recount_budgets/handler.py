"""Once a day: count every budget again, from the ledger and the bulk orders."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.budgets.recount import recount_budgets
from incentives.usecases.dependencies import Budget


@function
def handler(_: Event, budget: Budget) -> dict[str, Any]:
    """Recount once. One that cannot count all raises: its silence or its failure must be seen."""
    return recount_budgets(container.recount_dependencies(budget.seconds_left))


in_init(lambda: container.budget_dependencies)
