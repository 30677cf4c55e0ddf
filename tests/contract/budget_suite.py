"""What a request takes from its budget, and what comes back: of every ledger, with whoever counts spend beside it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incentives.domain.accounts.spend import charge_of
from incentives.domain.budgets.budget import Budget, PeriodKind
from incentives.domain.errors import BudgetBusy, BudgetExceeded, BudgetUnusable, OrderClosed
from incentives.domain.money import Money, parse_money
from incentives.domain.recovery.rules import KEY_REFUSED
from incentives.domain.single_requests.record import (
    Intent,
    KeyTaken,
    Lost,
    OrderRow,
    Record,
    Reissue,
    Status,
    change,
    successor_of,
)
from incentives.domain.single_requests.renewal import next_generation, renewal
from incentives.domain.single_requests.transitions import LEASE
from tests.contract.records import START, key_of, new_nonce, new_record
from tests.contract.subject import THREADS, Figures, Subject, all_at_once

S = Status

#: START lies in it; a month later.
MARCH, APRIL = "2026-03", "2026-04"
LATER = datetime(2026, 4, 2, tzinfo=UTC)

_names = itertools.count()
_run = new_nonce()[:8]


def usd(amount: str) -> Money:
    return parse_money(amount, "USD")


def budget(subject: Subject, limit: int, **updates: Any) -> str:
    """A budget that nobody else has; its limit in cents."""
    name = f"b-{_run}-{next(_names)}"
    base = Budget(
        name=name,
        limit=limit,
        currency="USD",
        kind=PeriodKind.MONTH,
        active=True,
        version=1,
        created_at=START,
        changed_at=START,
    )
    subject.desk.define(replace(base, **updates))
    return name


def asked(name: str | None, amount: str = "25.00", **updates: Any) -> Record:
    return new_record(value=usd(amount), budget=name, **updates)


def place(subject: Subject, record: Record, **named: Any) -> Record:
    """Open a request that takes from its budget."""
    result = subject.ledger.open(record, key_of(record), new_nonce(), **named)
    assert isinstance(result, Record)
    return result


def end(subject: Subject, record: Record, status: Status, **updates: Any) -> Record:
    """Let a request end, by one write."""
    if status is S.REFUSED:
        updates = {"refusal": KEY_REFUSED} | updates
    before = record
    if status in {S.REVERSED, S.ESCALATED}:
        before = write(subject, record, status=S.REVERSING, wake_at=START + LEASE)
    return write(subject, before, status=status, **updates)


def write(subject: Subject, record: Record, **updates: Any) -> Record:
    written = subject.ledger.apply(change(record, **updates), new_nonce())
    assert isinstance(written, Record)
    return written


def count(subject: Subject, record: Record, before: Record | None = None) -> bool:
    return subject.states.count(record, charge_of(before) if before else None, START)


def again(refused: Record, now: datetime = LATER) -> Reissue:
    """A refused request, ordered again."""
    repeat = replace(new_record(value=refused.value, budget=refused.budget), key_hash=refused.key_hash, created_at=now)
    return renewal(refused, next_generation(refused, repeat), now)


def reissued(record: Record) -> Reissue:
    """A reversed request that is issued again."""
    closing = change(record, status=S.REVERSED, replaced_by=f"{record.request_id}R")
    own = {"request_id": f"{record.request_id}R", "status": S.PENDING, "created_at": LATER, "updated_at": LATER}
    successor = successor_of(record, **own, wake_at=LATER + LEASE, generation=1, replaces=record.request_id)
    return Reissue(closing, successor)


class BudgetContract:
    """A part of `LedgerContract`."""

    # ---- taking ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("kind", "created_at", "period"),
        [(PeriodKind.MONTH, START, MARCH), (PeriodKind.MONTH, LATER, APRIL), (PeriodKind.TOTAL, START, "total")],
    )
    def test_an_open_takes_its_amount_from_the_period_of_its_time(
        self, subject: Subject, kind: PeriodKind, created_at: datetime, period: str
    ) -> None:
        name = budget(subject, 100_00, kind=kind)
        for left in (75_00, 50_00):
            record = place(subject, asked(name, created_at=created_at))
            assert record.budget_period == period
            assert subject.ledger.get(record.request_id) == record
            assert subject.desk.figures(name, period) == Figures(100_00, left, 0)

    def test_an_open_whose_response_was_lost_takes_once(self, subject: Subject) -> None:
        name = budget(subject, 100_00)
        for left in (75_00, 50_00):
            record, nonce = asked(name), new_nonce()
            result = subject.repeated.open(record, key_of(record), nonce)
            assert result == replace(record, nonce=nonce, budget_period=MARCH)
            assert subject.desk.figures(name, MARCH) == Figures(100_00, left, 0)

    def test_a_budget_can_be_used_up_to_the_cent_and_no_further(self, subject: Subject) -> None:
        name = budget(subject, 50_00)
        place(subject, asked(name, "49.99"))
        refused = asked(name, "0.02")
        for _ in range(2):
            # when asked twice: the second time it is known how the period stands
            with pytest.raises(BudgetExceeded, match="has less left"):
                subject.ledger.open(refused, key_of(refused), new_nonce())
        # then nothing is written, and the key is unused
        assert subject.ledger.get(refused.request_id) is None
        assert subject.ledger.key(refused.key_hash) is None
        place(subject, asked(name, "0.01"))
        assert subject.desk.figures(name, MARCH) == Figures(50_00, 0, 0)

    def test_an_amount_beyond_the_whole_limit_is_refused_before_there_is_a_period(self, subject: Subject) -> None:
        name = budget(subject, 10_00)
        record = asked(name)
        with pytest.raises(BudgetExceeded):
            subject.ledger.open(record, key_of(record), new_nonce())
        assert subject.desk.figures(name, MARCH) is None

    def test_a_refused_key_works_once_there_is_enough(self, subject: Subject) -> None:
        name = budget(subject, 30_00)
        place(subject, asked(name))
        record = asked(name)
        with pytest.raises(BudgetExceeded):
            subject.ledger.open(record, key_of(record), new_nonce())
        subject.desk.set_limit(name, MARCH, 50_00)
        place(subject, record)
        assert subject.desk.figures(name, MARCH) == Figures(50_00, 0, 0)

    @pytest.mark.parametrize("has_period", [False, True])
    def test_an_inactive_budget_takes_no_new_holds(self, subject: Subject, has_period: bool) -> None:
        name = budget(subject, 100_00)
        if has_period:
            place(subject, asked(name))
        subject.desk.set_limit(name, MARCH, 10_00, active=False)
        record = asked(name)
        with pytest.raises(BudgetUnusable, match="not active"):
            subject.ledger.open(record, key_of(record), new_nonce())
        assert subject.ledger.key(record.key_hash) is None

    @pytest.mark.parametrize("why", ["unknown", "another currency", "another currency, taken from before"])
    def test_a_budget_that_there_is_not_or_in_another_currency_is_refused(self, subject: Subject, why: str) -> None:
        name, currency = ("no-such-budget", "USD") if why == "unknown" else (budget(subject, 100_00), "EUR")
        if why.endswith("before"):
            place(subject, asked(name))
        record = replace(asked(name), value=parse_money("25.00", currency))
        with pytest.raises(BudgetUnusable):
            subject.ledger.open(record, key_of(record), new_nonce())
        assert subject.ledger.key(record.key_hash) is None

    @pytest.mark.parametrize("why", ["empty", "inactive", "unknown"])
    def test_a_taken_key_is_told_whatever_the_budget_would_say(self, subject: Subject, why: str) -> None:
        # given a request of a budget that has no more since
        name = budget(subject, 25_00)
        first, nonce = asked(name), new_nonce()
        subject.ledger.open(first, key_of(first), nonce)
        if why == "inactive":
            subject.desk.set_limit(name, MARCH, 25_00, active=False)
        second = replace(first, budget="unknown" if why == "unknown" else name)
        # then
        assert subject.ledger.open(second, key_of(second), new_nonce()) == KeyTaken(key_of(first, nonce=nonce))
        assert subject.desk.figures(name, MARCH) == Figures(25_00, 0, 0)

    def test_of_many_at_once_no_more_take_than_there_is(self, subject: Subject) -> None:
        # given room for five, and no period yet
        name = budget(subject, 5 * 25_00)
        records = [asked(name) for _ in range(THREADS)]

        def open_one(record: Record) -> object:
            try:
                return subject.ledger.open(record, key_of(record), new_nonce())
            except (BudgetExceeded, BudgetBusy) as error:
                return error

        # when
        results = all_at_once(*(lambda each=each: open_one(each) for each in records))
        # then what is held is what is there, whoever was too late
        opened = [each for each in results if isinstance(each, Record)]
        kept = [each for each in records if subject.ledger.get(each.request_id)]
        assert len(kept) == len(opened) <= 5
        assert subject.desk.figures(name, MARCH) == Figures(5 * 25_00, (5 - len(opened)) * 25_00, 0)
        if not any(isinstance(each, BudgetBusy) for each in results):
            assert len(opened) == 5

    def test_of_many_with_one_key_one_takes(self, subject: Subject) -> None:
        name = budget(subject, 100_00)
        rival = asked(name)
        results = all_at_once(*[lambda: subject.ledger.open(rival, key_of(rival), new_nonce())] * THREADS)
        assert sum(isinstance(each, Record) for each in results) == 1
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 75_00, 0)

    # ---- rows of orders -------------------------------------------------------------------------

    def test_a_row_takes_nothing_itself(self, subject: Subject) -> None:
        name = budget(subject, 10_00)
        row = OrderRow(order_id=f"O{new_nonce()}", batch=3, budget_period=MARCH)
        record = asked(name, budget_period=MARCH, order_id=row.order_id)
        assert place(subject, record, row=row).budget_period == MARCH
        assert subject.desk.figures(name, MARCH) is None

    @pytest.mark.parametrize("name", [None, "spring"])
    def test_a_row_of_a_closed_batch_is_not_opened(self, subject: Subject, name: str | None) -> None:
        row = OrderRow(order_id=f"O{new_nonce()}", batch=3, budget_period=MARCH)
        before = asked(name, order_id=row.order_id)
        nonce = new_nonce()
        subject.ledger.open(before, key_of(before), nonce, row=row)
        subject.desk.close(row.order_id, row.batch)
        late = asked(name, order_id=row.order_id)
        # when
        with pytest.raises(OrderClosed):
            subject.ledger.open(late, key_of(late), new_nonce(), row=row)
        # then the others are told, and other batches go on
        assert subject.ledger.key(late.key_hash) is None
        assert subject.ledger.open(before, key_of(before), new_nonce(), row=row) == KeyTaken(
            key_of(before, nonce=nonce)
        )
        assert place(subject, late, row=replace(row, batch=4)).order_id == row.order_id

    def test_a_row_of_a_closed_batch_is_not_ordered_again(self, subject: Subject) -> None:
        row = OrderRow(order_id=f"O{new_nonce()}", batch=3, budget_period=MARCH)
        record = asked("spring", order_id=row.order_id, budget_period=MARCH)
        refused = end(subject, place(subject, record, row=row), S.REFUSED)
        subject.desk.close(row.order_id, row.batch)
        with pytest.raises(OrderClosed):
            subject.ledger.reissue(again(refused), new_nonce(), row=row)
        assert subject.ledger.get(refused.request_id) == refused

    # ---- counting -------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [S.REFUSED, S.REVERSED])
    def test_what_ends_without_a_charge_comes_back_once(self, subject: Subject, status: Status) -> None:
        name = budget(subject, 100_00)
        ended = end(subject, place(subject, asked(name)), status)
        # when it is told twice, and the response of the first is lost
        assert subject.repeated_states.count(ended, None, START) in {True, False}
        assert not count(subject, ended)
        # then
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 100_00, 0)

    def test_what_was_spent_and_reversed_comes_back_to_its_own_month(self, subject: Subject) -> None:
        name = budget(subject, 100_00)
        issued = write(subject, place(subject, asked(name)), status=S.SUCCEEDED, answered_at=START)
        assert count(subject, issued)
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 75_00, 25_00)
        reversing = write(subject, issued, status=S.REVERSING, wake_at=LATER)
        reversed_ = write(subject, reversing, status=S.REVERSED)
        assert subject.states.count(reversed_, charge_of(reversing), LATER)
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 100_00, 0)
        assert subject.desk.figures(name, APRIL) is None
        # given that what came before is told late
        assert not count(subject, issued)
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 100_00, 0)

    def test_what_nobody_could_find_out_is_held(self, subject: Subject) -> None:
        name = budget(subject, 100_00)
        count(subject, end(subject, place(subject, asked(name)), S.ESCALATED))
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 75_00, 0)

    def test_an_older_version_gives_nothing_back(self, subject: Subject) -> None:
        # given a refused request that has been ordered again since
        name = budget(subject, 100_00)
        refused = end(subject, place(subject, asked(name)), S.REFUSED)
        successor = subject.ledger.reissue(again(refused), new_nonce())
        assert isinstance(successor, Record)
        # when both of its ends are told, in order or not
        assert not count(subject, refused)
        newest = subject.ledger.get(refused.request_id)
        assert newest is not None
        count(subject, newest)
        count(subject, refused)
        # then the successor holds it
        assert subject.desk.figures(name, MARCH) == Figures(100_00, 75_00, 0)
        assert successor.budget_period == MARCH

    # ---- the next generation --------------------------------------------------------------------

    def test_a_renewal_takes_over_what_is_held(self, subject: Subject) -> None:
        # given a budget that has nothing left
        name = budget(subject, 25_00)
        refused = end(subject, place(subject, asked(name)), S.REFUSED)
        # when it is ordered again, a month later
        plan, nonce = again(refused), new_nonce()
        successor = subject.repeated.reissue(plan, nonce)
        # then it holds the same of the same month
        assert successor == replace(plan.successor, nonce=nonce, budget_period=MARCH)
        assert subject.ledger.get(plan.successor.request_id) == successor
        assert subject.desk.figures(name, MARCH) == Figures(25_00, 0, 0)
        assert subject.desk.figures(name, APRIL) is None

    def test_a_renewal_takes_anew_what_was_given_back(self, subject: Subject) -> None:
        name = budget(subject, 25_00)
        refused = end(subject, place(subject, asked(name)), S.REFUSED)
        assert count(subject, refused)
        # when
        plan, nonce = again(refused), new_nonce()
        successor = subject.repeated.reissue(plan, nonce)
        # then of the month in which it is ordered again
        assert successor == replace(plan.successor, nonce=nonce, budget_period=APRIL)
        assert subject.ledger.get(plan.successor.request_id) == successor
        assert subject.desk.figures(name, MARCH) == Figures(25_00, 25_00, 0)
        assert subject.desk.figures(name, APRIL) == Figures(25_00, 0, 0)
        # and whoever is late is told so
        assert isinstance(subject.ledger.reissue(again(refused), new_nonce()), Lost)
        assert subject.desk.figures(name, APRIL) == Figures(25_00, 0, 0)

    def test_a_renewal_that_finds_too_little_changes_nothing(self, subject: Subject) -> None:
        name = budget(subject, 25_00)
        refused = end(subject, place(subject, asked(name)), S.REFUSED)
        count(subject, refused)
        other = place(subject, asked(name, "1.00", created_at=LATER))
        with pytest.raises(BudgetExceeded):
            subject.ledger.reissue(again(refused), new_nonce())
        assert subject.ledger.get(refused.request_id) == refused
        # when there is enough
        count(subject, end(subject, other, S.REFUSED))
        assert isinstance(subject.ledger.reissue(again(refused), new_nonce()), Record)
        assert subject.desk.figures(name, APRIL) == Figures(25_00, 0, 0)

    def test_a_renewal_so_late_that_nobody_knows_takes_anew(self, subject: Subject) -> None:
        name = budget(subject, 25_00, kind=PeriodKind.TOTAL)
        refused = end(subject, place(subject, asked(name)), S.REFUSED)
        # given that it was never counted, and 400 days later may be
        with pytest.raises(BudgetExceeded):
            subject.ledger.reissue(again(refused, START + timedelta(days=401)), new_nonce())
        assert subject.ledger.get(refused.request_id) == refused

    def test_a_reissue_takes_over_what_is_held_and_takes_nothing(self, subject: Subject) -> None:
        name = budget(subject, 25_00)
        record = place(subject, asked(name, intent=Intent.REISSUE))
        reversing = write(subject, record, status=S.REVERSING, wake_at=LATER)
        plan = reissued(reversing)
        successor = subject.repeated.reissue(plan, new_nonce())
        assert isinstance(successor, Record)
        assert (successor.budget, successor.budget_period) == (name, MARCH)
        old = subject.ledger.get(record.request_id)
        assert old is not None
        count(subject, old)
        assert subject.desk.figures(name, MARCH) == Figures(25_00, 0, 0)
        # and it gives back when it ends in its turn
        count(subject, end(subject, successor, S.REFUSED))
        assert subject.desk.figures(name, MARCH) == Figures(25_00, 25_00, 0)

    def test_of_giving_back_and_ordering_again_one_is_first(self, subject: Subject) -> None:
        name = budget(subject, 100_00)
        for number in range(1, 4):
            refused = end(subject, place(subject, asked(name)), S.REFUSED)
            plan = again(refused, START)
            renew = lambda plan=plan: subject.ledger.reissue(plan, new_nonce())  # noqa: E731
            give_back = lambda refused=refused: count(subject, refused)  # noqa: E731
            # when at the same time, as often as can be
            all_at_once(*[renew, give_back] * (THREADS // 2))
            newest = subject.ledger.get(refused.request_id)
            assert newest is not None
            count(subject, newest)
            # then one request holds it, once
            assert subject.ledger.get(plan.successor.request_id) is not None
            assert subject.desk.figures(name, MARCH) == Figures(100_00, 100_00 - number * 25_00, 0)

    def test_however_they_meet_nothing_is_lost_and_nothing_made(self, subject: Subject) -> None:
        # given requests that end in every way, told at the same time
        name = budget(subject, 1_000_00)
        records = [place(subject, asked(name, "10.00")) for _ in range(THREADS)]
        ends = itertools.cycle([S.REFUSED, S.SUCCEEDED, S.REVERSED])
        ended = [
            end(subject, record, status, **({"answered_at": START} if status is S.SUCCEEDED else {}))
            for record, status in zip(records, ends, strict=False)
        ]
        late = [asked(name, "10.00") for _ in range(THREADS)]
        calls = [lambda each=each: count(subject, each) for each in ended * 2]
        calls += [lambda each=each: isinstance(place(subject, each), Record) for each in late]
        all_at_once(*calls)
        # then
        spent = sum(each.status is S.SUCCEEDED for each in ended) * 10_00
        held = THREADS * 10_00
        assert subject.desk.figures(name, MARCH) == Figures(1_000_00, 1_000_00 - spent - held, spent)
