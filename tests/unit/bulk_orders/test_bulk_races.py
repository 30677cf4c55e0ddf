"""Bulk orders while others act on the same order: between a look and its write, and while a ledger lacks something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from incentives.domain.bulk_orders.bulk_order import (
    BATCH_ROWS,
    BulkOrder,
    Counts,
    OrderMoved,
    OrderStatus,
    RowsClaim,
    RowsTaken,
)
from incentives.domain.errors import OrderConflict, OrderUnavailable
from incentives.domain.outcomes import Outcome
from incentives.domain.single_requests.record import Status
from incentives.usecases.bulk_orders.control_order import LOOKS_MAX, Action
from incentives.usecases.bulk_orders.issue_batch import Next
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import Bulk, bulk, issuing, row_id, rows_of
from tests.support.fakes import Sent, account
from tests.unit.builders import REFUSED
from tests.unit.single_requests.test_parking import UNFUNDED

S = OrderStatus


def before_the_next_move(here: Bulk, happens: Callable[[], object], *, times: int = 1) -> None:
    """Let something happen just before the next writes of the order."""
    move, begin, finish, left = here.orders.move, here.orders.begin, here.orders.finish, [times]

    def first() -> None:
        if left[0]:
            left[0] -= 1
            # What happens may itself move the order, and nothing comes before that.
            here.orders.move = move  # type: ignore[method-assign]
            happens()
            here.orders.move = racing  # type: ignore[method-assign]

    def racing(before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        first()
        return move(before, after, nonce)

    def beginning(
        before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str, *, over: RowsClaim | None = None
    ) -> BulkOrder | OrderMoved | RowsTaken:
        first()
        return begin(before, after, claim, nonce, over=over)

    def finishing(before: BulkOrder, after: BulkOrder, nonce: str, *, unopened: int) -> BulkOrder | OrderMoved:
        first()
        return finish(before, after, nonce, unopened=unopened)

    here.orders.move = racing  # type: ignore[method-assign]
    here.orders.begin = beginning  # type: ignore[method-assign]
    here.orders.finish = finishing  # type: ignore[method-assign]


def logged(here: Bulk, event: str) -> int:
    return [line for line, _ in here.world.telemetry.lines].count(event)


# ---- asked for by two at once --------------------------------------------------------------------


def test_two_who_start_an_order_at_once_start_it_once() -> None:
    here = bulk()
    order_id = here.make(rows_of(1))
    before_the_next_move(here, lambda: here.ask(order_id, Action.START))
    view = here.ask(order_id, Action.START)
    # the second one finds it started, in the same round
    assert (view.order.status, view.order.round) == (S.VALIDATING, 1)
    assert here.workflows.started == [(order_id, 1)]


def test_a_pause_that_comes_after_a_stop_is_refused_although_it_looked_before() -> None:
    here, order_id = issuing(1)
    before_the_next_move(here, lambda: here.ask(order_id, Action.STOP))
    with pytest.raises(OrderConflict, match="STOPPING"):
        here.ask(order_id, Action.PAUSE)
    assert here.order(order_id).status is S.STOPPING


def test_an_order_that_changes_all_the_time_is_not_looked_at_for_ever() -> None:
    here, order_id = issuing(1)
    looks: list[str] = []

    def another_round() -> None:
        order = here.order(order_id)
        looks.append(order.status.value)
        here.orders._put(replace(order, round=order.round + 1), f"somebody-{len(looks)}")

    before_the_next_move(here, another_round, times=99)
    with pytest.raises(OrderUnavailable, match="Repeat the call"):
        here.ask(order_id, Action.PAUSE)
    assert len(looks) == LOOKS_MAX
    assert here.order(order_id).status is S.ISSUING


def test_an_order_whose_making_cannot_be_told_is_made_by_the_repeat() -> None:
    # given a write that lost to another one, of which nothing is told
    here = bulk()
    create = here.orders.create
    here.orders.create = lambda *_: OrderMoved(None)  # type: ignore[method-assign]
    with pytest.raises(OrderUnavailable) as told:
        here.create()
    assert told.value.retryable
    here.orders.create = create  # type: ignore[method-assign]
    assert here.create().order.status is S.AWAITING_FILE


# ---- stopped or paused while the workflow works on it ---------------------------------------------


def test_an_order_that_is_stopped_while_its_file_is_checked_is_not_issued() -> None:
    here = bulk()
    order_id = here.place(rows_of(2))
    before_the_next_move(here, lambda: here.ask(order_id, Action.STOP))
    here.process(order_id, OrderTask.VALIDATE)
    # the stop stands, and the order does not count as one that was let through
    assert here.order(order_id).status is S.STOPPING
    assert logged(here, "orderValidated") == 0
    assert "OrderValue" not in here.world.telemetry.counts
    here.run(order_id)
    assert here.order(order_id).status is S.FINISHED
    assert here.world.amazon.sent == []


def test_an_order_that_is_paused_when_its_last_row_is_done_is_settled_only_after_it_is_resumed() -> None:
    here, order_id = issuing(1)
    here.issue(order_id)
    before_the_next_move(here, lambda: here.ask(order_id, Action.PAUSE))
    here.run(order_id)
    assert (here.order(order_id).status, logged(here, "orderSettling")) == (S.PAUSED, 0)
    here.ask(order_id, Action.RESUME)
    here.run(order_id)
    assert (here.order(order_id).status, logged(here, "orderSettling")) == (S.FINISHED, 1)


def test_an_order_that_two_settle_at_once_is_finished_once() -> None:
    here, order_id = issuing(1)
    progress = here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    before_the_next_move(here, lambda: here.process(order_id, OrderTask.SETTLE, progress))
    assert here.process(order_id, OrderTask.SETTLE, progress).next is OrderTask.DONE
    assert here.order(order_id).status is S.FINISHED
    assert logged(here, "orderFinished") == here.world.telemetry.counts["OrderFinished"] == 1


# ---- a worker finds that the order cannot go on ---------------------------------------------------


def test_the_rows_after_one_that_the_balance_does_not_cover_are_not_tried() -> None:
    # given an account whose requests wait for its balance
    here, order_id = issuing(3, UNFUNDED)
    here.world.accounts.accounts["default"] = account(parks_unfunded=True)
    here.issue(order_id)
    # then the row waits, and the order with it
    assert here.order(order_id).status is S.PAUSED
    assert "balance" in (here.order(order_id).why_paused or "")
    assert len(here.world.amazon.sent) == 1
    assert replace(here.view(order_id).counts, waiting=0) == Counts(open=1)


@pytest.mark.parametrize("action", [Action.STOP, Action.PAUSE])
@pytest.mark.parametrize("when", ["before the worker looks", "between its look and its write"])
def test_operators_are_not_told_of_an_order_that_somebody_has_already_taken_out(action: Action, when: str) -> None:
    here, order_id = issuing(2)

    def refused(sent: Sent) -> Outcome:
        if when == "before the worker looks":
            here.ask(order_id, action)
        else:
            before_the_next_move(here, lambda: here.ask(order_id, action))
        return UNFUNDED

    here.world.amazon.script = [refused]
    assert here.issue(order_id) is Next.NOTHING
    # what a person has decided stands, and its reason is not written over
    assert here.order(order_id).status is (S.STOPPING if action is Action.STOP else S.PAUSED)
    assert here.order(order_id).why_paused is None
    assert here.world.notifier.notices == []
    assert logged(here, "orderPaused") == 0


def test_a_pause_that_nobody_can_be_told_of_is_a_pause_and_rings_another_way() -> None:
    here, order_id = issuing(2, UNFUNDED)
    here.world.notifier.notice_fault = "AuthorizationError"
    here.issue(order_id)
    assert here.order(order_id).status is S.PAUSED
    told: list[dict[str, Any]] = [facts for event, facts in here.world.telemetry.lines if event == "operatorsNotTold"]
    assert [(facts["orderId"], facts["because"]) for facts in told] == [(order_id, "AuthorizationError")]
    assert here.world.telemetry.counts["AlertNotTold"] == 1


# ---- a ledger that lacks something ----------------------------------------------------------------


def test_a_row_whose_successor_is_missing_is_never_told_as_reversed() -> None:
    # given a row that was reversed and reissued, and a ledger in which the newer request is not to be found
    here, order_id = issuing(BATCH_ROWS, REFUSED)
    here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    ledger = here.world.ledger
    first = ledger.records[row_id(here.order(order_id), "row-2")]
    ledger.records[first.request_id] = replace(first, status=Status.REVERSED, replaced_by="Test1GEN1")
    progress = here.process(order_id, OrderTask.SETTLE)
    # then nobody is told that it may be ordered again: the order goes on asking
    assert progress.next is not OrderTask.DONE
    assert here.order(order_id).status is S.SETTLING
    assert f"{order_id}/result.csv" not in here.files.files
    # and once it is there again, it counts
    ledger.records["Test1GEN1"] = replace(first, request_id="Test1GEN1", generation=1)
    here.run(order_id)
    assert here.order(order_id).status is S.FINISHED
    assert here.view(order_id).counts == Counts(issued=BATCH_ROWS - 1, refused=1)
