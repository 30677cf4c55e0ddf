"""Bodies and responses of budgets."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from incentives.api.models.base import Amount, Body, Currency, GivenCurrency, GivenSum, ResponseBody, SignedAmount, Time
from incentives.domain.budgets.budget import BUDGET_NAME, PeriodKind

NAME_PATTERN: Final = f"^{BUDGET_NAME.pattern}$"
PERIOD_PATTERN: Final = "^(2[0-9]{3}-(0[1-9]|1[0-2])|total)$"

#: Of the examples.
NAME: Final = "summer-campaign"
PERIOD: Final = "2026-03"
_CALLER: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Finance_0123456789abcdef/anna"

# ---- bodies ----------------------------------------------------------------------------------------------------------


class LimitBody(Body):
    """What may be spent of a budget in each of its periods."""

    amount: GivenSum
    currency_code: GivenCurrency


class BudgetBody(Body):
    """Body of `PUT /budgets/{name}`: all of it, each time."""

    limit: LimitBody = Field(description="Of each period. Its currency never changes.")
    period: Literal["month", "total"] = Field(
        description="Whether the limit is one per calendar month, in the zone that the books are kept in, or one in "
        "total. It never changes.",
        examples=["month"],
    )
    active: bool = Field(
        description="Whether it may be taken from. Of an inactive one, what is held or spent stays what it is.",
        examples=[True],
    )


# ---- responses -------------------------------------------------------------------------------------------------------


class Budget(ResponseBody):
    """A budget, and how it stands in one period. Its figures are all of one moment."""

    name: str = Field(json_schema_extra={"pattern": NAME_PATTERN}, description="Its name.", examples=[NAME])
    period: PeriodKind = Field(description="Whether its limit is one per month or one in total.", examples=["month"])
    current_period: str = Field(
        json_schema_extra={"pattern": PERIOD_PATTERN},
        description="What the figures are of: the current month, `total`, or the period that was asked for.",
        examples=[PERIOD],
    )
    active: bool = Field(description="Whether it may be taken from.", examples=[True])
    limit: Amount = Field(
        description="Of this period: decimal string with all decimals of the currency. Of a month in which nothing "
        "was held, as the budget is defined now.",
        examples=["10000.00"],
    )
    held: SignedAmount = Field(
        description="Taken by requests and bulk orders that have not been counted as spent or given back yet: those "
        "that are open or escalated, and for some seconds those that have ended.",
        examples=["250.00"],
    )
    spent: SignedAmount = Field(description="Charged, less what was taken back.", examples=["1500.00"])
    remaining: SignedAmount = Field(
        description="What may still be taken: limit - held - spent. Never below zero.", examples=["8250.00"]
    )
    currency_code: Currency = Field(description="ISO 4217.", examples=["USD"])
    changed_by: str | None = Field(
        description="ARN of who set it last; null where nobody can tell.", examples=[_CALLER]
    )
    changed_at: Time = Field(description="RFC 3339, UTC.", examples=["2026-03-01T12:00:00Z"])


class BudgetPage(ResponseBody):
    """Some budgets, by name, each in its current period."""

    budgets: list[Budget] = Field(description="By name.")
    cursor: str | None = Field(description="Of the next page; null on the last one.")
