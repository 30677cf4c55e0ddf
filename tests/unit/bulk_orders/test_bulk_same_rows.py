"""The same rows in two orders: issued once, unless somebody says that twice is on purpose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from incentives.domain.bulk_orders.bulk_order import SAME_ROWS_FOR, Counts, OrderStatus
from incentives.domain.errors import OrderConflict
from incentives.domain.outcomes import AmazonError, Refused
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import Bulk, bulk, rows_of
from tests.support.fakes import Scripted, account, world
from tests.unit.builders import REFUSED, TIMED_OUT

S = OrderStatus
FILE = rows_of(3)
#: As a spreadsheet saves it.
REFUSED_FOR_ALL = Refused(AmazonError("F300", "AccountHasProblems"))
SAVED = "\ufeff" + FILE.replace("\n", ",\r\n").replace("10.00", '"10"')


def ran(here: Bulk, data: str, key: str, *, allow: bool = False) -> str:
    """An order that has come to its end; its id."""
    order_id = here.place(data, key, allow_same_rows=allow)
    here.run(order_id)
    return order_id


def stands(here: Bulk, order_id: str) -> tuple[OrderStatus, str | None]:
    order = here.order(order_id)
    return order.status, order.same_rows_as


def sent(here: Bulk) -> int:
    return len(here.world.amazon.sent)


def test_the_same_rows_are_not_issued_by_another_order() -> None:
    here = bulk()
    first = ran(here, FILE, "one")
    second = ran(here, SAVED, "two")
    assert stands(here, second) == (S.INVALID, first)
    (error,) = here.order(second).errors
    assert first in error.problem
    assert (here.order(second).error_count, here.order(second).empty_columns, sent(here)) == (1, 1, 3)
    # and with other rows the order goes on
    here.files.put(second, rows_of(2).encode())
    here.ask(second, Action.START)
    here.run(second)
    assert (stands(here, second), sent(here)) == ((S.FINISHED, None), 5)


@pytest.mark.parametrize("done", [True, False], ids=["issued", "being issued"])
def test_the_rows_of_an_order_of_before_claims_had_rounds_are_not_issued_again(done: bool) -> None:
    here = bulk()
    first = here.place(FILE, "one")
    here.process(first, OrderTask.VALIDATE)
    if done:
        here.run(first)
    # given an order and a claim as they were written then: neither its rows' digest nor its round was kept
    order, nonce = here.orders.orders[first]
    here.orders.orders[first] = (replace(order, rows_digest=None), nonce)
    ((at, claim),) = here.orders.claims.items()
    here.orders.claims[at] = replace(claim, round=0)
    assert stands(here, ran(here, SAVED, "two")) == (S.INVALID, first)


def test_another_account_may_issue_the_same_rows() -> None:
    here = bulk()
    here.world.accounts.accounts["other"] = account("other")
    ran(here, FILE, "one")
    order_id = here.place(FILE, account="other")
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)


def test_on_purpose_the_same_rows_are_issued_again_and_then_not_by_accident() -> None:
    here = bulk()
    ran(here, FILE, "one")
    here.world.clock.sleep(80 * 86_400)
    second = ran(here, FILE, "two", allow=True)
    here.world.clock.sleep(80 * 86_400)
    third = ran(here, FILE, "three")
    assert here.view(second).counts == Counts(issued=3)
    assert stands(here, third) == (S.INVALID, second)


@pytest.mark.parametrize(("seconds", "status"), [(-1, S.INVALID), (0, S.FINISHED)])
def test_after_90_days_the_same_rows_are_new_ones(seconds: int, status: OrderStatus) -> None:
    here = bulk()
    begun = here.world.clock.now()
    ran(here, FILE, "one")
    here.world.clock.time = begun + SAME_ROWS_FOR + timedelta(seconds=seconds)
    assert stands(here, ran(here, FILE, "two"))[0] is status


@pytest.mark.parametrize(("seconds", "status"), [(-1, S.FINISHED), (0, S.PAUSED)])
def test_an_order_is_resumed_only_while_its_rows_are_held_for_it(seconds: int, status: OrderStatus) -> None:
    here = bulk(world(REFUSED_FOR_ALL))
    made = here.world.clock.now()
    first = ran(here, FILE, "one")
    assert stands(here, first)[0] is S.PAUSED
    here.world.clock.time = made + SAME_ROWS_FOR - timedelta(days=1) + timedelta(seconds=seconds)
    if status is S.PAUSED:
        with pytest.raises(OrderConflict):
            here.ask(first, Action.RESUME)
    else:
        here.ask(first, Action.RESUME)
        here.run(first)
    assert stands(here, first)[0] is status


def test_a_dry_run_claims_nothing_and_tells_of_a_claim() -> None:
    here = bulk()

    def checked(key: str, *, allow: bool = False) -> tuple[OrderStatus, str | None]:
        order_id = here.make(FILE, key, allow_same_rows=allow)
        here.ask(order_id, Action.START, dry_run=True)
        here.run(order_id)
        return stands(here, order_id)

    assert checked("one") == checked("two") == (S.VALIDATED, None)
    first = ran(here, FILE, "three")
    assert checked("four") == (S.INVALID, first)
    assert checked("five", allow=True) == (S.VALIDATED, None)


def test_of_two_that_begin_at_once_one_issues() -> None:
    here = bulk()
    one, two = here.place(FILE, "one"), here.place(FILE, "two")
    begin = here.orders.begin

    def other_first(*given: object, **named: object) -> object:
        here.orders.begin = begin  # type: ignore[method-assign]
        here.process(two, OrderTask.VALIDATE)
        return begin(*given, **named)  # type: ignore[arg-type]

    here.orders.begin = other_first  # type: ignore[method-assign, assignment]
    here.process(one, OrderTask.VALIDATE)
    assert (stands(here, one), stands(here, two)) == ((S.INVALID, two), (S.ISSUING, None))


@pytest.mark.parametrize(
    ("script", "charged"), [([REFUSED] * 3, False), ([REFUSED, REFUSED], True), ([TIMED_OUT] * 99, True)]
)
def test_rows_of_which_none_was_charged_are_wanted_for_the_first_time(script: list[Scripted], charged: bool) -> None:
    here = bulk(world(*script))
    first = here.place(FILE, "one")
    here.run(first, until=lambda done: done.next is OrderTask.SETTLE and done.wait_seconds > 0)
    second = ran(here, FILE, "two") if not charged else here.place(FILE, "two")
    here.process(second, OrderTask.VALIDATE)
    assert stands(here, second) == ((S.INVALID, first) if charged else (S.FINISHED, None))


def test_an_order_that_was_stopped_before_its_first_card_gives_its_rows_back_once_it_has_ended() -> None:
    here = bulk()
    first = here.place(FILE, "one")
    here.process(first, OrderTask.VALIDATE)
    here.ask(first, Action.STOP)
    second = ran(here, FILE, "two")
    assert stands(here, second) == (S.INVALID, first)
    here.run(first)
    here.ask(second, Action.START)
    here.run(second)
    assert here.view(first).counts == Counts(not_issued=3)
    assert here.view(second).counts == Counts(issued=3)


def test_rows_that_were_issued_twice_on_purpose_are_not_given_back_by_the_second() -> None:
    here = bulk()
    ran(here, FILE, "one")
    second = here.place(FILE, "two", allow_same_rows=True)
    here.process(second, OrderTask.VALIDATE)
    here.ask(second, Action.STOP)
    here.run(second)
    assert stands(here, ran(here, FILE, "three")) == (S.INVALID, second)
