"""What setting and showing budgets needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from incentives.domain.budgets.budget import PeriodKind, period_name

if TYPE_CHECKING:
    from incentives.usecases.budgets.ports import BudgetDefinitions
    from incentives.usecases.dependencies import Dependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDependencies:
    """The ports, and what budgets need beside them.

    Attributes:
        zone: that months are counted in: the books'.
    """

    dependencies: Dependencies
    definitions: BudgetDefinitions
    zone: ZoneInfo

    def period_now(self, kind: PeriodKind) -> str:
        """The period that this moment lies in."""
        return period_name(kind, self.dependencies.clock.now(), self.zone)
