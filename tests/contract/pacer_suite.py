"""What every pacer does. A class of tests inherits `PacerContract` and supplies the fixture `make_pacer`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from incentives.domain.pacing import Full, Slot
from incentives.usecases.tools import Pacer
from tests.contract.subject import THREADS, all_at_once
from tests.support.fakes import FakeClock

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

#: Eight a second.
INTERVAL = timedelta(milliseconds=125)
RATE = 8.0

#: Makes a pacer with a clock of its own; all of one test share one table.
MakePacer = Callable[[Callable[[], datetime]], Pacer]

_accounts = itertools.count()


@pytest.fixture
def account() -> str:
    """One that nobody else uses."""
    return f"account-{next(_accounts)}"


def slot_of(result: Slot | Full) -> datetime:
    assert isinstance(result, Slot), result
    return result.at


class PacerContract:
    """The promises of `incentives.usecases.tools.Pacer`, at a rate of eight a second."""

    def test_an_idle_account_starts_at_once(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        for pause in (0.0, 0.5, 3600.0):
            clock.sleep(pause)
            assert slot_of(pacer.reserve(account, wait_seconds_max=0)) == clock.now()

    def test_a_busy_account_waits_for_its_turn(self, make_pacer: MakePacer, account: str) -> None:
        # given
        pacer = make_pacer(lambda: START)
        # when
        slots = [slot_of(pacer.reserve(account, wait_seconds_max=2)) for _ in range(17)]
        # then two seconds hold sixteen intervals, and the slot at their end is still within them
        assert slots == [START + INTERVAL * number for number in range(17)]

    def test_a_full_account_takes_nothing(self, make_pacer: MakePacer, account: str) -> None:
        # given an account with all slots of the next second taken
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        for _ in range(9):
            slot_of(pacer.reserve(account, wait_seconds_max=1))
        # when callers ask in vain
        answers = {pacer.reserve(account, wait_seconds_max=1) for _ in range(5)}
        # then all are told when the next slot is due, and that is when it is
        assert answers == {Full(START + INTERVAL * 9)}
        assert slot_of(pacer.reserve(account, wait_seconds_max=2)) == START + INTERVAL * 9

    def test_who_would_not_wait_gets_a_slot_only_at_once(self, make_pacer: MakePacer, account: str) -> None:
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        slot_of(pacer.reserve(account, wait_seconds_max=0))
        assert pacer.reserve(account, wait_seconds_max=0) == Full(START + INTERVAL)
        clock.sleep(INTERVAL.total_seconds())
        assert slot_of(pacer.reserve(account, wait_seconds_max=0)) == START + INTERVAL

    def test_accounts_do_not_wait_for_each_other(self, make_pacer: MakePacer, account: str) -> None:
        pacer = make_pacer(lambda: START)
        assert slot_of(pacer.reserve(account, wait_seconds_max=0)) == START
        assert slot_of(pacer.reserve(f"{account}-other", wait_seconds_max=0)) == START

    def test_it_goes_by_the_textbook(self, make_pacer: MakePacer, account: str) -> None:
        # given an in-memory reference, and a caller who comes at random
        chance = random.Random(account)
        clock = FakeClock(START)
        pacer = make_pacer(clock.now)
        tat = START
        for _ in range(60):
            clock.sleep(chance.choice([0, 0, 0, 0.01, 0.125, 0.3, 2]))
            patience = chance.choice([0.0, 0.25, 2.0])
            # when
            result = pacer.reserve(account, wait_seconds_max=patience)
            # then
            slot = max(tat, clock.now())
            if slot - clock.now() > timedelta(seconds=patience):
                assert result == Full(slot)
            else:
                assert result == Slot(slot)
                tat = slot + INTERVAL

    def test_clocks_that_differ_never_bring_slots_closer(self, make_pacer: MakePacer, account: str) -> None:
        # given callers of whom one is a second ahead and one half a second behind
        clock = FakeClock(START)
        skews = [timedelta(), timedelta(seconds=1), timedelta(seconds=-0.5)]
        pacers = [make_pacer(_ahead_by(skew, clock.now)) for skew in skews]
        chance = random.Random(account)
        slots = []
        # when
        for _ in range(60):
            clock.sleep(chance.choice([0, 0.05, 0.125, 0.5]))
            result = chance.choice(pacers).reserve(account, wait_seconds_max=2)
            if isinstance(result, Slot):
                slots.append(result.at)
        # then
        assert len(slots) > 30
        assert all(later - earlier >= INTERVAL for earlier, later in itertools.pairwise(slots))

    def test_a_crowd_gets_one_slot_each(self, make_pacer: MakePacer, account: str) -> None:
        for round_ in range(3):
            # given callers that each have a process of their own and have never seen the account
            now = START + timedelta(seconds=20 * round_)
            pacers = [make_pacer(_ahead_by(timedelta(seconds=20 * round_), lambda: START)) for _ in range(THREADS)]
            # when
            results = all_at_once(*(lambda pacer=pacer: pacer.reserve(account, wait_seconds_max=2) for pacer in pacers))
            # then
            slots = sorted(slot_of(result) for result in results)
            assert slots == [now + INTERVAL * number for number in range(THREADS)]


def _ahead_by(seconds: timedelta, now: Callable[[], datetime]) -> Callable[[], datetime]:
    return lambda: now() + seconds
