"""What every rate limiter does. A class of tests inherits `RateLimiterContract` and supplies `make_rate_limiter`."""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from incentives.domain.rate_limit import (
    ACTIVITY_YIELDED_MILLISECONDS,
    ALLOWANCE_MILLISECONDS,
    Allowance,
    Frozen,
    Full,
    Pace,
    Permit,
    Priority,
)
from incentives.usecases.ports import RateLimiter
from sandbox.model.throttle import most_in_any_second
from tests.contract.rate_limiter_model import ModelRateLimiter, Now
from tests.contract.subject import THREADS, all_at_once
from tests.support.fakes import FakeClock

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

#: Eight a second.
PACE = Pace()
INTERVAL = timedelta(milliseconds=125)

#: How far ahead each priority may take a permit, at the default share.
PATIENCE = {
    Priority.BULK: timedelta(seconds=0.5),
    Priority.BACKLOG: timedelta(seconds=1),
    Priority.CALLER: timedelta(seconds=1.5),
    Priority.RECOVERY: timedelta(seconds=2),
}

#: Amazon's limit.
CALLS_IN_A_SECOND_MAX = 10


class MakeRateLimiter(Protocol):
    """Makes a rate limiter with a memory of its own, as another process has it; all of one test share one table."""

    def __call__(self, now: Now, pace: Pace = PACE) -> RateLimiter: ...


_accounts = itertools.count()


@pytest.fixture
def account() -> str:
    """One that nobody else uses."""
    return f"account-{next(_accounts)}"


def permit_of(result: Permit | Full) -> datetime:
    assert isinstance(result, Permit), result
    return result.at


def take_all(rate_limiter: RateLimiter, account: str, priority: Priority = Priority.RECOVERY) -> list[datetime]:
    """Take permits until there are no more for this priority."""
    permits = []
    while isinstance(result := rate_limiter.reserve(account, priority), Permit):
        permits.append(result.at)
        assert len(permits) < 100, "there is no end to the slots"
    return permits


def ahead_by(skew: timedelta, now: Now) -> Now:
    return lambda: now() + skew


@dataclass
class Process:
    """A caller's process: a rate limiter of its own, by a clock that is wrong.

    Attributes:
        clock: the true time.
        left_at: when its calls left, by the true time.
    """

    rate_limiter: RateLimiter
    skew: timedelta
    clock: FakeClock
    left_at: list[datetime] = field(default_factory=list)

    def ask(self, account: str, priority: Priority = Priority.CALLER) -> bool:
        """Take a permit if there is one; the call leaves when the process's own clock has come to it."""
        result = self.rate_limiter.reserve(account, priority)
        if isinstance(result, Permit):
            self.left_at.append(max(self.clock.now(), result.at - self.skew))
        return isinstance(result, Permit)


def busiest_second(*processes: Process) -> int:
    return most_in_any_second((at - START).total_seconds() for process in processes for at in process.left_at)


class RateLimiterContract:
    """The promises of `incentives.usecases.ports.RateLimiter`, at eight requests a second unless said otherwise."""

    # ---- permits and priorities --------------------------------------------------------------------------

    def test_an_idle_account_starts_at_once(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        for pause, priority in zip((0.0, 0.5, 2.0, 3600.0, 86_400.0), itertools.cycle(Priority)):
            clock.sleep(pause)
            assert permit_of(rate_limiter.reserve(account, priority)) == clock.now()

    @pytest.mark.parametrize("priority", Priority)
    def test_each_priority_looks_ahead_as_far_as_it_may(
        self, priority: Priority, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        rate_limiter = make_rate_limiter(lambda: START)
        # when
        permits = take_all(rate_limiter, account, priority)
        # then the permit at the end of what it sees is still its own
        assert permits == [START + INTERVAL * number for number in range(PATIENCE[priority] // INTERVAL + 1)]

    def test_a_higher_priority_finds_permits_where_a_lower_one_finds_none(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        rate_limiter = make_rate_limiter(lambda: START)
        # when every priority takes what it can, the lowest first
        found = {priority: len(take_all(rate_limiter, account, priority)) for priority in Priority}
        # then four permits were kept for each from those below it, and nothing is left for any
        assert found == {Priority.BULK: 5, Priority.BACKLOG: 4, Priority.CALLER: 4, Priority.RECOVERY: 4}
        assert not any(take_all(rate_limiter, account, priority) for priority in Priority)

    def test_where_no_share_is_kept_all_priorities_are_one(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        rate_limiter = make_rate_limiter(lambda: START, Pace(share_kept=0))
        assert len(take_all(rate_limiter, account, Priority.BULK)) == 17
        assert not take_all(rate_limiter, account, Priority.RECOVERY)

    @pytest.mark.parametrize("priority", Priority)
    def test_a_full_account_takes_nothing_and_says_when_to_come_again(
        self, priority: Priority, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        next_at = take_all(rate_limiter, account, priority)[-1] + INTERVAL
        # when callers ask in vain
        responses = {rate_limiter.reserve(account, priority) for _ in range(5)}
        # then all are told the same, and whoever comes when told has that permit
        (full,) = responses
        assert full == Full(next_at, next_at - PATIENCE[priority])
        clock.sleep((full.again_at - clock.now()).total_seconds())
        assert permit_of(rate_limiter.reserve(account, priority)) == next_at

    def test_accounts_do_not_wait_for_each_other(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        rate_limiter = make_rate_limiter(lambda: START)
        take_all(rate_limiter, account)
        rate_limiter.line_up(account)
        rate_limiter.slow_down(account)
        rate_limiter.want_activity(account)
        permit_of(rate_limiter.reserve(f"{account}-third", Priority.BULK, allowance=Allowance.ACTIVITY))
        assert take_all(rate_limiter, f"{account}-other") == [START + INTERVAL * number for number in range(17)]

    def test_a_burst_comes_first_and_is_paid_for(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given an account that may make three calls at once
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now, Pace(burst=3))
        # when, then
        assert take_all(rate_limiter, account, Priority.BULK) == [START] * 3 + [
            START + INTERVAL * each for each in range(1, 5)
        ]
        # and after as long as it takes to fill up again
        clock.sleep(0.5 + 3 * 0.125)
        assert take_all(rate_limiter, account, Priority.BULK)[:4] == [clock.now()] * 3 + [clock.now() + INTERVAL]

    # ---- the line ---------------------------------------------------------------------------------

    def test_who_joins_the_line_is_told_when_it_is_due(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given an account whose next free permit is in two seconds
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        free_at = take_all(rate_limiter, account)[-1] + INTERVAL
        # when
        due = [rate_limiter.line_up(account) for _ in range(80)]
        # then each is due one interval after the one before
        assert due == [free_at + INTERVAL * number for number in range(1, 81)]
        # and when the line is over, another begins
        clock.sleep(3600)
        assert rate_limiter.line_up(account) == clock.now() + INTERVAL

    def test_callers_go_behind_those_in_line(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given a line of ten seconds
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        last = [rate_limiter.line_up(account) for _ in range(80)][-1]
        # when, then: its own worker and the recovery pass, callers do not
        full = rate_limiter.reserve(account, Priority.CALLER)
        assert full == Full(last, last - PATIENCE[Priority.CALLER])
        assert permit_of(rate_limiter.reserve(account, Priority.BACKLOG)) == START
        assert permit_of(rate_limiter.reserve(account, Priority.RECOVERY)) == START + INTERVAL
        # and a caller who comes when told has a permit
        clock.sleep((full.again_at - START).total_seconds())
        assert permit_of(rate_limiter.reserve(account, Priority.CALLER)) == clock.now()

    def test_a_line_reserves_nothing(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        rate_limiter = make_rate_limiter(lambda: START)
        for _ in range(80):
            rate_limiter.line_up(account)
        assert take_all(rate_limiter, account) == [START + INTERVAL * number for number in range(17)]

    # ---- allowances -------------------------------------------------------------------------------

    @pytest.mark.parametrize("allowance", Allowance)
    def test_an_allowance_counts_beside_the_rate(
        self, allowance: Allowance, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        apart = timedelta(milliseconds=ALLOWANCE_MILLISECONDS[allowance])
        other = next(each for each in Allowance if each is not allowance)
        # when, then: it uses up one of the account's permits
        assert permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=allowance)) == START
        # and another is had only when its time has come, which holds up nobody else
        full = rate_limiter.reserve(account, Priority.CALLER, allowance=allowance)
        assert full == Full(START + apart, START + apart - INTERVAL)
        assert permit_of(rate_limiter.reserve(account, Priority.CALLER)) == START + INTERVAL
        assert permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=other)) == START + INTERVAL * 2
        clock.sleep(apart.total_seconds() - 0.001)
        assert isinstance(rate_limiter.reserve(account, Priority.CALLER, allowance=allowance), Full)
        clock.sleep(0.001)
        assert permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=allowance)) == START + apart

    def test_an_allowance_is_counted_from_when_its_call_leaves(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given a permit of the allowance in a second
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        for _ in range(8):
            permit_of(rate_limiter.reserve(account, Priority.CALLER))
        leaves = permit_of(rate_limiter.reserve(account, Priority.CALLER, allowance=Allowance.FUNDS))
        assert leaves == START + timedelta(seconds=1)
        # when, then
        full = rate_limiter.reserve(account, Priority.CALLER, allowance=Allowance.FUNDS)
        assert isinstance(full, Full)
        assert full.next_at == leaves + timedelta(seconds=1)

    def test_bulk_work_leaves_the_activity_page_to_a_recovery_that_wants_it(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given a page that reconciliation has taken, and a recovery that found it taken
        clock = FakeClock(START)
        reconciliation, recovery = make_rate_limiter(clock.now), make_rate_limiter(clock.now)
        permit_of(reconciliation.reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY))
        assert isinstance(recovery.reserve(account, Priority.RECOVERY, allowance=Allowance.ACTIVITY), Full)
        recovery.want_activity(account)
        # when the page is free again
        clock.sleep(60)
        # then it is there for everybody else, and only this of reconciliation's calls waits
        yielded = timedelta(milliseconds=ACTIVITY_YIELDED_MILLISECONDS)
        full = reconciliation.reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY)
        assert full == Full(START + yielded, START + yielded)
        permit_of(reconciliation.reserve(account, Priority.BULK))
        permit_of(reconciliation.reserve(account, Priority.BULK, allowance=Allowance.FUNDS))
        permit_of(recovery.reserve(account, Priority.RECOVERY, allowance=Allowance.ACTIVITY))
        clock.sleep(120)
        permit_of(recovery.reserve(account, Priority.CALLER, allowance=Allowance.ACTIVITY))
        # and reconciliation goes on when nobody has wanted it for as long as that
        clock.sleep((full.again_at - clock.now()).total_seconds() - 0.001)
        assert isinstance(reconciliation.reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY), Full)
        clock.sleep(0.001)
        permit_of(reconciliation.reserve(account, Priority.BULK, allowance=Allowance.ACTIVITY))

    # ---- freezing ---------------------------------------------------------------------------------

    def test_a_frozen_account_has_no_permit_for_what_was_never_sent(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        rate_limiter, other = make_rate_limiter(clock.now), make_rate_limiter(clock.now)
        permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
        # when
        other.freeze(account, frozen=True, version=1)
        # then neither whoever knows the account nor whoever comes new to it gets one, nor a place in the line
        for process in (rate_limiter, other, make_rate_limiter(clock.now)):
            assert [process.reserve(account, priority, never_sent=True) for priority in Priority] == [Frozen()] * 4
            assert process.line_up(account) == Frozen()
        # and all else goes on, at the pace of always
        for allowance in (None, *Allowance):
            permit_of(rate_limiter.reserve(account, Priority.BULK, allowance=allowance))
        assert take_all(rate_limiter, account)[0] == START + 4 * INTERVAL
        # nor does it concern other accounts
        permit_of(rate_limiter.reserve(f"{account}-other", Priority.CALLER, never_sent=True))
        # and when it is full it is as frozen, and slowing down unfreezes nothing
        rate_limiter.slow_down(account)
        assert rate_limiter.reserve(account, Priority.CALLER, never_sent=True) == Frozen()
        clock.sleep(3600)
        assert rate_limiter.reserve(account, Priority.CALLER, never_sent=True) == Frozen()
        # when
        other.freeze(account, frozen=False, version=2)
        # then
        permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
        assert isinstance(rate_limiter.line_up(account), datetime)

    def test_a_copy_is_never_overwritten_by_an_older_one(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given an account that was frozen and unfrozen
        late, rate_limiter = make_rate_limiter(lambda: START), make_rate_limiter(lambda: START)
        rate_limiter.freeze(account, frozen=True, version=1)
        rate_limiter.freeze(account, frozen=False, version=2)
        # when whoever has known of the first only comes late, or of the second comes again
        late.freeze(account, frozen=True, version=1)
        late.freeze(account, frozen=True, version=2)
        # then
        permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
        # and the other way round
        rate_limiter.freeze(account, frozen=True, version=3)
        late.freeze(account, frozen=False, version=2)
        assert rate_limiter.reserve(account, Priority.CALLER, never_sent=True) == Frozen()

    @pytest.mark.parametrize("skew", [-3600, -0.4, 0.4, 3600])
    def test_it_is_frozen_whatever_the_clock_of_who_freezes(
        self, skew: float, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        take_all(rate_limiter, account)
        wrong = make_rate_limiter(ahead_by(timedelta(seconds=skew), clock.now))
        # when
        wrong.freeze(account, frozen=True, version=1)
        # then
        assert rate_limiter.reserve(account, Priority.CALLER, never_sent=True) == Frozen()
        # and by the same clock it is unfrozen, and the account is not closed
        wrong.freeze(account, frozen=False, version=2)
        clock.sleep(5)
        permit = permit_of(rate_limiter.reserve(account, Priority.CALLER, never_sent=True))
        assert permit <= clock.now() + PATIENCE[Priority.CALLER]

    def test_of_many_who_freeze_and_unfreeze_at_once_the_newest_stays(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        rate_limiters = [make_rate_limiter(lambda: START) for _ in range(THREADS)]
        all_at_once(
            *(
                lambda rate_limiter=each, version=version: rate_limiter.freeze(
                    account, frozen=version == THREADS, version=version
                )
                for version, each in enumerate(rate_limiters, 1)
            )
        )
        assert rate_limiters[0].reserve(account, Priority.CALLER, never_sent=True) == Frozen()

    # ---- slowing down -----------------------------------------------------------------------------

    def test_a_throttle_halves_the_pace_once_for_all_calls_under_way(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        rate_limiters = [make_rate_limiter(clock.now) for _ in range(3)]
        for rate_limiter in rate_limiters:
            permit_of(rate_limiter.reserve(account, Priority.CALLER))
        # when many calls are throttled within three seconds
        for pause in (0.0, 0.0, 1.0, 1.9):
            clock.sleep(pause)
            for rate_limiter in rate_limiters:
                rate_limiter.slow_down(account)
        # then everybody goes at half the pace
        assert _intervals(account, *rate_limiters) == [250, 250]
        # when, after that, one is throttled again
        clock.sleep(1)
        rate_limiters[1].slow_down(account)
        # then it is halved again
        assert _intervals(account, *rate_limiters) == [500, 500]

    def test_the_pace_climbs_back_step_by_step(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        rate_limiter.slow_down(account)
        rates = []
        # when
        for _ in range(10):
            rates.append(1000 / _intervals(account, rate_limiter, rate_limiter)[0])
            clock.sleep(5)
        # then from four a second by a half every five seconds; never above what is configured
        assert rates == pytest.approx([4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8], rel=0.01)

    def test_somebody_asks_however_often_amazon_throttles(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        clock = FakeClock(START)
        rate_limiter = make_rate_limiter(clock.now)
        for _ in range(12):
            rate_limiter.slow_down(account)
            clock.sleep(3)
        rate_limiter.slow_down(account)
        permit_of(rate_limiter.reserve(account, Priority.BULK))
        clock.sleep(4)
        permit_of(rate_limiter.reserve(account, Priority.BULK))

    def test_a_slow_down_of_long_ago_is_not_felt(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        clock = FakeClock(START)
        make_rate_limiter(clock.now).slow_down(account)
        clock.sleep(90)
        assert _intervals(account, make_rate_limiter(clock.now), make_rate_limiter(clock.now)) == [125]

    # ---- processes and their clocks ---------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(4))
    def test_it_goes_by_the_textbook(self, seed: int, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given the rule in memory, and callers of several processes who come at random
        chance = random.Random(seed)
        clock = FakeClock(START)
        pace = Pace(requests_per_second=chance.choice([3.0, 8.0, 10.0]), burst=chance.choice([1, 1, 3]))
        rate_limiters = [make_rate_limiter(clock.now, pace) for _ in range(3)]
        model = ModelRateLimiter({}, threading.Lock(), pace, clock.now, clock.now)
        for rate_limiter in rate_limiters:
            # They meet at one moment: a newcomer cannot tell a clock that is ahead from time that has passed.
            assert rate_limiter.reserve(account, Priority.RECOVERY) == model.reserve(account, Priority.RECOVERY)
        for _ in range(80):
            clock.sleep(chance.choice([0, 0, 0, 0, 0.01, 0.125, 0.3, 2, 4, 90, 500]))
            rate_limiter = chance.choice(rate_limiters)
            if chance.random() < 0.05:
                rate_limiter.want_activity(account)
                model.want_activity(account)
            if chance.random() < 0.05:
                rate_limiter.slow_down(account)
                model.slow_down(account)
            if chance.random() < 0.05:
                copy = {"frozen": chance.random() < 0.5, "version": chance.randrange(1, 20)}
                rate_limiter.freeze(account, **copy)
                model.freeze(account, **copy)
            priority = chance.choice(list(Priority))
            allowance, never_sent = chance.choice([None, None, None, *Allowance]), chance.random() < 0.5
            # when
            result = rate_limiter.reserve(account, priority, allowance=allowance, never_sent=never_sent)
            # then
            expected = model.reserve(account, priority, allowance=allowance, never_sent=never_sent)
            assert result == expected
            if isinstance(result, Full) and chance.random() < 0.5:
                assert rate_limiter.line_up(account) == model.line_up(account)

    def test_a_crowd_gets_one_permit_each(self, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        clock = FakeClock(START)
        for round_ in range(3):
            # given callers that each have a process of their own and have never seen the account
            now = START + timedelta(seconds=20 * round_)
            clock.sleep((now - clock.now()).total_seconds())
            rate_limiters = [make_rate_limiter(clock.now) for _ in range(THREADS)]
            # when
            results = all_at_once(
                *(
                    lambda rate_limiter=rate_limiter: rate_limiter.reserve(account, Priority.RECOVERY)
                    for rate_limiter in rate_limiters
                )
            )
            # then
            permits = sorted(permit_of(result) for result in results)
            assert permits == [now + INTERVAL * number for number in range(THREADS)]

    def test_a_crowd_that_is_throttled_halves_the_pace_once(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        clock = FakeClock(START)
        rate_limiters = [make_rate_limiter(clock.now) for _ in range(THREADS)]
        all_at_once(
            *(lambda rate_limiter=rate_limiter: rate_limiter.slow_down(account) for rate_limiter in rate_limiters)
        )
        assert _intervals(account, *rate_limiters[:3]) == [250, 250]

    def test_clocks_that_differ_do_not_bring_calls_closer(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given processes whose clocks are up to a second and a half apart
        chance = random.Random(3)
        clock = FakeClock(START)
        skews = [timedelta(), timedelta(seconds=1), timedelta(seconds=-0.5), timedelta(seconds=0.2)]
        processes = [Process(make_rate_limiter(ahead_by(skew, clock.now)), skew, clock) for skew in skews]
        for process in processes:
            process.ask(account)
        # when more ask than there are permits, now some of the processes, now others
        for number in range(400):
            clock.sleep(chance.uniform(0, 0.1))
            chance.choice(processes[number // 50 % 4 :]).ask(account, Priority.RECOVERY)
        # then, by the true time, there are never more calls in a second than Amazon allows, and hardly fewer than ours
        assert busiest_second(*processes) <= CALLS_IN_A_SECOND_MAX
        calls = sum(len(process.left_at) for process in processes)
        assert calls >= 0.95 * 8 * (clock.now() - START).total_seconds()

    def test_a_newcomer_ahead_of_everybody_fits_into_what_is_left(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given an account all of whose permits of the next two seconds are taken
        clock = FakeClock(START)
        steady = Process(make_rate_limiter(clock.now), timedelta(), clock)
        for _ in range(60):
            steady.ask(account, Priority.RECOVERY)
            clock.sleep(0.05)
        # when one comes for which they begin earlier
        ahead = timedelta(seconds=0.4)
        newcomer = Process(make_rate_limiter(ahead_by(ahead, clock.now)), ahead, clock)
        for _ in range(60):
            newcomer.ask(account, Priority.RECOVERY)
            steady.ask(account, Priority.RECOVERY)
            clock.sleep(0.05)
        # then
        assert busiest_second(steady, newcomer) <= CALLS_IN_A_SECOND_MAX

    @pytest.mark.parametrize("skew", [-3600, -0.4, 0, 0.4, 3600])
    def test_a_cold_process_joins_in(self, skew: float, make_rate_limiter: MakeRateLimiter, account: str) -> None:
        # given a busy account, and processes that each ask once and are gone, by a clock of their own
        clock = FakeClock(START)
        steady = Process(make_rate_limiter(clock.now), timedelta(), clock)
        cold = []
        for _ in range(60):
            steady.ask(account, Priority.RECOVERY)
            # when
            off = timedelta(seconds=skew)
            cold.append(Process(make_rate_limiter(ahead_by(off, clock.now)), off, clock))
            cold[-1].ask(account, Priority.RECOVERY)
            clock.sleep(0.2)
        # then
        assert busiest_second(steady, *cold) <= CALLS_IN_A_SECOND_MAX
        assert all(at - clock.now() <= timedelta(seconds=2) for process in [steady, *cold] for at in process.left_at)

    @pytest.mark.parametrize(
        "skew", [timedelta(minutes=1), timedelta(hours=3), timedelta(days=1000), timedelta(hours=-3)]
    )
    @pytest.mark.parametrize("act", ["reserve", "reserve on and on", "line_up", "slow_down"])
    def test_a_wildly_wrong_clock_never_closes_the_account(
        self, skew: timedelta, act: str, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given a process that knows the account, and one whose clock is wildly wrong
        clock = FakeClock(START)
        healthy = [Process(make_rate_limiter(clock.now), timedelta(), clock)]
        wrong = Process(make_rate_limiter(ahead_by(skew, clock.now)), skew, clock)
        healthy[0].ask(account)
        # when it acts while others come and go
        for number in range(30):
            clock.sleep(0.3)
            match act:
                case "reserve" if number == 3:
                    wrong.ask(account)
                case "reserve on and on" if number >= 3:
                    wrong.ask(account)
                case "line_up" if number == 3:
                    wrong.rate_limiter.line_up(account)
                case "slow_down" if number == 3:
                    wrong.rate_limiter.slow_down(account)
            if number % 4 == 0:
                healthy.append(Process(make_rate_limiter(clock.now), timedelta(), clock))
            healthy[-1 - number % 2].ask(account)
        # then callers have their permits: at once, or within the time that they may wait
        left_at = sorted(at for process in healthy for at in process.left_at)
        assert len(left_at) >= 28
        assert left_at[-1] <= clock.now() + PATIENCE[Priority.CALLER]
        assert busiest_second(*healthy, wrong) <= CALLS_IN_A_SECOND_MAX
        # and after half a minute nothing is felt of it any more
        clock.sleep(60)
        cold = make_rate_limiter(clock.now)
        assert permit_of(cold.reserve(account, Priority.CALLER)) <= clock.now() + PATIENCE[Priority.CALLER]

    def test_what_was_written_long_ago_makes_no_difference(
        self, make_rate_limiter: MakeRateLimiter, account: str
    ) -> None:
        # given an account that was full, slow and had a line, before the night
        clock = FakeClock(START)
        old = make_rate_limiter(clock.now)
        take_all(old, account)
        old.slow_down(account)
        for _ in range(20):
            old.line_up(account)
        old.reserve(account, Priority.RECOVERY, allowance=Allowance.ACTIVITY)
        clock.sleep(8 * 3600)
        # when, then: for whoever was there, and for whoever was not
        for rate_limiter in (old, make_rate_limiter(clock.now)):
            permits = take_all(rate_limiter, account, Priority.CALLER)
            assert permits == [clock.now() + INTERVAL * number for number in range(13)]
            clock.sleep(60)


def _intervals(account: str, *rate_limiters: RateLimiter) -> list[int]:
    """Milliseconds between permits that rate limiters take one after the other."""
    permits = [permit_of(rate_limiter.reserve(account, Priority.RECOVERY)) for rate_limiter in rate_limiters]
    return [(later - earlier) // timedelta(milliseconds=1) for earlier, later in itertools.pairwise(permits)]
