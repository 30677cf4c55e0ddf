"""The routes of budgets. See `routes`."""

from __future__ import annotations

from typing import Final

from incentives.api.models import budgets
from incentives.api.route import CURSOR, Route, Success, parameter

ROUTES: Final = (
    Route(
        function="set_budget",
        method="put",
        path="/budgets/{name}",
        tag="Budgets",
        summary="Set a budget",
        description="Makes a budget, or changes its limit or whether it may be taken from; a repeat changes nothing. A "
        "new limit counts for the current period and those to come. It returns 409 where the currency or the kind of "
        "period would change, where the limit would fall below what is held and spent, and where somebody else "
        "changes the budget at the same time. Budgets are not deleted: set `active` to false.",
        body=budgets.BudgetBody,
        responses={200: Success(description="How it stands.", model=budgets.Budget)},
        problems=(409, 503),
    ),
    Route(
        function="get_budgets",
        operation="list_budgets",
        method="get",
        path="/budgets",
        tag="Budgets",
        summary="List budgets",
        description="All budgets by name, each in its current period.",
        query=(CURSOR,),
        responses={200: Success(description="A page.", model=budgets.BudgetPage)},
        problems=(503,),
    ),
    Route(
        function="get_budgets",
        operation="get_budget",
        method="get",
        path="/budgets/{name}",
        tag="Budgets",
        summary="Read a budget",
        description="What may still be taken from it, and what is held and spent.",
        query=(
            parameter(
                "period",
                "A month such as 2026-03, or `total` of a budget that is one in total; the current one if absent.",
                {"type": "string", "pattern": budgets.PERIOD_PATTERN},
            ),
        ),
        responses={200: Success(description="How it stands.", model=budgets.Budget)},
        problems=(503,),
    ),
)
