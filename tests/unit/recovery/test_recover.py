"""The tasks of the recovery workflow, one by one: what each does, what it leaves to others, and what comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from incentives.domain.outcomes import ConflictKind, NotExecutedBecause, Reversed, Succeeded, TooLate, Unresolved
from incentives.domain.single_requests.record import Cause, Intent, Lost, Record, Status, TooLateStage
from incentives.domain.single_requests.transitions import LEASE, accept_cancel, take_over
from incentives.usecases.recovery.recover import (
    LEDGER_WAIT_SECONDS,
    Pause,
    RecoveryProgress,
    RecoveryTask,
    progress,
    recover,
)
from tests.support.fakes import CODE, START, Sent, World, card, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import (
    MINUTE,
    REFUNDED,
    SECOND,
    TIMED_OUT,
    attempt,
    before,
    fails,
    holding,
    past_deadline,
    record,
    reversing,
    unknown_since,
)

S = Status
ID = "Test1AAAA"
KEY = NotExecutedBecause.CREDENTIALS
EVIDENCE = attempt(TIMED_OUT).evidence


def run(w: World, task: RecoveryTask, *, request_id: str = ID, epoch: int = 0) -> RecoveryProgress:
    return recover(task, request_id, epoch, w.dependencies, w.budget(), support_address=SUPPORT)


def now(w: World) -> Record:
    return w.ledger.records[ID]


def undone() -> Record:
    return reversing(Cause.REISSUE, undone=True)


def escalated(**updates: Any) -> Record:
    known = {"status": S.ESCALATED, "wake_at": None, "due_at": None, "case_file": "{}"}
    return replace(unknown_since(evidence=EVIDENCE), **(known | updates))


#: A record for which each task is the policy's word, at `START`.
WANTED: dict[RecoveryTask, Callable[[], Record]] = {
    RecoveryTask.REPEAT: unknown_since,
    RecoveryTask.REVERSE: reversing,
    RecoveryTask.PROBE: lambda: reversing(too_late=TooLateStage.ANSWERED),
    RecoveryTask.SETTLE: lambda: reversing(Cause.REFUNDED),
    RecoveryTask.REISSUE: undone,
    RecoveryTask.ESCALATE: lambda: unknown_since(conflict=ConflictKind.VALUE),
}


# ---- each task does its step --------------------------------------------------------------------


@pytest.mark.parametrize(("task", "wanted"), WANTED.items(), ids=list(WANTED))
def test_the_policys_word_is_the_task_that_comes_next(task: RecoveryTask, wanted: Callable[[], Record]) -> None:
    w = holding(wanted())
    said = run(w, RecoveryTask.LOOK)
    assert (said.next, said.pause, said.wait_seconds) == (task, Pause.NONE, 0)
    assert not w.amazon.sent
    assert w.ledger.writes == 0


@pytest.mark.parametrize("told", list(WANTED), ids=str)
@pytest.mark.parametrize(("task", "wanted"), WANTED.items(), ids=list(WANTED))
def test_a_task_that_the_policy_no_longer_wants_does_nothing_and_says_what_it_wants(
    told: RecoveryTask, task: RecoveryTask, wanted: Callable[[], Record]
) -> None:
    w = holding(wanted())
    said = run(w, told)
    if told is task:
        assert w.ledger.writes > 0
    else:
        assert (w.ledger.writes, w.amazon.sent, w.notifier.mails) == (0, [], [])
        assert said.next is task


def test_repeat_sends_the_operation_and_drops_the_code() -> None:
    w = holding(unknown_since())
    said = run(w, RecoveryTask.REPEAT)
    assert w.amazon.names == ["CreateGiftCard"]
    assert (now(w).status, said.next, said.status) == (S.SUCCEEDED, RecoveryTask.DONE, "SUCCEEDED")
    assert CODE not in repr((said, w.ledger.records, w.telemetry.lines))


def test_reissue_closes_the_old_and_goes_on_with_the_new_under_an_epoch_of_its_own() -> None:
    w = holding(undone())
    said = run(w, RecoveryTask.REISSUE)
    assert (now(w).status, now(w).replaced_by) == (S.REVERSED, said.request_id)
    assert said.request_id != ID
    successor = w.ledger.records[said.request_id]
    assert (successor.epoch, said.epoch, said.next) == (1, 1, RecoveryTask.REPEAT)
    assert not w.amazon.sent
    # The execution goes on with it to the end.
    assert run(w, said.next, request_id=said.request_id, epoch=said.epoch).next is RecoveryTask.DONE
    assert w.ledger.records[said.request_id].status is S.SUCCEEDED


def test_escalate_writes_the_state_and_waits_for_the_mail() -> None:
    w = holding(unknown_since(conflict=ConflictKind.VALUE, evidence=EVIDENCE))
    said = run(w, RecoveryTask.ESCALATE)
    assert now(w).status is S.ESCALATED
    assert now(w).case_file is not None
    assert (said.next, said.pause, said.wait_seconds) == (RecoveryTask.MAIL, Pause.LONGER, 26 * 60)
    assert not w.notifier.mails


def test_a_key_that_was_cached_is_read_anew_within_the_task() -> None:
    w = holding(reversing(), Unresolved(not_executed=KEY))
    assert run(w, RecoveryTask.REVERSE).next is RecoveryTask.DONE
    assert w.accounts.reread == 1


def test_a_permit_that_is_far_off_is_waited_for_by_the_workflow() -> None:
    w = holding(unknown_since())
    w.rate_limiter.full_for = 7.0
    said = run(w, RecoveryTask.REPEAT)
    assert (said.next, said.wait_seconds) == (RecoveryTask.REPEAT, 7)
    assert now(w).wake_at == START + 7 * SECOND + LEASE
    assert not w.amazon.sent


def test_an_account_without_a_key_is_tried_again_and_given_up_at_the_deadline() -> None:
    kept = unknown_since()
    w = holding(kept)
    w.accounts.accounts.clear()
    early = run(w, RecoveryTask.REPEAT)
    w.clock.time = past_deadline(kept)
    late = run(w, RecoveryTask.REPEAT)
    assert (early.next, early.pause) == (RecoveryTask.REPEAT, Pause.A_SECOND)
    assert late.next is RecoveryTask.ESCALATE


# ---- what an execution does not own -------------------------------------------------------------


@pytest.mark.parametrize("task", RecoveryTask)
@pytest.mark.parametrize("wanted", [*WANTED.values(), escalated], ids=[*WANTED, "escalated"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_task_whose_epoch_is_not_the_records_ends_and_touches_nothing(
    task: RecoveryTask, wanted: Callable[[], Record], epoch: int
) -> None:
    w = holding(replace(wanted(), epoch=1))
    w.clock.time = START + 60 * MINUTE
    said = run(w, task, epoch=epoch)
    assert said.next is RecoveryTask.DONE
    assert (w.ledger.writes, w.amazon.sent, w.notifier.mails, w.notifier.notices) == (0, [], [], [])


def test_a_record_that_is_not_there_ends_the_execution() -> None:
    assert run(world(), RecoveryTask.LOOK).next is RecoveryTask.DONE


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.REFUSED, S.REVERSED])
@pytest.mark.parametrize("task", RecoveryTask)
def test_a_record_that_has_ended_ends_the_execution(task: RecoveryTask, status: Status) -> None:
    w = holding(record(status))
    said = run(w, task)
    assert (said.next, said.status) == (RecoveryTask.DONE, status.value)
    assert (w.ledger.writes, w.amazon.sent) == (0, [])


def test_a_task_that_is_overtaken_while_amazon_answers_ends_and_leaves_the_record_to_its_holder() -> None:
    def taken(sent: Sent) -> Succeeded:
        w.ledger.apply(take_over(now(w), w.clock.now(), silent_only=False), "other")
        return Succeeded(card(sent.call))

    w = world(taken)
    w.ledger.records[ID] = unknown_since()
    said = run(w, RecoveryTask.REPEAT)
    assert said.next is RecoveryTask.DONE
    assert (now(w).status, now(w).epoch, now(w).nonce) == (S.RECOVERING, 1, "other")


def test_a_cancel_while_amazon_answers_is_not_undone_and_the_card_is_known_to_its_recovery() -> None:
    def cancelled(sent: Sent) -> Succeeded:
        w.ledger.apply(accept_cancel(now(w), w.clock.now()), "cancel")
        return Succeeded(card(sent.call))

    w = world(cancelled)
    w.ledger.records[ID] = unknown_since()
    said = run(w, RecoveryTask.REPEAT)
    assert said.next is RecoveryTask.DONE
    assert (now(w).status, now(w).intent, now(w).card_seen) == (S.REVERSING, Intent.REVERSE, True)


def test_a_cancel_while_the_reversal_is_under_way_withdraws_the_reissue() -> None:
    def cancelled(sent: Sent) -> Reversed:
        w.ledger.apply(accept_cancel(now(w), w.clock.now()), "cancel")
        return Reversed()

    w = world(cancelled)
    w.ledger.records[ID] = reversing(Cause.REISSUE)
    assert run_execution(ID, 0, w.dependencies) is RecoveryTask.DONE
    assert (now(w).status, now(w).replaced_by) == (S.REVERSED, None)
    assert len(w.ledger.records) == 1


def test_a_reissue_whose_plan_a_cancel_has_overtaken_opens_nothing() -> None:
    w = holding(undone())
    before(w.ledger, "reissue", lambda: w.ledger.apply(accept_cancel(now(w), w.clock.now()), "cancel"))
    said = run(w, RecoveryTask.REISSUE)
    assert said.next is RecoveryTask.SETTLE
    assert list(w.ledger.records) == [ID]
    assert run(w, RecoveryTask.SETTLE).next is RecoveryTask.DONE
    assert (now(w).status, now(w).replaced_by) == (S.REVERSED, None)


def test_a_successor_that_somebody_else_took_first_is_left_to_him() -> None:
    """A caller's cancel has started a recovery of its own: two executions must not hold one epoch."""
    w = holding(undone())
    reissue = w.ledger.reissue

    def cancelled_at_once(plan: Any, nonce: str) -> Record | Lost:
        opened = reissue(plan, nonce)
        assert isinstance(opened, Record)
        w.ledger.apply(accept_cancel(opened, w.clock.now()), "cancel")
        return opened

    w.ledger.reissue = cancelled_at_once  # type: ignore[method-assign]
    said = run(w, RecoveryTask.REISSUE)
    assert (said.request_id, said.next) == (ID, RecoveryTask.DONE)
    (successor,) = [each for each in w.ledger.records.values() if each.request_id != ID]
    assert (successor.status, successor.epoch, successor.intent) == (S.REVERSING, 1, Intent.REVERSE)


def test_a_lost_write_of_the_send_sends_nothing() -> None:
    w = holding(unknown_since())
    before(w.ledger, "apply", lambda: w.ledger.apply(take_over(now(w), w.clock.now(), silent_only=False), "other"))
    assert run(w, RecoveryTask.REPEAT).next is RecoveryTask.DONE
    assert not w.amazon.sent


# ---- a ledger that cannot be reached ------------------------------------------------------------


@pytest.mark.parametrize("task", [*WANTED, RecoveryTask.LOOK, RecoveryTask.MAIL])
def test_a_ledger_that_cannot_be_read_is_asked_again_a_little_later(task: RecoveryTask) -> None:
    w = holding(WANTED.get(task, escalated)())
    fails(w.ledger, "get")
    said = run(w, task)
    assert (said.request_id, said.epoch, said.next) == (ID, 0, RecoveryTask.LOOK)
    assert (said.pause, said.wait_seconds) == (Pause.DOUBLING, LEDGER_WAIT_SECONDS)


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("kept", [unknown_since(), reversing()], ids=lambda r: r.status)
def test_a_task_whose_write_fails_looks_again_and_nothing_is_lost(kept: Record, after: int, takes_effect: bool) -> None:
    w = holding(kept)
    fails(w.ledger, "apply", at=after + 1, takes_effect=takes_effect)
    task = RecoveryTask.REVERSE if kept.status is S.REVERSING else RecoveryTask.REPEAT
    said = run(w, task)
    assert (said.next, said.wait_seconds) == (RecoveryTask.LOOK, LEDGER_WAIT_SECONDS)
    assert len(w.amazon.sent) == after, "nothing leaves that is not certainly recorded"
    assert run_execution(ID, 0, w.dependencies) is RecoveryTask.DONE
    assert now(w).status is (S.REVERSED if kept.status is S.REVERSING else S.SUCCEEDED)


@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_reissue_whose_write_fails_is_not_made_twice(takes_effect: bool) -> None:
    w = holding(undone())
    fails(w.ledger, "reissue", takes_effect=takes_effect)
    said = run(w, RecoveryTask.REISSUE)
    after = run(w, said.next)
    assert said.next is RecoveryTask.LOOK
    assert len(w.ledger.records) == 1 + takes_effect
    # Written: the sweep takes the successor. Not written: this execution writes it.
    assert after.next is (RecoveryTask.DONE if takes_effect else RecoveryTask.REISSUE)
    for kept in w.ledger.records.values():
        assert kept.status.is_open == (kept.wake_at is not None)


# ---- pauses and progress ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "pause"),
    [
        (0, Pause.NONE),
        (0.2, Pause.A_SECOND),
        (1, Pause.A_SECOND),
        (1.5, Pause.DOUBLING),
        (2, Pause.DOUBLING),
        (59, Pause.DOUBLING),
        (60, Pause.A_MINUTE),
        (61, Pause.LONGER),
        (900, Pause.LONGER),
    ],
)
def test_a_wait_is_named_by_its_length(seconds: float, pause: Pause) -> None:
    said = progress(unknown_since(due_at=START + timedelta(seconds=seconds)), START)
    assert said.pause is pause
    assert said.wait_seconds >= seconds, "never early: the task would find nothing to do"
    assert said.next is RecoveryTask.REPEAT


def test_after_a_wait_comes_what_is_due_then() -> None:
    waiting = unknown_since(intent=Intent.REVERSE, due_at=START + MINUTE)
    said = progress(waiting, START + 30 * SECOND)
    assert (said.next, said.wait_seconds) == (RecoveryTask.SETTLE, 30)


def test_progress_carries_ids_and_counters_only() -> None:
    said = progress(reversing(attempts=3, reversal_attempts=4, epoch=2, gc_id="GC1", encrypted="sealed-1"), START)
    assert {each.name for each in fields(said)} == {
        "request_id", "epoch", "next", "pause", "wait_seconds", "status", "attempts", "reversal_attempts",
    }  # fmt: skip
    assert (said.request_id, said.epoch, said.attempts, said.reversal_attempts) == (ID, 2, 3, 4)


@pytest.mark.parametrize(
    ("at", "seconds", "pause"),
    [
        (START, 26 * 60, Pause.LONGER),
        (START + 25 * MINUTE, 60, Pause.A_MINUTE),
        (START + 26 * MINUTE - SECOND, 1, Pause.A_SECOND),
        (START + 26 * MINUTE, 0, Pause.NONE),
        (START + 60 * MINUTE, 0, Pause.NONE),
    ],
)
def test_an_escalated_record_is_mailed_when_its_last_signature_is_26_minutes_old(
    at: datetime, seconds: int, pause: Pause
) -> None:
    said = progress(escalated(), at)
    assert (said.next, said.wait_seconds, said.pause) == (RecoveryTask.MAIL, seconds, pause)


@pytest.mark.parametrize("at", [START + 26 * MINUTE, START + 60 * MINUTE])
def test_an_escalated_record_that_was_mailed_ends_the_execution_as_failed(at: datetime) -> None:
    said = progress(escalated(mailed_at=START + 26 * MINUTE), at)
    assert (said.next, said.wait_seconds) == (RecoveryTask.ESCALATED, 0)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([TooLate(), REFUNDED], S.REVERSED),
        ([TooLate(), None, TooLate()], S.SUCCEEDED),
        ([TooLate(), None, Reversed()], S.REVERSED),
        ([TooLate(), TIMED_OUT, REFUNDED], S.REVERSED),
    ],
    ids=["it had worked", "alive", "reversed after all", "read twice"],
)
def test_too_late_is_read_and_reversed_once_more(script: list[Any], status: Status) -> None:
    responses = [(lambda sent: Succeeded(card(sent.call))) if each is None else each for each in script]
    w = holding(reversing(card_seen=True), *responses)
    assert run_execution(ID, 0, w.dependencies) is RecoveryTask.DONE
    assert now(w).status is status
    assert w.amazon.names[:2] == ["CancelGiftCard", "CreateGiftCard"]
