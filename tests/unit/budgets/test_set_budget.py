"""Setting a budget: what may change, what never does, and what comes of two at the same time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.errors import BudgetBusy, BudgetConflict, BudgetUnusable, LedgerUnavailable
from tests.support.fakes import START
from tests.unit.budgets.desks import ANNA, Desk, desk


def test_a_new_budget_has_its_whole_limit() -> None:
    here = desk()
    made = here.set("100.00")
    assert (made.limit, made.remaining, made.held, made.spent, made.period) == (10_000, 10_000, 0, 0, "2026-03")
    assert (made.budget.version, made.budget.created_at, made.budget.changed_by) == (1, START, ANNA)
    assert ("budgetSet", {"budget": "summer", "version": 1}) in here.world.telemetry.lines


def test_a_repeat_changes_nothing() -> None:
    here = desk()
    first = here.set()
    here.world.clock.sleep(60)
    assert here.set(caller="somebody else") == first
    assert here.definitions.writes == 1


def test_a_change_says_who_and_when_and_keeps_what_is_held() -> None:
    here = desk()
    here.set("100.00", caller=None)
    here.take("30.00")
    here.world.clock.sleep(60)
    after = here.set("80.00", active=False)
    assert (after.limit, after.remaining, after.held) == (8_000, 5_000, 3_000)
    its = after.budget
    assert (its.version, its.created_at, its.changed_at) == (2, START, START + timedelta(seconds=60))
    assert (its.changed_by, its.active) == (ANNA, False)
    with pytest.raises(BudgetUnusable):
        here.take("1.00")


@pytest.mark.parametrize(
    "other", [{"currency": "EUR"}, {"kind": PeriodKind.TOTAL}, {"currency": "JPY", "limit": "100", "active": False}]
)
def test_neither_currency_nor_kind_ever_changes(other: dict[str, Any]) -> None:
    here = desk()
    before = here.set()
    with pytest.raises(BudgetConflict, match="for good"):
        here.set(**other)
    assert here.set() == before
    assert here.definitions.writes == 1


def test_a_limit_below_what_is_held_and_spent_names_the_figure() -> None:
    here = desk()
    here.set("100.00")
    here.take("30.00")
    here.budgets.add_spent("summer", "2026-03", 1_000)
    with pytest.raises(BudgetConflict, match=r"In 2026-03, 30\.00 USD are held or spent"):
        here.set("29.99")
    assert here.set("30.00").remaining == 0


def test_a_total_has_one_period_for_ever() -> None:
    here = desk()
    assert here.set("100.00", kind=PeriodKind.TOTAL).period == "total"
    here.take("30.00")
    here.world.clock.sleep(400 * 24 * 3600)
    assert here.take("30.00") == "total"
    assert here.set("60.00", kind=PeriodKind.TOTAL).remaining == 0


def test_a_months_turn_is_the_books_and_no_request_slips_between_two_limits() -> None:
    # given a budget on the last evening of March, in Berlin
    here = desk()
    here.world.clock.time = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)
    here.set("100.00")
    # when a request whose clock is ahead takes from April already
    ahead = here.world.clock.now() + timedelta(seconds=2)
    assert here.take("30.00", ahead) == "2026-04"
    # then a change of the limit counts for both
    assert here.set("50.00").period == "2026-03"
    assert here.budgets.periods["summer", "2026-04"].remaining == 2_000
    with pytest.raises(BudgetConflict, match="In 2026-04"):
        here.set("20.00")
    # and once it is April, March keeps what it had
    here.take("10.00")
    here.world.clock.sleep(1)
    assert here.set("200.00").period == "2026-04"
    assert here.budgets.periods["summer", "2026-03"].limit == 5_000


# ---- at the same time, and out of reach ------------------------------------------------------------------------


def others(here: Desk, **what: Any) -> None:
    """Let somebody else set the budget just before the next write."""

    def first() -> None:
        here.definitions.before_write = None
        here.set(**what)

    here.definitions.before_write = first


def test_the_slower_of_two_looks_again() -> None:
    here = desk()
    here.set("100.00")
    others(here, limit="50.00")
    with pytest.raises(BudgetConflict, match="at the same time"):
        here.set("200.00")
    assert here.set("50.00").budget.version == 2


@pytest.mark.parametrize("exists", [True, False])
def test_two_who_want_the_same_both_have_it(exists: bool) -> None:
    here = desk()
    if exists:
        here.set("100.00")
    others(here, limit="200.00")
    assert here.set("200.00").limit == 20_000
    assert here.definitions.writes == 1 + exists


def test_two_make_it_in_two_currencies_and_one_is_told() -> None:
    here = desk()
    others(here, limit="100", currency="JPY")
    with pytest.raises(BudgetConflict, match="for good"):
        here.set("100.00")


def test_what_cannot_be_reached_or_is_busy_is_told() -> None:
    here = desk()
    here.definitions.fails = True
    with pytest.raises(LedgerUnavailable):
        here.set()
    here.definitions.fails = False
    here.definitions.busy.add("summer")
    with pytest.raises(BudgetBusy):
        here.set()
    assert here.definitions.writes == 0


def test_who_has_set_it_is_not_told_that_nothing_was_done() -> None:
    # given a budget that is busy once it has been written
    here = desk()
    here.set("100.00")
    real = here.definitions.define

    def define(*args: Any) -> Any:
        written = real(*args)
        here.definitions.busy.add("summer")
        return written

    here.definitions.define = define  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable, match="is set"):
        here.set("70.00")
    here.definitions.busy.clear()
    assert here.set("70.00").budget.version == 2


def test_a_caller_who_heard_nothing_asks_again_and_has_changed_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a change after which the process dies
    here = desk()
    here.set("100.00")
    here.take("30.00")
    with monkeypatch.context() as patch:
        patch.setattr(here.definitions, "figures", lambda _: [])
        with pytest.raises(LedgerUnavailable):
            here.set("70.00")
    # when the caller repeats it
    after = here.set("70.00")
    # then it is as it was asked for
    assert (after.limit, after.remaining, after.budget.version, here.definitions.writes) == (7_000, 4_000, 2, 2)
