"""What is known of accounts, on moto's DynamoDB: the same suite for the table and for its double."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest

from incentives.agcod.reading.responses import Funds
from incentives.aws.accounts.account_states import TRIES_MAX, WAIT_SECONDS_MAX, DynamoDbAccountStates
from incentives.aws.items import decode
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.aws.single_requests.beside import counted_key
from incentives.domain.accounts.account import Account, AccountFunds
from incentives.domain.accounts.alerts import Alert, AlertStanding, Raised
from incentives.domain.accounts.funds import STALE_MAX, AccountState, Snapshot
from incentives.domain.accounts.spend import COUNTED_FOR, charge_of, charged_on
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.money import Money, parse_money
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Pace
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.accounts.funds import funds_outlook
from tests.contract import motos
from tests.contract.budget_suite import MARCH, again, asked, budget, end, place, write
from tests.contract.conflicts import put_in_the_way
from tests.contract.dynamodb_suite import open_shop, subject_of
from tests.contract.subject import Figures, all_at_once
from tests.contract.tables import create_table
from tests.support.fakes import START, FakeAccountStates, usd, world
from tests.support.holds import states_of
from tests.unit.builders import record

SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
TODAY: Final = START.date()

States = DynamoDbAccountStates | FakeAccountStates


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        made = motos.client()
        yield made


@pytest.fixture(scope="module")
def table(client: Any) -> str:
    return create_table(client, "AccountTable")


@pytest.fixture(params=["table", "double"])
def states(request: pytest.FixtureRequest, client: Any, table: str) -> States:
    return states_of(client, table) if request.param == "table" else FakeAccountStates()


@pytest.fixture
def account() -> str:
    return f"account-{next(_numbers)}"


_numbers = itertools.count()


def snapshot(account: str, amount: str = "100.00", after: timedelta = timedelta()) -> Snapshot:
    return Snapshot(AccountFunds(account, usd(amount), START + after - SECOND), START + after)


# ---- the balance --------------------------------------------------------------------------------


def test_nothing_is_known_of_a_new_account(states: States, account: str) -> None:
    assert states.read(account, TODAY) == AccountState()


@pytest.mark.parametrize(
    "available",
    [usd("1250.07"), Money(Decimal("0.00"), "USD"), Money(Decimal("-12.50"), "EUR"), Money(Decimal(90_000), "JPY")],
    ids=str,
)
def test_a_balance_is_read_as_it_was_kept(states: States, account: str, available: Money) -> None:
    kept = Snapshot(AccountFunds(account, available, START - SECOND), START)
    states.keep_funds(kept)
    found = states.read(account, TODAY)
    assert (found.snapshot, found.known_since) == (kept, START)
    assert found.snapshot is not None
    assert found.snapshot.funds.available.amount_text == available.amount_text


def test_a_newer_balance_takes_the_place_of_an_older_one_and_not_the_other_way_round(
    states: States, account: str
) -> None:
    for each in (snapshot(account), snapshot(account, "90.00", 2 * SECOND), snapshot(account, "95.00", SECOND)):
        states.keep_funds(each)
    found = states.read(account, TODAY)
    assert (found.snapshot, found.known_since) == (snapshot(account, "90.00", 2 * SECOND), START)


def test_a_balance_from_the_future_keeps_nobody_out(states: States, account: str) -> None:
    states.keep_funds(snapshot(account, "1.00", STALE_MAX + SECOND))
    states.keep_funds(snapshot(account, "2.00"))
    assert states.read(account, TODAY).snapshot == snapshot(account, "2.00")


def test_a_table_that_is_not_there_is_named(client: Any, account: str) -> None:
    states = states_of(client, "no-such-table")
    for call in (
        lambda: states.read(account, TODAY),
        lambda: states.keep_funds(snapshot(account)),
        lambda: states.keep_standing(account, AlertStanding()),
        lambda: states.count(issued(account), None, START),
        states.accounts,
    ):
        with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException") as told:
            call()
        assert told.value.in_doubt is False


# ---- the alerts ---------------------------------------------------------------------------------


def test_alerts_are_read_as_they_were_kept(states: States, account: str) -> None:
    alerts = {alert: Raised(START, told=alert is Alert.DAYS_LOW) for alert in Alert}
    alerts[Alert.INSUFFICIENT_FUNDS] = Raised(START, told=True, needed=Decimal("25.00"))
    assert states.keep_standing(account, AlertStanding(alerts))
    assert states.read(account, TODAY).standing == AlertStanding(alerts, version=1)
    assert states.keep_standing(account, AlertStanding(version=1))
    assert states.read(account, TODAY).standing == AlertStanding(version=2)


def test_of_two_who_write_alerts_only_the_first_has_written(states: States, account: str) -> None:
    low, old = (AlertStanding({alert: Raised(START)}) for alert in (Alert.BALANCE_LOW, Alert.KEY_AGE_150))
    assert [states.keep_standing(account, each) for each in (low, old)] == [True, False]
    assert states.read(account, TODAY).standing == replace(low, version=1)
    assert not states.keep_standing(account, replace(old, version=7))


def test_an_alert_that_only_a_newer_version_knows_is_left_out(client: Any, table: str, account: str) -> None:
    alerts = '{"moonFull":{"since":"2026-03-01T12:00:00.000Z","told":true,"phase":1}}'
    client.put_item(
        TableName=table,
        Item={"account": {"S": account}, "part": {"S": "watch"}, "alerts": {"S": alerts}, "version": {"N": "3"}},
    )
    assert states_of(client, table).read(account, TODAY).standing == AlertStanding(version=3)


# ---- the totals ---------------------------------------------------------------------------------


def issued(account: str, version: int = 2, **updates: Any) -> Record:
    known = {"account": account, "request_id": f"Test1{account.replace('-', '')}", "answered_at": START}
    return record(Status.SUCCEEDED, version=version, **(known | updates))


def tally(states: States, account: str, today: date = TODAY) -> dict[tuple[str, str, str], tuple[int, int]]:
    return {
        (day.isoformat(), currency, operation.value): (each.minor, each.count)
        for day, kinds in states.read(account, today).days.items()
        for (currency, operation), each in kinds.items()
    }


def test_a_request_counts_once_and_comes_off_when_it_is_reversed(states: States, account: str) -> None:
    first = issued(account)
    gone = replace(first, status=Status.REVERSED, version=4)
    assert [states.count(each, None, START) for each in (first, first)] == [True, False]
    assert tally(states, account) == {("2026-03-01", "USD", "CreateGiftCard"): (2500, 1)}
    assert [states.count(each, charge_of(first), START) for each in (gone, first, gone)] == [True, False, False]
    assert tally(states, account) == {("2026-03-01", "USD", "CreateGiftCard"): (0, 0)}
    # but what was ever charged stays known
    assert charged_on(states.read(account, TODAY).days, TODAY, "USD") == 2500


def test_a_reversal_that_is_told_before_the_success_leaves_nothing(states: States, account: str) -> None:
    first = issued(account)
    assert states.count(replace(first, status=Status.REVERSED, version=4), charge_of(first), START)
    assert not states.count(first, None, START)
    assert tally(states, account) == {}


def test_each_day_currency_and_operation_has_its_own_total(states: States, account: str) -> None:
    yen = parse_money(900, "JPY")
    load = Operation.LOAD_AMAZON_BALANCE
    kinds: list[dict[str, Any]] = [
        {},
        {"value": usd("0.07")},
        {"value": yen},
        {"operation": load},
        {"answered_at": START + DAY},
    ]
    for number, updates in enumerate(kinds):
        assert states.count(issued(account, request_id=f"Test1{account}{number}", **updates), None, START)
    moved = issued(account, version=3, request_id=f"Test1{account}0", answered_at=START + DAY)
    assert states.count(moved, charge_of(issued(account)), START)
    assert tally(states, account, TODAY + DAY) == {
        ("2026-03-01", "USD", "CreateGiftCard"): (7, 1),
        ("2026-03-01", "JPY", "CreateGiftCard"): (900, 1),
        ("2026-03-01", "USD", "LoadAmazonBalance"): (2500, 1),
        ("2026-03-02", "USD", "CreateGiftCard"): (5000, 2),
    }


def test_what_was_counted_and_forgotten_comes_off_its_own_day(states: States, account: str) -> None:
    old = issued(account)
    states.count(issued(account, request_id=f"Test1{account}other"), None, START)
    later = START + COUNTED_FOR + 2 * DAY
    assert states.count(replace(old, status=Status.REVERSED, version=4), charge_of(old), later)
    assert tally(states, account) == {("2026-03-01", "USD", "CreateGiftCard"): (0, 0)}


def test_no_more_days_are_read_than_an_average_needs(states: States, account: str) -> None:
    for number in range(20):
        at = START - number * DAY
        states.count(issued(account, request_id=f"Test1{account}{number}", answered_at=at), None, START)
    assert sorted(states.read(account, TODAY).days) == [TODAY - n * DAY for n in range(14, -1, -1)]


def test_reading_costs_the_same_however_many_requests_were_counted(client: Any, table: str, account: str) -> None:
    states = states_of(client, table)
    states.keep_funds(snapshot(account))
    read: list[int] = []

    def note(parsed: dict[str, Any], **_: object) -> None:
        read.append(parsed["ScannedCount"])

    client.meta.events.register("after-call.dynamodb.Query", note)
    for number in range(60):
        states.count(issued(account, request_id=f"Test1{account}{number}"), None, START)
        if number in {0, 59}:
            states.read(account, TODAY)
    client.meta.events.unregister("after-call.dynamodb.Query", note)
    assert read == [2, 2]


def test_what_is_remembered_expires(client: Any, table: str, account: str) -> None:
    states_of(client, table).count(issued(account), None, START)
    items = client.query(
        TableName=table, KeyConditionExpression="account = :a", ExpressionAttributeValues={":a": {"S": account}}
    )["Items"]
    days = {
        item["part"]["S"].partition("#")[0]: (int(item["expiresAt"]["N"]) - START.timestamp()) / 86_400
        for item in items
    }
    assert days == {"counted": 60.0, "day": 399.5}


def test_what_is_remembered_of_a_request_with_a_budget_outlives_every_batch_that_failed(client: Any) -> None:
    # given a refused request whose amount has come back
    shop = open_shop(client, client)
    subject = subject_of(shop)
    refused = end(subject, place(subject, asked(budget(subject, 100_00))), Status.REFUSED)
    subject.states.count(refused, None, START)

    def remembered() -> dict[str, Any]:
        key = counted_key(refused.account, refused.request_id)
        return decode(client.get_item(TableName=shop.accounts, Key=key)["Item"])

    first = remembered()
    assert first["expiresAt"] == (START + 400 * DAY).timestamp()
    assert (first["givenBack"], first["countedAt"]) == (True, "2026-03-01T12:00:00.000Z")
    # when it is ordered again, and that is told
    subject.ledger.reissue(again(refused), "again")
    newest = subject.ledger.get(refused.request_id)
    assert newest is not None
    assert subject.states.count(newest, None, START + DAY)
    # then it stays so
    assert (remembered()["version"], remembered()["givenBack"]) == (newest.version, True)


def test_what_was_counted_of_a_request_with_a_budget_is_remembered_for_as_long(client: Any) -> None:
    """After two months a request without one would be taken for forgotten; this one was never counted."""
    subject = subject_of(open_shop(client, client))
    name = budget(subject, 100_00)
    issued = write(subject, place(subject, asked(name)), status=Status.SUCCEEDED, answered_at=START)
    reversing = write(subject, issued, status=Status.REVERSING, wake_at=START)
    reversed_ = write(subject, reversing, status=Status.REVERSED)
    # when its end is told first, and what was before never
    subject.states.count(reversed_, charge_of(reversing), START + 90 * DAY)
    assert subject.desk.figures(name, MARCH) == Figures(100_00, 100_00, 0)


def test_a_crowd_at_one_budget_waits_a_little_and_then_the_batch_comes_again(client: Any) -> None:
    # given a budget that others are always writing
    shop = open_shop(client, client)
    subject = subject_of(shop)
    name = budget(subject, 100_00)
    refused = end(subject, place(subject, asked(name)), Status.REFUSED)
    crowded, sleeps = motos.client(), list[float]()
    put_in_the_way(crowded, 1.0)
    states = states_of(crowded, shop.accounts, shop.table, shop.budgets, sleep=sleeps.append, random=lambda: 1.0)
    # when
    with pytest.raises(LedgerUnavailable):
        states.count(refused, None, START)
    # then
    assert len(sleeps) == TRIES_MAX
    assert max(sleeps) == WAIT_SECONDS_MAX
    assert subject.desk.figures(name, MARCH) == Figures(100_00, 75_00, 0)
    assert subject.states.count(refused, None, START)


def test_many_at_once_count_each_request_once(client: Any, table: str, account: str) -> None:
    # given twenty requests of one day, each told by four consumers in orders of their own
    records = [issued(account, request_id=f"Test1{account}{number}") for number in range(20)]

    def consumer(seed: int) -> Callable[[], int]:
        def run() -> int:
            mine = states_of(client, table)
            order = Random(seed).sample(records, len(records))
            return sum(mine.count(each, None, START) for each in order)

        return run

    # when
    written = all_at_once(*(consumer(seed) for seed in range(4)))
    # then
    assert sum(written) == len(records)
    found = tally(states_of(client, table), account)
    assert found == {("2026-03-01", "USD", "CreateGiftCard"): (50_000, 20)}


# ---- which accounts there are -------------------------------------------------------------------


def test_an_account_is_listed_once_it_was_asked_about_or_charged(states: States, account: str) -> None:
    other = f"{account}-other"
    assert not {account, other} & set(states.accounts())
    states.keep_funds(snapshot(account))
    states.count(issued(other), None, START)
    assert sorted({account, other} & set(states.accounts())) == [account, other]


# ---- two callers at once ------------------------------------------------------------------------


def test_callers_at_once_ask_amazon_no_more_than_once_a_second(client: Any, table: str) -> None:
    # given an Amazon that takes long enough for a second caller to come, and then a third
    w = world()
    w.dependencies = replace(
        w.dependencies,
        rate_limiter=DynamoDbRateLimiter(client, create_table(client, "PacerTable"), pace=Pace(), now=w.clock.now),
    )
    states = states_of(client, table)
    asked: list[float] = []
    told: list[str] = []

    def caller() -> None:
        told.append(funds_outlook("default", w.dependencies, states, w.budget()).funds.available.amount_text)

    def funds(account: Account, *, seconds: float) -> Funds:
        asked.append((w.clock.now() - START).total_seconds())
        nth = len(asked)
        if nth < 3:
            caller()
        w.clock.sleep(0.2)
        return Funds(usd(f"{nth}.00"), w.clock.now())

    w.amazon.funds = funds  # type: ignore[method-assign]
    # when
    caller()
    caller()
    # then each that Amazon had to response came a second after the one before, and the last caller found it answered
    assert asked == [0.0, 1.0, 2.0]
    assert told == ["3.00", "2.00", "1.00", "1.00"]
