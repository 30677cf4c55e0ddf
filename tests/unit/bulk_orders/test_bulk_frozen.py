"""A bulk order of an account that is frozen: it is paused, says by whom, and goes on once it is resumed."""

from __future__ import annotations

from incentives.domain.accounts.freezing import FROZEN_AGAIN_AFTER
from incentives.domain.bulk_orders.bulk_order import Counts, OrderStatus
from incentives.domain.outcomes import Succeeded
from incentives.domain.single_requests.record import Status
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.issue_batch import Next
from incentives.usecases.single_requests.issue_queued import issue_queued
from tests.support.bulk import Bulk, issuing, row_id
from tests.support.fakes import Sent, card
from tests.unit.builders import before

S = OrderStatus


def paused_by_the_freeze(here: Bulk, order_id: str) -> bool:
    order = here.order(order_id)
    return order.status is S.PAUSED and "frozen by user/anna: A key has leaked" in (order.why_paused or "")


def resume(here: Bulk, order_id: str) -> None:
    here.world.freeze(frozen=False)
    here.ask(order_id, Action.RESUME)
    here.run(order_id)


def test_it_is_paused_between_two_rows_and_people_are_told_by_whom_and_why() -> None:
    # given an order whose account is frozen while its first row is under way
    def frozen(sent: Sent) -> Succeeded:
        here.world.freeze()
        return Succeeded(card(sent.call))

    here, order_id = issuing(3, frozen)
    # when
    assert here.issue(order_id) is Next.NOTHING
    # then
    assert paused_by_the_freeze(here, order_id)
    assert len(here.world.amazon.sent) == len(here.world.ledger.records) == 1
    ((subject, text),) = here.world.notifier.notices
    assert subject == f"Bulk order {order_id} is paused"
    assert "frozen by user/anna: A key has leaked" in text
    # and once it is unfrozen and resumed, the others are issued
    resume(here, order_id)
    assert here.order(order_id).status is S.FINISHED
    assert here.view(order_id).counts == Counts(issued=3)


def test_resumed_while_it_is_frozen_it_is_paused_again() -> None:
    here, order_id = issuing(2)
    here.world.freeze()
    here.issue(order_id)
    here.ask(order_id, Action.RESUME)
    here.run(order_id)
    assert paused_by_the_freeze(here, order_id)
    assert here.world.amazon.sent == []


def test_a_row_that_was_recorded_and_may_not_leave_waits_and_the_next_one_pauses_the_order() -> None:
    # given a worker that is held up between the record of its row and the call, the account being frozen meanwhile
    here, order_id = issuing(2)
    before(here.world.ledger, "open", lambda: (here.world.freeze(), here.world.clock.sleep(5)))
    # when
    here.issue(order_id)
    # then
    first = row_id(here.order(order_id), "row-1")
    assert paused_by_the_freeze(here, order_id)
    assert (here.world.amazon.sent, [*here.world.ledger.records]) == ([], [first])
    assert here.world.ledger.records[first].status is Status.PENDING
    # and it goes on from the backlog, whatever becomes of the order
    here.world.freeze(frozen=False)
    here.world.clock.sleep(FROZEN_AGAIN_AFTER.total_seconds())
    issue_queued(first, here.world.dependencies, here.world.budget())
    resume(here, order_id)
    assert here.view(order_id).counts == Counts(issued=2)


def test_unfrozen_before_it_is_written_down_the_order_says_that_it_was() -> None:
    here, order_id = issuing(1)
    here.world.freeze()
    before(here.world.freezes, "get", lambda: here.world.freeze(frozen=False))
    here.issue(order_id)
    order = here.order(order_id)
    assert (order.status, order.why_paused) == (S.PAUSED, "account 'default' was frozen.")
