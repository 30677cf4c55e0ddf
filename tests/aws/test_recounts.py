"""What budgets are counted again from, as the real adapters write it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from incentives.aws.accounts.account_states import DynamoDbAccountStates
from incentives.aws.budgets.definitions import DynamoDbBudgetDefinitions
from incentives.aws.budgets.recounts import DynamoDbRecounts
from incentives.aws.bulk_orders.order_items import encode_order
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_record
from incentives.domain.budgets.recount import Counted, HeldOrder, HeldRequest
from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderStatus
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.budgets.recount import RecountDependencies, recount_budgets
from tests.aws.test_orders import NEW
from tests.contract import motos
from tests.contract.budgets_suite import defined, new_budget
from tests.contract.records import in_state, key_of, new_nonce, new_record
from tests.contract.tables import create_table
from tests.support.fakes import START, usd
from tests.support.holds import beside, holds_of
from tests.unit.budgets.desks import desk

MARCH = "2026-03"
DAY = START.date()

_accounts = itertools.count()


@dataclass(frozen=True)
class Tables:
    """The tables, and what writes to them."""

    client: Any
    ledger: str
    accounts: str
    orders: str
    budgets: str

    @property
    def recounts(self) -> DynamoDbRecounts:
        return DynamoDbRecounts(
            self.client, ledger=self.ledger, accounts=self.accounts, orders=self.orders, sleep=lambda _: None
        )

    @property
    def definitions(self) -> DynamoDbBudgetDefinitions:
        return DynamoDbBudgetDefinitions(
            self.client, self.budgets, sleep=lambda _: None, random=lambda: 0.0, new_nonce=new_nonce
        )

    def open(self, record: Record) -> Record:
        """Open a request, and take its amount."""
        ledger = DynamoDbLedger(
            self.client,
            self.ledger,
            beside=beside(self.client, self.budgets, self.accounts, self.orders),
            sleep=lambda _: None,
        )
        opened = ledger.open(record, key_of(record), new_nonce())
        assert isinstance(opened, Record)
        return opened

    def put(self, record: Record) -> Record:
        """Write a record as it stands."""
        self.client.put_item(TableName=self.ledger, Item=encode_record(record))
        return record

    def count(self, record: Record) -> None:
        """Count it."""
        states = DynamoDbAccountStates(
            self.client,
            self.accounts,
            ledger_table=self.ledger,
            holds=holds_of(self.client, self.budgets),
            sleep=lambda _: None,
            random=lambda: 0.0,
        )
        assert states.count(record, None, START)

    def order(self, order: BulkOrder) -> BulkOrder:
        """Write an order."""
        self.client.put_item(TableName=self.orders, Item=encode_order(order, "nonce"))
        return order


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        client = motos.client()
        names = (create_table(client, f"{name}Table") for name in ("Ledger", "Account", "Orders", "Budgets"))
        yield Tables(client, *names)


@pytest.fixture
def account() -> str:
    return f"account-{next(_accounts)}"


def test_requests_that_name_a_budget_are_read_day_by_day(tables: Tables, account: str) -> None:
    # given a request with all that is looked at, the least of one, one without a budget, and one of another day
    full = tables.put(
        in_state(
            Status.REVERSED,
            account=account,
            budget="spring",
            budget_period=MARCH,
            order_id="O1",
            generation=2,
            replaces="R0",
            replaced_by="R9",
            answered_at=START,
            created_at=START,
            updated_at=START + timedelta(seconds=1),
            value=usd("25.00"),
        )
    )
    least = tables.put(new_record(account=account, budget="spring", budget_period="total", created_at=START))
    tables.put(new_record(account=account, created_at=START))
    tables.put(new_record(account=account, budget="spring", budget_period=MARCH, created_at=START + timedelta(days=1)))
    # then the first two are that day's
    found = {each.request_id: each for each in tables.recounts.requests(account, DAY)}
    assert found.keys() == {full.request_id, least.request_id}
    assert found[full.request_id] == HeldRequest(
        request_id=full.request_id,
        account=account,
        budget="spring",
        period=MARCH,
        amount=2_500,
        status=Status.REVERSED,
        created_at=START,
        updated_at=START + timedelta(seconds=1),
        answered_at=START,
        generation=2,
        replaces="R0",
        replaced_by="R9",
        order_id="O1",
    )
    assert (found[least.request_id].period, found[least.request_id].order_id) == ("total", None)


def test_a_day_of_many_pages_is_read_whole(tables: Tables, account: str) -> None:
    big = [
        tables.put(new_record(account=account, budget="spring", budget_period=MARCH, case_file="x" * 300_000))
        for _ in range(8)
    ]
    day = big[0].created_at.date()
    assert {each.request_id for each in tables.recounts.requests(account, day)} == {each.request_id for each in big}


def test_accounts_with_open_requests_are_read(tables: Tables, account: str) -> None:
    other, over = f"{account}-other", f"{account}-over"
    tables.put(new_record(account=account))
    tables.put(in_state(Status.REVERSING, account=other))
    tables.put(in_state(Status.SUCCEEDED, account=over))
    assert tables.recounts.open_accounts() & {account, other, over} == {account, other}


def test_what_requests_were_counted_as_is_read(tables: Tables, account: str) -> None:
    budget = defined(tables.definitions, new_budget(limit=100_000)).name
    opened = [
        tables.open(new_record(account=account, budget=budget, created_at=START, value=usd("25.00"))) for _ in range(3)
    ]
    charged = tables.put(replace(opened[0], status=Status.SUCCEEDED, answered_at=START, wake_at=None, version=2))
    refused = tables.put(replace(opened[1], status=Status.REFUSED, wake_at=None, version=2))
    plain = tables.put(in_state(Status.SUCCEEDED, account=account, answered_at=START))
    for each in (charged, refused, plain):
        tables.count(each)
    asked = [(account, each.request_id) for each in (charged, refused, plain, opened[2], charged)]
    found = tables.recounts.counted(asked)
    assert found[charged.request_id] == Counted(2_500, False, START)
    assert found[refused.request_id] == Counted(0, True, START)
    # of those without a budget nobody needs to know when
    assert found[plain.request_id].at is None
    assert opened[2].request_id not in found


def test_orders_that_hold_are_read_and_those_that_are_over_are_not(tables: Tables) -> None:
    base = replace(
        NEW, finished_at=None, issuing_since=START, budget="spring", budget_period=MARCH, held=7_500, created_at=START
    )
    ids = [f"{letter}" * 26 for letter in "ABCDE"]
    going = tables.order(replace(base, order_id=ids[0], status=OrderStatus.PAUSED))
    over = replace(base, status=OrderStatus.FINISHED, finished_at=START, created_at=START - timedelta(days=1))
    tables.order(replace(over, order_id=ids[1]))
    new = tables.order(replace(over, order_id=ids[2], created_at=START + timedelta(seconds=1)))
    tables.order(replace(base, order_id=ids[3], budget=None, budget_period=None, held=0))
    waiting = tables.order(replace(base, order_id=ids[4], status=OrderStatus.VALIDATED, budget_period=None, held=0))

    found = tables.recounts.orders(START + timedelta(seconds=1))
    assert found.keys() == {going.order_id, new.order_id, waiting.order_id}
    assert found[going.order_id] == HeldOrder(
        order_id=going.order_id,
        budget="spring",
        period=MARCH,
        held=7_500,
        created_at=going.created_at,
        began_at=START,
        finished_at=None,
    )
    assert (found[going.order_id].holds, found[new.order_id].holds, found[waiting.order_id].holds) == (
        True,
        False,
        False,
    )
    # and whoever is known is told of, too
    assert ids[1] in tables.recounts.orders(START + timedelta(seconds=1), [ids[1], ids[0]])


def test_tables_that_cannot_be_read_are_told(tables: Tables) -> None:
    lost = DynamoDbRecounts(tables.client, ledger="no", accounts="no", orders="no", sleep=lambda _: None)
    for call in (
        lambda: [*lost.requests("a", DAY)],
        lost.open_accounts,
        lambda: lost.counted([("a", "R")]),
        lambda: lost.orders(START),
    ):
        with pytest.raises(LedgerUnavailable):
            call()


def test_what_the_real_adapters_write_adds_up_and_a_hand_in_it_is_found(tables: Tables, account: str) -> None:
    # given requests of a budget, made and counted by the adapters that do it
    budget = defined(tables.definitions, new_budget(limit=100_000, created_at=START)).name
    for status in (Status.SUCCEEDED, Status.REFUSED, Status.ESCALATED):
        opened = tables.open(new_record(account=account, budget=budget, created_at=START, value=usd("25.00")))
        answered = START if status is Status.SUCCEEDED else None
        ended = replace(opened, status=status, answered_at=answered, updated_at=START, wake_at=None, version=2)
        tables.count(tables.put(ended))
    tables.open(new_record(account=account, budget=budget, created_at=START, value=usd("1.00")))
    here = desk()
    here.world.clock.time = START + timedelta(hours=1)
    counting = RecountDependencies(
        budgets=replace(here.here, definitions=tables.definitions),
        recounts=tables.recounts,
        accounts=lambda: [account],
        seconds_left=lambda: 900.0,
    )
    assert differences(counting, budget) == []
    # when somebody writes by hand
    holds = holds_of(tables.client, tables.budgets)
    tables.client.transact_write_items(TransactItems=[holds.give_back(budget, MARCH, 700)])
    # then it is told, with what there ought to be: 100,000 less an escalated, an open and a charged one
    (told,) = differences(counting, budget)
    assert (told["remaining"], told["expectedRemaining"]) == (95_600, 94_900)
    assert (told["spent"], told["expectedSpent"]) == (2_500, 2_500)


def differences(counting: RecountDependencies, budget: str) -> list[dict[str, Any]]:
    """What a recount tells of one budget."""
    telemetry: Any = counting.budgets.dependencies.telemetry
    before = len(telemetry.lines)
    recount_budgets(counting)
    found = [facts for event, facts in telemetry.lines[before:] if event == "budgetDiffers"]
    return [facts for facts in found if facts["budget"] == budget]
