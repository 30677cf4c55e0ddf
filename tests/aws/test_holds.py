"""Taking from a budget when others are in the way, and when responses get lost: the real client, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.budgets.budget_items import encode_budget, encode_period
from incentives.aws.budgets.holds import SECONDS_MAX, TRIES_MAX, WAIT_SECONDS, WAIT_SECONDS_MAX, DynamoDbHolds
from incentives.aws.clients import CLIENT_CONFIG
from incentives.aws.single_requests.beside import Beside
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_key, encode_record
from incentives.domain.budgets.budget import Budget, Period, PeriodKind
from incentives.domain.errors import BudgetBusy, BudgetExceeded, BudgetUnusable, LedgerUnavailable
from incentives.domain.single_requests.record import KeyTaken, Record
from tests.aws.scripted import (
    CONFLICT,
    FAULT,
    NONE,
    THROTTLED,
    Response,
    Script,
    Silence,
    cancelled,
    ok,
    scripted_dynamodb,
)
from tests.contract.records import START, key_of, new_record
from tests.support.fakes import FakeClock, usd
from tests.support.holds import holds_of

READ_TIMEOUT_SECONDS = 0.3
NAME = "spring"
DEFINED = Budget(
    name=NAME,
    limit=100_00,
    currency="USD",
    kind=PeriodKind.MONTH,
    active=True,
    version=1,
    created_at=START,
    changed_at=START,
)
FAILED = {"Code": "ConditionalCheckFailed"}


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_dynamodb() as server:
        yield server


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


class Stand:
    """A ledger whose waits pass at once."""

    def __init__(self, script: Script, random: Callable[[], float] = lambda: 0.5, zone: str = "UTC") -> None:
        self.script, self.clock, self.sleeps = script, FakeClock(START), list[float]()
        client: Any = boto3.client(
            "dynamodb",
            config=CLIENT_CONFIG.merge(Config(read_timeout=READ_TIMEOUT_SECONDS)),
            endpoint_url=script.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.holds: DynamoDbHolds = holds_of(client, now=self.clock.now, sleep=self._sleep, random=random, zone=zone)
        beside = Beside(self.holds, "accounts", "orders")
        self.ledger = DynamoDbLedger(client, "ledger", beside=beside, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock.sleep(seconds)

    def open(self, *responses: Any, record: Record | None = None, nonce: str = "nonce") -> object:
        """Open a request; the calls that it makes are answered so."""
        self.script.responses = list(responses)
        record = record or new_record(budget=NAME)
        return self.ledger.open(record, key_of(record), nonce)

    @property
    def transactions(self) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.script.calls if name == "TransactWriteItems"]


def defined(**updates: Any) -> Response:
    return ok(Item=encode_budget(DEFINED) | {name: value for name, value in updates.items() if value})


def period(remaining: int, version: int, *, active: bool = True) -> dict[str, Any]:
    return encode_period(
        Period(
            budget=NAME,
            period="2026-03",
            limit=100_00,
            remaining=remaining,
            currency="USD",
            active=active,
            version=version,
        )
    )


def refused_by(item: dict[str, Any]) -> Response:
    return cancelled(NONE, NONE, FAILED | {"Item": item})


CONFLICTS = cancelled(NONE, NONE, CONFLICT)


def crowded(parameters: dict[str, Any]) -> Response:
    """A budget that somebody is always writing, and a key that nobody has."""
    if "TransactItems" in parameters:
        return CONFLICTS
    return ok() if "id" in parameters["Key"] else ok(Item=period(100_00, 7))


def conditions(transaction: dict[str, Any]) -> dict[str, Any]:
    """The values in the period's condition."""
    (update,) = [each["Update"] for each in transaction["TransactItems"] if "Update" in each]
    values: dict[str, Any] = update["ExpressionAttributeValues"]
    return values


def test_who_has_taken_before_needs_one_call(script: Script) -> None:
    # given
    stand = Stand(script)
    stand.open(defined(), ok(Item=period(100_00, 7)), ok())
    # when
    stand.open(ok())
    # then of the version that its own write has left
    assert script.names == ["GetItem", "GetItem", "TransactWriteItems", "TransactWriteItems"]
    assert [conditions(each)[":seen"] for each in stand.transactions] == [{"N": "7"}, {"N": "8"}]


def test_another_version_is_tried_at_once_with_what_came_back(script: Script) -> None:
    # given somebody who has taken since
    stand = Stand(script)
    record = new_record(budget=NAME)
    opened = stand.open(
        defined(), ok(Item=period(100_00, 7)), refused_by(period(30_00, 9)), refused_by(period(25_00, 10)), ok(),
        record=record,
    )  # fmt: skip
    # then
    assert isinstance(opened, Record)
    assert stand.sleeps == []
    assert [conditions(each)[":seen"]["N"] for each in stand.transactions] == ["7", "9", "10"]
    # and each try, of another content, is a transaction of its own that can recognise the others
    tokens = {each["ClientRequestToken"] for each in stand.transactions}
    assert len(tokens) == 3
    assert all(1 <= len(each) <= 36 for each in tokens)
    nonces = {each["TransactItems"][0]["Put"]["Item"]["nonce"]["S"] for each in stand.transactions}
    assert nonces == {"nonce"}


@pytest.mark.parametrize(
    ("item", "error"),
    [(period(24_99, 7), BudgetExceeded), (period(24_99, 7, active=False), BudgetUnusable)],
    ids=["too little", "inactive"],
)
def test_the_version_that_was_seen_refuses_once_the_key_was_looked_for(
    item: dict[str, Any], error: type[Exception], script: Script
) -> None:
    stand = Stand(script)
    with pytest.raises(error):
        stand.open(defined(), ok(Item=period(100_00, 7)), refused_by(item), ok())
    assert script.names[-2:] == ["TransactWriteItems", "GetItem"]
    key = script.calls[-1][1]
    assert key["Key"]["id"]["S"].startswith("KEY#")
    assert key["ConsistentRead"] is True


def test_the_key_decides_before_the_budget(script: Script) -> None:
    # given a key that was taken at this moment, of which the transaction said nothing
    stand = Stand(script)
    record = new_record(budget=NAME)
    holder = key_of(record, nonce="theirs")
    # when
    result = stand.open(
        defined(), ok(Item=period(100_00, 7)), refused_by(period(0, 7)), ok(Item=encode_key(holder)), record=record
    )
    # then
    assert result == KeyTaken(holder)
    assert not stand.holds.was_refused(NAME)


def test_budgets_out_of_reach_keep_nobody_from_what_is_issued(script: Script) -> None:
    stand = Stand(script)
    record = new_record(budget=NAME)
    holder = key_of(record, nonce="theirs")
    assert stand.open(FAULT, FAULT, FAULT, ok(Item=encode_key(holder)), record=record) == KeyTaken(holder)
    with pytest.raises(LedgerUnavailable) as failure:
        stand.open(FAULT, FAULT, FAULT, ok())
    assert failure.value.in_doubt is False


def test_what_conflicts_waits_and_reads_anew(script: Script) -> None:
    stand = Stand(script)
    opened = stand.open(
        defined(), ok(Item=period(100_00, 7)), CONFLICTS, ok(Item=period(100_00, 8)), CONFLICTS,
        ok(Item=period(100_00, 9)), ok(),
    )  # fmt: skip
    assert isinstance(opened, Record)
    assert [conditions(each)[":seen"]["N"] for each in stand.transactions] == ["7", "8", "9"]
    assert stand.sleeps == [WAIT_SECONDS / 2, WAIT_SECONDS]


def test_a_conflict_of_whoever_has_the_key_is_found_with_the_next_try(script: Script) -> None:
    stand = Stand(script)
    record = new_record(budget=NAME)
    holder = key_of(record, nonce="theirs")
    result = stand.open(
        defined(), ok(Item=period(100_00, 7)), cancelled(CONFLICT, NONE, NONE), ok(Item=period(100_00, 7)),
        cancelled(FAILED | {"Item": encode_key(holder)}, FAILED, NONE), record=record,
    )  # fmt: skip
    assert result == KeyTaken(holder)


@pytest.mark.parametrize("random", [0.0, 1.0])
def test_a_budget_is_busy_after_so_many_tries_or_so_long(random: float, script: Script) -> None:
    stand = Stand(script, lambda: random)
    # given that others are always in the way
    calls = [crowded] * 3 * TRIES_MAX
    with pytest.raises(BudgetBusy) as busy:
        stand.open(defined(), ok(Item=period(100_00, 7)), *calls)
    # then nobody has waited for longer, nor tried more often
    assert busy.value.retryable
    assert sum(stand.sleeps) <= SECONDS_MAX
    assert all(each <= WAIT_SECONDS_MAX for each in stand.sleeps)
    assert len(stand.transactions) == TRIES_MAX if random == 0.0 else 5 < len(stand.transactions) < TRIES_MAX
    # and whoever has the key is asked last
    assert "id" in script.calls[-1][1]["Key"]


def test_busy_after_a_lost_response_is_a_doubt(script: Script) -> None:
    stand = Stand(script, lambda: 0.0)
    calls = [crowded] * 3 * TRIES_MAX
    with pytest.raises(LedgerUnavailable) as failure:
        stand.open(defined(), ok(Item=period(100_00, 7)), Silence(), *calls)
    assert failure.value.in_doubt


def test_a_lost_try_that_took_effect_is_known_by_its_nonce(script: Script) -> None:
    # given a try whose response is lost, and which the SDK repeats when another has taken since
    stand = Stand(script)
    record = new_record(budget=NAME)
    ours = encode_key(key_of(record, nonce="nonce"))
    written = {**encode_record(record), "budgetPeriod": {"S": "2026-03"}}
    result = stand.open(
        defined(), ok(Item=period(100_00, 7)), Silence(),
        cancelled(FAILED | {"Item": ours}, FAILED, FAILED | {"Item": period(50_00, 9)}), ok(Item=written),
        record=record,
    )  # fmt: skip
    assert isinstance(result, Record)
    assert (result.nonce, result.budget_period) == ("nonce", "2026-03")


def test_too_little_after_a_lost_response_is_certain(script: Script) -> None:
    """The lost try was of the same version: what is refused now, it cannot get later either."""
    stand = Stand(script)
    with pytest.raises(BudgetExceeded):
        stand.open(defined(), ok(Item=period(100_00, 7)), Silence(), refused_by(period(10_00, 7)), ok())


def test_a_write_that_failed_is_in_doubt_as_any_other(script: Script) -> None:
    for responses, in_doubt in (([THROTTLED] * 3, False), ([Silence(), THROTTLED, THROTTLED], True)):
        stand = Stand(script)
        with pytest.raises(LedgerUnavailable) as failure:
            stand.open(defined(), ok(Item=period(100_00, 7)), *responses, ok())
        assert failure.value.in_doubt is in_doubt


def test_a_period_is_made_of_the_definition_that_is_read_and_no_other(script: Script) -> None:
    # given a limit that is lowered between the read and the write
    stand = Stand(script)
    with pytest.raises(BudgetExceeded):
        stand.open(
            defined(), ok(), cancelled(NONE, NONE, NONE, FAILED), ok(),
            defined(limit={"N": "2400"}, version={"N": "2"}), ok(),
        )  # fmt: skip
    # then it is asked for the version that it was made of
    check = stand.transactions[0]["TransactItems"][-1]["ConditionCheck"]
    assert check["Key"] == {"budget": {"S": "#budgets"}, "part": {"S": NAME}}
    assert check["ExpressionAttributeValues"] == {":seen": {"N": "1"}}


def test_a_period_that_somebody_else_made_is_taken_from(script: Script) -> None:
    stand = Stand(script)
    opened = stand.open(defined(), ok(), cancelled(NONE, NONE, FAILED | {"Item": period(75_00, 1)}, NONE), ok())
    assert isinstance(opened, Record)
    assert conditions(stand.transactions[1])[":seen"] == {"N": "1"}


def test_who_was_refused_looks_first_for_ten_seconds(script: Script) -> None:
    stand = Stand(script)
    assert not stand.holds.was_refused(NAME)
    with pytest.raises(BudgetExceeded):
        stand.open(defined(), ok(Item=period(100_00, 7)), refused_by(period(0, 7)), ok())
    stand.clock.sleep(9.9)
    assert stand.holds.was_refused(NAME)
    assert not stand.holds.was_refused("another")
    stand.clock.sleep(0.1)
    assert not stand.holds.was_refused(NAME)


def test_a_look_refuses_as_the_budget_would_and_begins_the_ten_seconds_anew(script: Script) -> None:
    stand = Stand(script)
    for responses, error in (
        ([ok()], BudgetUnusable),
        ([defined(currencyCode={"S": "EUR"})], BudgetUnusable),
        ([defined(active={"BOOL": False}), ok()], BudgetUnusable),
        ([defined(), ok(Item=period(24_99, 3))], BudgetExceeded),
        ([defined(limit={"N": "2499"}), ok()], BudgetExceeded),
    ):
        script.responses = list(responses)
        stand.clock.sleep(60)
        with pytest.raises(error):
            stand.holds.check(NAME, usd("25.00"))
        assert stand.holds.was_refused(NAME)
    # when it has enough
    script.responses = [defined(), ok(Item=period(25_00, 4))]
    stand.holds.check(NAME, usd("25.00"))
    assert not stand.holds.was_refused(NAME)
    assert all(parameters.get("ConsistentRead") for _, parameters in script.calls)


def test_made_up_names_are_not_remembered_for_ever(script: Script) -> None:
    stand = Stand(script)
    for number in range(1_100):
        stand.holds._note_refused(f"made-up-{number}")
    assert len(stand.holds._refused) == 1_000
    stand.clock.sleep(11)
    stand.holds._note_refused(NAME)
    assert stand.holds.was_refused(NAME)
    assert len(stand.holds._refused) == 1


def test_a_month_begins_where_the_books_are_kept(script: Script) -> None:
    # given a request at the very end of March, by UTC
    stand = Stand(script, zone="Pacific/Auckland")
    moment = START.replace(day=31, hour=12)
    stand.open(defined(), ok(), ok(), record=new_record(budget=NAME, created_at=moment))
    assert stand.transactions[0]["TransactItems"][2]["Put"]["Item"]["part"] == {"S": "period#2026-04"}
