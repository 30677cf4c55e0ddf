"""Showing budgets: pages, periods, and what there is not."""

from __future__ import annotations

import pytest

from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.errors import BudgetNotFound, InvalidInput
from incentives.usecases.budgets.get_budgets import PAGE_SIZE, get_budget, list_budgets
from tests.unit.budgets.desks import desk


def test_all_budgets_are_listed_once_by_name_each_in_its_current_period() -> None:
    here = desk()
    names = [f"b{number:03}" for number in range(2 * PAGE_SIZE + 1)]
    for name in reversed(names):
        here.set(name=name, kind=PeriodKind.TOTAL if name == "b001" else PeriodKind.MONTH)
    here.take("30.00", name="b001")
    cursor, found, pages = None, [], 0
    while pages == 0 or cursor is not None:
        page = list_budgets(cursor, here.here)
        found += page.budgets
        cursor, pages = page.cursor, pages + 1
    assert [each.budget.name for each in found] == names
    assert (pages, {each.period for each in found}) == (3, {"2026-03", "total"})
    assert found[1].held == 3_000


def test_there_is_no_page_after_the_last() -> None:
    here = desk()
    assert list_budgets(None, here.here).budgets == []
    for number in range(PAGE_SIZE):
        here.set(name=f"b{number:03}")
    assert list_budgets(None, here.here).cursor is None


def test_another_month_is_shown_as_it_was() -> None:
    here = desk()
    here.set("100.00")
    here.take("30.00")
    here.world.clock.sleep(31 * 24 * 3600)
    here.set("50.00")
    now, then = get_budget("summer", None, here.here), get_budget("summer", "2026-03", here.here)
    assert (now.period, now.limit, now.held) == ("2026-04", 5_000, 0)
    assert (then.period, then.limit, then.held) == ("2026-03", 10_000, 3_000)


@pytest.mark.parametrize(
    ("kind", "period"),
    [
        (PeriodKind.MONTH, "total"),
        (PeriodKind.MONTH, "2026-13"),
        (PeriodKind.MONTH, "2026-3"),
        (PeriodKind.MONTH, ""),
        (PeriodKind.TOTAL, "2026-03"),
    ],
)
def test_a_period_that_the_budget_has_not_is_refused(kind: PeriodKind, period: str) -> None:
    here = desk()
    here.set(kind=kind)
    with pytest.raises(InvalidInput) as caught:
        get_budget("summer", period, here.here)
    assert caught.value.field == "period"


def test_a_budget_that_there_is_not_is_told() -> None:
    with pytest.raises(BudgetNotFound):
        get_budget("winter", None, desk().here)
