"""Budgets in memory: what the fakes of ledger, orders and consumer take from and give back to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from incentives.domain.accounts.spend import minor_units
from incentives.domain.budgets.budget import (
    Budget,
    Period,
    PeriodKind,
    check_currency,
    check_room,
    new_period,
    period_name,
    unknown,
)
from incentives.domain.errors import BudgetExceeded, BudgetUnusable
from incentives.domain.money import Money, parse_money

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeBudgets:
    """`Budgets` in memory, with everything that is taken from them.

    Attributes:
        definitions: by name.
        periods: by name and period.
        spent: likewise, in minor units.
        required: whether each request must name one.
        refused: when each was last told to allow no request.
        looks: how often one was looked at without taking from it.
        now: the time, for the period that is looked at.
    """

    definitions: dict[str, Budget] = field(default_factory=dict)
    periods: dict[tuple[str, str], Period] = field(default_factory=dict)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)
    required: bool = False
    refused: dict[str, datetime] = field(default_factory=dict)
    looks: int = 0
    now: Callable[[], datetime] = lambda: _BEGAN
    zone: tzinfo = UTC

    def define(self, name: str, limit: str, currency: str = "USD", **updates: Any) -> Budget:
        """A budget of so much a month, unless the updates say otherwise; periods that there are stay as they are."""
        base = Budget(
            name=name,
            limit=minor_units(parse_money(limit, currency)),
            currency=currency,
            kind=PeriodKind.MONTH,
            active=True,
            version=1,
            created_at=_BEGAN,
            changed_at=_BEGAN,
        )
        self.definitions[name] = replace(base, **updates)
        return self.definitions[name]

    def was_refused(self, name: str) -> bool:
        at = self.refused.get(name)
        return at is not None and self.now() - at < timedelta(seconds=10)

    def check(self, name: str, value: Money) -> None:
        self.looks += 1
        try:
            check_room(self.period_at(name, self.now()), value)
        except (BudgetUnusable, BudgetExceeded):
            self.refused[name] = self.now()
            raise
        self.refused.pop(name, None)

    def period_at(self, name: str, moment: datetime) -> Period:
        """A budget's period as it stands at a moment."""
        definition = self.definitions.get(name)
        if definition is None:
            raise unknown(name)
        period = period_name(definition.kind, moment, self.zone)  # type: ignore[arg-type]  # zones are tzinfos
        return self.periods.get((name, period)) or new_period(definition, period)

    def take(self, name: str, value: Money, moment: datetime) -> str:
        """Take an amount; returns the period that it was taken from."""
        try:
            period = self.period_at(name, moment)
            check_currency(name, self.definitions[name].currency, value)
            check_room(period, value)
        except (BudgetUnusable, BudgetExceeded):
            self.refused[name] = self.now()
            raise
        self.add(name, period, -minor_units(value))
        return period.period

    def add(self, name: str, period: Period, minor: int) -> None:
        """Change what remains of a period."""
        changed = replace(period, remaining=period.remaining + minor, version=period.version + 1)
        self.periods[name, period.period] = changed

    def give_back(self, name: str, period: str, minor: int) -> None:
        """Give back to a period."""
        self.add(name, self.periods[name, period], minor)

    def add_spent(self, name: str, period: str, minor: int) -> None:
        """Add to what was spent of a period."""
        self.spent[name, period] = self.spent.get((name, period), 0) + minor
