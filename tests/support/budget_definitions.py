"""Who defines budgets, in memory, on the budgets that the fakes of ledger, orders and consumer take from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from incentives.domain.budgets.budget import Budget, new_period
from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetBusy, LedgerUnavailable
from tests.support.budgets import FakeBudgets


@dataclass
class FakeBudgetDefinitions:
    """`BudgetDefinitions` in memory.

    Attributes:
        before_write: called before each write: how a test lets somebody else be faster.
        fails: whether the table is out of reach.
        busy: budgets whose items others write all the time.
        writes: that were carried out.
    """

    budgets: FakeBudgets = field(default_factory=FakeBudgets)
    before_write: Callable[[], None] | None = None
    fails: bool = False
    busy: set[str] = field(default_factory=set)
    writes: int = 0

    def get(self, name: str) -> Budget | None:
        self._may_fail()
        return self.budgets.definitions.get(name)

    def listed(self, after: str, limit: int) -> Sequence[Budget]:
        self._may_fail()
        return [self.budgets.definitions[name] for name in sorted(self.budgets.definitions) if name > after][:limit]

    def figures(self, wanted: Sequence[tuple[str, str]]) -> Sequence[BudgetFigures]:
        self._may_fail()
        found = []
        for name, period in wanted:
            self._may_be_busy(name)
            budget = self.budgets.definitions.get(name)
            if budget is None:
                continue
            its = self.budgets.periods.get((name, period)) or new_period(budget, period)
            found.append(
                BudgetFigures(
                    budget=budget,
                    period=period,
                    limit=its.limit,
                    remaining=its.remaining,
                    spent=self.budgets.spent.get((name, period), 0),
                    version=its.version,
                )
            )
        return found

    def define(
        self, before: Budget | None, after: Budget, periods: Sequence[str], nonce: str
    ) -> Budget | BudgetMoved | TooLittleLeft:
        self._may_fail()
        if self.before_write is not None:
            self.before_write()
        self._may_be_busy(after.name)
        current = self.budgets.definitions.get(after.name)
        if (current and current.version) != (before and before.version):
            return BudgetMoved(current)
        change = after.limit - before.limit if before else 0
        kept = [its for period in periods if (its := self.budgets.periods.get((after.name, period))) is not None]
        for its in kept:
            if its.remaining < -change:
                return TooLittleLeft(its)
        for its in kept:
            self.budgets.periods[after.name, its.period] = replace(
                its,
                limit=its.limit + change,
                remaining=its.remaining + change,
                active=after.active,
                version=its.version + 1,
            )
        self.writes += 1
        self.budgets.definitions[after.name] = replace(after, nonce=nonce)
        return self.budgets.definitions[after.name]

    def _may_fail(self) -> None:
        if self.fails:
            raise LedgerUnavailable("the budgets are out of reach", in_doubt=True)

    def _may_be_busy(self, name: str) -> None:
        if name in self.busy:
            raise BudgetBusy(name)
