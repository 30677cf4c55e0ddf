"""The DynamoDB rate limiter on moto, and the rule in memory that it is compared with."""

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

from incentives.aws.rate_limiter import ABSURDLY_FAR, DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import (
    CLIMB_EVERY_MILLISECONDS,
    SLOWEST_INTERVAL_MILLISECONDS,
    Allowance,
    Frozen,
    Full,
    Pace,
    Priority,
    from_milliseconds,
    interval_milliseconds,
    slower,
    to_milliseconds,
)
from tests.contract import motos
from tests.contract.rate_limiter_model import Now
from tests.contract.rate_limiter_suite import (
    INTERVAL,
    PACE,
    START,
    MakeRateLimiter,
    RateLimiterContract,
    account,
    ahead_by,
    permit_of,
    take_all,
)
from tests.contract.tables import create_table
from tests.pacing.table import Table
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
    """The updates that rate limiters send, in order: what each would do, and whether it took effect."""

    seen: list[tuple[str, bool]] = field(default_factory=list)

    def note_params(self, params: dict[str, Any], **_: object) -> None:
        update = params["UpdateExpression"]
        kinds = {"tat = tat +": "add", "tat = :next": "start", "lineTat = ": "line", "slowedAt = ": "slow"}
        kinds |= {"activityWantedAt = ": "want", "frozen = ": "freeze"}
        self.seen.append((next(kind for part, kind in kinds.items() if f" {part}" in update), False))

    def note_response(self, http_response: Any, **_: object) -> None:
        self.seen[-1] = (self.seen[-1][0], http_response.status_code == 200)

    def take(self) -> list[tuple[str, bool]]:
        taken, self.seen = self.seen, []
        return taken


@pytest.fixture
def writes(client: Any) -> Iterator[Writes]:
    noted = Writes()
    client.meta.events.register("provide-client-params.dynamodb.UpdateItem", noted.note_params)
    client.meta.events.register("after-call.dynamodb.UpdateItem", noted.note_response)
    yield noted
    client.meta.events.unregister("provide-client-params.dynamodb.UpdateItem", noted.note_params)
    client.meta.events.unregister("after-call.dynamodb.UpdateItem", noted.note_response)


@pytest.fixture
def make_rate_limiter(client: Any, table: str) -> MakeRateLimiter:
    def make(now: Now, pace: Pace = PACE) -> DynamoDbRateLimiter:
        return DynamoDbRateLimiter(client, table, pace=pace, now=now)

    return make


class OneAtATime(Table):
    """For callers in threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def update_item(self, **params: Any) -> dict[str, Any]:
        with self._lock:
            return super().update_item(**params)


class TestDynamoDbRateLimiterInThisProcess(RateLimiterContract):
    """On the table that answers as moto's does (tests/pacing/test_table.py); with real races in tests/stack."""

    @pytest.fixture
    def make_rate_limiter(self) -> MakeRateLimiter:
        table: Any = OneAtATime()

        def make(now: Now, pace: Pace = PACE) -> DynamoDbRateLimiter:
            return DynamoDbRateLimiter(table, "PacerTable", pace=pace, now=now)

        return make


# ---- how it is written --------------------------------------------------------------------------


def test_each_permit_costs_one_write_when_the_rate_limiter_knows_the_account(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    # given
    clock = FakeClock(START)
    rate_limiter = make_rate_limiter(clock.now)
    # when it is idle: the update that starts comes first
    permit_of(rate_limiter.reserve(account, Priority.CALLER))
    assert writes.take() == [("start", True)]
    # when it is busy: the update that adds
    permit_of(rate_limiter.reserve(account, Priority.CALLER))
    assert writes.take() == [("add", True)]
    # when it has become idle
    clock.sleep(5)
    permit_of(rate_limiter.reserve(account, Priority.CALLER))
    assert writes.take() == [("start", True)]


def test_with_an_allowance_too(make_rate_limiter: MakeRateLimiter, writes: Writes, account: str) -> None:
    rate_limiter = make_rate_limiter(lambda: START)
    permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=Allowance.FUNDS))
    permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=Allowance.ACTIVITY))
    assert writes.take() == [("start", True), ("add", True)]


def test_whoever_is_refused_joins_the_line_with_one_write(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    rate_limiter = make_rate_limiter(lambda: START)
    take_all(rate_limiter, account)
    writes.take()
    for _ in range(3):
        rate_limiter.line_up(account)
    assert writes.take() == [("line", True)] * 3


def test_that_an_account_is_not_frozen_costs_no_write(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    rate_limiter = make_rate_limiter(lambda: START)
    permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
    permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
    assert writes.take() == [("start", True), ("add", True)]
    # and that it is costs one look, however often it is asked
    rate_limiter.freeze(account, frozen=True, version=1)
    rate_limiter.freeze(account, frozen=True, version=1)
    assert writes.take() == [("freeze", True), ("freeze", False)]
    assert rate_limiter.reserve(account, Priority.CALLER, never_sent=True) == Frozen()
    assert rate_limiter.line_up(account) == Frozen()
    assert writes.take() == [("add", False), ("line", False)]


def test_a_stranger_to_a_busy_account_needs_one_more_look(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    permit_of(make_rate_limiter(lambda: START).reserve(account, Priority.CALLER))
    writes.take()
    permit_of(make_rate_limiter(lambda: START).reserve(account, Priority.CALLER))
    assert writes.take() == [("start", False), ("add", True)]


def test_a_slow_down_costs_one_write_and_others_one_look(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    # given two processes that know the account
    rate_limiters = [make_rate_limiter(lambda: START) for _ in range(2)]
    for rate_limiter in rate_limiters:
        permit_of(rate_limiter.reserve(account, Priority.CALLER))
    writes.take()
    # when one is throttled: twice, at once
    rate_limiters[0].slow_down(account)
    rate_limiters[0].slow_down(account)
    # then
    assert writes.take() == [("slow", True)]
    # and the other finds out at its next permit
    permit_of(rate_limiters[1].reserve(account, Priority.CALLER))
    permit_of(rate_limiters[1].reserve(account, Priority.CALLER))
    assert writes.take() == [("add", False), ("add", True), ("add", True)]


def test_a_wish_for_the_page_costs_one_write_a_minute_however_many_want_it(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    # given recoveries that find the page taken
    clock = FakeClock(START)
    rate_limiters = [make_rate_limiter(clock.now) for _ in range(3)]
    permit_of(rate_limiters[0].reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY))
    for _ in range(2):
        writes.take()
        # when
        for rate_limiter in rate_limiters:
            assert isinstance(rate_limiter.reserve(account, Priority.RECOVERY, allowance=Allowance.ACTIVITY), Full)
            rate_limiter.want_activity(account)
        # then
        assert [write for write in writes.take() if write[0] == "want"] == [("want", True)]
        clock.sleep(59.9)
        rate_limiters[0].want_activity(account)
        assert writes.take() == []
        clock.sleep(0.1)
        permit_of(rate_limiters[0].reserve(account, Priority.CALLER, allowance=Allowance.ACTIVITY))


def test_a_clock_far_behind_costs_one_look(make_rate_limiter: MakeRateLimiter, writes: Writes, account: str) -> None:
    permit_of(make_rate_limiter(lambda: START).reserve(account, Priority.CALLER))
    behind = make_rate_limiter(ahead_by(timedelta(hours=-2), lambda: START))
    writes.take()
    assert permit_of(behind.reserve(account, Priority.CALLER)) == START - timedelta(hours=2) + INTERVAL
    permit_of(behind.reserve(account, Priority.CALLER))
    assert writes.take() == [("start", False), ("add", True), ("add", True)]


def test_a_crowd_that_knows_the_account_writes_once_each(
    make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    # given processes in the middle of their work
    clock = FakeClock(START)
    rate_limiters = [make_rate_limiter(clock.now) for _ in range(8)]
    for rate_limiter in rate_limiters:
        permit_of(rate_limiter.reserve(account, Priority.CALLER))
    writes.take()
    # when each takes permits among the others, at the pace at which they are handed out
    for rate_limiter in itertools.islice(itertools.cycle(rate_limiters), 80):
        clock.sleep(0.12)
        permit_of(rate_limiter.reserve(account, Priority.CALLER))
    # then
    assert writes.take() == [("add", True)] * 80


def test_a_full_account_is_not_written(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, writes: Writes, account: str
) -> None:
    rate_limiter = make_rate_limiter(lambda: START)
    take_all(rate_limiter, account)
    before = _item(client, table, account)
    writes.take()
    assert isinstance(rate_limiter.reserve(account, Priority.CALLER), Full)
    assert writes.take() == [("add", False)]
    assert _item(client, table, account) == before


def test_losing_the_item_costs_nothing(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    # given
    rate_limiter = make_rate_limiter(lambda: START)
    take_all(rate_limiter, account)
    rate_limiter.slow_down(account)
    rate_limiter.line_up(account)
    # when
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    # then
    assert len(take_all(rate_limiter, account, Priority.CALLER)) == 13
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    assert rate_limiter.line_up(account) <= START + timedelta(seconds=2)
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    rate_limiter.slow_down(account)
    # and a wish that got lost with it holds up nobody
    rate_limiter.want_activity(account)
    client.delete_item(TableName=table, Key={"id": {"S": account}})
    permit_of(rate_limiter.reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY))


# ---- what others may have written ---------------------------------------------------------------


def test_an_item_without_a_time_is_refused_by_name(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    # given
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"NULL": True}})
    rate_limiter = make_rate_limiter(lambda: START)
    # when
    with pytest.raises(LedgerUnavailable, match=account) as failure:
        rate_limiter.reserve(account, Priority.CALLER)
    # then
    assert failure.value.in_doubt is False


def test_a_strange_number_is_a_time_long_past(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": "1.5"}})
    assert permit_of(make_rate_limiter(lambda: START).reserve(account, Priority.CALLER)) == START


def test_an_item_of_times_alone_is_understood(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    # given what a rate limiter of an earlier version has left
    busy = to_milliseconds(START + INTERVAL)
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(busy)}})
    # when, then
    assert take_all(make_rate_limiter(lambda: START), account, Priority.BULK) == [
        START + INTERVAL * each for each in range(1, 5)
    ]


def test_a_time_that_nobody_can_have_written_does_not_close_the_account(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    # given
    far = to_milliseconds(START + ABSURDLY_FAR) + 1
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    # when, then
    assert take_all(make_rate_limiter(lambda: START), account, Priority.BULK) == [
        START + INTERVAL * each for each in range(5)
    ]


def test_a_time_that_somebody_may_wait_for_is_obeyed(
    client: Any, table: str, make_rate_limiter: MakeRateLimiter, account: str
) -> None:
    far = to_milliseconds(START + ABSURDLY_FAR)
    client.put_item(TableName=table, Item={"id": {"S": account}, "tat": {"N": str(far)}})
    full = make_rate_limiter(lambda: START).reserve(account, Priority.CALLER)
    assert isinstance(full, Full)
    assert full.next_at == START + ABSURDLY_FAR


@pytest.mark.parametrize("act", ["reserve", "line_up", "slow_down", "want_activity", "freeze"])
def test_a_table_that_cannot_be_written_is_certain(client: Any, act: str) -> None:
    rate_limiter = DynamoDbRateLimiter(client, "no-such-table", pace=PACE, now=lambda: START)
    arguments = ("default", Priority.CALLER) if act == "reserve" else ("default",)
    more: dict[str, Any] = {"frozen": True, "version": 1} if act == "freeze" else {}
    with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException") as failure:
        getattr(rate_limiter, act)(*arguments, **more)
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
def test_every_priority_sees_less_than_those_above_it_and_none_sees_nothing(share: float) -> None:
    seen = [Pace(share_kept=share).patience(priority) for priority in Priority]
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
