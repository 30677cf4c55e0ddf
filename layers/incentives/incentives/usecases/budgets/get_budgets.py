"""Show budgets: what each has left, and what is held and spent of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incentives.domain.budgets.budget import BUDGET_NAME, TOTAL, PeriodKind
from incentives.domain.errors import BudgetNotFound, InvalidInput
from incentives.usecases.reconciliation.pages import foreign_cursor, read_cursor, write_cursor

if TYPE_CHECKING:
    from incentives.domain.budgets.figures import BudgetFigures
    from incentives.usecases.budgets.dependencies import BudgetDependencies

#: Budgets of one page; each is three items, read at one moment.
PAGE_SIZE: Final = 40

_MONTH: Final = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class BudgetsPage:
    """Some budgets by name, each in its current period."""

    budgets: Sequence[BudgetFigures]
    cursor: str | None


def list_budgets(cursor: str | None, here: BudgetDependencies) -> BudgetsPage:
    """A page of all budgets, by name.

    Raises:
        InvalidInput: names `cursor`.
        BudgetBusy: too many take from one of them at this moment.
        LedgerUnavailable
    """
    after = ""
    if cursor is not None:
        (after,) = read_cursor(cursor, 1)
        if not BUDGET_NAME.fullmatch(after):
            raise foreign_cursor()
    listed = here.definitions.listed(after, PAGE_SIZE + 1)
    shown = listed[:PAGE_SIZE]
    found = here.definitions.figures([(each.name, here.period_now(each.kind)) for each in shown])
    return BudgetsPage(found, write_cursor([shown[-1].name]) if len(listed) > PAGE_SIZE else None)


def get_budget(name: str, period: str | None, here: BudgetDependencies) -> BudgetFigures:
    """One budget.

    Args:
        name: its name.
        period: a month such as `2026-11`, or `total`; None: the current one.
        here: the ports.

    Raises:
        BudgetNotFound
        InvalidInput: names `period`: the budget has no such period.
        BudgetBusy: too many take from it at this moment.
        LedgerUnavailable
    """
    budget = here.definitions.get(name)
    if budget is None:
        raise BudgetNotFound(name)
    found = here.definitions.figures([(name, _period(period, budget.kind) or here.period_now(budget.kind))])
    if not found:
        raise BudgetNotFound(name)
    return found[0]


def _period(text: str | None, kind: PeriodKind) -> str | None:
    if text is None:
        return None
    if kind is PeriodKind.TOTAL and text != TOTAL:
        raise InvalidInput("period", f"must be {TOTAL}: this budget is one in total")
    if kind is PeriodKind.MONTH and not _MONTH.fullmatch(text):
        raise InvalidInput("period", "must be a month such as 2026-03, of the years 2000 to 2999")
    return text
