"""What every pacer does. A class of tests inherits `PacerContract` and supplies the fixture `make_pacer`."""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from incentives.domain.pacing import (
    ALLOWANCE_MILLISECONDS,
    Allowance,
    Full,
    Lane,
    Pace,
    Slot,
)
from incentives.usecases.ports import Pacer
from sandbox.throttle import most_in_any_second
from tests.contract.pacer_model import ModelPacer, Now
from tests.contract.subject import THREADS, all_at_once
from tests.support.fakes import FakeClock

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

#: Eight a second.
PACE = Pace()
INTERVAL = timedelta(milliseconds=125)

#: How far ahead each lane may take a slot, at the default share.
PATIENCE = {
    Lane.BULK: timedelta(seconds=0.5),
    Lane.BACKLOG: timedelta(seconds=1),
    Lane.CALLER: timedelta(seconds=1.5),
    Lane.RECOVERY: timedelta(seconds=2),
}

#: Amazon's limit.
CALLS_IN_A_SECOND_MAX = 10


class MakePacer(Protocol):
    """Makes a pacer with a memory of its own, as another process has it; all of one test share one table."""

    def __call__(self, now: Now, pace: Pace = PACE) -> Pacer: ...


_accounts = itertools.count()


@pytest.fixture
def account() -> str:
    """One that nobody else uses."""
    return f"account-{next(_accounts)}"


def slot_of(result: Slot | Full) -> datetime:
    assert isinstance(result, Slot), result
    return result.at


def take_all(pacer: Pacer, account: str, lane: Lane = Lane.RECOVERY) -> list[datetime]:
    """Take slots until there are no more for this lane."""
    slots = []
    while isinstance(result := pacer.reserve(account, lane), Slot):
        slots.append(result.at)
        assert len(slots) < 100, "there is no end to the slots"
    return slots


def ahead_by(skew: timedelta, now: Now) -> Now:
    return lambda: now() + skew


@dataclass
class Process:
    """A caller's process: a pacer of its own, by a clock that is wrong.

    Attributes:
        clock: the true time.
        left_at: when its calls left, by the true time.
    """

    pacer: Pacer
    skew: timedelta
    clock: FakeClock
    left_at: list[datetime] = field(default_factory=list)

    def ask(self, account: str, lane: Lane = Lane.CALLER) -> bool:
        """Take a slot if there is one; the call leaves when the process's own clock has come to it."""
        result = self.pacer.reserve(account, lane)
        if isinstance(result, Slot):
            self.left_at.append(max(self.clock.now(), result.at - self.skew))
        return isinstance(result, Slot)


def busiest_second(*processes: Process) -> int:
    return most_in_any_second((at - START).total_seconds() for process in processes for at in process.left_at)


class PacerContract:
    """The promises of `incentives.usecases.tools.Pacer`, at a pace of eight a second unless another is named."""

    # ---- slots and lanes --------------------------------------------------------------------------

    def test_an_idle_account_starts_at_once(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        for pause, lane in zip((0.0, 0.5, 2.0, 3600.0, 86_400.0), itertools.cycle(Lane)):
            clock.sleep(pause)
            assert slot_of(pacer.reserve(account, lane)) == clock.now()

    @pytest.mark.parametrize("lane", Lane)
    def test_each_lane_looks_ahead_as_far_as_it_may(self, lane: Lane, make_pacer: MakePacer, account: str) -> None:
        # given
        pacer = make_pacer(lambda: START)
        # when
        slots = take_all(pacer, account, lane)
        # then the slot at the end of what it sees is still its own
        assert slots == [START + INTERVAL * number for number in range(PATIENCE[lane] // INTERVAL + 1)]

    def test_a_higher_lane_finds_slots_where_a_lower_one_finds_none(self, make_pacer: MakePacer, account: str) -> None:
        # given
        pacer = make_pacer(lambda: START)
        # when every lane takes what it can, the lowest first
        found = {lane: len(take_all(pacer, account, lane)) for lane in Lane}
        # then four slots were kept for each from those below it, and nothing is left for any
        assert found == {Lane.BULK: 5, Lane.BACKLOG: 4, Lane.CALLER: 4, Lane.RECOVERY: 4}
        assert not any(take_all(pacer, account, lane) for lane in Lane)

    def test_where_no_share_is_kept_all_lanes_are_one(self, make_pacer: MakePacer, account: str) -> None:
        pacer = make_pacer(lambda: START, Pace(share_kept=0))
        assert len(take_all(pacer, account, Lane.BULK)) == 17
        assert not take_all(pacer, account, Lane.RECOVERY)

    @pytest.mark.parametrize("lane", Lane)
    def test_a_full_account_takes_nothing_and_says_when_to_come_again(
        self, lane: Lane, make_pacer: MakePacer, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        next_at = take_all(pacer, account, lane)[-1] + INTERVAL
        # when callers ask in vain
        answers = {pacer.reserve(account, lane) for _ in range(5)}
        # then all are told the same, and whoever comes when told has that slot
        (full,) = answers
        assert full == Full(next_at, next_at - PATIENCE[lane])
        clock.sleep((full.again_at - clock.now()).total_seconds())
        assert slot_of(pacer.reserve(account, lane)) == next_at

    def test_accounts_do_not_wait_for_each_other(self, make_pacer: MakePacer, account: str) -> None:
        pacer = make_pacer(lambda: START)
        take_all(pacer, account)
        pacer.line_up(account)
        pacer.slow_down(account)
        assert take_all(pacer, f"{account}-other") == [START + INTERVAL * number for number in range(17)]

    def test_a_burst_comes_first_and_is_paid_for(self, make_pacer: MakePacer, account: str) -> None:
        # given an account that may make three calls at once
        clock = FakeClock(START)
        pacer = make_pacer(clock.now, Pace(burst=3))
        # when, then
        assert take_all(pacer, account, Lane.BULK) == [START] * 3 + [START + INTERVAL * each for each in range(1, 5)]
        # and after as long as it takes to fill up again
        clock.sleep(0.5 + 3 * 0.125)
        assert take_all(pacer, account, Lane.BULK)[:4] == [clock.now()] * 3 + [clock.now() + INTERVAL]

    # ---- the line ---------------------------------------------------------------------------------

    def test_who_joins_the_line_is_told_when_it_is_due(self, make_pacer: MakePacer, account: str) -> None:
        # given an account whose next free slot is in two seconds
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        free_at = take_all(pacer, account)[-1] + INTERVAL
        # when
        due = [pacer.line_up(account) for _ in range(80)]
        # then each is due one interval after the one before
        assert due == [free_at + INTERVAL * number for number in range(1, 81)]
        # and when the line is over, another begins
        clock.sleep(3600)
        assert pacer.line_up(account) == clock.now() + INTERVAL

    def test_callers_go_behind_those_in_line(self, make_pacer: MakePacer, account: str) -> None:
        # given a line of ten seconds
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        last = [pacer.line_up(account) for _ in range(80)][-1]
        # when, then: its own worker and the recovery pass, callers do not
        full = pacer.reserve(account, Lane.CALLER)
        assert full == Full(last, last - PATIENCE[Lane.CALLER])
        assert slot_of(pacer.reserve(account, Lane.BACKLOG)) == START
        assert slot_of(pacer.reserve(account, Lane.RECOVERY)) == START + INTERVAL
        # and a caller who comes when told has a slot
        clock.sleep((full.again_at - START).total_seconds())
        assert slot_of(pacer.reserve(account, Lane.CALLER)) == clock.now()

    def test_a_line_reserves_nothing(self, make_pacer: MakePacer, account: str) -> None:
        pacer = make_pacer(lambda: START)
        for _ in range(80):
            pacer.line_up(account)
        assert take_all(pacer, account) == [START + INTERVAL * number for number in range(17)]

    # ---- allowances -------------------------------------------------------------------------------

    @pytest.mark.parametrize("allowance", Allowance)
    def test_an_allowance_counts_beside_the_rate(
        self, allowance: Allowance, make_pacer: MakePacer, account: str
    ) -> None:
        # given
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        apart = timedelta(milliseconds=ALLOWANCE_MILLISECONDS[allowance])
        other = next(each for each in Allowance if each is not allowance)
        # when, then: it uses up one of the account's slots
        assert slot_of(pacer.reserve(account, Lane.CALLER, allowance=allowance)) == START
        # and another is had only when its time has come, which holds up nobody else
        full = pacer.reserve(account, Lane.CALLER, allowance=allowance)
        assert full == Full(START + apart, START + apart - INTERVAL)
        assert slot_of(pacer.reserve(account, Lane.CALLER)) == START + INTERVAL
        assert slot_of(pacer.reserve(account, Lane.CALLER, allowance=other)) == START + INTERVAL * 2
        clock.sleep(apart.total_seconds() - 0.001)
        assert isinstance(pacer.reserve(account, Lane.CALLER, allowance=allowance), Full)
        clock.sleep(0.001)
        assert slot_of(pacer.reserve(account, Lane.CALLER, allowance=allowance)) == START + apart

    def test_an_allowance_is_counted_from_when_its_call_leaves(self, make_pacer: MakePacer, account: str) -> None:
        # given a slot of the allowance in a second
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        for _ in range(8):
            slot_of(pacer.reserve(account, Lane.CALLER))
        leaves = slot_of(pacer.reserve(account, Lane.CALLER, allowance=Allowance.FUNDS))
        assert leaves == START + timedelta(seconds=1)
        # when, then
        full = pacer.reserve(account, Lane.CALLER, allowance=Allowance.FUNDS)
        assert isinstance(full, Full)
        assert full.next_at == leaves + timedelta(seconds=1)

    # ---- slowing down -----------------------------------------------------------------------------

    def test_a_throttle_halves_the_pace_once_for_all_calls_under_way(self, make_pacer: MakePacer, account: str) -> None:
        # given
        clock = FakeClock(START)
        pacers = [make_pacer(clock.now) for _ in range(3)]
        for pacer in pacers:
            slot_of(pacer.reserve(account, Lane.CALLER))
        # when many calls are throttled within three seconds
        for pause in (0.0, 0.0, 1.0, 1.9):
            clock.sleep(pause)
            for pacer in pacers:
                pacer.slow_down(account)
        # then everybody goes at half the pace
        assert _intervals(account, *pacers) == [250, 250]
        # when, after that, one is throttled again
        clock.sleep(1)
        pacers[1].slow_down(account)
        # then it is halved again
        assert _intervals(account, *pacers) == [500, 500]

    def test_the_pace_climbs_back_step_by_step(self, make_pacer: MakePacer, account: str) -> None:
        # given
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        pacer.slow_down(account)
        rates = []
        # when
        for _ in range(10):
            rates.append(1000 / _intervals(account, pacer, pacer)[0])
            clock.sleep(5)
        # then from four a second by a half every five seconds; never above what is configured
        assert rates == pytest.approx([4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8], rel=0.01)

    def test_somebody_asks_however_often_amazon_throttles(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        for _ in range(12):
            pacer.slow_down(account)
            clock.sleep(3)
        pacer.slow_down(account)
        slot_of(pacer.reserve(account, Lane.BULK))
        clock.sleep(4)
        slot_of(pacer.reserve(account, Lane.BULK))

    def test_a_slow_down_of_long_ago_is_not_felt(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        make_pacer(clock.now).slow_down(account)
        clock.sleep(90)
        assert _intervals(account, make_pacer(clock.now), make_pacer(clock.now)) == [125]

    # ---- processes and their clocks ---------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(4))
    def test_it_goes_by_the_textbook(self, seed: int, make_pacer: MakePacer, account: str) -> None:
        # given the rule in memory, and callers of several processes who come at random
        chance = random.Random(seed)
        clock = FakeClock(START)
        pace = Pace(requests_per_second=chance.choice([3.0, 8.0, 10.0]), burst=chance.choice([1, 1, 3]))
        pacers = [make_pacer(clock.now, pace) for _ in range(3)]
        model = ModelPacer({}, threading.Lock(), pace, clock.now, clock.now)
        for pacer in pacers:
            # They meet at one moment: a newcomer cannot tell a clock that is ahead from time that has passed.
            assert pacer.reserve(account, Lane.RECOVERY) == model.reserve(account, Lane.RECOVERY)
        for _ in range(80):
            clock.sleep(chance.choice([0, 0, 0, 0, 0.01, 0.125, 0.3, 2, 4, 90]))
            pacer = chance.choice(pacers)
            if chance.random() < 0.05:
                pacer.slow_down(account)
                model.slow_down(account)
            lane = chance.choice(list(Lane))
            allowance = chance.choice([None, None, None, *Allowance])
            # when
            result = pacer.reserve(account, lane, allowance=allowance)
            # then
            expected = model.reserve(account, lane, allowance=allowance)
            assert result == expected
            if isinstance(result, Full) and chance.random() < 0.5:
                assert pacer.line_up(account) == model.line_up(account)

    def test_a_crowd_gets_one_slot_each(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        for round_ in range(3):
            # given callers that each have a process of their own and have never seen the account
            now = START + timedelta(seconds=20 * round_)
            clock.sleep((now - clock.now()).total_seconds())
            pacers = [make_pacer(clock.now) for _ in range(THREADS)]
            # when
            results = all_at_once(*(lambda pacer=pacer: pacer.reserve(account, Lane.RECOVERY) for pacer in pacers))
            # then
            slots = sorted(slot_of(result) for result in results)
            assert slots == [now + INTERVAL * number for number in range(THREADS)]

    def test_a_crowd_that_is_throttled_halves_the_pace_once(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        pacers = [make_pacer(clock.now) for _ in range(THREADS)]
        all_at_once(*(lambda pacer=pacer: pacer.slow_down(account) for pacer in pacers))
        assert _intervals(account, *pacers[:3]) == [250, 250]

    def test_clocks_that_differ_do_not_bring_calls_closer(self, make_pacer: MakePacer, account: str) -> None:
        # given processes whose clocks are up to a second and a half apart
        chance = random.Random(3)
        clock = FakeClock(START)
        skews = [timedelta(), timedelta(seconds=1), timedelta(seconds=-0.5), timedelta(seconds=0.2)]
        processes = [Process(make_pacer(ahead_by(skew, clock.now)), skew, clock) for skew in skews]
        for process in processes:
            process.ask(account)
        # when more ask than there are slots, now some of the processes, now others
        for number in range(400):
            clock.sleep(chance.uniform(0, 0.1))
            chance.choice(processes[number // 50 % 4 :]).ask(account, Lane.RECOVERY)
        # then, by the true time, there are never more calls in a second than Amazon allows, and hardly fewer than ours
        assert busiest_second(*processes) <= CALLS_IN_A_SECOND_MAX
        calls = sum(len(process.left_at) for process in processes)
        assert calls >= 0.95 * 8 * (clock.now() - START).total_seconds()

    def test_a_newcomer_ahead_of_everybody_fits_into_what_is_left(self, make_pacer: MakePacer, account: str) -> None:
        # given an account all of whose slots of the next two seconds are taken
        clock = FakeClock(START)
        steady = Process(make_pacer(clock.now), timedelta(), clock)
        for _ in range(60):
            steady.ask(account, Lane.RECOVERY)
            clock.sleep(0.05)
        # when one comes for which they begin earlier
        ahead = timedelta(seconds=0.4)
        newcomer = Process(make_pacer(ahead_by(ahead, clock.now)), ahead, clock)
        for _ in range(60):
            newcomer.ask(account, Lane.RECOVERY)
            steady.ask(account, Lane.RECOVERY)
            clock.sleep(0.05)
        # then
        assert busiest_second(steady, newcomer) <= CALLS_IN_A_SECOND_MAX

    @pytest.mark.parametrize("skew", [-3600, -0.4, 0, 0.4, 3600])
    def test_a_cold_process_joins_in(self, skew: float, make_pacer: MakePacer, account: str) -> None:
        # given a busy account, and processes that each ask once and are gone, by a clock of their own
        clock = FakeClock(START)
        steady = Process(make_pacer(clock.now), timedelta(), clock)
        cold = []
        for _ in range(60):
            steady.ask(account, Lane.RECOVERY)
            # when
            off = timedelta(seconds=skew)
            cold.append(Process(make_pacer(ahead_by(off, clock.now)), off, clock))
            cold[-1].ask(account, Lane.RECOVERY)
            clock.sleep(0.2)
        # then
        assert busiest_second(steady, *cold) <= CALLS_IN_A_SECOND_MAX
        assert all(at - clock.now() <= timedelta(seconds=2) for process in [steady, *cold] for at in process.left_at)

    @pytest.mark.parametrize(
        "skew", [timedelta(minutes=1), timedelta(hours=3), timedelta(days=1000), timedelta(hours=-3)]
    )
    @pytest.mark.parametrize("act", ["reserve", "reserve on and on", "line_up", "slow_down"])
    def test_a_wildly_wrong_clock_never_closes_the_account(
        self, skew: timedelta, act: str, make_pacer: MakePacer, account: str
    ) -> None:
        # given a process that knows the account, and one whose clock is wildly wrong
        clock = FakeClock(START)
        healthy = [Process(make_pacer(clock.now), timedelta(), clock)]
        wrong = Process(make_pacer(ahead_by(skew, clock.now)), skew, clock)
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
                    wrong.pacer.line_up(account)
                case "slow_down" if number == 3:
                    wrong.pacer.slow_down(account)
            if number % 4 == 0:
                healthy.append(Process(make_pacer(clock.now), timedelta(), clock))
            healthy[-1 - number % 2].ask(account)
        # then callers have their slots: at once, or within the time that they may wait
        left_at = sorted(at for process in healthy for at in process.left_at)
        assert len(left_at) >= 28
        assert left_at[-1] <= clock.now() + PATIENCE[Lane.CALLER]
        assert busiest_second(*healthy, wrong) <= CALLS_IN_A_SECOND_MAX
        # and after half a minute nothing is felt of it any more
        clock.sleep(60)
        cold = make_pacer(clock.now)
        assert slot_of(cold.reserve(account, Lane.CALLER)) <= clock.now() + PATIENCE[Lane.CALLER]

    def test_what_was_written_long_ago_makes_no_difference(self, make_pacer: MakePacer, account: str) -> None:
        # given an account that was full, slow and had a line, before the night
        clock = FakeClock(START)
        old = make_pacer(clock.now)
        take_all(old, account)
        old.slow_down(account)
        for _ in range(20):
            old.line_up(account)
        old.reserve(account, Lane.RECOVERY, allowance=Allowance.ACTIVITY)
        clock.sleep(8 * 3600)
        # when, then: for whoever was there, and for whoever was not
        for pacer in (old, make_pacer(clock.now)):
            slots = take_all(pacer, account, Lane.CALLER)
            assert slots == [clock.now() + INTERVAL * number for number in range(13)]
            clock.sleep(60)


def _intervals(account: str, *pacers: Pacer) -> list[int]:
    """Milliseconds between slots that pacers take one after the other."""
    slots = [slot_of(pacer.reserve(account, Lane.RECOVERY)) for pacer in pacers]
    return [(later - earlier) // timedelta(milliseconds=1) for earlier, later in itertools.pairwise(slots)]
