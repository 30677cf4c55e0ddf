"""Budgets in DynamoDB: one table, a partition per budget, and `#budgets`, which lists them.

    budget      part             holds
    #budgets    NAME             the definition; every write names the version that it leaves
    NAME        period#2026-11   what the period has left; its version counts every write of the item
    NAME        spent#2026-11    what is spent of it: written by whoever counts spend, and by nobody else

A total's only period is `total`. All amounts are whole minor units of the budget's currency. A period's item is made
when the first request takes from it; until then the definition says what it has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.items import encode, parse_time
from incentives.domain.budgets.budget import Budget, Period, PeriodKind

if TYPE_CHECKING:
    from incentives.aws.items import Item

#: The partition of the definitions.
LIST: Final = "#budgets"

_PERIOD: Final = "period#"


def definition_key(name: str) -> Item:
    """The key of a definition."""
    return encode({"budget": LIST, "part": name})


def period_key(name: str, period: str) -> Item:
    """The key of what a period has left."""
    return encode({"budget": name, "part": f"{_PERIOD}{period}"})


def spent_key(name: str, period: str) -> Item:
    """The key of what is spent of a period."""
    return encode({"budget": name, "part": f"spent#{period}"})


def encode_budget(budget: Budget) -> Item:
    """A definition as an item."""
    return definition_key(budget.name) | encode(
        {
            "limit": budget.limit,
            "currencyCode": budget.currency,
            "period": budget.kind,
            "active": budget.active,
            "version": budget.version,
            "createdAt": budget.created_at,
            "changedAt": budget.changed_at,
            "changedBy": budget.changed_by,
            "nonce": budget.nonce,
        }
    )


def decode_budget(values: Mapping[str, Any]) -> Budget:
    """The inverse of `encode_budget`, from an item's values."""
    return Budget(
        name=values["part"],
        limit=values["limit"],
        currency=values["currencyCode"],
        kind=PeriodKind(values["period"]),
        active=values["active"],
        version=values["version"],
        created_at=parse_time(values["createdAt"]),
        changed_at=parse_time(values["changedAt"]),
        changed_by=values.get("changedBy"),
        nonce=values.get("nonce", ""),
    )


def encode_period(period: Period) -> Item:
    """What a period has left, as an item."""
    return period_key(period.budget, period.period) | encode(
        {
            "limit": period.limit,
            "remaining": period.remaining,
            "currencyCode": period.currency,
            "active": period.active,
            "version": period.version,
        }
    )


def decode_period(values: Mapping[str, Any]) -> Period:
    """The inverse of `encode_period`, from an item's values."""
    return Period(
        budget=values["budget"],
        period=values["part"].removeprefix(_PERIOD),
        limit=values["limit"],
        remaining=values["remaining"],
        currency=values["currencyCode"],
        active=values["active"],
        version=values["version"],
    )
