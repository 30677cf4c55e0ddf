"""PUT /budgets/{name}: make a budget, or change its limit or whether it may be taken from."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import budgets
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.budgets.set_budget import Wanted, set_budget
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """200 with how the budget stands, set just now or before."""
    name, limit, kind, active = budgets.read_budget(call)
    wanted = Wanted(name=name, limit=limit, kind=kind, active=active, caller=call.caller)
    return budgets.budget(set_budget(wanted, container.budget_dependencies))


in_init(lambda: container.budget_dependencies)
