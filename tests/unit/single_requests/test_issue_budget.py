"""Requests with a budget: what they take, what is refused before it costs anything, and that a repeat needs none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from incentives.api.problems import status_of
from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.errors import (
    BudgetBusy,
    BudgetExceeded,
    BudgetUnusable,
    GatewayError,
    KeyReused,
    LedgerUnavailable,
    OrderClosed,
    RefusedByAmazon,
)
from incentives.domain.rate_limit import Permit
from incentives.domain.single_requests.record import OrderRow, Record, Status
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import FakeAccountStates, World, usd, world
from tests.unit.builders import CARD_NUMBER, KEY_REFUSED, REFUSED, TIMED_OUT, code_of, fails, order

NAME = "spring"
MARCH = "2026-03"


def having(limit: str, *script: Any, **updates: Any) -> World:
    """A world with a budget."""
    w = world(*script)
    w.budgets.define(NAME, limit, **updates)
    return w


def place(w: World, *, later: bool = False, row: OrderRow | None = None, **updates: Any) -> Delivered | Accepted:
    wanted = {"budget": NAME} | updates
    return issue(order(**wanted), w.dependencies, w.budget(), later=later, row=row)


def left(w: World) -> int | None:
    """In cents; None: nothing was ever taken."""
    period = w.budgets.periods.get((NAME, MARCH))
    return period.remaining if period else None


def count(w: World, record: Record) -> None:
    FakeAccountStates(ledger=w.ledger).count(record, None, w.clock.now())


def nothing_happened(w: World) -> bool:
    return not (w.ledger.records or w.ledger.keys or w.amazon.sent)


# ---- taking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [False, True])
def test_its_amount_is_taken_before_it_is_sent(later: bool) -> None:
    seen: list[int | None] = []
    w = having("100.00")
    w.amazon.script = [lambda _: seen.append(left(w)) or TIMED_OUT]  # type: ignore[func-returns-value]
    response = place(w, later=later)
    assert (response.record.budget, response.record.budget_period) == (NAME, MARCH)
    assert left(w) == 75_00
    assert seen == ([] if later else [75_00])


def test_a_budget_is_a_part_of_what_is_asked_for() -> None:
    w = having("100.00")
    w.budgets.define("autumn", "100.00")
    place(w)
    for other in ("autumn", None):
        with pytest.raises(KeyReused) as reused:
            place(w, budget=other)
        assert [name for name, _ in reused.value.fields] == ["budget"]
    assert left(w) == 75_00
    assert len(w.amazon.sent) == 1


def test_without_a_budget_a_request_is_what_it_always_was() -> None:
    assert order().fields() == {"amount": "25.00", "currencyCode": "USD", "onUnknown": "retry", "budget": None}
    w = world()
    place(w, budget=None)
    assert "budget" not in w.ledger.keys[hash_key("order-1")].fingerprint


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "updates", "error", "status"),
    [
        ("24.99", {}, BudgetExceeded, 402),
        ("100.00", {"active": False}, BudgetUnusable, 422),
        ("24.99", {"active": False}, BudgetUnusable, 422),
        ("100.00", {"currency": "EUR"}, BudgetUnusable, 422),
        (None, {}, BudgetUnusable, 422),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_what_the_budget_does_not_allow_is_not_written_and_works_later(
    limit: str | None, updates: dict[str, Any], error: type[GatewayError], status: int, later: bool
) -> None:
    w = world()
    if limit is not None:
        w.budgets.define(NAME, limit, **updates)
    for _ in range(2):
        with pytest.raises(error) as refused:
            place(w, later=later)
        assert status_of(refused.value) == status
    assert nothing_happened(w)
    assert left(w) is None
    # when its cause is mended, under the same key
    w.budgets.define(NAME, "25.00")
    assert isinstance(place(w), Delivered)
    assert left(w) == 0


def test_whoever_goes_on_asking_an_empty_budget_takes_no_permits() -> None:
    w = having("24.99")
    with pytest.raises(BudgetExceeded):
        place(w)
    assert w.rate_limiter.reserved == 1
    for number in range(20):
        for later in (False, True):
            with pytest.raises(BudgetExceeded):
                place(w, key=f"order-{number}", later=later)
    assert (w.rate_limiter.reserved, w.rate_limiter.lined_up) == (1, 0)
    # when ten seconds have gone by without a word of it
    w.clock.sleep(10)
    with pytest.raises(BudgetExceeded):
        place(w)
    assert w.rate_limiter.reserved == 2


def test_a_look_costs_nobody_his_card() -> None:
    w = having("24.99")
    with pytest.raises(BudgetExceeded):
        place(w)
    w.budgets.define(NAME, "50.00")
    assert isinstance(place(w), Delivered)
    assert w.budgets.looks == 1
    # and once it has said yes, nobody looks any more
    assert isinstance(place(w, key="order-2"), Delivered)
    assert w.budgets.looks == 1


@pytest.mark.parametrize("method", ["key", "check"])
def test_what_cannot_be_looked_at_is_a_503_and_nothing_is_sent(method: str) -> None:
    w = having("24.99")
    with pytest.raises(BudgetExceeded):
        place(w)
    fails(w.ledger if method == "key" else w.budgets, method)
    with pytest.raises(LedgerUnavailable) as failure:
        place(w)
    assert not failure.value.in_doubt
    assert nothing_happened(w)


def test_a_busy_budget_is_a_429_and_nothing_is_written() -> None:
    w = having("100.00")

    def busy(*_: object) -> str:
        raise BudgetBusy(NAME)

    w.budgets.take = busy  # type: ignore[method-assign]
    with pytest.raises(BudgetBusy) as told:
        place(w)
    assert (status_of(told.value), told.value.retryable, told.value.retry_after_seconds) == (429, True, 1)
    assert nothing_happened(w)


# ---- a repeat needs no budget --------------------------------------------------------------------


def emptied(w: World) -> None:
    """Somebody is told that there is no more."""
    with pytest.raises(BudgetExceeded):
        place(w, key="another")


def ended(w: World) -> None:
    w.budgets.define(NAME, "25.00", active=False)
    w.budgets.periods = {name: replace(each, active=False) for name, each in w.budgets.periods.items()}
    with pytest.raises(BudgetUnusable):
        place(w, key="another")


@pytest.mark.parametrize("happens", [lambda _: None, emptied, ended])
def test_a_repeat_gets_its_card_whatever_became_of_its_budget(happens: Callable[[World], None]) -> None:
    w = having("25.00")
    first = place(w)
    happens(w)
    again = place(w)
    assert isinstance(again, Delivered)
    assert again.replayed
    assert code_of(again) == code_of(first)
    assert len(w.ledger.records) == 1


@pytest.mark.parametrize("happens", [emptied, ended])
def test_a_repeat_with_another_budget_is_still_refused_as_one(happens: Callable[[World], None]) -> None:
    w = having("25.00")
    place(w, budget=None)
    w.budgets.define(NAME, "0.01")
    happens(w)
    with pytest.raises(KeyReused):
        place(w)


def test_where_a_budget_is_required_none_is_refused_before_anything_is_taken() -> None:
    w = having("100.00")
    w.budgets.required = True
    with pytest.raises(BudgetUnusable, match="is required"):
        place(w, budget=None)
    assert nothing_happened(w)
    assert (w.rate_limiter.reserved, w.rate_limiter.lined_up) == (0, 0)
    # and what is named is taken from, as anywhere
    assert isinstance(place(w), Delivered)
    assert w.budgets.looks == 0


def test_a_request_from_before_budgets_were_required_gets_its_card() -> None:
    w = world()
    first = place(w, budget=None)
    w.budgets.required = True
    again = place(w, budget=None)
    assert isinstance(again, Delivered)
    assert code_of(again) == code_of(first)


# ---- ordered again -------------------------------------------------------------------------------


def refused_unseen(**updates: Any) -> tuple[World, Record]:
    """A request whose account's key was refused, of a budget that had room for it alone."""
    w = having("25.00", KEY_REFUSED, KEY_REFUSED, **updates)
    with pytest.raises(RefusedByAmazon):
        place(w)
    (refused,) = w.ledger.records.values()
    w.clock.sleep(40 * 86_400)
    return w, refused


def test_what_is_ordered_again_before_it_was_given_back_takes_over_what_is_held() -> None:
    w, refused = refused_unseen()
    response = place(w)
    assert isinstance(response, Delivered)
    assert (response.record.budget_period, response.record.replaces) == (MARCH, refused.request_id)
    assert [*w.budgets.periods] == [(NAME, MARCH)]
    assert left(w) == 0
    # and nothing is given back for the first
    count(w, w.ledger.records[refused.request_id])
    assert left(w) == 0


def test_what_is_ordered_again_afterwards_takes_anew_from_the_month_that_it_is() -> None:
    w, refused = refused_unseen()
    count(w, refused)
    assert left(w) == 25_00
    response = place(w)
    assert response.record.budget_period == "2026-04"
    assert {period: each.remaining for (_, period), each in w.budgets.periods.items()} == {MARCH: 25_00, "2026-04": 0}


@pytest.mark.parametrize("later", [False, True])
def test_what_is_ordered_again_and_finds_too_little_stays_refused_and_works_later(later: bool) -> None:
    w, refused = refused_unseen(kind=PeriodKind.TOTAL)
    count(w, refused)
    place(w, key="another", value=usd("0.50"))
    w.amazon.sent.clear()
    with pytest.raises(BudgetExceeded):
        place(w, later=later)
    assert w.ledger.records[refused.request_id] == refused
    assert w.amazon.sent == []
    w.budgets.define(NAME, "25.50")
    w.budgets.add(NAME, w.budgets.periods[NAME, "total"], 50)
    assert isinstance(place(w), Delivered)


# ---- rows ----------------------------------------------------------------------------------------

ROW = OrderRow(order_id="ORDER1", batch=1, budget_period=MARCH)


def test_a_row_takes_nothing_and_says_whose_it_is() -> None:
    w = having("0.01")
    w.budgets.required = True
    response = place(w, row=ROW)
    record = response.record
    assert (record.order_id, record.budget, record.budget_period) == ("ORDER1", NAME, MARCH)
    assert left(w) is None
    # also of an order from before budgets were required
    assert isinstance(place(w, budget=None, key="row-2", row=ROW), Delivered)


def test_a_row_is_opened_although_its_budget_refuses_others() -> None:
    w = having("0.01")
    emptied(w)
    assert isinstance(place(w, row=ROW), Delivered)
    assert w.budgets.looks == 0


def test_a_row_of_a_closed_batch_is_neither_written_nor_sent() -> None:
    w = having("100.00")
    w.ledger.closed.add(("ORDER1", 1))
    with pytest.raises(OrderClosed):
        issue(order(budget=NAME), w.dependencies, w.budget(), permit=Permit(w.clock.now()), row=ROW)
    assert nothing_happened(w)


def test_a_row_that_is_ordered_again_keeps_its_order() -> None:
    w = having("25.00", KEY_REFUSED, KEY_REFUSED)
    with pytest.raises(RefusedByAmazon):
        place(w, row=ROW)
    assert place(w, row=ROW).record.order_id == "ORDER1"
    (first, second) = w.ledger.records.values()
    assert (first.status, second.status) == (Status.REFUSED, Status.SUCCEEDED)


# ---- every operation -----------------------------------------------------------------------------


def test_what_amazon_refused_comes_back() -> None:
    w = having("25.00", REFUSED)
    with pytest.raises(RefusedByAmazon):
        place(w, given={"cardNumber": CARD_NUMBER}, operation=order().operation.ACTIVATE_GIFT_CARD)
    (refused,) = w.ledger.records.values()
    assert left(w) == 0
    count(w, refused)
    assert left(w) == 25_00
