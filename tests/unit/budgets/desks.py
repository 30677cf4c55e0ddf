"""Budgets in memory with all that is around them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.budgets.figures import BudgetFigures
from incentives.domain.money import Money, parse_money
from incentives.domain.reconciliation.days import read_zone
from incentives.usecases.budgets.dependencies import BudgetDependencies
from incentives.usecases.budgets.set_budget import Wanted, set_budget
from tests.support.budget_definitions import FakeBudgetDefinitions
from tests.support.budgets import FakeBudgets
from tests.support.fakes import World, world

ZONE: Final = read_zone("Europe/Berlin")
ANNA: Final = "arn:aws:iam::123456789012:user/anna"


@dataclass
class Desk:
    """Who sets budgets and looks at them."""

    world: World
    definitions: FakeBudgetDefinitions
    here: BudgetDependencies

    @property
    def budgets(self) -> FakeBudgets:
        """What is taken from."""
        return self.definitions.budgets

    def set(
        self,
        limit: str = "100.00",
        *,
        name: str = "summer",
        currency: str = "USD",
        kind: PeriodKind = PeriodKind.MONTH,
        active: bool = True,
        caller: str | None = ANNA,
    ) -> BudgetFigures:
        """Set a budget."""
        money = parse_money(limit, currency)
        wanted = Wanted(name=name, limit=money, kind=kind, active=active, caller=caller)
        return set_budget(wanted, self.here)

    def take(self, amount: str, moment: datetime | None = None, *, name: str = "summer", currency: str = "USD") -> str:
        """Take from a budget; returns the period."""
        value: Money = parse_money(amount, currency)
        return self.budgets.take(name, value, moment or self.world.clock.now())


def desk() -> Desk:
    """An empty one, in Berlin's time."""
    found = world()
    definitions = FakeBudgetDefinitions()
    definitions.budgets.zone = ZONE
    here = BudgetDependencies(dependencies=found.dependencies, definitions=definitions, zone=ZONE)
    return Desk(found, definitions, here)
