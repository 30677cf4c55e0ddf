"""What a campaign may spend: a limit per calendar month or in total, in one currency.

    remaining + held + spent = limit, always, and remaining is never below zero

A request's amount leaves `remaining` in the transaction that writes its record, so before anything is sent. It is held
until the request is counted: spent if it was charged, given back if it was refused or reversed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import minor_units
from incentives.domain.errors import BudgetExceeded, BudgetUnusable

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from incentives.domain.money import Money

#: As names of accounts. No name of a budget begins with what lists them, `#budgets`.
BUDGET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

#: The only period of a budget that is not per month.
TOTAL: Final = "total"


class PeriodKind(StrEnum):
    """For how long a limit holds."""

    MONTH = "month"
    TOTAL = "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget as it is defined. Currency and kind of period never change.

    Attributes:
        limit: of each period, in the currency's minor units.
        active: inactive refuses new holds only.
        version: of the definition; each change adds one.
        changed_by: ARN of who; None: nobody can tell.
        nonce: of the attempt at the last write, so that a repeated write recognises itself.
    """

    name: str
    limit: int
    currency: str
    kind: PeriodKind
    active: bool
    version: int
    created_at: datetime
    changed_at: datetime
    changed_by: str | None = None
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What is left of a budget in one period.

    Attributes:
        period: `2026-11`, or `total`.
        limit, remaining: in the currency's minor units.
        version: of this item; each write adds one.
    """

    budget: str
    period: str
    limit: int
    remaining: int
    currency: str
    active: bool
    version: int


def period_name(kind: PeriodKind, moment: datetime, zone: ZoneInfo) -> str:
    """The period that a moment lies in: its calendar month in the zone that the books are kept in, or the only one."""
    return TOTAL if kind is PeriodKind.TOTAL else f"{moment.astimezone(zone):%Y-%m}"


def new_period(budget: Budget, period: str) -> Period:
    """A period of which nothing has been taken yet."""
    return Period(
        budget=budget.name,
        period=period,
        limit=budget.limit,
        remaining=budget.limit,
        currency=budget.currency,
        active=budget.active,
        version=0,
    )


def check_currency(name: str, currency: str, value: Money) -> None:
    """Raise `BudgetUnusable` if a budget is in another currency than an amount."""
    if value.currency != currency:
        raise BudgetUnusable(f"{name!r} is in {currency}, not in {value.currency}")


def check_room(period: Period, value: Money) -> None:
    """Raise why a period, as it stands, does not allow an amount to be taken, if it does not.

    Raises:
        BudgetUnusable: told first, since waiting for money would not mend it.
        BudgetExceeded: less is left.
    """
    check_currency(period.budget, period.currency, value)
    if not period.active:
        raise BudgetUnusable(f"{period.budget!r} is not active")
    if period.remaining < minor_units(value):
        raise BudgetExceeded(
            f"budget {period.budget!r} has less left ({period.period}) than {value.amount_text} {value.currency}. "
            "Nothing was done: once it has enough, repeat the request under this key."
        )


def unknown(name: str) -> BudgetUnusable:
    """What a caller is told who names a budget that does not exist."""
    return BudgetUnusable(f"{name[:63]!r} is not known to this gateway")
