"""A frozen account: what does not leave, what goes on, and what waits until it is unfrozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from incentives.api.problems import problem, status_of
from incentives.domain.accounts.freezing import FROZEN, FROZEN_AGAIN_AFTER
from incentives.domain.errors import AccountFrozen, GatewayError, LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Reversed
from incentives.domain.recovery.keeping_back import keep_back
from incentives.domain.recovery.rules import NOT_SENT, Settle, next_step
from incentives.domain.single_requests.record import Cause, Status
from incentives.domain.single_requests.transitions import DEADLINE, IN_BACKLOG, cancellable_until
from incentives.usecases.permits import PERMITS_MISSED_MAX
from incentives.usecases.recovery.recover import Pause, RecoveryTask, recover
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted, Delivered
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import CODE, World, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import (
    KEY_REFUSED,
    MINUTE,
    ORDERS,
    SECOND,
    THROTTLED,
    TIMED_OUT,
    before,
    code_of,
    fails,
    holding,
    order,
    record,
    reversing,
    unknown_since,
)
from tests.unit.queued import only, take_up, waiting

S = Status
CREATE, ACTIVATE, LOAD = Operation


def place(w: World, **updates: Any) -> Delivered | Accepted:
    return issue(order(**updates), w.dependencies, w.budget())


def issued(*script: Any, **updates: Any) -> World:
    """An order that was placed; then its account was frozen."""
    w = world(*script)
    try:
        place(w, **updates)
    except GatewayError:
        assert only(w).status is S.REFUSED
    w.freeze()
    w.amazon.sent.clear()
    w.ledger.writes = 0
    return w


# ---- what is new ----------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("operation", Operation)
def test_a_new_order_is_answered_503_and_nothing_is_recorded(operation: Operation, later: bool) -> None:
    w = world()
    w.freeze()
    # when
    with pytest.raises(AccountFrozen) as refused:
        issue(order(**ORDERS[operation]), w.dependencies, w.budget(), later=later)
    # then
    assert (status_of(refused.value), refused.value.retry_after_seconds) == (503, 900)
    told = problem(refused.value)
    assert (told["errorType"], told["retryable"], told["requestId"]) == ("AccountFrozen", True, None)
    assert not [*w.ledger.records, *w.ledger.keys, *w.amazon.sent, *w.backlog.puts]
    assert not w.rate_limiter.lined_up
    # and when it is unfrozen, the same key is issued as if it came for the first time
    w.freeze(frozen=False)
    assert place(w).record.generation == 0


def test_the_line_of_a_frozen_account_is_closed() -> None:
    # given an account that has no permit, and is frozen before the order joins the line
    w = world()
    w.rate_limiter.full_for = 60.0
    before(w.rate_limiter, "line_up", w.freeze)
    # when, then
    with pytest.raises(AccountFrozen):
        place(w)
    assert not w.ledger.records


# ---- repeats ------------------------------------------------------------------------------------


def test_a_repeat_of_an_issued_card_tells_its_state_and_no_code() -> None:
    w = issued()
    response = place(w)
    assert isinstance(response, Accepted)
    assert response.record.status is S.SUCCEEDED
    assert (w.amazon.sent, w.ledger.writes) == ([], 0)
    w.freeze(frozen=False)
    assert code_of(place(w)) == CODE


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
def test_a_repeat_of_what_has_no_code_is_as_always(operation: Operation) -> None:
    w = issued(**ORDERS[operation])
    response = place(w, **ORDERS[operation])
    assert isinstance(response, Delivered)
    assert response.replayed


def test_a_repeat_of_what_is_open_is_told_so_and_sends_nothing() -> None:
    w = issued(*[TIMED_OUT] * 50)
    response = place(w)
    assert isinstance(response, Accepted)
    assert response.record.status is S.RECOVERING
    assert (w.amazon.sent, w.ledger.writes) == ([], 0)


def test_what_amazon_never_looked_at_is_ordered_again_once_it_is_unfrozen() -> None:
    # given
    w = issued(*[KEY_REFUSED] * 2)
    # when, then
    with pytest.raises(AccountFrozen):
        place(w)
    assert (w.amazon.sent, w.ledger.writes) == ([], 0)
    w.freeze(frozen=False)
    assert place(w).record.generation == 1


# ---- codes --------------------------------------------------------------------------------------


def test_no_code_is_shown() -> None:
    w = issued()
    kept = only(w)
    with pytest.raises(AccountFrozen):
        reveal(kept.request_id, None, w.dependencies, w.budget())
    assert (w.amazon.sent, only(w)) == ([], kept)


@pytest.mark.parametrize("late", [True, False])
def test_a_code_is_shown_with_a_permit_of_before_unless_it_is_late(late: bool) -> None:
    # given a card, and a repeat of its order that has taken a permit
    w = issued()
    w.freeze(frozen=False)

    def frozen() -> None:
        w.freeze()
        w.clock.sleep(5 if late else 0)

    before(w.ledger, "open", frozen)
    # when, then
    assert isinstance(place(w), Accepted if late else Delivered)
    assert len(w.amazon.sent) == (0 if late else 1)


def test_a_code_is_not_shown_with_a_late_permit_of_which_nobody_can_tell() -> None:
    # given a repeat that was held up with its permit, and a rate limiter out of reach when it asks for another
    w = issued()
    w.freeze(frozen=False)
    before(w.ledger, "open", lambda: (w.freeze(), w.clock.sleep(5)))
    fails(w.rate_limiter, "reserve", at=2)
    # when, then
    with pytest.raises(LedgerUnavailable):
        place(w)
    assert w.amazon.sent == []


def test_a_reveal_that_is_late_for_all_its_permits_asks_once_more() -> None:
    # given a process that has missed each permit that it took, the last one while the account was being frozen
    w = issued()
    w.freeze(frozen=False)
    w.rate_limiter.begins_in = [-5.0] * (PERMITS_MISSED_MAX + 1)
    before(w.telemetry, "count", lambda: w.rate_limiter.begins_in or w.freeze(), times=100)
    # when, then
    with pytest.raises(AccountFrozen):
        reveal(only(w).request_id, None, w.dependencies, w.budget())
    assert w.amazon.sent == []


# ---- what goes on -------------------------------------------------------------------------------


def test_an_issued_card_can_be_cancelled() -> None:
    w = issued()
    w.amazon.script = [Reversed()]
    cancel(only(w).request_id, CREATE, None, w.dependencies, w.budget())
    assert only(w).status is S.REVERSED


def test_an_order_that_waits_can_be_cancelled() -> None:
    w = waiting()
    w.freeze()
    cancel(only(w).request_id, CREATE, None, w.dependencies, w.budget())
    run_execution(*w.recoveries.started[0], w.dependencies)
    assert (only(w).status, w.amazon.sent) == (S.REVERSED, [])


def test_what_is_unknown_is_found_out() -> None:
    w = holding(unknown_since())
    w.freeze()
    run_execution(only(w).request_id, 0, w.dependencies)
    assert only(w).status is S.SUCCEEDED


def test_a_late_repeat_of_what_may_have_been_charged_leaves_all_the_same() -> None:
    w = holding(unknown_since())
    w.freeze()
    before(w.ledger, "apply", lambda: w.clock.sleep(5))
    run_execution(only(w).request_id, 0, w.dependencies)
    assert only(w).status is S.SUCCEEDED


# ---- what waits ---------------------------------------------------------------------------------


def test_the_backlog_waits_a_quarter_of_an_hour_at_a_time() -> None:
    # given an order in the backlog
    w = waiting()
    request_id = only(w).request_id
    w.freeze()
    for number in range(1, 4):
        # when its message comes out
        take_up(w)
        # then it is due again, its message comes out then, and no sweep takes it for lost meanwhile
        now, kept = w.clock.now(), only(w)
        assert (kept.status, kept.attempts, kept.error) == (S.PENDING, 0, FROZEN)
        assert kept.due_at == now + FROZEN_AGAIN_AFTER
        assert w.backlog.puts == [(request_id, FROZEN_AGAIN_AFTER.total_seconds())] * number
        w.clock.sleep((FROZEN_AGAIN_AFTER + IN_BACKLOG - SECOND).total_seconds())
        assert sweep(w.dependencies) == []
    assert (w.amazon.sent, w.rate_limiter.reserved) == ([], 0)
    # when it is unfrozen
    w.freeze(frozen=False)
    take_up(w)
    # then
    assert (only(w).status, only(w).error) == (S.SUCCEEDED, None)


def test_after_a_day_it_is_refused_as_not_sent_and_can_be_ordered_again() -> None:
    # given an order that waits, its account frozen for good
    w = waiting()
    w.freeze()
    ordered_at = w.clock.now()
    while only(w).status is S.PENDING:
        take_up(w)
        kept = only(w)
        w.clock.sleep(((kept.due_at or w.clock.now()) - w.clock.now()).total_seconds())
    # then it ends when it has to
    assert (only(w).status, only(w).refusal) == (S.REFUSED, NOT_SENT)
    assert w.clock.now() - ordered_at <= DEADLINE + SECOND
    # and its key is not used up
    with pytest.raises(AccountFrozen):
        place(w)
    w.freeze(frozen=False)
    assert place(w).record.replaces is not None


@pytest.mark.parametrize("script", [(), (THROTTLED,)], ids=["first try", "after one that was throttled"])
def test_after_it_is_unfrozen_waits_are_short_again(script: tuple[Any, ...]) -> None:
    w = waiting()
    w.freeze()
    take_up(w)
    w.freeze(frozen=False)
    w.clock.sleep(FROZEN_AGAIN_AFTER.total_seconds())
    w.amazon.script = [*script]
    take_up(w)
    assert only(w).status is S.SUCCEEDED


def test_who_cancels_meanwhile_wins() -> None:
    w = waiting()
    w.freeze()
    before(w.ledger, "apply", lambda: cancel(only(w).request_id, CREATE, None, w.dependencies, w.budget()))
    take_up(w)
    assert (only(w).status, w.backlog.puts) == (S.REVERSING, [])


# ---- a permit that is late ----------------------------------------------------------------------


def frozen_meanwhile(w: World, port: object, method: str, seconds: float = 5.0) -> None:
    """Just before a call of a port the account is frozen, and the process is held up."""
    before(port, method, lambda: (w.freeze(), w.clock.sleep(seconds)))


def caller() -> World:
    w = world()
    frozen_meanwhile(w, w.ledger, "open")
    response = place(w)
    assert isinstance(response, Accepted)
    return w


def renewed() -> World:
    w = issued(*[KEY_REFUSED] * 2)
    w.freeze(frozen=False)
    frozen_meanwhile(w, w.ledger, "reissue")
    response = place(w)
    assert isinstance(response, Accepted)
    return w


def worker() -> World:
    w = waiting()
    frozen_meanwhile(w, w.ledger, "apply")
    take_up(w)
    return w


@pytest.mark.parametrize("ordered", [caller, renewed, worker])
def test_what_was_recorded_as_sent_and_may_not_leave_is_written_back(ordered: Callable[[], World]) -> None:
    # given, when
    w = ordered()
    # then it was not sent, and nobody takes it for unknown
    newest = max(w.ledger.records.values(), key=lambda each: each.generation)
    assert w.amazon.sent == []
    assert (newest.status, newest.attempts, newest.may_have_executed, newest.error) == (S.PENDING, 1, False, FROZEN)
    assert newest.due_at is not None
    assert newest.due_at > w.clock.now() + 14 * MINUTE
    assert w.backlog.puts == [(newest.request_id, pytest.approx(900, abs=1))]
    assert w.recoveries.started == []
    # when it is due and still frozen, and then unfrozen
    for unfrozen in (False, True):
        w.clock.sleep(FROZEN_AGAIN_AFTER.total_seconds())
        if unfrozen:
            w.freeze(frozen=False)
        issue_queued(newest.request_id, w.dependencies, w.budget())
    # then
    assert w.ledger.records[newest.request_id].status is S.SUCCEEDED
    assert [sent.call.request_id for sent in w.amazon.sent] == [newest.request_id]


def test_a_card_can_be_cancelled_for_as_long_as_if_it_had_not_been_kept_back() -> None:
    # given an order that was recorded as sent, did not leave, and is issued an hour later
    w = caller()
    w.freeze(frozen=False)
    w.clock.sleep(3600)
    issue_queued(only(w).request_id, w.dependencies, w.budget())
    assert only(w).status is S.SUCCEEDED
    # then the time for its cancel begins with the send that left
    until = cancellable_until(only(w))
    assert until is not None
    assert until > w.clock.now() + 14 * MINUTE


def test_with_a_permit_that_is_not_late_it_leaves() -> None:
    w = world()
    frozen_meanwhile(w, w.ledger, "open", seconds=0.1)
    assert code_of(place(w)) == CODE


def test_who_cannot_tell_whether_it_is_frozen_does_not_leave_with_a_late_permit() -> None:
    # given a process that was held up, and a rate limiter out of reach when it asks for another permit
    w = world()
    before(w.ledger, "open", lambda: w.clock.sleep(5))
    fails(w.rate_limiter, "reserve", at=2)
    # when
    response = place(w)
    # then it has asked again before it left
    assert code_of(response) == CODE
    assert (only(w).attempts, len(w.amazon.sent), w.rate_limiter.reserved) == (2, 1, 2)


def test_who_cannot_write_it_back_leaves_it_to_a_recovery() -> None:
    w = world()
    frozen_meanwhile(w, w.ledger, "open")
    fails(w.ledger, "apply")
    assert isinstance(place(w), Accepted)
    # it cannot be told from one that was sent
    assert (only(w).may_have_executed, w.amazon.sent) == (True, [])
    w.clock.sleep(60)
    assert sweep(w.dependencies) == [only(w).request_id]
    run_execution(*w.recoveries.started[0], w.dependencies)
    assert only(w).status is S.SUCCEEDED


def test_what_there_was_no_time_to_send_is_not_taken_for_sent() -> None:
    # given an order that is recorded as sent when its function's time is over, and its account frozen then
    w = world()
    before(w.ledger, "open", lambda: w.clock.sleep(0.2))
    assert isinstance(issue(order(), w.dependencies, w.budget(11.1)), Accepted)
    w.freeze()
    # when it is taken up
    w.clock.sleep(60)
    take_up(w)
    # then
    assert (only(w).status, only(w).error, w.amazon.sent) == (S.PENDING, FROZEN, [])


def test_a_key_that_was_refused_is_not_tried_again() -> None:
    # given an account that is frozen while Amazon refuses its key
    w = world(lambda _: (w.freeze(), KEY_REFUSED)[1])
    assert isinstance(place(w), Accepted)
    assert (only(w).status, only(w).error, len(w.amazon.sent)) == (S.PENDING, FROZEN, 1)


# ---- recoveries of what was never sent ----------------------------------------------------------


def test_the_successor_of_a_reissue_is_sent_once_it_is_unfrozen() -> None:
    # given a reissue whose old card is surely undone
    w = holding(reversing(Cause.REISSUE, undone=True))
    w.freeze()
    said = recover(RecoveryTask.REISSUE, "Test1AAAA", 0, w.dependencies, w.budget(), support_address=SUPPORT)
    # when its execution goes on
    again = recover(said.next, said.request_id, said.epoch, w.dependencies, w.budget(), support_address=SUPPORT)
    # then it waits
    assert (again.next, again.pause, again.wait_seconds) == (RecoveryTask.REPEAT, Pause.LONGER, 900)
    assert w.amazon.sent == []
    # and is sent once it is unfrozen
    w.freeze(frozen=False)
    w.clock.sleep(again.wait_seconds)
    run_execution(again.request_id, again.epoch, w.dependencies)
    assert w.ledger.records[again.request_id].status is S.SUCCEEDED
    assert len(w.amazon.sent) == 1


def test_a_successor_that_stays_frozen_ends_with_the_deadline_of_the_first() -> None:
    w = holding(reversing(Cause.REISSUE, undone=True))
    w.freeze()
    run_execution("Test1AAAA", 0, w.dependencies)
    first, second = sorted(w.ledger.records.values(), key=lambda each: each.generation)
    assert (first.status, second.status, second.refusal) == (S.REVERSED, S.REFUSED, NOT_SENT)
    assert w.amazon.sent == []


# ---- the rule -----------------------------------------------------------------------------------


def test_it_is_due_by_the_deadline_at_the_latest() -> None:
    kept = record(in_flight=False)
    now = kept.created_at + DEADLINE - 5 * MINUTE
    after = keep_back(kept, now).after
    assert after.due_at == kept.created_at + DEADLINE
    assert isinstance(next_step(after, after.due_at), Settle)
    # and past it, it is due at once
    past = now + timedelta(hours=1)
    assert keep_back(kept, past).after.due_at == past


def test_somebody_elses_send_is_not_taken_back() -> None:
    # given a record of which another worker has recorded a send since
    kept = record(in_flight=False, attempts=0)
    w = holding(replace(kept, attempts=1, in_flight=True))
    change = keep_back(kept, w.clock.now())
    # when, then
    w.ledger.apply(change, "nonce")
    assert only(w).in_flight


@pytest.mark.parametrize("method", ["key", "get"])
def test_a_ledger_that_cannot_be_read_is_told_as_such(method: str) -> None:
    w = issued()
    fails(w.ledger, method, in_doubt=False)
    with pytest.raises(LedgerUnavailable):
        place(w)
