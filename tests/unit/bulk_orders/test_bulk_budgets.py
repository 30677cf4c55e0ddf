"""Bulk orders with a budget: what they take when they begin, pass on to their rows, and give back."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from incentives.domain.bulk_orders.bulk_order import Counts, Decision, OrderStatus
from incentives.domain.errors import BudgetBusy, BudgetUnusable, KeyReused, OrderConflict
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import Bulk, bulk, csv_of, row_id, rows_of
from tests.support.fakes import world
from tests.unit.builders import REFUSED
from tests.unit.bulk_orders.test_bulk_races import before_the_next_move
from tests.unit.bulk_orders.test_bulk_renewal import end_unlooked_at, leave_open

S = OrderStatus
NAME: Final = "spring"
MONTH: Final = "2026-03"


def funded(limit: str = "100.00", currency: str = "USD", *script: Any, **updates: Any) -> Bulk:
    """A world with one budget."""
    here = bulk(world(*script))
    here.world.budgets.define(NAME, limit, currency, **updates)
    return here


def remaining(here: Bulk, period: str = MONTH) -> int:
    """What the budget has left, in cents."""
    return here.world.budgets.periods[NAME, period].remaining


def balanced(here: Bulk, limit: int = 10_000) -> bool:
    """Whether what remains, what orders hold, and what records have taken over or spent, is the limit."""
    orders = [order for order, _ in here.orders.orders.values() if order.budget == NAME]
    records = [record for record in here.world.ledger.records.values() if record.budget == NAME]
    of_records = sum(int(each.value.amount * 100) for each in records if each.replaced_by is None)
    opened = {order.order_id: 0 for order in orders}
    for record in records:
        if record.order_id is not None and record.generation == 0:
            opened[record.order_id] += int(record.value.amount * 100)
    of_orders = sum(order.held - opened[order.order_id] for order in orders if order.status is not S.FINISHED)
    left = here.world.budgets.periods.get((NAME, MONTH))
    return left is None or (left.remaining + of_orders + of_records == limit and left.remaining >= 0)


# ---- taken ---------------------------------------------------------------------------------------


def test_an_order_takes_its_sum_when_it_begins_and_its_rows_take_nothing_more() -> None:
    here = funded()
    order_id = here.place(rows_of(3), budget=NAME)
    here.process(order_id, OrderTask.VALIDATE)
    order = here.order(order_id)
    assert (order.status, order.held, order.budget_period, remaining(here)) == (S.ISSUING, 3000, MONTH, 7000)
    here.run(order_id)
    assert (here.order(order_id).status, remaining(here)) == (S.FINISHED, 7000)
    records = [here.world.ledger.records[row_id(order, f"row-{n}")] for n in (1, 2, 3)]
    assert {(each.budget, each.budget_period, each.order_id) for each in records} == {(NAME, MONTH, order_id)}


def test_an_order_that_awaits_its_approval_holds_nothing_until_then() -> None:
    here = funded()
    here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
    order_id = here.place(rows_of(3), budget=NAME)
    here.run(order_id)
    assert here.world.budgets.periods == {}
    here.approve(order_id)
    assert (here.order(order_id).held, here.order(order_id).budget_period, remaining(here)) == (3000, MONTH, 7000)


def test_an_order_that_is_approved_in_the_next_month_takes_from_that() -> None:
    here = funded()
    here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
    here.world.clock.time = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
    order_id = here.place(rows_of(3), budget=NAME)
    here.run(order_id)
    here.world.clock.sleep(7200)
    here.approve(order_id)
    assert list(here.world.budgets.periods) == [(NAME, "2026-04")]
    # and gives back to that, whenever it ends
    here.ask(order_id, Action.STOP)
    here.world.clock.time = datetime(2026, 5, 1, tzinfo=UTC)
    here.run(order_id)
    assert (list(here.world.budgets.periods), remaining(here, "2026-04")) == ([(NAME, "2026-04")], 10_000)


@pytest.mark.parametrize("needs_approval", [False, True])
@pytest.mark.parametrize(
    ("updates", "why"), [({"limit": "29.99"}, "less left than 30.00 USD"), ({"active": False}, "not active")]
)
def test_an_order_that_its_budget_does_not_allow_is_validated_says_why_and_may_be_started_again(
    needs_approval: bool, updates: dict[str, Any], why: str
) -> None:
    here = funded(**updates)
    if needs_approval:
        here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
    order_id = here.place(rows_of(3), budget=NAME)
    here.run(order_id)
    if needs_approval:
        assert here.approve(order_id).order.status is S.VALIDATED
        # who approved is kept, and a repeat finds it so
        assert (here.order(order_id).decision, here.approve(order_id).replayed) == (Decision.APPROVE, True)
    order = here.order(order_id)
    assert (order.status, order.held, order.rows_name) == (S.VALIDATED, 0, None)
    assert (NAME in (order.why_not_started or ""), why in (order.why_not_started or "")) == (True, True)
    assert (here.world.amazon.sent, here.world.budgets.periods) == ([], {})
    # given a budget that allows it
    here.world.budgets.define(NAME, "100.00")
    here.ask(order_id, Action.START)
    here.run(order_id)
    if needs_approval:
        here.approve(order_id)
        here.run(order_id)
    assert (here.view(order_id).counts, here.order(order_id).why_not_started) == (Counts(issued=3), None)


def test_a_budget_that_is_busy_leaves_the_order_as_it_is_and_the_workflow_comes_back() -> None:
    here = funded()
    order_id = here.place(rows_of(3), budget=NAME)
    take = here.world.budgets.take

    def busy(*_: object) -> str:
        here.world.budgets.take = take  # type: ignore[method-assign]
        raise BudgetBusy(NAME)

    here.world.budgets.take = busy  # type: ignore[method-assign]
    progress = here.process(order_id, OrderTask.VALIDATE)
    assert (progress.next, progress.wait_seconds > 0) == (OrderTask.CHECK, True)
    assert here.order(order_id).status is S.VALIDATING
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)


def test_a_dry_run_takes_nothing_and_tells_whether_the_budget_would_allow_it() -> None:
    here = funded("10.00")
    order_id = here.make(rows_of(3), budget=NAME)
    here.ask(order_id, Action.START, dry_run=True)
    here.run(order_id)
    order = here.order(order_id)
    assert (order.status, here.world.budgets.periods) == (S.VALIDATED, {})
    assert NAME in (order.why_not_started or "")


# ---- which budget --------------------------------------------------------------------------------


def test_a_new_order_names_a_budget_that_there_is_and_names_one_where_it_must() -> None:
    here = funded()
    for budget, required in (("another", False), (None, True)):
        here.world.budgets.required = required
        with pytest.raises(BudgetUnusable):
            here.create(budget=budget)
    assert here.orders.orders == {}
    here.create(budget=NAME)


def test_a_repeat_finds_its_order_whatever_has_become_of_the_budget_and_names_the_same() -> None:
    here = funded()
    here.create("one", budget=NAME)
    here.create("two")
    here.world.budgets.definitions.clear()
    here.world.budgets.required = True
    assert (here.create("one", budget=NAME).replayed, here.create("two").replayed) == (True, True)
    with pytest.raises(KeyReused) as refused:
        here.create("one")
    assert refused.value.differing == ("budget",)


@pytest.mark.parametrize(
    ("budget", "required", "definitions", "field"), [(None, True, True, "budget"), (NAME, False, False, "budget")]
)
def test_a_file_is_invalid_whose_order_lacks_its_budget_by_now(
    budget: str | None, required: bool, definitions: bool, field: str
) -> None:
    here = funded()
    order_id = here.place(rows_of(1), budget=budget)
    here.world.budgets.required = required
    if not definitions:
        here.world.budgets.definitions.clear()
    here.run(order_id)
    (error,) = here.order(order_id).errors
    assert (here.order(order_id).status, error.line, error.field) == (S.INVALID, 1, field)


def test_an_order_without_a_budget_is_not_approved_where_one_is_required_by_now() -> None:
    here = funded()
    here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
    order_id = here.place(rows_of(3))
    here.run(order_id)
    here.world.budgets.required = True
    with pytest.raises(OrderConflict, match="RequireBudget"):
        here.approve(order_id)
    assert here.order(order_id).status is S.AWAITING_APPROVAL
    here.reject(order_id)


def test_rows_of_another_currency_than_the_budgets_are_named_by_line_and_column() -> None:
    here = funded("100.00", "EUR")
    order_id = here.place(rows_of(2), budget=NAME)
    here.run(order_id)
    order = here.order(order_id)
    assert [(error.line, error.field) for error in order.errors] == [(2, "currency"), (3, "currency")]
    assert "EUR" in order.errors[0].problem


# ---- given back ----------------------------------------------------------------------------------


def test_a_stopped_order_gives_back_what_its_rows_never_took_over_and_not_a_cent_more() -> None:
    here = funded()
    order_id = here.place(csv_of(("a", "10.00"), ("b", "20.00"), ("c", "5.50")), budget=NAME)
    here.process(order_id, OrderTask.VALIDATE)
    here.issue(order_id, seconds=20.1)
    assert (len(here.world.ledger.records), balanced(here)) == (1, True)
    here.ask(order_id, Action.STOP)
    here.run(order_id)
    assert (here.order(order_id).status, remaining(here)) == (S.FINISHED, 9000)
    assert balanced(here)
    # of a settled batch that was written by a process which died before FINISHED, nothing is counted twice
    assert here.orders.batch(order_id, 1).unopened == 2550


def test_two_who_settle_at_once_give_back_once() -> None:
    here = funded()
    order_id = here.place(rows_of(3), budget=NAME)
    here.process(order_id, OrderTask.VALIDATE)
    here.ask(order_id, Action.STOP)
    progress = here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    before_the_next_move(here, lambda: here.process(order_id, OrderTask.SETTLE, progress))
    here.process(order_id, OrderTask.SETTLE, progress)
    assert (here.order(order_id).status, remaining(here)) == (S.FINISHED, 10_000)


def test_a_refused_rows_share_is_not_the_orders_to_give_back() -> None:
    # who counts what has ended does that, for every request alike
    here = funded("100.00", "USD", REFUSED)
    order_id = here.place(rows_of(3), budget=NAME)
    here.run(order_id)
    assert (here.view(order_id).counts, remaining(here)) == (Counts(issued=2, refused=1), 7000)
    assert balanced(here)


@pytest.mark.parametrize("given_back", [False, True])
def test_a_row_that_amazon_never_looked_at_is_ordered_again_from_what_is_there(given_back: bool) -> None:
    here = funded("30.00")
    order_id = here.place(rows_of(3), budget=NAME)
    here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    leave_open(here, order_id, 1)
    end_unlooked_at(here, order_id, 1)
    if given_back:
        # given one that whoever counts has given back, and somebody else has taken
        here.world.ledger.given_back.add(row_id(here.order(order_id), "row-1"))
    here.run(order_id)
    here.ask(order_id, Action.RESUME)
    here.run(order_id)
    if given_back:
        # then the order waits, and says for what
        order = here.order(order_id)
        assert (order.status, NAME in (order.why_paused or "")) == (S.PAUSED, True)
        here.world.budgets.give_back(NAME, MONTH, 1000)
        here.ask(order_id, Action.RESUME)
        here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)
    assert remaining(here) == 0


def test_the_result_names_the_budget_last() -> None:
    here = funded()
    order_id = here.place(rows_of(2), budget=NAME)
    here.run(order_id)
    rows = list(csv.reader(io.StringIO(here.result(order_id))))
    assert [row[-1] for row in rows] == ["budget", NAME, NAME]
