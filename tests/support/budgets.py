"""Budgets in memory: the table's items, through the real codec, and who defines, holds and counts on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from incentives.aws.budgets.budget_items import (
    LIST,
    decode_budget,
    decode_period,
    definition_key,
    encode_budget,
    encode_period,
    period_key,
    spent_key,
)
from incentives.aws.items import Item, decode, encode
from incentives.domain.budgets.budget import Budget, Period
from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetBusy, LedgerUnavailable

#: Budget and part.
Key = tuple[str, str]


def key_of(item: Item) -> Key:
    """Of an item."""
    return item["budget"]["S"], item["part"]["S"]


@dataclass
class FakeBudgetTable:
    """The items of the table, by budget and part."""

    items: dict[Key, Item] = field(default_factory=dict)

    def read(self, key: Item) -> dict[str, Any] | None:
        """An item's values."""
        found = self.items.get(key_of(key))
        return decode(found) if found is not None else None

    def put(self, item: Item) -> None:
        """Write an item."""
        self.items[key_of(item)] = item

    def period(self, name: str, period: str) -> Period | None:
        """What a period has left."""
        values = self.read(period_key(name, period))
        return decode_period(values) if values is not None else None

    def hold(self, name: str, period: str, amount: int) -> None:
        """Take from a period, or give back, as opening a request does: its item is made when it is first needed."""
        its = self.period(name, period)
        if its is None:
            defined = decode_budget(self.read(definition_key(name)) or {})
            its = Period(
                budget=name,
                period=period,
                limit=defined.limit,
                remaining=defined.limit,
                currency=defined.currency,
                active=defined.active,
                version=0,
            )
        if amount > its.remaining:
            raise AssertionError(f"{name} has too little left")
        self.put(encode_period(replace(its, remaining=its.remaining - amount, version=its.version + 1)))

    def spend(self, name: str, period: str, amount: int) -> None:
        """Add to what is spent, as counting spend does."""
        spent = (self.read(spent_key(name, period)) or {}).get("spent", 0)
        self.put(spent_key(name, period) | encode({"spent": spent + amount}))


@dataclass
class FakeBudgetDefinitions:
    """`BudgetDefinitions` in memory.

    Attributes:
        before_write: called before each write that has a condition: how a test lets somebody else be faster.
        fails: whether the table is out of reach.
        busy: budgets whose items others write all the time.
    """

    table: FakeBudgetTable = field(default_factory=FakeBudgetTable)
    before_write: Callable[[], None] | None = None
    fails: bool = False
    busy: set[str] = field(default_factory=set)

    def get(self, name: str) -> Budget | None:
        self._may_fail()
        values = self.table.read(definition_key(name))
        return decode_budget(values) if values is not None else None

    def listed(self, after: str, limit: int) -> Sequence[Budget]:
        self._may_fail()
        names = sorted(part for budget, part in self.table.items if budget == LIST and part > after)
        return [decode_budget(decode(self.table.items[LIST, name])) for name in names[:limit]]

    def figures(self, wanted: Sequence[tuple[str, str]]) -> Sequence[BudgetFigures]:
        found = []
        for name, period in wanted:
            budget = self.get(name)
            self._may_be_busy(name)
            if budget is None:
                continue
            its = self.table.period(name, period)
            found.append(
                BudgetFigures(
                    budget=budget,
                    period=period,
                    limit=its.limit if its else budget.limit,
                    remaining=its.remaining if its else budget.limit,
                    spent=(self.table.read(spent_key(name, period)) or {}).get("spent", 0),
                    version=its.version if its else 0,
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
        current = self.get(after.name)
        if (current and current.version) != (before and before.version):
            return BudgetMoved(current)
        change = after.limit - before.limit if before else 0
        kept = [its for period in periods if (its := self.table.period(after.name, period)) is not None]
        for its in kept:
            if its.remaining < -change:
                return TooLittleLeft(its)
        for its in kept:
            limit, remaining = its.limit + change, its.remaining + change
            changed = replace(its, limit=limit, remaining=remaining, active=after.active, version=its.version + 1)
            self.table.put(encode_period(changed))
        written = replace(after, nonce=nonce)
        self.table.put(encode_budget(written))
        return written

    def _may_fail(self) -> None:
        if self.fails:
            raise LedgerUnavailable("the budgets are out of reach", in_doubt=True)

    def _may_be_busy(self, name: str) -> None:
        if name in self.busy:
            raise BudgetBusy(name)
