"""Rows of a bulk order that Amazon never looked at: the order waits for people, then the same rows are issued."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from incentives.domain.bulk_orders.bulk_order import BATCH_ROWS, Batch, Counts, OrderStatus
from incentives.domain.outcomes import AmazonError, Succeeded
from incentives.domain.recovery.rules import KEY_REFUSED, NOT_SENT
from incentives.domain.single_requests.record import Status
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import Bulk, issuing, row_id
from tests.support.fakes import Sent, card
from tests.unit.builders import KEY_REFUSED as KEY_IS_REFUSED

S = OrderStatus


def issued(sent: Sent) -> Succeeded:
    return Succeeded(card(sent.call))


def settling(rows: int, *unlooked_at: int, refusal: AmazonError = KEY_REFUSED) -> tuple[Bulk, str]:
    """An order all of whose rows have been tried; some were left open, and Amazon has never looked at them."""
    here, order_id = issuing(rows)
    here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    for number in unlooked_at:
        leave_open(here, order_id, number)
        end_unlooked_at(here, order_id, number, refusal)
    return here, order_id


def leave_open(here: Bulk, order_id: str, number: int) -> None:
    """A row found no permit in its time, and is in the backlog."""
    batch = here.orders.batch(order_id, -(-number // BATCH_ROWS))
    counts = replace(batch.counts, issued=batch.counts.issued - 1, open=batch.counts.open + 1)
    here.orders.kept[order_id, batch.number] = replace(batch, counts=counts)
    become(here, order_id, number, status=Status.PENDING, wake_at=here.world.clock.now(), attempts=0, gc_id=None)


def end_unlooked_at(here: Bulk, order_id: str, number: int, refusal: AmazonError = KEY_REFUSED) -> None:
    become(here, order_id, number, status=Status.REFUSED, refusal=refusal, wake_at=None)


def become(here: Bulk, order_id: str, number: int, **updates: Any) -> None:
    request_id = row_id(here.order(order_id), f"row-{number}")
    here.world.ledger.records[request_id] = replace(here.world.ledger.records[request_id], **updates)


def result(here: Bulk, order_id: str) -> dict[str, tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(here.result(order_id)))
    return {row["key"]: (row["outcome"], row["errorType"]) for row in rows}


def resume(here: Bulk, order_id: str) -> None:
    here.ask(order_id, Action.RESUME)
    here.run(order_id)


def test_the_row_that_showed_a_refused_key_is_tried_again_and_all_are_issued_once() -> None:
    here, order_id = issuing(4, issued, *[KEY_IS_REFUSED] * 4)
    here.run(order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.PAUSED, Counts(issued=1, waiting=3))
    # when it is resumed too early, and then once more
    resume(here, order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.PAUSED, Counts(issued=1, waiting=3))
    resume(here, order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.FINISHED, Counts(issued=4))
    assert set(result(here, order_id).values()) == {("issued", "")}
    assert sum(each.status is Status.SUCCEEDED for each in here.world.ledger.records.values()) == 4
    assert sum(each.status is Status.REFUSED for each in here.world.ledger.records.values()) == 2


@pytest.mark.parametrize("refusal", [KEY_REFUSED, NOT_SENT], ids=lambda each: each.type)
def test_rows_that_end_unlooked_at_while_the_order_settles_pause_it_and_are_issued_once_it_is_resumed(
    refusal: AmazonError,
) -> None:
    here, order_id = settling(2 * BATCH_ROWS, 3, BATCH_ROWS + 1, refusal=refusal)
    here.run(order_id)
    order = here.order(order_id)
    assert (order.status, here.view(order_id).counts) == (S.PAUSED, Counts(issued=2 * BATCH_ROWS - 2, open=2))
    assert order.why_paused is not None
    assert order.why_paused.startswith("2 or more of the rows")
    assert str(refusal.message) in order.why_paused
    ((subject, text),) = here.world.notifier.notices
    assert order_id in subject
    assert "/resume" in text
    sent = len(here.world.amazon.sent)
    resume(here, order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.FINISHED, Counts(issued=2 * BATCH_ROWS))
    assert len(here.world.amazon.sent) == sent + 2
    assert set(result(here, order_id).values()) == {("issued", "")}


def test_a_stopped_order_tells_them_as_refused() -> None:
    here, order_id = settling(3, 2, refusal=NOT_SENT)
    here.run(order_id)
    here.ask(order_id, Action.STOP)
    here.run(order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.FINISHED, Counts(issued=2, refused=1))
    assert result(here, order_id)["row-2"] == ("refused", "notSent")


def test_a_resumed_order_looks_again_at_rows_that_were_open_and_once_only() -> None:
    # given an order that is paused half-way, with one row in the backlog and one that has ended there
    here, order_id = issuing(6)
    here.world.amazon.script = [issued, lambda sent: (here.ask(order_id, Action.PAUSE), issued(sent))[1]]
    here.issue(order_id)
    leave_open(here, order_id, 1)
    leave_open(here, order_id, 2)
    end_unlooked_at(here, order_id, 2)
    before = here.view(order_id).counts
    sent = len(here.world.amazon.sent)
    here.ask(order_id, Action.RESUME)
    here.issue(order_id)
    # then the row that waits is left alone, the other one and those not tried yet are issued
    assert before == Counts(open=2, waiting=4)
    assert here.view(order_id).counts == Counts(issued=5, open=1)
    assert len(here.world.amazon.sent) == sent + 5
    # and within this round it is not looked at once more
    end_unlooked_at(here, order_id, 1)
    here.issue(order_id)
    assert len(here.world.amazon.sent) == sent + 5


def test_what_is_kept_of_a_batch_stands_until_as_many_rows_were_looked_at_again() -> None:
    here, order_id = settling(4, 1, 3)
    here.run(order_id)
    # given that the key is refused once more at the third row
    here.world.amazon.script = [issued, KEY_IS_REFUSED, KEY_IS_REFUSED]
    resume(here, order_id)
    assert (here.order(order_id).status, here.view(order_id).counts) == (S.PAUSED, Counts(issued=2, open=2))
    resume(here, order_id)
    assert here.view(order_id).counts == Counts(issued=4)


def test_a_progress_of_an_earlier_round_is_looked_at_again_only_if_rows_were_open() -> None:
    here, order_id = issuing(2)
    order = here.order(order_id)
    assert order.has_work(Batch(number=1, counts=Counts(issued=1, open=1), round=order.round - 1))
    assert not order.has_work(Batch(number=1, counts=Counts(issued=1, open=1), round=order.round))
    assert not order.has_work(Batch(number=1, counts=Counts(issued=1, refused=1), round=order.round - 1))
    assert order.has_work(Batch(number=1, counts=Counts(issued=1), round=order.round))
