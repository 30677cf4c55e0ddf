"""Random histories of one request: any response at any time, holders that die, cancels, jumps of the clock.

What a holder does, it does in two moves, so that time, a cancel or another holder can come between its recorded send
and the writing down of the response.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    TooLate,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.recovery.rules import (
    GENERATIONS_MAX,
    Done,
    Escalate,
    Probe,
    Reissue,
    SendOperation,
    SendReversal,
    Settle,
    Step,
    Wait,
    after_operation,
    after_probe,
    after_reversal,
    next_step,
    postpone,
)
from incentives.domain.recovery.waits import deadline, in_flight_until
from incentives.domain.single_requests.record import Cause, Change, Intent, Lost, Record, Status, TooLateStage
from incentives.domain.single_requests.transitions import (
    accept_cancel,
    first_send,
    hand_off,
    record_reversal_send,
    record_send,
    reopen,
    take_over,
)
from tests.support.fakes import START, FakeLedger
from tests.unit.builders import (
    EXPIRED,
    LIVE,
    OTHER_VALUE,
    REFUNDED,
    REFUSAL,
    attempt,
    record,
    reversal,
)

OUTCOMES = st.sampled_from(
    [
        Succeeded(LIVE),
        REFUNDED,
        EXPIRED,
        OTHER_VALUE,
        Refused(REFUSAL),
        *(Unknown(because) for because in UnknownBecause),
        *(NotExecuted(because) for because in NotExecutedBecause),
    ]
)
REVERSALS = st.sampled_from([Reversed(), NoSuchRequest(), NoSuchRequest(), TooLate(), Unresolved()])
JUMPS = st.sampled_from([0, 1, 5, 30, 61, 300, 901, 1201, 3600, 12 * 3600, 25 * 3600]).map(
    lambda s: timedelta(seconds=s)
)


class OneRequest(RuleBasedStateMachine):
    """A ledger with one chain of requests, and whoever holds its newest."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = FakeLedger()
        self.now = START
        self.request_id = "Test1AAAA"
        self.on_its_way: list[tuple[Step, Record]] = []
        self.nonces = 0
        self.cancelled = False
        self.seen: set[str] = set()
        self.doubts: set[str] = set()
        self.counted: dict[str, list[datetime]] = {}

    # ---- moves ----------------------------------------------------------------------------------

    @initialize(intent=st.sampled_from(Intent), operation=st.sampled_from(Operation), sent=st.booleans())
    def order(self, intent: Intent, operation: Operation, sent: bool) -> None:
        fresh = record(
            intent=intent, operation=operation, attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None
        )
        opened = first_send(fresh, self.now, self.now) if sent else replace(fresh, wake_at=self.now)
        self.ledger.records[self.request_id] = opened
        if sent:
            self.on_its_way.append((SendOperation(), opened))

    @rule(by=JUMPS)
    def time_passes(self, by: timedelta) -> None:
        self.now += by

    @rule()
    def the_holder_does_what_is_next(self) -> None:
        held = self.newest
        step = next_step(held, self.now)
        match step:
            case Done():
                assert not held.status.is_open
            case Wait(until):
                assert until > self.now
            case Settle(change) | Escalate(change):
                self.write(change)
            case Reissue():
                assert held.undone, "nothing is opened before the old one is known to be undone"
                assert held.intent is Intent.REISSUE
                self.ledger.reissue(step, self.nonce())
            case SendOperation():
                assert held.status in {Status.PENDING, Status.RECOVERING}, "the operation is never sent again"
                self.leave(step, record_send(held, self.now, self.now))
            case Probe():
                assert held.status is Status.REVERSING
                assert held.too_late is TooLateStage.ANSWERED, "only a card that is known to exist is read"
                self.leave(step, record_send(held, self.now, self.now))
            case SendReversal():
                assert held.status is Status.REVERSING, "REVERSING is written first"
                self.leave(step, record_reversal_send(held, self.now, self.now))

    @precondition(lambda self: self.on_its_way)
    @rule(data=st.data(), outcome=OUTCOMES, undone=REVERSALS, skew=st.sampled_from([-600, 0, 600]), dated=st.booleans())
    def an_response_comes(
        self, data: st.DataObject, outcome: Outcome, undone: ReversalOutcome, skew: int, dated: bool
    ) -> None:
        number = data.draw(st.integers(0, len(self.on_its_way) - 1))
        step, sent = self.on_its_way.pop(number)
        date = self.now + timedelta(seconds=skew) if dated else None
        match step:
            case SendReversal():
                plan = after_reversal(sent, reversal(undone, date), self.now)
                self.check_no_such_request(sent, undone, plan, date)
                self.write(plan)
            case Probe():
                self.note(sent, outcome)
                self.write(after_probe(sent, attempt(outcome, date), self.now))
            case _:
                self.note(sent, outcome)
                self.write(after_operation(sent, attempt(outcome, date), self.now, key_was_fresh=dated))

    @precondition(lambda self: self.on_its_way)
    @rule()
    def the_process_dies(self) -> None:
        _, sent = self.on_its_way.pop()
        self.doubts.add(sent.request_id)

    @rule()
    def another_takes_over(self) -> None:
        held = self.newest
        if held.status.is_open and held.wake_at is not None and held.wake_at <= self.now:
            self.write(take_over(held, self.now))

    @rule()
    def an_operator_starts_another_round(self) -> None:
        held = self.newest
        if held.status is Status.ESCALATED:
            self.write(reopen(held, self.now))
        elif held.status.is_open:
            self.write(take_over(held, self.now, silent_only=False))

    @rule()
    def the_holder_hands_over(self) -> None:
        if self.newest.status.is_open:
            self.write(hand_off(self.newest, self.now))

    @rule()
    def a_try_cannot_be_signed(self) -> None:
        if self.newest.status.is_open:
            self.write(postpone(self.newest, REFUSAL, self.now))

    @rule()
    def a_caller_cancels(self) -> None:
        if self.newest.status in {Status.PENDING, Status.RECOVERING, Status.SUCCEEDED, Status.REVERSING}:
            self.write(accept_cancel(self.newest, self.now))
            self.cancelled = True

    # ---- what must never be ---------------------------------------------------------------------

    @invariant()
    def an_open_record_wakes_somebody(self) -> None:
        for kept in self.ledger.records.values():
            assert kept.status.is_open == (kept.wake_at is not None)

    @invariant()
    def nothing_is_refused_with_a_doubt(self) -> None:
        for kept in self.ledger.records.values():
            if kept.status is not Status.REFUSED:
                continue
            if kept.cause is Cause.REFUSED:
                assert len(self.counted[kept.request_id]) >= 2, "only the fence resolves a doubt"
            else:
                assert not kept.may_have_executed
                assert kept.request_id not in self.doubts | self.seen

    @invariant()
    def a_success_was_seen(self) -> None:
        for kept in self.ledger.records.values():
            if kept.status is Status.SUCCEEDED:
                assert kept.card_seen
                assert kept.conflict is None
                assert kept.request_id in self.seen

    @invariant()
    def an_accepted_cancel_stays_and_is_not_reissued(self) -> None:
        if self.cancelled:
            assert self.newest.intent is Intent.REVERSE
            assert self.newest.replaced_by is None

    @invariant()
    def at_most_one_generation_is_not_reversed(self) -> None:
        kept = list(self.ledger.records.values())
        assert len(kept) <= GENERATIONS_MAX
        assert all(each.status is Status.REVERSED for each in kept if each.replaced_by is not None)
        assert len([each for each in kept if each.replaced_by is None]) == 1

    @invariant()
    def tries_stop_at_the_deadline(self) -> None:
        held = self.newest
        last = max((at for at in (held.last_sent_at, held.last_reversal_sent_at) if at is not None), default=None)
        # A try made after the deadline is the last one: what follows its response is the end, or nothing at all.
        if held.status in {Status.RECOVERING, Status.REVERSING} and last is not None and last >= deadline(held):
            assert not isinstance(next_step(held, max(self.now, last)), SendOperation | SendReversal | Probe)

    # ---- the machinery --------------------------------------------------------------------------

    @property
    def newest(self) -> Record:
        kept = self.ledger.records[self.request_id]
        while kept.replaced_by is not None:
            kept = self.ledger.records[kept.replaced_by]
        return kept

    def nonce(self) -> str:
        self.nonces += 1
        return f"nonce-{self.nonces}"

    def write(self, change: Change) -> Record | Lost:
        return self.ledger.apply(change, self.nonce())

    def leave(self, step: Step, change: Change) -> None:
        result = self.write(change)
        if not isinstance(result, Lost):
            self.on_its_way.append((step, result))

    def note(self, sent: Record, outcome: Outcome) -> None:
        match outcome:
            case Succeeded():
                self.seen.add(sent.request_id)
            case Unknown():
                self.doubts.add(sent.request_id)

    def check_no_such_request(self, sent: Record, undone: ReversalOutcome, plan: Change, date: datetime | None) -> None:
        if not isinstance(undone, NoSuchRequest):
            return
        limit = in_flight_until(sent)
        counts = limit is None or (date is not None and date > limit)
        ends = plan.after.undone or not plan.after.status.is_open
        if ends:
            assert counts, "counted before the fence"
            assert not sent.card_seen, "counted although the card was seen"
            assert sent.no_such_request_at is not None
            assert date is not None
            assert date - sent.no_such_request_at >= timedelta(seconds=60), "counted once"
        if counts and date is not None:
            self.counted.setdefault(sent.request_id, []).append(date)


OneRequest.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOneRequest = OneRequest.TestCase
