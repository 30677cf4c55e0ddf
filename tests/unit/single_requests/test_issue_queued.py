"""The backlog's worker: what it issues, what it leaves alone and what it puts back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.api.problems import status_of
from incentives.domain.errors import LedgerUnavailable, RefusedByAmazon
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Priority
from incentives.domain.recovery.rules import NOT_SENT
from incentives.domain.single_requests.record import Record, Status
from incentives.domain.single_requests.transitions import DEADLINE, IN_BACKLOG
from incentives.usecases.recovery.start_recovery import start_recovery, sweep
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import AGAIN, issue_queued
from incentives.usecases.single_requests.results import Accepted
from incentives.usecases.single_requests.reveal import reveal
from tests.openapi.served import handler_of
from tests.support.fakes import CODE, START, World, account, world
from tests.support.workflow import run_execution
from tests.unit.builders import (
    HOUR,
    KEY_REFUSED,
    REFUSED,
    SECOND,
    THROTTLED,
    TIMED_OUT,
    code_of,
    fails,
    order,
    record,
    reversing,
    unknown_since,
)
from tests.unit.queued import message, only, since, take_up, waiting

S = Status
CREATE: Final = Operation.CREATE_GIFT_CARD
#: It would stop the worker after these, were it not told to let it go on.
ROUNDS_THAT_LAMBDA_TAKES_FOR_A_LOOP: Final = 16


# ---- it is issued -------------------------------------------------------------------------------


def test_it_is_issued_in_the_backlogs_priority_and_its_code_is_kept_nowhere() -> None:
    w = waiting()
    take_up(w)
    assert (only(w).status, only(w).attempts) == (S.SUCCEEDED, 1)
    assert (w.rate_limiter.priorities, w.amazon.names) == ([Priority.BACKLOG], ["CreateGiftCard"])
    assert w.backlog.puts == []
    assert w.recoveries.started == []
    assert CODE not in repr((w.ledger.records, w.ledger.keys, w.telemetry.lines))


def test_its_owner_fetches_the_code_by_its_own_route_or_by_a_repeat() -> None:
    w = waiting()
    take_up(w)
    revealed = reveal(only(w).request_id, None, w.dependencies, w.budget())
    repeated = issue(order(), w.dependencies, w.budget())
    assert code_of(revealed) == code_of(repeated) == CODE
    assert {sent.call.request_id for sent in w.amazon.sent} == {only(w).request_id}


def test_it_need_not_wait_until_it_was_told_to_be_due() -> None:
    w = waiting(seconds=HOUR.total_seconds())
    take_up(w)
    assert only(w).status is S.SUCCEEDED
    assert w.amazon.sent[0].at == START


def test_it_leaves_on_its_permit() -> None:
    w = waiting()
    w.rate_limiter.begins_in = [0.75]
    take_up(w)
    assert w.amazon.sent[0].at == START + 0.75 * SECOND


def test_a_refusal_is_stored_and_told_to_whoever_repeats_the_order() -> None:
    w = waiting(REFUSED)
    take_up(w)
    assert only(w).status is S.REFUSED
    with pytest.raises(RefusedByAmazon) as told:
        issue(order(), w.dependencies, w.budget())
    assert status_of(told.value) == 422


def test_what_stays_unknown_goes_to_a_recovery_and_not_back() -> None:
    w = waiting(*[TIMED_OUT] * 50)
    take_up(w)
    assert (only(w).status, only(w).epoch) == (S.RECOVERING, 1)
    assert w.recoveries.started == [(only(w).request_id, 1)]
    assert w.backlog.puts == []


def test_a_key_that_stays_refused_refuses_it() -> None:
    w = waiting(KEY_REFUSED, KEY_REFUSED)
    take_up(w)
    assert only(w).status is S.REFUSED
    assert w.accounts.reread == 1


# ---- it is left alone ---------------------------------------------------------------------------


def test_a_message_that_comes_out_twice_issues_once() -> None:
    w = waiting()
    take_up(w)
    take_up(w)
    assert w.amazon.names == ["CreateGiftCard"]
    assert w.rate_limiter.reserved == 1


@pytest.mark.parametrize(
    "kept",
    [
        record(S.SUCCEEDED),
        record(S.REFUSED),
        record(S.REVERSED),
        record(S.ESCALATED),
        unknown_since(),
        record(S.RECOVERING, attempts=0, in_flight=False),
        reversing(),
        record(S.PENDING, in_flight=True),
        record(S.PENDING, in_flight=False, doubt=True),
    ],
    ids=["succeeded", "refused", "reversed", "escalated", "recovering", "asked for", "reversing", "sent", "in doubt"],
)
def test_what_is_no_longer_the_backlogs_is_left_alone(kept: Record) -> None:
    w = world()
    w.ledger.records[kept.request_id] = kept
    take_up(w)
    assert only(w) == kept
    assert (w.rate_limiter.reserved, w.amazon.sent, w.backlog.puts, w.recoveries.started) == (0, [], [], [])


def test_a_request_that_was_cancelled_while_it_waited_is_never_sent() -> None:
    w = waiting()
    response = cancel(only(w).request_id, CREATE, None, w.dependencies, w.budget())
    assert isinstance(response, Accepted)
    take_up(w)
    run_execution(*w.recoveries.started[-1], w.dependencies)
    assert only(w).status is S.REVERSED
    assert not w.amazon.sent


def test_a_request_that_an_operator_has_taken_is_the_recoverys() -> None:
    w = waiting()
    taken = start_recovery(only(w).request_id, "arn:operator", w.dependencies)
    take_up(w)
    assert not w.amazon.sent
    run_execution(taken.request_id, taken.epoch, w.dependencies)
    assert only(w).status is S.SUCCEEDED
    assert w.amazon.names == ["CreateGiftCard"]


def test_a_request_that_nobody_knows_is_no_fault() -> None:
    w = world()
    issue_queued("Test1NOBODY", w.dependencies, w.budget())
    assert (w.rate_limiter.reserved, w.backlog.puts) == (0, [])


# ---- it is put back -----------------------------------------------------------------------------


def test_a_request_whose_key_is_missing_comes_out_again_when_its_next_try_is_due() -> None:
    # given
    w = waiting()
    w.accounts.accounts.clear()
    # when
    take_up(w)
    # then
    assert (only(w).status, only(w).attempts, only(w).waits_for_permit) == (S.PENDING, 0, False)
    assert only(w).error is not None
    ((request_id, delay),) = w.backlog.puts
    due_at, woken_at = only(w).due_at, only(w).wake_at
    assert due_at is not None
    assert delay == (due_at - w.clock.now()).total_seconds() > 0
    assert woken_at == due_at + IN_BACKLOG, "nobody sweeps it while the backlog has it"
    assert not w.amazon.sent
    # ... and when it comes out too soon, it takes no permit and goes back for the rest of its time
    w.backlog.puts.clear()
    w.clock.time = due_at - SECOND / 2
    reserved, writes = w.rate_limiter.reserved, w.ledger.writes
    take_up(w)
    assert w.backlog.puts == [(request_id, 0.5)]
    assert (w.rate_limiter.reserved, w.ledger.writes) == (reserved, writes)
    # ... and once there is a key it is issued.
    w.accounts.accounts["default"] = account()
    w.clock.time = due_at
    take_up(w)
    assert only(w).status is S.SUCCEEDED


def test_what_is_throttled_for_all_its_time_comes_out_again_and_is_not_lined_up_again() -> None:
    w = waiting(*[THROTTLED] * 50)
    take_up(w)
    assert (only(w).status, only(w).may_have_executed) == (S.PENDING, False)
    assert set(w.rate_limiter.priorities) == {Priority.BACKLOG}
    assert w.rate_limiter.slowed_down == ["default"] * len(w.amazon.sent)
    ((_, delay),) = w.backlog.puts
    assert only(w).due_at == w.clock.now() + delay * SECOND
    assert w.rate_limiter.lined_up == 1
    # ... and when Amazon is well again, it is issued.
    w.amazon.script.clear()
    w.clock.sleep(delay)
    take_up(w)
    assert only(w).status is S.SUCCEEDED


@pytest.mark.parametrize("free_in", [0.03, 3.0, 12.0])
def test_without_a_permit_it_waits_for_one_as_long_as_it_has_time(free_in: float) -> None:
    w = waiting()
    w.rate_limiter.free_at = START + free_in * SECOND
    take_up(w)
    assert only(w).status is S.SUCCEEDED
    assert (w.amazon.sent[0].at - START).total_seconds() == max(free_in, AGAIN.total_seconds())
    assert w.backlog.puts == []
    assert w.ledger.writes == 2, "waiting is not written down"


def test_a_permit_that_it_could_not_use_for_want_of_time_is_left_to_others() -> None:
    w = waiting()
    w.rate_limiter.free_at = START + 12.5 * SECOND
    before = only(w)
    take_up(w)
    assert w.backlog.puts == [(before.request_id, 12.5)]
    assert (only(w), w.rate_limiter.reserved, since(w)) == (before, 0, 0)


def test_a_worker_that_waits_in_vain_puts_it_back_before_its_time_is_over() -> None:
    w = waiting()
    w.rate_limiter.full_for = 0.5
    before = only(w)
    take_up(w)
    assert w.backlog.puts == [(before.request_id, 0.5)]
    assert only(w) == before
    assert 10 < since(w) < 14, "it had waited, and a try would still have fitted in"


@pytest.mark.parametrize("postpone", [{}, {"wait_seconds": 900, "due_at": START + DEADLINE + HOUR}])
def test_what_was_not_sent_within_a_day_is_refused_and_told_as_certainly_not_charged(postpone: dict[str, Any]) -> None:
    w = waiting()
    w.ledger.records[only(w).request_id] = replace(only(w), **postpone)
    w.clock.time = START + DEADLINE
    take_up(w)
    assert (only(w).status, only(w).refusal) == (S.REFUSED, NOT_SENT)
    assert (w.rate_limiter.reserved, w.amazon.sent, w.backlog.puts) == (0, [], [])
    with pytest.raises(RefusedByAmazon) as told:
        reveal(only(w).request_id, None, w.dependencies, w.budget())
    assert (status_of(told.value), told.value.error_type) == (503, "notSent")
    assert "Nothing was charged" in told.value.detail


def _no_key(w: World) -> None:
    w.accounts.accounts.clear()


def _no_permit(w: World) -> None:
    w.rate_limiter.full_for = 600.0


def _throttled(w: World) -> None:
    w.amazon.script[:] = [THROTTLED] * 50


@pytest.mark.parametrize("hinder", [_no_key, _no_permit, _throttled])
def test_a_request_that_can_never_be_issued_leaves_the_backlog_in_the_end(hinder: Callable[[World], None]) -> None:
    # given a request that is hindered whenever it is taken up: nothing else ends its rounds through the queue
    w = waiting()
    w.backlog.put(only(w).request_id)
    rounds = 0
    # when its messages come out, each after its delay
    while w.backlog.puts:
        ((_, delay),) = w.backlog.puts
        w.backlog.puts.clear()
        w.clock.time += timedelta(seconds=delay)
        hinder(w)
        take_up(w)
        rounds += 1
        assert w.clock.now() < START + DEADLINE + HOUR
    # then it goes round for a day, is refused by then, and nothing of it is in the queue
    assert rounds > ROUNDS_THAT_LAMBDA_TAKES_FOR_A_LOOP
    assert (only(w).status, only(w).refusal, only(w).may_have_executed) == (S.REFUSED, NOT_SENT, False)


# ---- what fails ---------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_read_leaves_the_message_to_come_again() -> None:
    w = waiting()
    fails(w.ledger, "get")
    with pytest.raises(LedgerUnavailable):
        take_up(w)
    take_up(w)
    assert only(w).status is S.SUCCEEDED


def test_a_pace_that_cannot_be_kept_leaves_the_message_to_come_again() -> None:
    w = waiting()
    w.rate_limiter.fails = {"reserve"}
    with pytest.raises(LedgerUnavailable):
        take_up(w)
    assert only(w).status is S.PENDING
    assert not w.amazon.sent


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("failing", [1, 2], ids=["the send", "the response"])
def test_a_write_in_doubt_raises_and_ends_as_amazon_does(failing: int, takes_effect: bool) -> None:
    # given a ledger of which one write is in doubt
    w = waiting()
    fails(w.ledger, "apply", at=failing, takes_effect=takes_effect, in_doubt=True)
    # when its message comes out, and comes out again, and the sweep comes round
    with pytest.raises(LedgerUnavailable):
        take_up(w)
    sent = len(w.amazon.sent)
    w.clock.sleep(150)
    take_up(w)
    w.clock.sleep(HOUR.total_seconds())
    sweep(w.dependencies)
    for started in w.recoveries.started:
        run_execution(*started, w.dependencies)
    # then
    assert sent == failing - 1, "what is not surely written is not sent"
    assert only(w).status is S.SUCCEEDED
    assert {each.call.request_id for each in w.amazon.sent} == {only(w).request_id}


def test_a_backlog_that_cannot_take_it_back_leaves_it_to_the_sweep() -> None:
    w = waiting(*[THROTTLED] * 50)
    w.backlog.works = False
    take_up(w)
    w.backlog.works = True
    woken_at = only(w).wake_at
    assert woken_at is not None
    w.clock.time = woken_at
    assert sweep(w.dependencies) == [only(w).request_id]
    assert w.backlog.puts == [(only(w).request_id, 0.0)]


# ---- the function -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [None, "", "[]", '"Test1AAAA"', "{}", '{"requestId": ""}', '{"requestId": 7}'], ids=repr
)
def test_the_function_takes_up_its_messages_until_one_is_none_of_ours(
    monkeypatch: pytest.MonkeyPatch, body: str | None
) -> None:
    # given
    w = waiting()
    flushed: list[bool] = []
    monkeypatch.setitem(vars(container), "dependencies", w.dependencies)
    monkeypatch.setitem(
        vars(container), "telemetry", SimpleNamespace(begin=lambda *_: None, flush=lambda: flushed.append(True))
    )
    budget = w.budget()
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(budget.seconds_left() * 1000))
    event = {"Records": [message(w), *([] if body is None else [{"body": body}])]}
    # when
    if body is None:
        assert handler_of("issue_queued")(event, context) is None
    else:
        with pytest.raises(ValueError, match="names no request"):
            handler_of("issue_queued")(event, context)
    # then
    assert only(w).status is S.SUCCEEDED
    assert flushed == [True]
