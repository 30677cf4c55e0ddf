"""By how much a look at a budget is off: what was certainly before it, certainly after it, and what nobody can say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from incentives.domain.budgets.figures import BudgetFigures
from incentives.domain.budgets.recount import Counted, HeldOrder, HeldRequest, Ledger, Look, Off, compare
from incentives.domain.single_requests.record import Status
from tests.contract.budgets_suite import NOVEMBER, new_budget
from tests.support.fakes import START

BUDGET = new_budget(limit=10_000)
RIGHT = Off(0, 0)


def seconds(number: float) -> Any:
    """A time so long after the look."""
    return START + timedelta(seconds=number)


def request(status: Status = Status.PENDING, *, created: float = -600, **updates: Any) -> HeldRequest:
    base = HeldRequest(
        request_id="R1",
        account="default",
        budget=BUDGET.name,
        period=NOVEMBER,
        amount=2_500,
        status=status,
        created_at=seconds(created),
        updated_at=seconds(updates.pop("updated", created)),
    )
    return replace(base, **updates)


def order(*, held: int = 5_000, began: float | None = -600, finished: float | None = None) -> HeldOrder:
    return HeldOrder(
        order_id="O1",
        budget=BUDGET.name,
        period=NOVEMBER,
        held=held,
        began_at=None if began is None else seconds(began),
        finished_at=None if finished is None else seconds(finished),
    )


def off(
    *requests: HeldRequest,
    taken: int = 0,
    spent: int = 0,
    counted: dict[str, Counted] | None = None,
    orders: tuple[HeldOrder | None, HeldOrder | None] | None = None,
) -> tuple[Off | None, Off | None]:
    """By how much a budget of which so much is taken and spent is off, looked at at `START`."""
    figures = BudgetFigures(budget=BUDGET, period=NOVEMBER, limit=10_000, remaining=10_000 - taken, spent=spent)
    ledger = Ledger(
        requests=requests,
        counted=counted or {},
        asked=frozenset(each.request_id for each in requests),
        orders={"O1": orders} if orders is not None else {},
        now=seconds(180),
    )
    found = compare([Look(START, seconds(0.1), figures)], ledger)
    assert found is not None
    return found.remaining, found.spent


@pytest.mark.parametrize(
    ("one", "low", "high"),
    [
        # made long ago, and after the look
        (request(created=-63), 2_500, 2_500),
        (request(created=3), 0, 0),
        # its process may have been slow, or its clock ahead
        (request(created=-59), 0, 2_500),
        (request(created=1), 0, 2_500),
        # whatever is written of it later was written after it was made
        (request(created=-30, updated=-5), 2_500, 2_500),
        (request(created=-30, answered_at=seconds(-5)), 2_500, 2_500),
        (request(created=-30, updated=-1), 0, 2_500),
    ],
    ids=["long ago", "after", "slow", "ahead", "changed before", "answered before", "changed just now"],
)
def test_when_an_amount_was_taken(one: HeldRequest, low: int, high: int) -> None:
    remaining, spent = off(one)
    assert (remaining, spent) == (Off(low, high), RIGHT)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (Counted(given_back=True, at=seconds(-70)), Off(0, 0)),
        (Counted(given_back=True, at=seconds(-30)), Off(0, 2_500)),
        (Counted(given_back=True, at=seconds(70)), Off(0, 2_500)),
        (Counted(given_back=True), Off(0, 2_500)),
        (Counted(), Off(2_500, 2_500)),
    ],
    ids=["before", "just now", "after", "nobody knows when", "not yet"],
)
def test_when_an_amount_was_given_back(counted: Counted, expected: Off) -> None:
    ended = request(Status.REFUSED, updated=-300)
    assert off(ended, counted={"R1": counted})[0] == expected
    # and what ended after the look was not given back before
    late = request(Status.REFUSED, updated=10)
    assert off(late, counted={"R1": replace(counted, at=seconds(70))})[0] == Off(2_500, 2_500)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (Counted(2_500, at=seconds(-70)), Off(-2_500, -2_500)),
        (Counted(2_500, at=seconds(-30)), Off(-2_500, 0)),
        (Counted(2_500), Off(-2_500, 0)),
        (Counted(0, at=seconds(-70)), RIGHT),
        (None, RIGHT),
    ],
    ids=["before", "just now", "nobody knows when", "as nothing", "not yet"],
)
def test_when_an_amount_was_counted_as_spent(counted: Counted | None, expected: Off) -> None:
    charged = request(Status.SUCCEEDED, answered_at=seconds(-300), updated=-300)
    assert off(charged, counted={} if counted is None else {"R1": counted})[1] == expected


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ((order(), order()), 5_000),
        ((order(held=0, began=None), order(began=-70)), 5_000),
        ((None, order(began=10)), 0),
        ((order(held=0, began=None), order(began=-30)), None),
        # what it held is known of before
        ((order(), order(held=0, finished=30)), 5_000),
        ((order(), order(held=0, finished=-70)), 0),
        ((order(), order(held=0, finished=-30)), None),
        # begun and over in between
        ((None, order(held=0, began=-90, finished=-70)), 0),
        ((None, order(held=0, began=-90, finished=30)), None),
        # it never began
        ((order(held=0, began=None), order(held=0, began=None, finished=-300)), 0),
        ((order(held=0, began=None), order(held=0, began=None)), 0),
        # nobody read it again
        ((order(), None), None),
    ],
)
def test_what_an_order_held(orders: tuple[HeldOrder | None, HeldOrder | None], expected: int | None) -> None:
    found = off(orders=orders)[0]
    assert found is not None
    assert (found == Off(expected, expected)) if expected is not None else (found.low < -(10**12) < 10**12 < found.high)


def test_a_row_takes_over_from_its_order_and_gives_back_by_itself() -> None:
    row = request(order_id="O1")
    orders = (order(), order())
    assert off(row, orders=orders)[0] == Off(5_000, 5_000)
    refused = request(Status.REFUSED, updated=-300, order_id="O1")
    back = {"R1": Counted(given_back=True, at=seconds(-200))}
    assert off(refused, orders=orders, counted=back)[0] == Off(2_500, 2_500)
    # once the order is over, its rows stand for themselves
    over = (order(held=0, finished=-400), order(held=0, finished=-400))
    assert off(row, orders=over)[0] == Off(2_500, 2_500)
    assert off(refused, orders=over, counted=back)[0] == RIGHT


@pytest.mark.parametrize("anew", [True, False])
def test_what_follows_takes_only_what_the_one_before_gave_back(anew: bool) -> None:
    before = request(Status.REFUSED, updated=-500, replaced_by="R2", created=-900)
    after = request(created=-500, request_id="R2", replaces="R1", generation=1)
    counted = {"R1": Counted(given_back=True, at=seconds(-550))} if anew else {}
    # either way it is taken once
    assert off(before, after, counted=counted)[0] == Off(2_500, 2_500)
    # also where the one before is of a month that is not looked at
    assert off(after, counted=counted)[0] == (Off(2_500, 2_500) if anew else RIGHT)


def test_looks_that_exclude_each_other_say_nothing() -> None:
    assert Off(1, 5).shared(Off(3, 9)) == Off(3, 5)
    assert Off(1, 5).shared(Off(6, 9)) is None
    figures = BudgetFigures(budget=BUDGET, period=NOVEMBER, limit=10_000, remaining=10_000, spent=0)
    looks = [Look(START, START, replace(figures, remaining=remaining)) for remaining in (10_001, 9_999, 10_001)]
    found = compare(looks, Ledger(requests=(), counted={}, asked=frozenset(), orders={}, now=START))
    assert found is not None
    assert (found.remaining, found.differs) == (None, False)
    assert found.confirmed_by(found) is None
