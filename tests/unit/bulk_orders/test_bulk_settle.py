"""Settling a bulk order: every row ends, the newest generation counts, and the result says what the ledger says."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.bulk_orders.bulk_order import BATCH_ROWS, Counts, OrderStatus
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask
from incentives.usecases.bulk_orders.settle_order import COLUMNS, WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX
from tests.support.bulk import Bulk, bulk, row_id, rows_of
from tests.unit.builders import REFUSAL

S = OrderStatus


def settling(rows: int) -> tuple[Bulk, str]:
    """An order all of whose rows have succeeded and are still to be settled."""
    here = bulk()
    order_id = here.place(rows_of(rows))
    here.run(order_id, until=lambda done: done.next is OrderTask.SETTLE)
    assert here.order(order_id).status is S.SETTLING
    return here, order_id


def becomes(here: Bulk, order_id: str, row: int, **updates: Any) -> Record:
    """Put a row's record into another state."""
    request_id = row_id(here.order(order_id), f"row-{row}")
    here.world.ledger.records[request_id] = replace(here.world.ledger.records[request_id], **updates)
    return here.world.ledger.records[request_id]


def result(here: Bulk, order_id: str) -> dict[str, dict[str, str]]:
    """The result file, by key."""
    return {row["key"]: row for row in csv.DictReader(io.StringIO(here.result(order_id)))}


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
def test_no_formula_gets_into_the_result(begin: str) -> None:
    # given rows whose texts a spreadsheet would run
    formula = f'{begin}HYPERLINK("http://example.com";"open me")'
    file = io.StringIO()
    csv.writer(file).writerows(
        [
            ("key", "amount", "currency", "reference"),
            (f"{begin}1+1", "10.00", "USD", formula),
            ("a=b", "1.00", "USD", "c@d"),
        ]
    )
    here = bulk()
    order_id = here.place(file.getvalue())
    # when they are issued
    here.run(order_id)
    # then the result has them as texts, and leaves others as they are
    assert {key: row["reference"] for key, row in result(here, order_id).items()} == {
        f"'{begin}1+1": f"'{formula}",
        "a=b": "c@d",
    }
    # and Amazon gets what was ordered
    assert {sent.call.options["externalReference"] for sent in here.world.amazon.sent} == {formula, "c@d"}


def test_the_result_tells_what_became_of_each_row() -> None:
    here, order_id = settling(4)
    becomes(here, order_id, 2, status=Status.REFUSED, refusal=REFUSAL, gc_id=None)
    becomes(here, order_id, 3, status=Status.REVERSED, error=AmazonError(type="Lost"))
    becomes(here, order_id, 4, status=Status.ESCALATED)
    here.run(order_id)
    view, rows = here.view(order_id), result(here, order_id)
    assert view.order.status is S.FINISHED
    assert view.counts == Counts(issued=1, refused=1, reversed=1, escalated=1)
    assert view.issued_value == {"USD": Decimal("10.00")}
    assert [row["outcome"] for row in rows.values()] == ["issued", "refused", "reversed", "escalated"]
    assert tuple(rows["row-1"]) == COLUMNS
    # spreadsheets take it for UTF-8 by this mark
    assert here.files.files[f"{order_id}/result.csv"].startswith(codecs.BOM_UTF8)
    first = here.world.ledger.records[row_id(here.order(order_id), "row-1")]
    assert (rows["row-1"]["requestId"], rows["row-1"]["gcId"]) == (first.request_id, first.gc_id)
    assert (rows["row-2"]["errorCode"], rows["row-2"]["errorType"]) == (REFUSAL.code, REFUSAL.type)


def test_the_newest_generation_of_a_reissued_row_counts() -> None:
    here, order_id = settling(2)
    # given a row that was reversed and reissued twice
    last = becomes(here, order_id, 1)
    for generation in (1, 2):
        successor = replace(last, request_id=f"Test1GEN{generation}", gc_id=f"GC{generation}", generation=generation)
        here.world.ledger.records[last.request_id] = replace(
            last, status=Status.REVERSED, replaced_by=successor.request_id
        )
        here.world.ledger.records[successor.request_id] = last = successor
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=2)
    row = result(here, order_id)["row-1"]
    assert (row["outcome"], row["requestId"], row["gcId"]) == ("issued", "Test1GEN2", "GC2")


@pytest.mark.parametrize("status", [Status.PENDING, Status.RECOVERING, Status.REVERSING])
def test_an_open_row_is_waited_for_longer_and_longer(status: Status) -> None:
    here, order_id = settling(BATCH_ROWS + 1)
    becomes(here, order_id, 1, status=status)
    waits: list[int] = []
    progress = here.process(order_id, OrderTask.CHECK)
    for _ in range(9):
        progress = here.process(order_id, OrderTask.SETTLE, progress)
        waits.append(progress.wait_seconds)
    assert waits == [WAIT_SECONDS_FIRST * 2**n for n in range(6)] + [WAIT_SECONDS_MAX] * 3
    view = here.view(order_id)
    assert (view.order.status, view.counts) == (S.SETTLING, Counts(issued=BATCH_ROWS, open=1))
    assert view.result is None
    becomes(here, order_id, 1, status=Status.SUCCEEDED)
    assert here.process(order_id, OrderTask.SETTLE, progress).next is OrderTask.DONE
    assert here.view(order_id).counts == Counts(issued=BATCH_ROWS + 1)


def test_a_batch_that_is_settled_is_not_looked_at_again() -> None:
    here, order_id = settling(BATCH_ROWS + 1)
    becomes(here, order_id, BATCH_ROWS + 1, status=Status.RECOVERING)
    progress = here.process(order_id, OrderTask.SETTLE)
    # what happens to a row later is not this result's business
    becomes(here, order_id, 1, status=Status.REVERSED)
    becomes(here, order_id, BATCH_ROWS + 1, status=Status.SUCCEEDED)
    here.process(order_id, OrderTask.SETTLE, progress)
    assert result(here, order_id)["row-1"]["outcome"] == "issued"


def test_settling_goes_on_in_another_function_when_time_is_over() -> None:
    here, order_id = settling(3 * BATCH_ROWS)
    get_many, steps, progress = here.dependencies.records.get_many, 0, here.process(order_id, OrderTask.CHECK)

    def slow(request_ids: Any) -> Any:
        here.world.clock.sleep(30.0)
        return get_many(request_ids)

    here.dependencies.records.get_many = slow  # type: ignore[method-assign]
    while progress.next is OrderTask.SETTLE:
        progress = here.process(order_id, OrderTask.SETTLE, progress)
        assert progress.wait_seconds == 0
        steps += 1
    # two batches, then the third, then the result
    assert steps == 3
    assert len(result(here, order_id)) == 3 * BATCH_ROWS


def test_a_pass_that_is_cut_short_comes_to_its_end_although_its_first_batches_stay_open() -> None:
    here, order_id = settling(3 * BATCH_ROWS)
    becomes(here, order_id, 1, status=Status.RECOVERING)
    progress = OrderProgress(order_id=order_id, round=1)
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        progress = here.process(order_id, OrderTask.SETTLE, progress, seconds=11.0 if not seen else 60.0)
        seen.append((progress.settled, progress.wait_seconds))
    assert seen[0] == (0, 0)
    assert seen[1] == (0, WAIT_SECONDS_FIRST)
    assert {number for (_, number), batch in here.orders.kept.items() if batch.settled} == {2, 3}


def test_a_row_without_a_request_is_never_told_as_issued() -> None:
    here, order_id = settling(2)
    order = here.order(order_id)
    del here.world.ledger.records[row_id(order, "row-2")], here.world.ledger.keys[order.key_hash("row-2")]
    here.run(order_id)
    assert result(here, order_id)["row-2"] == {
        **dict.fromkeys(COLUMNS, ""),
        "key": "row-2",
        "amount": "10.00",
        "currency": "USD",
        "outcome": "notIssued",
    }


def test_what_a_caller_writes_is_read_back_as_it_was() -> None:
    here = bulk()
    order_id = here.place('key,amount,currency,reference\n"a,""b",10,USD,"\u00e9, ""\U0001f381"""\n')
    here.run(order_id)
    row = result(here, order_id)['a,"b']
    assert row["reference"] == '\u00e9, "\U0001f381"'
