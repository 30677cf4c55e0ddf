"""Budgets over HTTP: how one is set, asked for and told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models import budgets as models
from incentives.api.models.base import parse
from incentives.domain.accounts.spend import money_of
from incentives.domain.budgets.budget import BUDGET_NAME, PeriodKind
from incentives.domain.errors import BudgetNotFound, InvalidInput
from incentives.domain.money import SUM_MAX, Money, parse_money

if TYPE_CHECKING:
    from incentives.domain.budgets.figures import BudgetFigures


def read_name(call: ApiCall) -> str:
    """The budget of a route. Raises `BudgetNotFound`: none can have such a name."""
    name = call.path.get("name") or ""
    if not BUDGET_NAME.fullmatch(name):
        raise BudgetNotFound(name[:63])
    return name


def read_budget(call: ApiCall) -> tuple[str, Money, PeriodKind, bool]:
    """Name, limit, kind of period and activity of a `PUT /budgets/{name}`.

    Raises:
        InvalidInput: names the field.
    """
    call.query_of()
    name = call.path.get("name") or ""
    if not BUDGET_NAME.fullmatch(name):
        raise InvalidInput("name", "must be 1 to 63 lower-case letters, digits, hyphens or underscores")
    body = parse(models.BudgetBody, call.json_object())
    limit = parse_money(
        body.limit.amount,
        body.limit.currency_code,
        amount_field="limit.amount",
        currency_field="limit.currencyCode",
        most=SUM_MAX,
    )
    return name, limit, PeriodKind(body.period), body.active


def budget(figures: BudgetFigures) -> ApiResponse:
    """200: how a budget stands."""
    return ApiResponse(200, _told(figures).dump())


def listed(found: Sequence[BudgetFigures], cursor: str | None) -> ApiResponse:
    """200: a page of budgets, and the cursor of the next one."""
    return ApiResponse(200, models.BudgetPage(budgets=list(map(_told, found)), cursor=cursor).dump())


def _told(figures: BudgetFigures) -> models.Budget:
    its = figures.budget

    def text(minor: int) -> str:
        return money_of(minor, its.currency).amount_text

    return models.Budget(
        name=its.name,
        period=its.kind,
        current_period=figures.period,
        active=its.active,
        limit=text(figures.limit),
        held=text(figures.held),
        spent=text(figures.spent),
        remaining=text(figures.remaining),
        currency_code=its.currency,
        changed_by=its.changed_by,
        changed_at=its.changed_at,
    )
