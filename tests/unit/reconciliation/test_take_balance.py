"""A balance that falls by more than we sent is told within two watches, and one that does not, never."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import pytest

from incentives.agcod.reading.responses import Failure, Funds
from incentives.domain.accounts.account import Account
from incentives.domain.accounts.funds import AccountState
from incentives.domain.accounts.spend import Tally, money_of
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.reconciliation.balance import BalanceSnapshot
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.accounts.dependencies import WatchDependencies
from incentives.usecases.accounts.watch_account import watch_account
from tests.support.account_states import FakeAccountStates
from tests.support.books import FakeBooks
from tests.support.fakes import START
from tests.unit.builders import record
from tests.unit.searching import FakeIndex
from tests.unit.watching import Company

SECOND = timedelta(seconds=1)
QUARTER = timedelta(minutes=15)
KIND = ("USD", Operation.CREATE_GIFT_CARD)


class Timed:
    """Amounts and their times, to be summed up to a moment."""

    def __init__(self) -> None:
        self.events: list[tuple[datetime, int]] = []
        #: Of the first so many of them.
        self.sums = [0]

    def add(self, at: datetime, minor: int) -> None:
        place = bisect_right(self.events, (at, minor))
        self.events.insert(place, (at, minor))
        del self.sums[place + 1 :]

    def up_to(self, moment: datetime) -> int:
        for _, minor in self.events[len(self.sums) - 1 :]:
            self.sums.append(self.sums[-1] + minor)
        return self.sums[bisect_right(self.events, moment, key=lambda event: event[0])]


class Books(FakeBooks):
    """Of balances they keep the last ten: nobody looks at older ones."""

    def keep_balance(self, snapshot: BalanceSnapshot) -> None:
        super().keep_balance(snapshot)
        while len(self.items) > 10:
            del self.items[min(self.items)]


class States(FakeAccountStates):
    """What is known of the account; what it spent is as the stream had counted it at the time."""

    def __init__(self, company: Issuing) -> None:
        super().__init__()
        self.company = company

    def read(self, account: str, today: date) -> AccountState:
        return replace(super().read(account, today), days=self.company.counted())


class Issuing(Company):
    """A company that issues cards all the time, and whose clock passes while Amazon answers.

    Attributes:
        draw: how long everything takes.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.states = States(self)
        self.books = Books()
        self.index = FakeIndex(self.world.ledger)
        self.moved, self.opened, self.closed = Timed(), Timed(), Timed()
        self.by_day: dict[date, tuple[Timed, Timed]] = {}
        self.knows_at_risk = True
        self.world.ledger.amount_at_risk = self._at_risk  # type: ignore[method-assign]

    @property
    def watch(self) -> WatchDependencies:
        return replace(super().watch, books=self.books, index=self.index)

    def issue(self, at: datetime, minor: int = 2_500, *, cancelled: bool = False) -> None:
        """A card: charged while its response is under way, then succeeded, then counted."""
        takes = self.draw.choice([0.2, 1, 6]) * SECOND
        charged = at + self.draw.uniform(0, 0.9) * takes
        # One in fifty is recovered for up to an hour.
        answered = at + (takes if self.draw.random() < 0.98 else self.draw.uniform(0, 3600) * SECOND + takes)
        self.moved.add(charged, -minor)
        self.opened.add(at, minor)
        self.closed.add(answered, minor)
        counted, undone = self.by_day.setdefault(answered.astimezone(UTC).date(), (Timed(), Timed()))
        counted_at = answered + self.draw.uniform(0, 3) * SECOND
        counted.add(counted_at, minor)
        if cancelled:
            refunded = answered + self.draw.uniform(0, 30) * SECOND
            self.moved.add(refunded, minor)
            undone.add(max(counted_at, refunded + self.draw.uniform(0.1, 6) * SECOND), minor)

    def issue_around(self, watch: datetime) -> None:
        """Up to half a request a second, one in ten cancelled. Away from a watch only their sum matters: it is one."""
        self.issue(watch - QUARTER / 2, 1_000_000)
        for _ in range(self.draw.choice([0, 1, 4, 40])):
            self.issue(watch + self.draw.uniform(-60, 20) * SECOND, cancelled=self.draw.random() < 0.1)

    @property
    def kept(self) -> Sequence[BalanceSnapshot]:
        return self.books.balances("default", START, self.now)

    def counted(self) -> dict[date, dict[Any, Tally]]:
        found = {}
        for day, (counted, undone) in self.by_day.items():
            gone = undone.up_to(self.now)
            found[day] = {KIND: Tally(counted.up_to(self.now) - gone, 1, gone)}
        return found

    def watched(self, at: datetime) -> None:
        self.world.clock.time = at
        watch_account("default", self.watch)

    def _at_risk(self, account: str) -> dict[str, Decimal] | None:
        if not self.knows_at_risk:
            return None
        return {"USD": Decimal(self.opened.up_to(self.now) - self.closed.up_to(self.now)) / 100}

    def _funds(self, account: Account, *, seconds: float) -> Funds | Failure:
        self.world.clock.sleep(self.draw.uniform(0.1, 3))
        balance, as_of = self.moved.up_to(self.now), self.now.replace(microsecond=0)
        self.world.clock.sleep(self.draw.uniform(0.1, 3))
        return Funds(money_of(10**12 + balance, "USD"), as_of)


# ---- whatever the timing ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_ten_days_of_steady_issuing_are_explained(seed: int) -> None:
    c = Issuing(seed)
    for number in range(960):
        c.issue_around(START + number * QUARTER)
        c.watched(START + number * QUARTER)
    assert c.alerts == []
    assert c.kept[-1].taken_at > START + 959 * QUARTER


def test_what_another_spends_is_told_once_within_two_watches() -> None:
    c, begun = Issuing(), []
    for number in range(200):
        at = START + number * QUARTER
        c.issue_around(at)
        if number % 20 == 10:
            begun.append(number)
            c.moved.add(at - c.draw.uniform(60, 840) * SECOND, -60_000)
        c.watched(at)
        # the one that sees it first, and the one that sees it still
        assert len(c.alerts) == len([each for each in begun if number > each])
    assert Counter(c.alerts) == {"unexplainedDecrease": 10}


# ---- one by one ---------------------------------------------------------------------------------


def quiet(*between: int) -> Issuing:
    """A company that issues nothing; what moves its balance before each watch after the first."""
    c = Issuing()
    for number, minor in enumerate((0, *between)):
        c.moved.add(START + number * QUARTER - QUARTER / 2, minor)
        c.watched(START + number * QUARTER)
    return c


@pytest.mark.parametrize(
    ("between", "told"),
    [
        ((-1, 0), 1),
        ((-1,), 0),  # only one has seen it yet
        ((-100, 50), 1),
        ((-100, 100), 0),
        ((0, -100), 0),
        ((0, -100, 0), 1),
        ((500, -100, 0), 1),  # a deposit before it
        ((-100, -100, -100, -100, 0, 0), 1),  # somebody who goes on
        ((-100, 0, 0, 0, -100, 0), 2),  # once more, after all was well
        ((-100, -100, 500, 0, 0), 1),
    ],
)
def test_two_balances_in_a_row_have_to_show_it(between: tuple[int, ...], told: int) -> None:
    c = quiet(*between)
    assert c.alerts == ["unexplainedDecrease"] * told


def test_the_text_says_how_much_and_since_when() -> None:
    c = quiet(-12_345, 0)
    ((subject, text),) = c.world.notifier.notices
    assert subject == "Money left that nothing sent from here explains: Incentives account default"
    assert "Between 2026-03-01 12:00:0" in text
    assert "fell by at least 123.45 USD more than" in text


def test_spend_that_is_counted_late_is_waited_for() -> None:
    # given a card that was issued before two watches, and that the stream brings six seconds after the second
    c = Issuing()
    c.watched(START)
    c.moved.add(START + SECOND * 60, -2_500)
    c.watched(START + QUARTER)
    c.by_day[START.date()] = (Timed(), Timed())
    c.by_day[START.date()][0].add(START + 2 * QUARTER + 6 * SECOND, 2_500)
    c.watched(START + 2 * QUARTER)
    assert c.alerts == []
    # and what was counted while it waited stands with the balance
    assert c.kept[-1].counted_after[START.date()] == 2_500
    # while Amazon was asked once each time
    assert len(c.kept) == 3


#: Cents of cards that were issued between two watches, the first of them the newest.
CARDS = (2_500, 700)


def stuck(*cards: int, theirs: int = 0, counted: int = 0) -> Issuing:
    """A company whose stream has been stuck for two watches: the next one sees a decrease of its balance again.

    Args:
        cards: cents of each; all but the first were cancelled again, without a refund yet.
        theirs: cents that another has spent.
        counted: cents that came through the stream all the same.
    """
    c = Issuing()
    c.watched(START)
    at = START + QUARTER / 2
    c.moved.add(at, -theirs)
    for number, minor in enumerate(cards):
        at -= SECOND
        c.moved.add(at, -minor)
        status = Status.REVERSING if number else Status.SUCCEEDED
        made = record(status, request_id=f"R{number}", value=money_of(minor, "USD"), created_at=at, answered_at=at)
        c.world.ledger.records[made.request_id] = made
    c.watched(START + QUARTER)
    c.by_day[START.date()] = (Timed(), Timed())
    c.by_day[START.date()][0].add(START + 2 * QUARTER - SECOND, counted)
    return c


def test_what_the_ledger_has_is_not_told_though_its_stream_is_stuck() -> None:
    c = stuck(*CARDS)
    c.watched(START + 2 * QUARTER)
    assert (c.alerts, len(c.kept)) == ([], 3)
    assert "spendBehind" in [event for event, _ in c.world.telemetry.lines]
    # and of what another has spent meanwhile, what the ledger does not explain
    c = stuck(*CARDS, theirs=10_000)
    c.watched(START + 2 * QUARTER)
    assert c.alerts == ["unexplainedDecrease"]
    assert "fell by at least 100.00 USD more than" in c.world.notifier.notices[0][1]


def test_what_was_answered_before_or_in_another_currency_or_is_counted_explains_nothing() -> None:
    c = stuck(*CARDS, theirs=10_000, counted=3_200)
    records = c.world.ledger.records
    records["before"] = replace(records["R0"], request_id="before", answered_at=START - 20 * SECOND)
    records["yen"] = replace(records["R0"], request_id="yen", value=money_of(9_000, "JPY"))
    c.watched(START + 2 * QUARTER)
    assert "fell by at least 100.00 USD more than" in c.world.notifier.notices[0][1]


def test_the_ledger_is_read_only_before_it_is_told() -> None:
    c = quiet(-100)
    assert c.index.asked == []
    c.watched(START + 2 * QUARTER)
    assert [(day.day, before) for _, day, before, _ in c.index.asked] == [(1, None), (28, None), (27, None)]


@pytest.mark.parametrize(("counted", "told"), [(0, 0), (2_600, 1)])
def test_without_time_for_all_of_it_a_counter_that_is_behind_accuses_nobody(counted: int, told: int) -> None:
    # given a page of the ledger that explains less than what is gone, and no time for the next
    c = stuck(*CARDS, theirs=10_000, counted=counted)
    pages = c.index.day

    def slow(account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        c.world.clock.sleep(7 if before else 0)
        return pages(account, day, before, 1)

    c.index.day = slow  # type: ignore[method-assign]
    # when counting is behind what was read, or not
    c.watched(START + 2 * QUARTER)
    assert c.alerts == ["unexplainedDecrease"] * told


@pytest.mark.parametrize(
    ("fault", "told"), [(LedgerUnavailable("away", in_doubt=False), 0), (KeyError("status of a record"), 1)]
)
def test_a_ledger_out_of_reach_accuses_nobody_and_a_record_that_cannot_be_read_hides_nothing(
    fault: Exception, told: int
) -> None:
    c = stuck(theirs=10_000)

    def fails(*_: object) -> NoReturn:
        raise fault

    c.index.day = fails  # type: ignore[method-assign]
    c.watched(START + 2 * QUARTER)
    assert c.alerts == ["unexplainedDecrease"] * told


def test_nothing_is_said_where_nobody_knows() -> None:
    # given money that is gone, and too many open requests to tell what of it they cost
    c = quiet(-100)
    c.knows_at_risk = False
    c.watched(START + 2 * QUARTER)
    assert (c.alerts, c.kept[-1].at_risk) == ([], None)
    # or an hour without a balance, or another partner
    for apart, partner in ((5 * QUARTER, "Test1"), (QUARTER, "New11")):
        c = quiet(-100)
        c.world.accounts.accounts["default"] = replace(c.world.accounts.accounts["default"], partner_id=partner)
        c.watched(START + QUARTER + apart)
        assert c.alerts == []


def test_an_alert_that_stands_is_told_once_though_a_watch_in_between_cannot_tell() -> None:
    c = quiet(-100, -100)
    c.knows_at_risk = False
    c.watched(START + 3 * QUARTER)
    c.knows_at_risk = True
    for number in range(4, 7):
        c.moved.add(START + number * QUARTER - 60 * SECOND, -100)
        c.watched(START + number * QUARTER)
    assert c.alerts == ["unexplainedDecrease"]


def test_at_midnight_the_new_day_counts_whole() -> None:
    c = Issuing()
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    for number in range(-2, 3):
        c.issue(midnight + number * QUARTER - 60 * SECOND)
        c.issue(midnight + number * QUARTER + SECOND / 2)
        c.watched(midnight + number * QUARTER)
    assert c.alerts == []
    assert sorted(c.kept[-1].counted_after) == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]


# ---- what may fail ------------------------------------------------------------------------------


def test_without_books_the_account_is_watched_all_the_same() -> None:
    c = quiet(-100)
    c.books.fails = {"keep_balance"}
    c.watched(START + 2 * QUARTER)
    assert (len(c.kept), c.alerts) == (2, [])
    assert "balanceNotKept" in [event for event, _ in c.world.telemetry.lines]
    kept = c.states.read("default", START.date()).snapshot
    assert kept is not None
    assert kept.taken_at > START + 2 * QUARTER


def test_without_the_ledger_the_balance_is_kept_and_nothing_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    c = quiet(-100)

    def fails(_: str) -> None:
        raise LedgerUnavailable("the ledger could not be read", in_doubt=False)

    monkeypatch.setattr(c.world.ledger, "amount_at_risk", fails)
    c.watched(START + 2 * QUARTER)
    assert (len(c.kept), c.kept[-1].at_risk, c.alerts) == (3, None, [])
