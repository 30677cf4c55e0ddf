"""The DynamoDB pacer on moto, and a pacer in memory that stands for the rule itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.aws.pacer import ABSURDLY_FAR, DynamoDbPacer
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.pacing import Full, Slot, from_milliseconds, interval_milliseconds, to_milliseconds
from tests.contract import motos
from tests.contract.pacer_suite import INTERVAL, RATE, START, MakePacer, PacerContract, account, slot_of
from tests.contract.tables import create_table
from tests.support.fakes import FakeClock

__all__ = ["account"]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client()


@pytest.fixture(scope="module")
def table(client: Any) -> str:
    return create_table(client, "PacerTable")


@dataclass
class Writes:
    """The updates that a pacer sends, in order: what each sets, and whether it took effect."""

    seen: list[tuple[str, bool]] = field(default_factory=list)

    def note_params(self, params: dict[str, Any], **_: object) -> None:
        self.seen.append(("add" if "tat + " in params["UpdateExpression"] else "start", False))

    def note_answer(self, http_response: Any, **_: object) -> None:
        self.seen[-1] = (self.seen[-1][0], http_response.status_code == 200)

    def take(self) -> list[tuple[str, bool]]:
        taken, self.seen = self.seen, []
        return taken


@pytest.fixture
def writes(client: Any) -> Iterator[Writes]:
    noted = Writes()
    client.meta.events.register("provide-client-params.dynamodb.UpdateItem", noted.note_params)
    client.meta.events.register("after-call.dynamodb.UpdateItem", noted.note_answer)
    yield noted
    client.meta.events.unregister("provide-client-params.dynamodb.UpdateItem", noted.note_params)
    client.meta.events.unregister("after-call.dynamodb.UpdateItem", noted.note_answer)


class TestDynamoDbPacerOnMoto(PacerContract):
    @pytest.fixture
    def make_pacer(self, client: Any, table: str) -> MakePacer:
        return lambda now: DynamoDbPacer(client, table, requests_per_second=RATE, now=now)


class TestTheRuleItself(PacerContract):
    @pytest.fixture
    def make_pacer(self) -> MakePacer:
        shared: dict[str, datetime] = {}
        lock = threading.Lock()
        return lambda now: _Rule(shared, lock, now)


class _Rule:
    """GCRA with all the world in one lock."""

    def __init__(self, tats: dict[str, datetime], lock: threading.Lock, now: Callable[[], datetime]) -> None:
        self._tats = tats
        self._lock = lock
        self._now = now

    def reserve(self, account: str, *, wait_seconds_max: float) -> Slot | Full:
        with self._lock:
            now = self._now()
            slot = max(self._tats.get(account, now), now)
            if slot > now + timedelta(seconds=wait_seconds_max):
                return Full(slot)
            self._tats[account] = slot + INTERVAL
            return Slot(slot)


# ---- how it is written --------------------------------------------------------------------------


def test_each_slot_costs_one_write_when_the_pacer_knows_the_account(
    client: Any, table: str, writes: Writes, account: str
) -> None:
    # given
    clock = FakeClock(START)
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=clock.now)
    # when it is idle: the update that starts comes first
    slot_of(pacer.reserve(account, wait_seconds_max=2))
    assert writes.take() == [("start", True)]
    # when it is busy: the update that adds
    slot_of(pacer.reserve(account, wait_seconds_max=2))
    assert writes.take() == [("add", True)]
    # when it has become idle
    clock.sleep(5)
    slot_of(pacer.reserve(account, wait_seconds_max=2))
    assert writes.take() == [("start", True)]


def test_a_stranger_to_a_busy_account_needs_one_more_look(
    client: Any, table: str, writes: Writes, account: str
) -> None:
    slot_of(
        DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START).reserve(account, wait_seconds_max=2)
    )
    writes.take()
    stranger = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    slot_of(stranger.reserve(account, wait_seconds_max=2))
    assert writes.take() == [("start", False), ("add", True)]


def test_a_full_account_is_not_written(client: Any, table: str, writes: Writes, account: str) -> None:
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    slot_of(pacer.reserve(account, wait_seconds_max=0))
    before = _item(client, table, account)
    writes.take()
    assert isinstance(pacer.reserve(account, wait_seconds_max=0), Full)
    assert all(not taken for _, taken in writes.take())
    assert _item(client, table, account) == before


def test_losing_the_item_costs_nothing(client: Any, table: str, account: str) -> None:
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    slot_of(pacer.reserve(account, wait_seconds_max=0))
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    assert slot_of(pacer.reserve(account, wait_seconds_max=0)) == START


# ---- what others may have written ---------------------------------------------------------------


def test_an_item_without_a_time_is_refused_by_name(client: Any, table: str, account: str) -> None:
    # given
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"NULL": True}})
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    # when
    with pytest.raises(LedgerUnavailable, match=account) as failure:
        pacer.reserve(account, wait_seconds_max=2)
    # then
    assert failure.value.in_doubt is False


def test_a_strange_number_is_a_time_long_past(client: Any, table: str, account: str) -> None:
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": "1.5"}})
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    assert slot_of(pacer.reserve(account, wait_seconds_max=2)) == START


def test_a_time_that_only_a_wrong_clock_could_write_does_not_close_the_account(
    client: Any, table: str, account: str
) -> None:
    # given
    far = to_milliseconds(START + ABSURDLY_FAR) + 1
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    # when, then
    assert slot_of(pacer.reserve(account, wait_seconds_max=0)) == START
    assert slot_of(pacer.reserve(account, wait_seconds_max=1)) == START + INTERVAL


def test_a_time_that_somebody_may_wait_for_is_obeyed(client: Any, table: str, account: str) -> None:
    far = to_milliseconds(START + ABSURDLY_FAR)
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    pacer = DynamoDbPacer(client, table, requests_per_second=RATE, now=lambda: START)
    assert pacer.reserve(account, wait_seconds_max=2) == Full(START + ABSURDLY_FAR)


def test_a_table_that_cannot_be_written_is_certain(client: Any) -> None:
    pacer = DynamoDbPacer(client, "no-such-table", requests_per_second=RATE, now=lambda: START)
    with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException") as failure:
        pacer.reserve("default", wait_seconds_max=2)
    assert failure.value.in_doubt is False


# ---- the maths ----------------------------------------------------------------------------------


@given(rate=st.floats(min_value=0.001, max_value=1000))
def test_the_interval_is_never_shorter_than_the_rate_allows(rate: float) -> None:
    interval = interval_milliseconds(rate)
    assert interval >= 1
    assert interval * rate >= 1000 - 1e-6
    assert (interval - 1) * rate < 1000 + 1e-6


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_no_rate_is_no_pace(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        interval_milliseconds(rate)


@given(milliseconds=st.integers(0, 4_000_000_000_000))
def test_milliseconds_become_times_exactly(milliseconds: int) -> None:
    moment = from_milliseconds(milliseconds)
    assert moment.microsecond % 1000 == 0
    assert milliseconds - to_milliseconds(moment) in (0, 1)


def _item(client: Any, table: str, account: str) -> dict[str, Any]:
    item: dict[str, Any] = client.get_item(TableName=table, Key={"id": {"S": account}})["Item"]
    return item
