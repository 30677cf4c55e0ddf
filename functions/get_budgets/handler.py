"""GET /budgets and /budgets/{name}: what each has left, and what is held and spent of it."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import budgets
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.budgets.get_budgets import get_budget, list_budgets
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Tell of one budget, or of a page of all."""
    here = container.budget_dependencies
    if call.route.endswith("{name}"):
        period = call.query_of("period").get("period")
        return budgets.budget(get_budget(budgets.read_name(call), period, here))
    page = list_budgets(call.query_of("cursor").get("cursor"), here)
    return budgets.listed(page.budgets, page.cursor)


in_init(lambda: container.budget_dependencies)
