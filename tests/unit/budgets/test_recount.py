"""Counting budgets again while requests, orders and counting go on: no false alarm, and every planted difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.budgets.recount import COUNTED_WITHIN
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import Status
from incentives.usecases.budgets.recount import INDEX_SECONDS, RecountDependencies, recount_budgets
from tests.support.fakes import START
from tests.support.recounts import BusyClock, LiveRecounts
from tests.unit.budgets.desks import Desk, desk

HOUR = 3600.0


@dataclass
class Day:
    """A day at whose end budgets are counted again."""

    desk: Desk
    clock: BusyClock
    live: LiveRecounts
    seconds: float = 900.0

    def recount(self) -> list[dict[str, Any]]:
        """Count; returns what was logged of differences."""
        end = self.clock.now() + timedelta(seconds=self.seconds)
        before = len(self.desk.world.telemetry.lines)
        found = recount_budgets(
            RecountDependencies(
                budgets=self.desk.here,
                recounts=self.live,
                accounts=lambda: ["default"],
                seconds_left=lambda: (end - self.clock.time).total_seconds(),  # noqa: PLW0108 - the time is read anew each time
            )
        )
        lines = self.desk.world.telemetry.lines[before:]
        told = [facts for event, facts in lines if event == "budgetDiffers"]
        assert found["differ"] == len(told)
        return told

    def done(self, *steps: Callable[[str], object], amount: int = 2_500) -> str:
        """A request with what becomes of it, some time ago."""
        request_id = self.live.open("summer", amount)
        for step in steps:
            self.clock.sleep(1)
            step(request_id)
        self.clock.sleep(HOUR / 6)
        return request_id


@pytest.fixture
def day() -> Day:
    here = desk()
    # Noon, so that the day is the same in every zone.
    clock = BusyClock(START)
    dependencies = here.world.dependencies
    here.here = replace(here.here, dependencies=replace(dependencies, clock=clock))  # type: ignore[type-var]
    here.set("100000.00")
    return Day(here, clock, LiveRecounts(clock, here.budgets))


# ---- quiet -----------------------------------------------------------------------------------------------------


def test_where_there_is_no_budget_nothing_is_read() -> None:
    here = desk()
    live = LiveRecounts(BusyClock(), here.budgets)
    counted = recount_budgets(
        RecountDependencies(budgets=here.here, recounts=live, accounts=list, seconds_left=lambda: 900.0)
    )
    assert (counted, live.asked) == ({"counted": 0, "differ": 0}, 0)
    assert here.world.telemetry.counts == {"BudgetDiffers": 0}


def test_whatever_becomes_of_requests_is_no_difference(day: Day) -> None:
    live = day.live
    day.done()
    day.done(live.succeed)
    day.done(live.succeed, live.count)
    day.done(lambda it: live.change(it, Status.REFUSED))
    day.done(lambda it: live.change(it, Status.REFUSED), live.count)
    day.done(live.succeed, live.count, lambda it: live.change(it, Status.REVERSED), live.count)
    day.done(live.succeed, live.count, lambda it: live.change(it, Status.REVERSED))
    day.done(lambda it: live.change(it, Status.ESCALATED))
    day.done(lambda it: live.succeed(live.follow(it, status=Status.REVERSED)))
    # refused without Amazon: what follows keeps what it holds, or takes it anew
    day.done(lambda it: live.follow(it, status=Status.REFUSED))
    day.done(
        lambda it: live.change(it, Status.REFUSED),
        live.count,
        lambda it: live.follow(it, status=Status.REFUSED, anew=True),
    )
    assert day.recount() == []
    assert day.desk.world.notifier.notices == []


def test_what_the_first_request_of_a_new_account_holds_is_no_difference(day: Day) -> None:
    # Nobody has counted anything of it: the accounts' table does not know it yet.
    day.live.open("summer", 2_500, account="japan")
    day.clock.sleep(HOUR)
    assert day.recount() == []


def test_what_an_order_holds_is_no_difference(day: Day) -> None:
    live = day.live
    going, done = live.begin("summer", 10_000), live.begin("summer", 10_000)
    for order in (going, done):
        live.succeed(live.open("summer", 2_500, order=order))
        refused = live.open("summer", 2_500, order=order)
        live.change(refused, Status.REFUSED)
        live.count(refused)
    day.clock.sleep(HOUR)
    live.finish(done)
    day.clock.sleep(HOUR)
    assert day.recount() == []


def test_an_order_that_still_holds_when_its_rows_are_about_to_go_is_told_of(day: Day) -> None:
    held, ended = day.live.begin("summer", 10_000), day.live.begin("summer", 10_000)
    day.live.finish(ended)
    told = day.desk.world.notifier.notices
    day.clock.sleep(74 * 24 * HOUR)
    assert day.recount() == []
    assert told == []
    # when a fortnight is left
    day.clock.sleep(24 * HOUR)
    assert day.recount() == []
    assert [held in subject for subject, _ in told] == [True]


def test_a_month_and_the_one_before_and_a_total_are_counted(day: Day) -> None:
    day.desk.set("1000.00", name="launch", kind=PeriodKind.TOTAL)
    day.live.open("launch", 2_500)
    day.done(day.live.succeed, day.live.count)
    day.clock.sleep(31 * 24 * HOUR)
    day.done(day.live.succeed, day.live.count)
    assert day.recount() == []
    # then a difference of each is found
    for name, period in (("summer", "2026-03"), ("summer", "2026-04"), ("launch", "total")):
        day.desk.budgets.add(name, day.desk.budgets.periods[name, period], 100)
    told = {(each["budget"], each["period"]): each["remaining"] - each["expectedRemaining"] for each in day.recount()}
    assert told == {("summer", "2026-03"): 100, ("summer", "2026-04"): 100, ("launch", "total"): 100}


@pytest.mark.parametrize("off", [1, -1, 2_500, -2_500])
def test_a_planted_difference_is_found_with_both_figures(day: Day, off: int) -> None:
    day.done(day.live.succeed, day.live.count)
    its = day.desk.budgets.periods["summer", "2026-03"]
    day.desk.budgets.add("summer", its, off)
    (told,) = day.recount()
    right = 9_997_500
    assert (told["remaining"], told["expectedRemaining"]) == (right + off, right)
    assert (told["spent"], told["expectedSpent"], told["notCounted"]) == (2_500, 2_500, None)
    ((subject, text),) = day.desk.world.notifier.notices
    assert subject == "Budget differs: budget summer, 2026-03"
    assert f"{(right + off) / 100:.2f} USD remaining and 25.00 spent" in text


@pytest.mark.parametrize("off", [1, -2_500])
def test_spend_that_is_wrong_is_found(day: Day, off: int) -> None:
    day.done(day.live.succeed, day.live.count)
    day.desk.budgets.add_spent("summer", "2026-03", off)
    (told,) = day.recount()
    assert (told["spent"], told["expectedSpent"]) == (2_500 + off, 2_500)
    assert told["remaining"] == told["expectedRemaining"]


def test_what_the_consumer_lost_is_named_once_it_was_given_up(day: Day) -> None:
    # given a consumer that counts nothing
    day.live.dead = True
    refused = day.done(lambda it: day.live.change(it, Status.REFUSED))
    charged = day.done(day.live.succeed)
    # while it may still come, nothing is told
    assert day.recount() == []
    day.clock.sleep(COUNTED_WITHIN.total_seconds())
    # and then it is, with the requests
    (told,) = day.recount()
    assert told["notCounted"] == ",".join(sorted((refused, charged)))
    assert (told["remaining"], told["expectedRemaining"]) == (9_995_000, 9_997_500)
    assert (told["spent"], told["expectedSpent"]) == (0, 2_500)
    assert refused in day.desk.world.notifier.notices[0][1]
    # once they are counted after all, it is over
    day.live.dead = False
    day.live.count(refused)
    day.live.count(charged)
    day.desk.world.notifier.notices.clear()
    assert day.recount() == []


def test_what_was_counted_so_long_ago_that_it_is_forgotten_is_not_missed(day: Day) -> None:
    day.desk.set("1000.00", name="launch", kind=PeriodKind.TOTAL)
    live = day.live
    for end in (live.succeed, lambda it: live.change(it, Status.REFUSED)):
        request_id = live.open("launch", 2_500)
        end(request_id)
        live.count(request_id)
        del live.latches[request_id]
    day.clock.sleep(401 * 24 * HOUR)
    assert day.recount() == []


# ---- while everything goes on ----------------------------------------------------------------------------------


class Load:
    """Requests that are made and orders that are worked on, with all that can become of them."""

    def __init__(self, day: Day, seed: int, *, every: float, until: float) -> None:
        self.chance, self.live, self.clock = random.Random(seed), day.live, day.clock
        moment = 0.0
        while moment < until:
            moment += self.chance.expovariate(1 / every)
            self.after(moment, self.order if self.chance.random() < 0.1 else self.make)

    def after(self, seconds: float, work: Callable[..., object], *args: Any) -> None:
        self.clock.at(seconds, lambda: (work(*args), None)[1])

    def make(self) -> None:
        read_at = self.chance.choice([0.02, 0.1, 2, 20])
        self.opened(self.live.open("summer", self.chance.randrange(100, 5_000), read_at=read_at))

    def order(self) -> None:
        order = self.live.begin("summer", 50_000)
        for number in range(self.chance.randrange(10)):
            self.after(2 * number + 1, lambda: self.opened(self.live.open("summer", 5_000, order=order)))
        self.after(self.chance.uniform(30, 400), self.live.finish, order)

    def opened(self, request_id: str) -> None:
        answer = self.chance.uniform(0.1, 6)
        counted = answer + self.chance.choice([0.5, 2, 30, 300])
        end = self.chance.choice([self.kept, self.kept, self.kept, self.refused, self.reversed, self.again, self.anew])
        end(request_id, answer, counted)

    def kept(self, request_id: str, answer: float, counted: float) -> None:
        self.after(answer, self.live.succeed, request_id)
        self.after(counted, self.live.count, request_id)

    def refused(self, request_id: str, answer: float, counted: float) -> None:
        self.after(answer, self.live.change, request_id, Status.REFUSED)
        self.after(counted, self.live.count, request_id)

    def reversed(self, request_id: str, answer: float, counted: float) -> None:
        self.kept(request_id, answer, counted)
        self.after(counted + answer, self.live.change, request_id, Status.REVERSED)
        self.after(counted + 2 * answer, self.live.count, request_id)

    def again(self, request_id: str, answer: float, _: float) -> None:
        status = self.chance.choice([Status.REVERSED, Status.REFUSED])
        self.after(answer, lambda: self.opened(self.live.follow(request_id, status=status)))

    def anew(self, request_id: str, answer: float, counted: float) -> None:
        self.refused(request_id, answer, counted)
        following = lambda: self.opened(self.live.follow(request_id, status=Status.REFUSED, anew=True))  # noqa: E731
        self.after(counted + 1, following)


@pytest.mark.parametrize("every", [0.5, 5.0, 60.0])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_told_that_is_not_so(day: Day, seed: int, every: float) -> None:
    # given a budget that is taken from all the time, and an index that is behind
    day.desk.set("9000000.00")
    day.live.lag = random.Random(seed).choice([0.2, 5.0, INDEX_SECONDS - 30])
    Load(day, seed, every=every, until=1_600)
    day.clock.sleep(700)
    # when it is counted again meanwhile
    assert day.recount() == []
    # then both rounds have looked at what went on
    assert len(day.live.history) > 5


@pytest.mark.parametrize("off", [2_500, -2_500])
@pytest.mark.parametrize("seed", range(8))
def test_a_difference_is_found_while_requests_are_made(day: Day, seed: int, off: int) -> None:
    # given a wrong budget that somebody takes from now and then
    day.desk.set("9000000.00")
    Load(day, seed, every=120.0, until=1_600)
    day.clock.sleep(700)
    day.desk.budgets.add("summer", day.desk.budgets.periods["summer", "2026-03"], off)
    found: list[dict[str, Any]] = []
    for _ in range(3):
        day.desk.world.notifier.notices.clear()
        found = day.recount()
        if found:
            break
    (told,) = found
    assert told["remaining"] - told["expectedRemaining"] == off
    assert told["spent"] == told["expectedSpent"]


def test_what_one_round_sees_alone_is_not_told(day: Day) -> None:
    # given an index that stands still for minutes, so that a request is not in it
    day.live.lag = 400.0
    day.live.open("summer", 2_500)
    day.clock.sleep(HOUR)
    day.live.open("summer", 700)
    day.clock.sleep(100)
    assert day.recount() == []
    assert day.live.asked > 1


def test_a_limit_that_changes_meanwhile_is_no_difference(day: Day) -> None:
    day.done(day.live.succeed, day.live.count)
    day.clock.at(30, lambda: (day.desk.set("50.00"), None)[1])
    day.clock.at(50, lambda: (day.desk.set("70.00"), None)[1])
    assert day.recount() == []


def test_a_budget_that_is_written_without_a_pause_is_left_for_tomorrow(day: Day) -> None:
    day.desk.set(name="other")
    day.live.open("other", 100)
    day.desk.budgets.add("other", day.desk.budgets.periods["other", "2026-03"], 1)
    day.clock.sleep(HOUR)
    day.desk.definitions.busy.add("summer")
    assert [each["budget"] for each in day.recount()] == ["other"]


# ---- out of time, out of reach ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [20.0, 100.0, 220.0])
def test_a_count_that_runs_out_of_time_fails_loudly(day: Day, seconds: float) -> None:
    day.seconds = seconds
    day.done(day.live.succeed)
    with pytest.raises(LedgerUnavailable, match="no time"):
        day.recount()


def test_a_day_that_takes_longer_than_there_is_time_is_not_read_to_its_end(day: Day) -> None:
    for _ in range(3_000):
        day.live.open("summer", 100)
    day.live.seconds_per_request = 0.5
    day.clock.sleep(HOUR)
    began = day.clock.now()
    with pytest.raises(LedgerUnavailable, match="no time"):
        day.recount()
    # the function would have been ended by then, without a word
    assert day.clock.now() - began < timedelta(seconds=day.seconds + 500)


def test_one_that_nobody_could_be_told_of_rings_another_way(day: Day) -> None:
    day.done(day.live.succeed, day.live.count)
    day.desk.budgets.add_spent("summer", "2026-03", 1)
    day.desk.world.notifier.notice_fault = "no topic"
    assert len(day.recount()) == 1
    assert day.desk.world.telemetry.counts == {"BudgetDiffers": 1, "AlertNotTold": 1}


def test_the_figures_of_a_day_are_those_of_its_own_clock(day: Day) -> None:
    # a request whose clock was ahead over midnight, and one of the day before the budget was made
    day.clock.time = datetime(2026, 3, 31, 22, 0, 1, tzinfo=START.tzinfo)
    day.live.open("summer", 2_500, read_at=2.0)
    day.live.open("summer", 700, read_at=0.0)
    day.clock.sleep(HOUR)
    assert day.recount() == []
