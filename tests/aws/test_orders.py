"""Bulk orders in DynamoDB and their files in S3, as moto has them; the in-memory doubles keep the same promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError

from incentives.aws.batches import BATCH_GET_MAX
from incentives.aws.budgets.budget_items import decode_period, encode_budget, period_key
from incentives.aws.bulk_orders.order_files import S3OrderFiles
from incentives.aws.bulk_orders.order_workflows import StepFunctionsOrderWorkflows
from incentives.aws.bulk_orders.orders import DynamoDbOrders
from incentives.aws.clients import FILES_CONFIG
from incentives.aws.items import decode
from incentives.aws.recovery.recoveries import StepFunctionsRecoveries
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.many_records import KEYS_AT_ONCE, DynamoDbRecords
from incentives.domain.bulk_orders.approval import APPROVAL_FOR
from incentives.domain.bulk_orders.bulk_order import (
    SAME_ROWS_FOR,
    Batch,
    BulkOrder,
    Counts,
    Decision,
    FileError,
    FileFormat,
    OrderMoved,
    OrderStatus,
    RowsClaim,
    RowsTaken,
    Started,
    derive_order_id,
)
from incentives.domain.bulk_orders.rows import Checked, Row, encode_row
from incentives.domain.errors import BudgetBusy, BudgetExceeded, LedgerUnavailable, OrderClosed, OrderUnavailable
from incentives.domain.money import parse_money
from incentives.domain.operations import Operation
from incentives.domain.persons import Identity
from incentives.domain.single_requests.record import Intent, KeyItem, OrderRow, Record
from incentives.usecases.bulk_orders.ports import OrderFiles, Orders
from tests.contract.motos import client, dynamodb
from tests.contract.tables import create_table
from tests.support.budgets import FakeBudgets
from tests.support.bulk import FakeOrderFiles, FakeOrders
from tests.support.fakes import START, FakeClock
from tests.support.holds import beside, holds_of
from tests.unit.builders import record

S = OrderStatus
BUCKET = "orders-of-a-test"
_numbers = count()

NEW = BulkOrder(
    order_id=derive_order_id("default", "bulk-1"),
    account="default",
    partner_id="Test1",
    format=FileFormat.CSV,
    on_unknown=Intent.RETRY,
    status=S.AWAITING_FILE,
    created_at=START,
    updated_at=START,
)
FULL = replace(
    NEW,
    order_id=derive_order_id("default", "bulk-2"),
    format=FileFormat.JSONL,
    on_unknown=Intent.REISSUE,
    status=S.FINISHED,
    round=3,
    caller="arn:aws:iam::123456789012:user/a",
    dry_run=True,
    rows=100_000,
    row_bytes=60,
    rows_name="orders/x/rows-1",
    totals={"USD": Decimal("1200.50"), "JPY": Decimal(7)},
    totals_seen={"USD": Decimal("1200.50")},
    errors=(FileError(2, "amount", "must be \u201cgood\u201d"), FileError(3, None, "has 2 cells")),
    error_count=7,
    blank_rows=3,
    empty_columns=2,
    allow_same_rows=True,
    same_rows_as="A" * 26,
    makers=(Identity("arn:aws:iam::123456789012:user/a", "AIDA" + "A" * 16, "AIDA" + "A" * 16), Identity()),
    started_by="arn:aws:iam::123456789012:user/a",
    budget="spring",
    budget_period="2026-03",
    held=120_050,
    rows_digest="1" * 64,
    approval_digest="2" * 64,
    approval_until=START + APPROVAL_FOR,
    told_at=START,
    decision=Decision.REJECT,
    decided_by="arn:aws:iam::123456789012:user/b",
    decided_at=START,
    rejected_because="too much",
    why_not_started="because",
    stopped_at=START,
    why_paused="no funds",
    issuing_since=START,
    issuing_until=START + timedelta(milliseconds=1),
    done_before=5,
    finished_at=START,
)


@pytest.fixture(scope="module")
def table() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, dynamodb(patch):
        yield create_table(client(), "OrdersTable")


def orders_of(dynamo: Any, table: str, budgets: str = "budgets", **given: Any) -> DynamoDbOrders:
    holds = holds_of(dynamo, budgets, **given)
    return DynamoDbOrders(dynamo, table, holds=lambda: holds, sleep=lambda _: None)


@pytest.fixture(params=["dynamodb", "fake"])
def orders(request: pytest.FixtureRequest, table: str) -> Orders:
    return FakeOrders() if request.param == "fake" else orders_of(client(), table)


@pytest.fixture
def new() -> BulkOrder:
    return replace(NEW, order_id=derive_order_id("default", f"contract-{next(_numbers)}"))


# ---- orders --------------------------------------------------------------------------------------


def test_an_order_is_read_as_it_was_written(orders: Orders) -> None:
    unset = [each.name for each in fields(BulkOrder) if getattr(FULL, each.name) in (None, 0, (), "", {})]
    assert unset == []
    for order in (NEW, FULL):
        assert orders.create(order, "n") == order
        assert orders.get(order.order_id) == order


def test_an_order_that_nobody_made_is_none(orders: Orders) -> None:
    assert orders.get("A" * 26) is None


def test_a_second_order_with_its_id_is_not_made(orders: Orders, new: BulkOrder) -> None:
    orders.create(new, "first")
    assert orders.create(replace(new, format=FileFormat.JSONL), "second") == OrderMoved(new)
    assert orders.get(new.order_id) == new


@pytest.mark.parametrize("behind", [{"status": S.VALIDATING}, {"round": 7}])
def test_a_write_that_leaves_another_state_or_round_is_not_carried_out(
    orders: Orders, new: BulkOrder, behind: dict[str, Any]
) -> None:
    orders.create(new, "first")
    moved = orders.move(replace(new, **behind), replace(new, status=S.FINISHED), "second")
    assert moved == OrderMoved(new)
    assert orders.get(new.order_id) == new


def test_a_write_that_took_effect_before_its_response_was_lost_recognises_itself(
    orders: Orders, new: BulkOrder
) -> None:
    after = replace(new, status=S.VALIDATING, round=1)
    orders.create(new, "first")
    assert orders.create(new, "first") == new
    assert orders.move(new, after, "second") == after
    assert orders.move(new, after, "second") == after
    assert orders.move(new, after, "third") == OrderMoved(after)


def test_a_write_to_an_order_that_is_gone_says_so(orders: Orders, new: BulkOrder) -> None:
    assert orders.move(new, replace(new, status=S.VALIDATING), "n") == OrderMoved(None)


def test_an_order_of_a_version_that_knew_no_same_rows_is_read(table: str, new: BulkOrder) -> None:
    orders = orders_of(client(), table)
    orders.create(new, "n")
    client().update_item(
        TableName=table,
        Key={"orderId": {"S": new.order_id}, "part": {"S": "order"}},
        UpdateExpression="REMOVE blankRows, emptyColumns, allowSameRows",
    )
    assert orders.get(new.order_id) == new


# ---- the same rows -------------------------------------------------------------------------------


@pytest.fixture
def claim(new: BulkOrder) -> RowsClaim:
    return RowsClaim(account="default", digest=f"{next(_numbers):064}", order_id=new.order_id, claimed_at=START)


def began(
    orders: Orders, claim: RowsClaim, over: RowsClaim | None = None, **updates: Any
) -> BulkOrder | OrderMoved | RowsTaken:
    other = replace(NEW, order_id=derive_order_id("default", f"contract-{next(_numbers)}"))
    orders.create(other, "made")
    claim = replace(claim, order_id=other.order_id, **updates)
    return orders.begin(other, replace(other, status=S.VALIDATING), claim, f"nonce-{next(_numbers)}", over=over)


def test_an_order_begins_and_claims_its_rows_in_one(orders: Orders, new: BulkOrder, claim: RowsClaim) -> None:
    after = replace(new, status=S.VALIDATING)
    orders.create(new, "made")
    assert orders.claim_on("default", claim.digest, START) is None
    assert orders.begin(new, after, claim, "begun") == after
    assert orders.get(new.order_id) == after
    assert orders.claim_on("default", claim.digest, START) == claim
    # and it knows its own write, whose response was lost
    assert orders.begin(new, after, claim, "begun") == after
    assert orders.begin(new, after, claim, "another") == OrderMoved(after)


def test_while_a_claim_holds_no_other_order_begins_with_its_rows(orders: Orders, claim: RowsClaim) -> None:
    first = began(orders, claim)
    assert isinstance(first, BulkOrder)
    held = replace(claim, order_id=first.order_id)
    almost = START + SAME_ROWS_FOR - timedelta(seconds=1)
    assert began(orders, claim, claimed_at=almost) == RowsTaken(held)
    assert began(orders, claim, instead_of="A" * 26) == RowsTaken(held)
    assert isinstance(began(orders, replace(claim, account="other")), BulkOrder)
    assert orders.claim_on("default", claim.digest, almost) == held
    assert orders.claim_on("default", claim.digest, START + SAME_ROWS_FOR) is None


def test_a_claim_gives_way_to_one_that_names_it_or_that_comes_after_its_time(orders: Orders, claim: RowsClaim) -> None:
    first = began(orders, claim)
    assert isinstance(first, BulkOrder)
    over = replace(claim, order_id=first.order_id)
    second = began(orders, claim, over, instead_of=first.order_id, is_firm=True)
    assert isinstance(second, BulkOrder)
    held = orders.claim_on("default", claim.digest, START)
    assert held is not None
    assert (held.order_id, held.instead_of, held.is_firm) == (second.order_id, first.order_id, True)
    # nobody has to have removed it
    assert isinstance(began(orders, claim, claimed_at=START + SAME_ROWS_FOR), BulkOrder)


def test_an_order_that_has_moved_claims_nothing(orders: Orders, new: BulkOrder, claim: RowsClaim) -> None:
    orders.create(replace(new, status=S.STOPPING), "made")
    moved = orders.begin(new, replace(new, status=S.VALIDATING), claim, "begun")
    assert moved == OrderMoved(replace(new, status=S.STOPPING))
    assert orders.claim_on("default", claim.digest, START) is None


def test_of_one_orders_claims_only_the_one_that_was_read_gives_way(
    orders: Orders, new: BulkOrder, claim: RowsClaim
) -> None:
    # given an order that claimed its rows in a round, and came back to them in a later one
    orders.create(new, "made")
    first = replace(claim, round=1)
    here = orders.begin(new, replace(new, status=S.AWAITING_APPROVAL, round=1), first, "first")
    assert isinstance(here, BulkOrder)
    second = replace(claim, round=2, is_firm=True)
    assert began(orders, claim, replace(first, round=7)) == RowsTaken(first)
    here = orders.begin(here, replace(here, status=S.ISSUING, round=2), second, "second", over=first)
    assert isinstance(here, BulkOrder)
    # then whoever has read the first one finds the second
    assert began(orders, claim, first) == RowsTaken(second)
    assert orders.claim_on("default", claim.digest, START) == second


# ---- budgets -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def budgets_table(table: str) -> str:
    return create_table(client(), "BudgetsTable")


@dataclass
class Funded:
    """Orders with a budget of 100 dollars a month, and what that has left."""

    orders: Orders
    name: str
    remaining: Callable[[], int | None]
    change: Callable[[int], None]
    """Somebody else takes so much from it, perhaps less than nothing."""


@pytest.fixture(params=["dynamodb", "fake"])
def funded(request: pytest.FixtureRequest, table: str, budgets_table: str) -> Funded:
    name = f"budget-{next(_numbers)}"
    fake = FakeBudgets()
    definition = fake.define(name, "100.00")
    if request.param == "fake":

        def remaining_of_fake() -> int | None:
            period = fake.periods.get((name, "2026-03"))
            return period and period.remaining

        return Funded(FakeOrders(fake), name, remaining_of_fake, lambda minor: fake.give_back(name, "2026-03", -minor))
    dynamo = client()
    dynamo.put_item(TableName=budgets_table, Item=encode_budget(definition))
    at = {"TableName": budgets_table, "Key": period_key(name, "2026-03")}

    def remaining() -> int | None:
        item = dynamo.get_item(**at, ConsistentRead=True).get("Item")
        return decode_period(decode(item)).remaining if item else None

    def change(minor: int) -> None:
        dynamo.update_item(
            **at,
            UpdateExpression="SET remaining = remaining - :minor, version = version + :one",
            ExpressionAttributeValues={":minor": {"N": str(minor)}, ":one": {"N": "1"}},
        )

    return Funded(orders_of(dynamo, table, budgets_table), name, remaining, change)


@dataclass
class Beginning:
    """An order that is about to begin, with 30 dollars of a budget."""

    of: Funded
    before: BulkOrder
    after: BulkOrder
    claim: RowsClaim

    def begin(self, nonce: str = "begun") -> BulkOrder | OrderMoved | RowsTaken:
        return self.of.orders.begin(self.before, self.after, self.claim, nonce)


@pytest.fixture
def beginning(funded: Funded, new: BulkOrder, claim: RowsClaim) -> Beginning:
    before = replace(new, budget=funded.name, status=S.VALIDATING, round=1)
    funded.orders.create(before, "made")
    after = replace(before, status=S.ISSUING, held=3000, totals={"USD": Decimal("30.00")})
    return Beginning(funded, before, after, claim)


def test_an_order_takes_its_sum_with_its_beginning_and_once(beginning: Beginning) -> None:
    of = beginning.of
    written = replace(beginning.after, budget_period="2026-03")
    assert beginning.begin() == written
    assert (of.orders.get(written.order_id), of.remaining()) == (written, 7000)
    # whose response was lost finds its own write
    assert beginning.begin() == written
    assert beginning.begin("another") == OrderMoved(written)
    assert of.remaining() == 7000


def test_the_next_order_takes_from_what_is_left_and_one_too_many_takes_nothing(
    beginning: Beginning, new: BulkOrder, claim: RowsClaim
) -> None:
    of = beginning.of
    for number, left in ((1, 7000), (2, 4000), (3, 1000)):
        order = replace(beginning.before, order_id=derive_order_id("default", f"{new.order_id}{number}"))
        of.orders.create(order, "made")
        mine = replace(claim, digest=f"{claim.digest[:-1]}{number}", order_id=order.order_id)
        of.orders.begin(order, replace(beginning.after, order_id=order.order_id), mine, f"{number}")
        assert of.remaining() == left
    with pytest.raises(BudgetExceeded):
        beginning.begin()
    # and nothing is written: neither the order nor the claim
    assert of.orders.get(new.order_id) == beginning.before
    assert (of.orders.claim_on("default", claim.digest, START), of.remaining()) == (None, 1000)


def test_an_order_whose_budget_others_take_from_at_the_same_time_sees_what_they_left(beginning: Beginning) -> None:
    of = beginning.of
    # given a process that has seen the period, and others who have taken from it since
    assert isinstance(beginning.begin(), BulkOrder)
    of.change(5000)
    again = replace(beginning, before=replace(beginning.after, budget_period="2026-03"))
    with pytest.raises(BudgetExceeded):
        again.of.orders.begin(again.before, replace(again.after, round=2), replace(again.claim, digest="f" * 64), "n")
    of.change(-1000)
    made = again.of.orders.begin(
        again.before, replace(again.after, round=2), replace(again.claim, digest="f" * 64), "n2"
    )
    assert isinstance(made, BulkOrder)
    assert of.remaining() == 0


def test_an_order_that_has_moved_or_whose_rows_are_taken_hears_that_before_any_word_of_the_budget(
    beginning: Beginning,
) -> None:
    of = beginning.of
    other = began(of.orders, beginning.claim)
    assert isinstance(other, BulkOrder)
    much = replace(beginning, after=replace(beginning.after, held=999_999))
    assert isinstance(beginning.begin(), RowsTaken)
    stopped = replace(beginning.before, status=S.STOPPING)
    of.orders.move(beginning.before, stopped, "stopped")
    assert much.begin() == OrderMoved(stopped)
    assert of.remaining() is None


def test_an_order_ends_and_gives_back_in_one_and_once(beginning: Beginning) -> None:
    of = beginning.of
    begun = beginning.begin()
    assert isinstance(begun, BulkOrder)
    settling, finished = replace(begun, status=S.SETTLING), replace(begun, status=S.FINISHED)
    of.orders.move(begun, settling, "settling")
    assert of.orders.finish(settling, finished, "finished", unopened=2000) == finished
    assert (of.orders.get(begun.order_id), of.remaining()) == (finished, 9000)
    assert of.orders.finish(settling, finished, "finished", unopened=2000) == finished
    assert of.orders.finish(settling, finished, "another", unopened=2000) == OrderMoved(finished)
    assert of.remaining() == 9000


class Conflicting:
    """DynamoDB whose first transactions meet others' writes: the emulator knows no such conflicts."""

    def __init__(self, real: Any, times: int) -> None:
        self.real, self.left = real, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def transact_write_items(self, **given: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            return self.real.transact_write_items(**given)
        reasons = [{"Code": "None"} for _ in given["TransactItems"]]
        reasons[-1] = {"Code": "TransactionConflict"}
        error: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise ClientError(error, "TransactWriteItems")


def test_writes_that_meet_others_are_tried_again_and_not_for_ever(
    table: str, budgets_table: str, new: BulkOrder, claim: RowsClaim
) -> None:
    definition = FakeBudgets().define(f"budget-{next(_numbers)}", "100.00")
    client().put_item(TableName=budgets_table, Item=encode_budget(definition))
    before = replace(new, budget=definition.name, status=S.VALIDATING, round=1)
    orders_of(client(), table).create(before, "made")
    after = replace(before, status=S.ISSUING, held=3000, totals={"USD": Decimal(30)})
    with pytest.raises(BudgetBusy):
        orders_of(Conflicting(client(), 99), table, budgets_table).begin(before, after, claim, "begun")
    begun = orders_of(Conflicting(client(), 3), table, budgets_table).begin(before, after, claim, "begun")
    assert isinstance(begun, BulkOrder)
    finished = replace(begun, status=S.FINISHED)
    with pytest.raises(OrderUnavailable):
        orders_of(Conflicting(client(), 99), table, budgets_table).finish(begun, finished, "f", unopened=1)
    assert (
        orders_of(Conflicting(client(), 3), table, budgets_table).finish(begun, finished, "f", unopened=1) == finished
    )


def test_a_beginning_without_a_budget_that_meets_others_is_left_to_the_workflow(
    table: str, new: BulkOrder, claim: RowsClaim
) -> None:
    orders = orders_of(Conflicting(client(), 1), table)
    orders.create(new, "made")
    with pytest.raises(OrderUnavailable):
        orders.begin(new, replace(new, status=S.VALIDATING), claim, "begun")


# ---- closed --------------------------------------------------------------------------------------


def test_a_row_of_a_closed_batch_is_not_opened_and_one_of_another_is(
    table: str, ledger_table: str, new: BulkOrder
) -> None:
    orders = orders_of(client(), table)
    ledger = DynamoDbLedger(client(), ledger_table, beside=beside(client(), orders=table), sleep=lambda _: None)
    orders.close(new.order_id, 2)
    orders.close(new.order_id, 2)

    def opened(number: int, batch: int) -> Any:
        made = record(request_id=f"Test1C{number}", key_hash=f"{number:064x}", order_id=new.order_id)
        key = KeyItem(
            key_hash=made.key_hash,
            request_id=made.request_id,
            account="default",
            operation=Operation.CREATE_GIFT_CARD,
            fingerprint={},
        )
        return ledger.open(made, key, f"nonce-c{number}", row=OrderRow(order_id=new.order_id, batch=batch))

    with pytest.raises(OrderClosed):
        opened(1, 2)
    assert opened(2, 1).order_id == new.order_id
    # closing is no batch of its own
    assert list(orders.batches(new.order_id)) == []


# ---- listed --------------------------------------------------------------------------------------


def test_orders_are_listed_newest_first_a_page_at_a_time_and_nothing_else_is(orders: Orders) -> None:
    # given orders of which two were made at one moment, newer than all others here
    later = START + timedelta(days=next(_numbers) + 1)
    made = []
    for number, seconds in enumerate((0, 1, 1, 2)):
        made_at = later + timedelta(seconds=seconds)
        order = replace(NEW, order_id=derive_order_id("default", f"{later}{number}"), created_at=made_at)
        orders.create(order, "n")
        orders.settle(order.order_id, Batch(number=1, settled=True), "lines")
        made.append(order)
    found: list[BulkOrder] = []
    before = None
    while len(found) < len(made):
        page, more = orders.newest(before, 1)
        assert (len(page), more) in ((1, True), (1, False))
        found += page
        before = (page[-1].created_at, page[-1].order_id)
    expected = sorted(made, key=lambda order: (order.created_at, order.order_id), reverse=True)
    assert {each.order_id for each in found} == {each.order_id for each in expected}
    assert [each.created_at for each in found] == [each.created_at for each in expected]


# ---- batches -------------------------------------------------------------------------------------


def test_a_batch_that_nobody_has_worked_on_is_empty(orders: Orders, new: BulkOrder) -> None:
    assert orders.batch(new.order_id, 7) == Batch(number=7)
    assert list(orders.batches(new.order_id)) == []


def test_of_two_progresses_the_further_one_counts(orders: Orders, new: BulkOrder) -> None:
    near = Batch(number=1, counts=Counts(issued=3), updated_at=START)
    far = Batch(number=1, counts=Counts(issued=3, refused=1, open=1), issued_value={"USD": Decimal("30.10")})
    assert orders.advance(new.order_id, near) == near
    assert orders.advance(new.order_id, far) == far
    assert orders.advance(new.order_id, near) == far
    assert orders.batch(new.order_id, 1) == far


def test_of_two_that_are_as_far_the_one_of_the_later_round_counts(orders: Orders, new: BulkOrder) -> None:
    before = Batch(number=1, counts=Counts(issued=3, open=1), round=1)
    after = Batch(number=1, counts=Counts(issued=4), round=2)
    assert orders.advance(new.order_id, before) == before
    assert orders.advance(new.order_id, after) == after
    assert orders.advance(new.order_id, replace(before, counts=Counts(open=4))) == after
    assert orders.batch(new.order_id, 1) == after


def test_a_batch_of_a_time_before_rounds_were_kept_can_be_written(table: str, new: BulkOrder) -> None:
    orders = orders_of(client(), table)
    orders.advance(new.order_id, Batch(number=1, counts=Counts(open=1), round=1))
    client().update_item(
        TableName=table,
        Key={"orderId": {"S": new.order_id}, "part": {"S": "batch#00001"}},
        UpdateExpression="REMOVE #round",
        ExpressionAttributeNames={"#round": "round"},
    )
    assert orders.batch(new.order_id, 1).round == 0
    later = Batch(number=1, counts=Counts(issued=1), round=1)
    assert orders.advance(new.order_id, later) == later


def test_a_settled_batch_is_not_taken_back(orders: Orders, new: BulkOrder) -> None:
    settled = Batch(
        number=1, counts=Counts(issued=1, not_issued=4, reversed=1, escalated=1), settled=True, unopened=4000
    )
    orders.settle(new.order_id, settled, "lines")
    assert orders.advance(new.order_id, Batch(number=1, counts=Counts(issued=50))) == settled
    assert orders.batch(new.order_id, 1) == settled


def test_batches_and_their_results_come_by_number_and_belong_to_one_order(orders: Orders, new: BulkOrder) -> None:
    other = derive_order_id("default", "other")
    numbers = [1, 2, 10, 100, 2000]
    for number in reversed(numbers):
        orders.settle(new.order_id, Batch(number=number, settled=True), f"<{number}>")
    orders.settle(other, Batch(number=3, settled=True), "<other>")
    orders.settle(new.order_id, Batch(number=5, counts=Counts(open=1)), None)
    assert [batch.number for batch in orders.batches(new.order_id)] == sorted([*numbers, 5])
    assert list(orders.results(new.order_id)) == [f"<{number}>" for number in numbers]


def test_results_of_more_than_a_page_are_read_to_the_end(table: str, new: BulkOrder) -> None:
    orders = orders_of(client(), table)
    lines = "x" * 200_000
    for number in range(1, 13):
        orders.settle(new.order_id, Batch(number=number, settled=True), f"{number}{lines}")
    assert [each[: -len(lines)] for each in orders.results(new.order_id)] == [str(n) for n in range(1, 13)]


def test_parts_of_a_result_of_both_versions_are_read_and_the_older_version_reads_its_own_only(
    table: str, new: BulkOrder
) -> None:
    orders = orders_of(client(), table)
    orders.settle(new.order_id, Batch(number=2, settled=True), "of today")
    key = {"orderId": {"S": new.order_id}, "part": {"S": "result#00001"}}
    client().put_item(TableName=table, Item={**key, "lines": {"S": "of before"}})

    assert list(orders.results(new.order_id)) == ["of before", "of today"]
    # A deployment that is rolled back must fail there: it would write today's parts into the file as they are.
    todays = client().get_item(TableName=table, Key=key | {"part": {"S": "result#00002"}})["Item"]
    assert "lines" not in todays


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, _: str) -> Any:
        def call(**__: Any) -> Any:
            raise self.error

        return call


DOWN = ReadTimeoutError(endpoint_url="https://dynamodb.test")


def test_a_table_that_cannot_be_reached_is_told_as_one_kind_of_error(new: BulkOrder) -> None:
    orders = orders_of(Failing(DOWN), "table")
    batch = Batch(number=1)
    for call in (
        lambda: orders.create(new, "n"),
        lambda: orders.get(new.order_id),
        lambda: orders.move(new, new, "n"),
        lambda: orders.begin(new, new, RowsClaim(account="a", digest="d", order_id="o", claimed_at=START), "n"),
        lambda: orders.claim_on("a", "d", START),
        lambda: list(orders.batches(new.order_id)),
        lambda: orders.batch(new.order_id, 1),
        lambda: orders.advance(new.order_id, batch),
        lambda: orders.settle(new.order_id, batch, None),
        lambda: list(orders.results(new.order_id)),
        lambda: orders.finish(new, new, "n", unopened=0),
        lambda: orders.finish(new, replace(new, budget="b", budget_period="total", held=1), "n", unopened=1),
        lambda: orders.close(new.order_id, 1),
        lambda: orders.newest(None, 1),
    ):
        with pytest.raises(OrderUnavailable):
            call()


def test_an_item_of_a_version_that_is_not_ours_is_told_as_such(table: str, new: BulkOrder) -> None:
    orders = orders_of(client(), table)
    orders.create(new, "n")
    client().update_item(
        TableName=table,
        Key={"orderId": {"S": new.order_id}, "part": {"S": "order"}},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "OF_TOMORROW"}},
    )
    with pytest.raises(OrderUnavailable, match="ValueError"):
        orders.get(new.order_id)


# ---- many records --------------------------------------------------------------------------------


@pytest.fixture
def ledger_table(table: str) -> str:
    return create_table(client(), "LedgerTable")


def _opened(ledger_table: str, number: int) -> list[Record]:
    ledger = DynamoDbLedger(client(), ledger_table, beside=beside(client()), sleep=lambda _: None)
    made = []
    for n in range(number):
        made.append(record(request_id=f"Test1R{n}", key_hash=f"{n:064}"))
        opened = ledger.open(
            made[-1],
            KeyItem(
                key_hash=f"{n:064}",
                request_id=f"Test1R{n}",
                account="default",
                operation=Operation.CREATE_GIFT_CARD,
                fingerprint={},
            ),
            f"nonce-{n}",
        )
        assert isinstance(opened, Record)
    return made


def test_records_are_read_many_at_a_time_and_the_missing_left_out(ledger_table: str) -> None:
    made = _opened(ledger_table, BATCH_GET_MAX + 5)
    ids = [each.request_id for each in made]
    found = DynamoDbRecords(client(), ledger_table, sleep=lambda _: None).get_many([*ids, *ids, "Test1NONE"])
    assert set(found) == set(ids)
    assert found["Test1R7"].key_hash == f"{7:064}"


def test_keys_are_read_many_at_a_time_and_the_missing_left_out(ledger_table: str) -> None:
    made = _opened(ledger_table, KEYS_AT_ONCE + 5)
    records = DynamoDbRecords(client(), ledger_table, sleep=lambda _: None)
    found = records.get_keys([*[each.key_hash for each in made], made[0].key_hash, "f" * 64])
    assert {key_hash: key.request_id for key_hash, key in found.items()} == {
        each.key_hash: each.request_id for each in made
    }


class Grudging:
    """DynamoDB that answers one key of a call at a time."""

    def __init__(self, real: Any, gives_up_after: int = 1000) -> None:
        self.real, self.left = real, gives_up_after

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - as AWS names it
        ((table, asked),) = RequestItems.items()
        first, others = asked["Keys"][:1], asked["Keys"][1:]
        self.left -= 1
        if self.left < 0:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        response = self.real.batch_get_item(RequestItems={table: asked | {"Keys": first}})
        unread = {table: asked | {"Keys": others}} if others else {}
        return {"Responses": response["Responses"], "UnprocessedKeys": unread}


def test_keys_that_were_left_unread_are_asked_for_again_and_not_for_ever(ledger_table: str) -> None:
    ids = [each.request_id for each in _opened(ledger_table, 4)]
    waits: list[float] = []
    assert set(DynamoDbRecords(Grudging(client()), ledger_table, sleep=waits.append).get_many(ids)) == set(ids)
    assert waits == [0.1, 0.2, 0.4]
    with pytest.raises(LedgerUnavailable):
        DynamoDbRecords(Grudging(client(), 2), ledger_table, sleep=waits.append).get_many(ids)
    with pytest.raises(LedgerUnavailable):
        DynamoDbRecords(Failing(DOWN), ledger_table, sleep=waits.append).get_many(ids)


class BetweenWrites:
    """DynamoDB of whose items some are being written by a transaction, at so many reads."""

    def __init__(self, real: Any, *codes: str) -> None:
        self.real, self.codes = real, [*codes]

    def transact_get_items(self, **asked: Any) -> Any:
        if not self.codes:
            return self.real.transact_get_items(**asked)
        reasons = [{"Code": "None"}, {"Code": self.codes.pop(0)}]
        error: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise ClientError(error, "TransactGetItems")


def test_a_key_that_is_being_written_is_waited_for_and_not_for_ever(ledger_table: str) -> None:
    # given an opening that has been decided and is not to be seen yet: a plain read would tell of the time before it
    hashes = [each.key_hash for each in _opened(ledger_table, 2)]
    waits: list[float] = []
    conflict = "TransactionConflict"
    records = DynamoDbRecords(BetweenWrites(client(), conflict, conflict), ledger_table, sleep=waits.append)  # type: ignore[arg-type]
    assert set(records.get_keys(hashes)) == set(hashes)
    assert waits == [0.1, 0.2]
    for codes in ([conflict] * 100, ["ValidationError"]):
        records = DynamoDbRecords(BetweenWrites(client(), *codes), ledger_table, sleep=waits.append)  # type: ignore[arg-type]
        with pytest.raises(LedgerUnavailable):
            records.get_keys(hashes)


# ---- files ---------------------------------------------------------------------------------------


def s3(region: str = "us-east-1") -> Any:
    made: Any = boto3
    return made.client(
        "s3", config=FILES_CONFIG, region_name=region, aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture(params=["s3", "fake"])
def files(request: pytest.FixtureRequest, table: str) -> OrderFiles:
    if request.param == "fake":
        return FakeOrderFiles(FakeClock())
    s3().create_bucket(Bucket=BUCKET)
    return S3OrderFiles(s3, BUCKET, now=lambda: START)


def put(files: OrderFiles, order_id: str, data: bytes) -> None:
    if isinstance(files, FakeOrderFiles):
        files.put(order_id, data)
    else:
        s3().put_object(Bucket=BUCKET, Key=f"orders/{order_id}/upload", Body=data)


ROWS = [
    Row(f"key-{n}", parse_money(str(n + 1), "USD"), {"externalReference": "\u00e9" * (n % 7 + 1)}) for n in range(120)
]


def test_rows_are_found_by_number(files: OrderFiles, new: BulkOrder) -> None:
    checked = Checked(rows=[encode_row(row) for row in ROWS])
    name = files.write_rows(new.order_id, checked.padded())
    order = replace(new, rows=len(ROWS), row_bytes=checked.width, rows_name=name)
    assert list(files.read_rows(order, order.rows_of(1))) == ROWS[:50]
    assert list(files.read_rows(order, order.rows_of(3))) == ROWS[100:]


def test_other_rows_of_an_order_do_not_replace_those_it_has(files: OrderFiles, new: BulkOrder) -> None:
    one, two = (Checked(rows=[encode_row(row)]) for row in ROWS[:2])
    name = files.write_rows(new.order_id, one.padded())
    assert files.write_rows(new.order_id, two.padded()) != name
    assert files.write_rows(new.order_id, one.padded()) == name
    order = replace(new, rows=1, row_bytes=one.width, rows_name=name)
    assert list(files.read_rows(order, range(1))) == ROWS[:1]


def test_an_upload_is_read_up_to_a_byte_beyond_its_limit(files: OrderFiles, new: BulkOrder) -> None:
    assert files.read_upload(new.order_id, 10) is None
    put(files, new.order_id, b"0123456789")
    assert files.read_upload(new.order_id, 10) == b"0123456789"
    put(files, new.order_id, b"0123456789abc")
    assert files.read_upload(new.order_id, 10) == b"0123456789a"


def test_a_caller_puts_and_gets_files_by_their_urls(table: str, new: BulkOrder) -> None:
    s3().create_bucket(Bucket=BUCKET)
    files = S3OrderFiles(s3, BUCKET, now=lambda: START)
    upload = files.upload(new.order_id, FileFormat.CSV)
    assert upload.method == "PUT"
    requests.put(upload.url, data=b"a file", headers=dict(upload.headers), timeout=5).raise_for_status()
    assert files.read_upload(new.order_id, 100) == b"a file"
    files.write_result(new.order_id, ["key\r\n", "\u00e9\r\n"])
    download = files.result(new.order_id)
    response = requests.get(download.url, timeout=5)
    assert response.content == "key\r\n\u00e9\r\n".encode()
    assert response.headers["Content-Disposition"] == f'attachment; filename="{new.order_id}.csv"'
    assert (upload.expires_at - START, download.expires_at - START) == (timedelta(hours=1), timedelta(minutes=15))


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_url_is_of_the_buckets_own_region_and_signs_what_must_be_sent(new: BulkOrder, region: str) -> None:
    upload = S3OrderFiles(lambda: s3(region), BUCKET, now=lambda: START).upload(new.order_id, FileFormat.JSONL)
    parts = urlsplit(upload.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    # any other host would answer a redirect, which a PUT with a body does not survive
    assert parts.hostname == f"{BUCKET}.s3.{region}.amazonaws.com"
    assert parts.path == f"/orders/{new.order_id}/upload"
    assert query["X-Amz-Expires"] == "3600"
    assert "content-type" in query["X-Amz-SignedHeaders"]
    assert upload.headers == {"Content-Type": "application/jsonl"}


def test_neither_a_repr_nor_a_log_shows_a_url(new: BulkOrder) -> None:
    files = S3OrderFiles(s3, BUCKET, now=lambda: START)
    assert "https" not in repr([files.upload(new.order_id, FileFormat.CSV), files.result(new.order_id)])


def test_a_bucket_that_cannot_be_reached_is_told_as_one_kind_of_error(new: BulkOrder) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
    files = S3OrderFiles(lambda: Failing(denied), BUCKET, now=lambda: START)
    order = replace(new, rows=1, row_bytes=5, rows_name="rows")
    for call in (
        lambda: files.read_upload(new.order_id, 1),
        lambda: files.write_rows(new.order_id, [b"x"]),
        lambda: files.read_rows(order, range(1)),
        lambda: files.write_result(new.order_id, ["x"]),
    ):
        with pytest.raises(OrderUnavailable, match="AccessDenied"):
            call()


def test_rows_that_are_not_as_they_were_written_are_not_issued(table: str, new: BulkOrder) -> None:
    s3().create_bucket(Bucket=BUCKET)
    s3().put_object(Bucket=BUCKET, Key="short", Body=b"0123")
    files = S3OrderFiles(s3, BUCKET, now=lambda: START)
    with pytest.raises(OrderUnavailable, match="not as they were written"):
        files.read_rows(replace(new, rows=2, row_bytes=3, rows_name="short"), range(2))


# ---- workflows -----------------------------------------------------------------------------------


class Machine:
    def __init__(self, error: str | None) -> None:
        self.error, self.asked = error, list[dict[str, Any]]()

    def start_execution(self, **asked: Any) -> Any:
        self.asked.append(asked)
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "StartExecution")
        return {}


@pytest.mark.parametrize(
    ("error", "started"),
    [
        (None, Started.RUNNING),
        ("ExecutionAlreadyExists", Started.ENDED),
        ("ThrottlingException", Started.FAILED),
        ("ExecutionLimitExceeded", Started.FAILED),
    ],
)
def test_a_round_is_an_execution_of_its_own_name(error: str | None, started: Started) -> None:
    machine = Machine(error)
    assert StepFunctionsOrderWorkflows(lambda: machine, "arn:machine").start("ORDER", 3) is started
    (asked,) = machine.asked
    assert (asked["stateMachineArn"], asked["name"]) == ("arn:machine", "ORDER-3")
    assert json.loads(asked["input"]) == {"orderId": "ORDER", "round": 3}
    # and so is an epoch of a request; there is nothing to do if it has one already
    assert StepFunctionsRecoveries(lambda: machine, "arn:recovery").start("Test1A", 2) is (
        started is not Started.FAILED
    )
    assert (machine.asked[1]["stateMachineArn"], machine.asked[1]["name"]) == ("arn:recovery", "Test1A-2")
    assert json.loads(machine.asked[1]["input"]) == {"requestId": "Test1A", "epoch": 2}
