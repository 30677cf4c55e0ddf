"""How a budget stands in one of its periods, and what comes of changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.budgets.budget import Budget, Period


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFigures:
    """A budget in one period, all of it of one moment. Amounts are in the currency's minor units.

    Attributes:
        period: `2026-11`, or `total`.
        limit: of that period; where nothing has been held in it yet, as the budget is defined now.
        version: of the period's item; 0: nothing has been held in it yet.
    """

    budget: Budget
    period: str
    limit: int
    remaining: int
    spent: int
    version: int = 0

    @property
    def held(self) -> int:
        """What has been asked for and not been counted as spent or given back yet."""
        return self.limit - self.remaining - self.spent


@dataclass(frozen=True, slots=True)
class BudgetMoved:
    """Somebody else has written the definition since it was read.

    Attributes:
        current: as it stands; None if there is none.
    """

    current: Budget | None


@dataclass(frozen=True, slots=True)
class TooLittleLeft:
    """The limit cannot be lowered by as much: some of it is held or spent.

    Attributes:
        period: the one that has too little left.
    """

    period: Period
