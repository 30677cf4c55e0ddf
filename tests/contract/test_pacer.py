"""The DynamoDB pacer on moto, and the rule in memory that it is compared with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.aws.pacer import ABSURDLY_FAR, DynamoDbPacer
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.pacing import (
    CLIMB_EVERY_MILLISECONDS,
    SLOWEST_INTERVAL_MILLISECONDS,
    Allowance,
    Full,
    Lane,
    Pace,
    from_milliseconds,
    interval_milliseconds,
    slower,
    to_milliseconds,
)
from tests.contract import motos
from tests.contract.pacer_model import ModelPacer, Now
from tests.contract.pacer_suite import (
    INTERVAL,
    PACE,
    START,
    MakePacer,
    PacerContract,
    account,
    ahead_by,
    slot_of,
    take_all,
)
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
    """The updates that pacers send, in order: what each would do, and whether it took effect."""

    seen: list[tuple[str, bool]] = field(default_factory=list)

    def note_params(self, params: dict[str, Any], **_: object) -> None:
        update = params["UpdateExpression"]
        kinds = {"tat = tat +": "add", "tat = :next": "start", "lineTat = ": "line", "slowedAt = ": "slow"}
        self.seen.append((next(kind for part, kind in kinds.items() if f" {part}" in update), False))

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


@pytest.fixture
def make_pacer(client: Any, table: str) -> MakePacer:
    def make(now: Now, pace: Pace = PACE) -> DynamoDbPacer:
        return DynamoDbPacer(client, table, pace=pace, now=now)

    return make


class TestDynamoDbPacerOnMoto(PacerContract):
    pass


class TestTheRuleItself(PacerContract):
    @pytest.fixture
    def make_pacer(self) -> MakePacer:
        shared: dict[str, dict[str, int]] = {}
        lock = threading.Lock()
        clocks: list[Now] = []

        def make(now: Now, pace: Pace = PACE) -> ModelPacer:
            clocks.append(now)
            return ModelPacer(shared, lock, pace, clocks[0], now)

        return make


# ---- how it is written --------------------------------------------------------------------------


def test_each_slot_costs_one_write_when_the_pacer_knows_the_account(
    make_pacer: MakePacer, writes: Writes, account: str
) -> None:
    # given
    clock = FakeClock(START)
    pacer = make_pacer(clock.now)
    # when it is idle: the update that starts comes first
    slot_of(pacer.reserve(account, Lane.CALLER))
    assert writes.take() == [("start", True)]
    # when it is busy: the update that adds
    slot_of(pacer.reserve(account, Lane.CALLER))
    assert writes.take() == [("add", True)]
    # when it has become idle
    clock.sleep(5)
    slot_of(pacer.reserve(account, Lane.CALLER))
    assert writes.take() == [("start", True)]


def test_with_an_allowance_too(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    pacer = make_pacer(lambda: START)
    slot_of(pacer.reserve(account, Lane.CALLER, allowance=Allowance.FUNDS))
    slot_of(pacer.reserve(account, Lane.CALLER, allowance=Allowance.ACTIVITY))
    assert writes.take() == [("start", True), ("add", True)]


def test_whoever_is_refused_joins_the_line_with_one_write(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    pacer = make_pacer(lambda: START)
    take_all(pacer, account)
    writes.take()
    for _ in range(3):
        pacer.line_up(account)
    assert writes.take() == [("line", True)] * 3


def test_a_stranger_to_a_busy_account_needs_one_more_look(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    slot_of(make_pacer(lambda: START).reserve(account, Lane.CALLER))
    writes.take()
    slot_of(make_pacer(lambda: START).reserve(account, Lane.CALLER))
    assert writes.take() == [("start", False), ("add", True)]


def test_a_slow_down_costs_one_write_and_others_one_look(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    # given two processes that know the account
    pacers = [make_pacer(lambda: START) for _ in range(2)]
    for pacer in pacers:
        slot_of(pacer.reserve(account, Lane.CALLER))
    writes.take()
    # when one is throttled: twice, at once
    pacers[0].slow_down(account)
    pacers[0].slow_down(account)
    # then
    assert writes.take() == [("slow", True)]
    # and the other finds out at its next slot
    slot_of(pacers[1].reserve(account, Lane.CALLER))
    slot_of(pacers[1].reserve(account, Lane.CALLER))
    assert writes.take() == [("add", False), ("add", True), ("add", True)]


def test_a_clock_far_behind_costs_one_look(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    slot_of(make_pacer(lambda: START).reserve(account, Lane.CALLER))
    behind = make_pacer(ahead_by(timedelta(hours=-2), lambda: START))
    writes.take()
    assert slot_of(behind.reserve(account, Lane.CALLER)) == START - timedelta(hours=2) + INTERVAL
    slot_of(behind.reserve(account, Lane.CALLER))
    assert writes.take() == [("start", False), ("add", True), ("add", True)]


def test_a_crowd_that_knows_the_account_writes_once_each(make_pacer: MakePacer, writes: Writes, account: str) -> None:
    # given processes in the middle of their work
    clock = FakeClock(START)
    pacers = [make_pacer(clock.now) for _ in range(8)]
    for pacer in pacers:
        slot_of(pacer.reserve(account, Lane.CALLER))
    writes.take()
    # when each takes slots among the others, at the pace at which they are handed out
    for pacer in itertools.islice(itertools.cycle(pacers), 80):
        clock.sleep(0.12)
        slot_of(pacer.reserve(account, Lane.CALLER))
    # then
    assert writes.take() == [("add", True)] * 80


def test_a_full_account_is_not_written(
    client: Any, table: str, make_pacer: MakePacer, writes: Writes, account: str
) -> None:
    pacer = make_pacer(lambda: START)
    take_all(pacer, account)
    before = _item(client, table, account)
    writes.take()
    assert isinstance(pacer.reserve(account, Lane.CALLER), Full)
    assert writes.take() == [("add", False)]
    assert _item(client, table, account) == before


def test_losing_the_item_costs_nothing(client: Any, table: str, make_pacer: MakePacer, account: str) -> None:
    # given
    pacer = make_pacer(lambda: START)
    take_all(pacer, account)
    pacer.slow_down(account)
    pacer.line_up(account)
    # when
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    # then
    assert len(take_all(pacer, account, Lane.CALLER)) == 13
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    assert pacer.line_up(account) <= START + timedelta(seconds=2)
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    pacer.slow_down(account)


# ---- what others may have written ---------------------------------------------------------------


def test_an_item_without_a_time_is_refused_by_name(
    client: Any, table: str, make_pacer: MakePacer, account: str
) -> None:
    # given
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"NULL": True}})
    pacer = make_pacer(lambda: START)
    # when
    with pytest.raises(LedgerUnavailable, match=account) as failure:
        pacer.reserve(account, Lane.CALLER)
    # then
    assert failure.value.in_doubt is False


def test_a_strange_number_is_a_time_long_past(client: Any, table: str, make_pacer: MakePacer, account: str) -> None:
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": "1.5"}})
    assert slot_of(make_pacer(lambda: START).reserve(account, Lane.CALLER)) == START


def test_an_item_of_times_alone_is_understood(client: Any, table: str, make_pacer: MakePacer, account: str) -> None:
    # given what a pacer of an earlier version has left
    busy = to_milliseconds(START + INTERVAL)
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(busy)}})
    # when, then
    assert take_all(make_pacer(lambda: START), account, Lane.BULK) == [START + INTERVAL * each for each in range(1, 5)]


def test_a_time_that_nobody_can_have_written_does_not_close_the_account(
    client: Any, table: str, make_pacer: MakePacer, account: str
) -> None:
    # given
    far = to_milliseconds(START + ABSURDLY_FAR) + 1
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    # when, then
    assert take_all(make_pacer(lambda: START), account, Lane.BULK) == [START + INTERVAL * each for each in range(5)]


def test_a_time_that_somebody_may_wait_for_is_obeyed(
    client: Any, table: str, make_pacer: MakePacer, account: str
) -> None:
    far = to_milliseconds(START + ABSURDLY_FAR)
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    full = make_pacer(lambda: START).reserve(account, Lane.CALLER)
    assert isinstance(full, Full)
    assert full.next_at == START + ABSURDLY_FAR


@pytest.mark.parametrize("act", ["reserve", "line_up", "slow_down"])
def test_a_table_that_cannot_be_written_is_certain(client: Any, act: str) -> None:
    pacer = DynamoDbPacer(client, "no-such-table", pace=PACE, now=lambda: START)
    arguments = ("default", Lane.CALLER) if act == "reserve" else ("default",)
    with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException") as failure:
        getattr(pacer, act)(*arguments)
    assert failure.value.in_doubt is False


# ---- the maths ----------------------------------------------------------------------------------

_RATES = st.floats(min_value=0.001, max_value=1000)


@given(rate=_RATES)
def test_the_interval_is_never_shorter_than_the_rate_allows(rate: float) -> None:
    interval = interval_milliseconds(rate)
    assert interval >= 1
    assert interval * rate >= 1000 - 1e-6
    assert (interval - 1) * rate < 1000 + 1e-6


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_no_rate_is_no_pace(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        interval_milliseconds(rate)
    with pytest.raises(ValueError, match="positive"):
        Pace(requests_per_second=rate)


@pytest.mark.parametrize("wrong", [{"burst": 0}, {"share_kept": -0.01}, {"share_kept": 0.31}])
def test_a_pace_that_would_starve_somebody_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"burst|share"):
        Pace(**wrong)


@given(share=st.floats(0, 0.3))
def test_every_lane_sees_less_than_those_above_it_and_none_sees_nothing(share: float) -> None:
    seen = [Pace(share_kept=share).patience(lane) for lane in Lane]
    assert seen == sorted(seen)
    assert seen[0] >= 199
    assert seen[-1] == 2000


@given(rate=_RATES, slowed=st.integers(1, 10**13), times=st.integers(1, 20), later=st.integers(-10_000, 200_000))
def test_a_slowed_pace_climbs_and_never_beyond_what_is_configured(
    rate: float, slowed: int, times: int, later: int
) -> None:
    # given a pace that was halved again and again
    pace = Pace(requests_per_second=rate)
    slow = pace.interval
    for _ in range(times):
        slow = slower(slow)
    assert pace.interval <= slow <= max(SLOWEST_INTERVAL_MILLISECONDS, pace.interval)
    # when, then
    now = pace.interval_at(slowed + later, slowed, slow)
    assert pace.interval <= now <= slow
    assert pace.interval_at(slowed + later + CLIMB_EVERY_MILLISECONDS, slowed, slow) <= now
    assert pace.interval_at(slowed + pace.climbed_back_after, slowed, slow) == pace.interval


@given(milliseconds=st.integers(0, 4_000_000_000_000))
def test_milliseconds_become_times_exactly(milliseconds: int) -> None:
    moment = from_milliseconds(milliseconds)
    assert moment.microsecond % 1000 == 0
    assert milliseconds - to_milliseconds(moment) in (0, 1)


def _item(client: Any, table: str, account: str) -> dict[str, Any]:
    item: dict[str, Any] = client.get_item(TableName=table, Key={"id": {"S": account}})["Item"]
    return item
