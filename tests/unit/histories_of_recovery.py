"""Short histories that come out right by one rule of the protocol each, and lose money, leak or hang without it.

Recovery, the in-flight window, reissues, time and escalation. Each plays itself and asserts how it must end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from incentives.agcod.activity import ActivityPage
from incentives.domain.accounts.account import Activity
from incentives.domain.errors import GatewayError, LedgerUnavailable
from incentives.domain.outcomes import (
    AmazonError,
    NoSuchRequest,
    Refused,
    Reversed,
    Succeeded,
    TooLate,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.recovery.rules import GENERATIONS_MAX, NOT_SENT, after_operation, after_reversal
from incentives.domain.recovery.waits import in_flight_until
from incentives.domain.single_requests.record import Cause, Change, Due, Intent, Lost, Record
from incentives.domain.single_requests.transitions import DEADLINE, LEASE, accept_cancel, put_again, record_send
from incentives.usecases.recovery.recover import Task, recover
from incentives.usecases.recovery.start_recovery import start_recovery, sweep
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted
from tests.support.fakes import CODE, START, Sent, World, card, usd, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import (
    MINUTE,
    SECOND,
    TIMED_OUT,
    attempt,
    order,
    record,
    reversal,
    reversing,
    unknown_since,
)
from tests.unit.ends import check
from tests.unit.lives import CUSTOMER, ORDERS, Life, Story, cut_short, lived
from tests.unit.playing import ACTIVATE, ID, LOAD, F, S, begun, ended, holding, lost

# ---- 6. recovery --------------------------------------------------------------------------------


def an_older_execution_wakes_up() -> None:
    w = holding(unknown_since())
    start_recovery(ID, None, w.dependencies)
    recover(Task.REPEAT, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert not w.amazon.sent, "two executions hold one record"


def a_successor_is_taken_by_a_cancel_before_its_execution_takes_it() -> None:
    w = holding(reversing(Cause.REISSUE, undone=True))
    reissue = w.ledger.reissue

    def cancelled_at_once(plan: Any, nonce: str) -> Record | Lost:
        opened = reissue(plan, nonce)
        assert isinstance(opened, Record)
        w.ledger.apply(accept_cancel(opened, w.clock.now()), "cancel")
        return opened

    w.ledger.reissue = cancelled_at_once  # type: ignore[method-assign]
    said = recover(Task.REISSUE, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert said.next is Task.DONE, "two executions hold one epoch"


def a_paced_order_has_waited_unsent() -> None:
    """Its first unknown is minutes after its creation: it is repeated all the same."""
    life = begun(Story((F.LOST_AFTER,) * 16, Intent.REVERSE, no_permit_for=300.0))
    ended(life, S.SUCCEEDED)


def an_unknown_that_nobody_wants_repeated_for_ever() -> None:
    life = begun(Story((F.LOST_AFTER, *lost()), Intent.REVERSE))
    life.wait_until(START + 3 * MINUTE)
    life.amazon.faults.clear()
    ended(life, S.REVERSED)


def a_card_lands_late_while_answers_are_lost() -> None:
    """It can be cancelled for 15 minutes, of which the first eight tell nothing."""
    life = Life(Story((F.LATE, *lost(100)), Intent.REVERSE), watched=False)
    life.amazon.late_by = timedelta(minutes=2, seconds=30)
    life.stage = 1
    life.issue()
    life.until(lambda: life.newest.status is S.REVERSING)
    life.wait_until(START + 10 * MINUTE + 30 * SECOND)
    life.amazon.faults.clear()
    ended(life, S.REVERSED)


def the_in_flight_window_passes() -> None:
    w = holding(reversing(), *[NoSuchRequest()] * 200)
    at = in_flight_until(w.ledger.records[ID])
    run_execution(ID, 0, w.dependencies)
    assert at is not None
    assert at + SECOND in [sent.at.replace(microsecond=0) for sent in w.amazon.sent], "nobody asked at the fence itself"


def an_amazon_that_responses_at_the_last_moment() -> None:
    life = begun(Story((F.LOST_AFTER, *lost())))
    life.wait_until(START + DEADLINE)
    life.amazon.faults.clear()
    ended(life, S.SUCCEEDED)


def a_ledger_that_cannot_be_reached_for_a_moment() -> None:
    w = holding(unknown_since())
    apply = w.ledger.apply

    def fail(change: Change, nonce: str) -> Record | Lost:
        w.ledger.apply = apply  # type: ignore[method-assign]
        raise LedgerUnavailable("apply", in_doubt=True)

    w.ledger.apply = fail  # type: ignore[method-assign]
    assert run_execution(ID, 0, w.dependencies) is Task.DONE
    assert w.ledger.records[ID].status is S.SUCCEEDED


# ---- 7. the in-flight window -------------------------------------------------------------------------------


def a_card_lands_after_amazon_knew_nothing_of_it() -> None:
    life = Life(Story((F.LATE, *lost(100)), Intent.REISSUE), watched=False)
    life.stage = 1
    life.issue()
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    ended(life, S.SUCCEEDED)


def our_clock_leaps_while_a_card_is_on_its_way() -> None:
    life = Life(Story((F.LATE, *lost(100)), Intent.REVERSE), watched=False)
    life.stage = 1
    life.issue()
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    life.world.clock.time += timedelta(minutes=12)
    life.amazon.ahead = -timedelta(minutes=12)
    ended(life, S.REVERSED)


def one_stale_read_after_the_in_flight_window() -> None:
    life = begun(Story((F.LOST_AFTER, *lost()), Intent.REVERSE, operation=LOAD))
    life.wait_until(START + 25 * MINUTE)
    life.amazon.faults = [F.STALE]
    ended(life, S.REVERSED)


def two_stale_reads_within_a_minute() -> None:
    at = START + 30 * MINUTE
    first = after_reversal(reversing(), reversal(NoSuchRequest(), at), at).after
    second = after_reversal(first, reversal(NoSuchRequest(), at + 2 * SECOND), at + 2 * SECOND).after
    assert second.status is S.REVERSING, "one stale replica has been asked twice"


def stale_reads_of_a_card_that_was_seen() -> None:
    life = begun(Story(operation=LOAD))
    life.wait_until(START + 60 * MINUTE)
    life.amazon.faults = [F.STALE] * 40
    life.cancel()
    ended(life, S.REVERSED)


def a_success_is_read_by_whoever_has_just_lost_the_record() -> None:
    def cancelled(sent: Sent) -> Succeeded:
        w.ledger.apply(accept_cancel(w.ledger.records[sent.call.request_id], w.clock.now()), "cancel")
        return Succeeded(card(sent.call))

    w = world(cancelled)
    issue(order(), w.dependencies, w.budget())
    (kept,) = w.ledger.records.values()
    assert kept.card_seen, "its new holder may conclude that there is no such card"


def a_load_lands_after_it_was_voided() -> None:
    life = begun(Story((F.LOST_AFTER, F.LATE, *lost(100)), Intent.REVERSE, operation=LOAD))
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    ended(life, S.REVERSED)


def a_cancel_had_worked_and_is_called_too_late() -> None:
    life = begun(Story())
    life.wait_until(START + 14 * MINUTE + 55 * SECOND)
    life.amazon.faults = [F.LOST_AFTER, *lost(8)]
    life.cancel()
    ended(life, S.REVERSED)


def too_late_was_too_early_said() -> None:
    w = holding(reversing(card_seen=True), TooLate(), lambda sent: Succeeded(card(sent.call)), Reversed())
    run_execution(ID, 0, w.dependencies)
    assert w.ledger.records[ID].status is S.REVERSED, "one more cancel would have done it"


def a_card_that_nobody_wants_is_too_late_to_be_cancelled() -> None:
    alive = [TooLate(), lambda sent: Succeeded(card(sent.call)), TooLate()]
    w = holding(reversing(Cause.REVERSE, intent=Intent.REVERSE), *alive)
    run_execution(ID, 0, w.dependencies)
    assert w.ledger.records[ID].status is S.ESCALATED, "a charge that nobody ordered ends as a success"


def an_unresolved_reversal_of_a_live_card() -> None:
    w = holding(reversing(card_seen=True), *[Unresolved(unknown=UnknownBecause.TIMED_OUT)] * 5, Reversed())
    run_execution(ID, 0, w.dependencies)
    assert w.ledger.records[ID].status is S.REVERSED


# ---- 8. reissue ---------------------------------------------------------------------------------


def a_process_dies_while_it_reissues() -> None:
    story = Story((F.LOST_AFTER,) * 25, Intent.REISSUE)
    whole = lived(story)
    for remains in whole.moments:
        if remains.moment in {"before ledger.reissue", "after ledger.reissue"}:
            ended(whole.after(remains, retried=False), S.SUCCEEDED)


def no_generation_is_ever_answered() -> None:
    life = begun(Story(lost(), Intent.REISSUE))
    for _ in range(GENERATIONS_MAX + 1):
        life.until(lambda: life.newest.status is S.REVERSING)
        life.amazon.faults.clear()
        number = life.newest.generation
        life.until(lambda number=number: life.newest.generation > number or not life.newest.status.is_open)  # type: ignore[misc]
        life.amazon.faults = list(lost())
        assert len(life.world.ledger.records) <= GENERATIONS_MAX, "reissued again and again"


def a_reissue_comes_late_in_its_orders_day() -> None:
    life = begun(Story(lost(), Intent.REISSUE))
    life.wait_until(START + 20 * 60 * MINUTE)
    life.amazon.faults.clear()
    life.until(lambda: life.newest.generation == 1)
    life.amazon.faults = list(lost())
    life.until(lambda: not life.newest.status.is_open)
    assert life.world.clock.now() < START + DEADLINE + 5 * MINUTE, "the caller's order outlives its day"


def our_own_earlier_generation_holds_the_physical_card() -> None:
    ours = record(operation=ACTIVATE, generation=1)
    refused = Refused(AmazonError(code="F200", type="CardAlreadyActivatedWithDifferentRequestId"))
    read = after_operation(ours, attempt(refused), START + SECOND).after
    assert read.status is not S.REFUSED, "refused, and yet charged under our own earlier id"


# ---- 9. time ------------------------------------------------------------------------------------


def nobody_ever_responses() -> None:
    life = begun(Story(lost()))
    life.until(lambda: not life.newest.status.is_open)
    assert life.newest.status is S.ESCALATED
    assert life.world.clock.now() < START + DEADLINE + 5 * MINUTE


def nobody_ever_answers_a_reversal() -> None:
    life = begun(Story(lost(), Intent.REVERSE))
    life.until(lambda: not life.newest.status.is_open)
    assert life.newest.status is S.ESCALATED
    assert life.world.clock.now() < START + DEADLINE + 5 * MINUTE


def a_cancel_comes_at_the_end_of_the_day() -> None:
    life = begun(Story((F.LOST_AFTER, *lost()), operation=LOAD))
    life.wait_until(START + DEADLINE - MINUTE)
    life.cancel()
    life.wait_until(START + DEADLINE + 60 * MINUTE)
    life.amazon.faults.clear()
    ended(life, S.REVERSED)


def an_order_never_gets_a_permit() -> None:
    w = world()
    w.rate_limiter.free_at = START + DEADLINE
    issue(order(), w.dependencies, w.budget())
    w.clock.time = START + DEADLINE
    (request_id, _), *_ = w.backlog.puts
    issue_queued(request_id, w.dependencies, w.budget())
    kept = w.ledger.records[request_id]
    assert (kept.status, kept.refusal, kept.case_file, w.notifier.mails) == (S.REFUSED, NOT_SENT, None, [])
    assert not w.amazon.sent, "sent when its caller has long given it up"


def a_card_is_cancelled_that_was_created_long_after_its_first_send() -> None:
    life = begun(Story(lost()))
    life.wait_until(START + 10 * MINUTE)
    life.amazon.faults.clear()
    life.until(lambda: life.newest.status is S.SUCCEEDED)
    life.wait_until(START + 16 * MINUTE)
    life.cancel()
    ended(life, S.REVERSED)


def a_load_is_voided_the_next_day() -> None:
    life = begun(Story(operation=LOAD))
    life.wait_until(START + DEADLINE)
    life.cancel()
    ended(life, S.REVERSED)


def the_index_lags_behind_the_ledger() -> None:
    w = holding(record(wake_at=START + 10 * SECOND))
    w.ledger.due = lambda now, limit: Due((ID,))  # type: ignore[method-assign]
    sweep(w.dependencies)
    assert w.ledger.records[ID].epoch == 0, "a live record was taken"


def unsent(**updates: Any) -> Record:
    """PENDING, and nothing but the pace has kept it from being sent."""
    return record(attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None, **updates)


def an_unsent_record_is_swept() -> None:
    w = holding(unsent(wake_at=START))
    sweep(w.dependencies)
    assert w.backlog.puts == [(ID, 0.0)]
    assert not w.recoveries.started, "what only waits for its slot goes before what callers wait for"


def a_record_is_swept_whose_process_died_while_it_sent() -> None:
    whole = lived(Story())
    remains = next(each for each in whole.moments if each.moment == "after amazon.attempt")
    ended(whole.after(remains, retried=False), S.SUCCEEDED)


def an_unsent_record_stays_in_the_backlog() -> None:
    w = holding(unsent(wake_at=START))
    for minute in range(5):
        w.clock.time = START + minute * MINUTE
        sweep(w.dependencies)
    assert len(w.backlog.puts) == 1, "another message a minute, for each request that waits"


def two_sweeps_look_at_an_unsent_record() -> None:
    kept = unsent(wake_at=START)
    w = holding(kept)
    for nonce in ("one", "two"):
        w.ledger.apply(put_again(kept, START), nonce)
    assert w.ledger.records[ID].nonce == "one", "each of them puts it into the backlog"


def a_holder_is_heard_of_while_the_sweep_looks() -> None:
    w = holding(record(wake_at=START))
    get = w.ledger.get

    def sends_again(request_id: str) -> Record | None:
        found = get(request_id)
        assert found is not None
        w.ledger.apply(record_send(found, START, START), "holder")
        return found

    w.ledger.get = sends_again  # type: ignore[method-assign]
    sweep(w.dependencies)
    assert w.ledger.records[ID].nonce == "holder", "a live record was taken"


def a_round_waits_for_its_next_try() -> None:
    due_at = START + 14 * MINUTE
    w = holding(unknown_since(due_at=due_at, wake_at=due_at + LEASE))
    start_recovery(ID, None, w.dependencies)
    w.clock.time = due_at
    assert sweep(w.dependencies) == [], "an execution a minute is started for one that waits"


def a_handed_over_record_whose_recovery_never_started() -> None:
    life = begun(Story((F.LOST_AFTER,) * 13))
    life.executions.clear()
    assert life.newest.wake_at is not None, "nobody will ever take it"
    ended(life, S.SUCCEEDED)


def a_record_is_written_and_its_response_lost() -> None:
    w = world()
    opened = w.ledger.open

    def lose(*args: Any) -> Any:
        opened(*args)
        raise LedgerUnavailable("open", in_doubt=True)

    w.ledger.open = lose  # type: ignore[assignment,method-assign]
    try:
        response: object = issue(order(), w.dependencies, w.budget())
    except GatewayError as error:
        response = error
    assert isinstance(response, Accepted), "told as failed: the caller orders again under another key"


# ---- 10. escalation -----------------------------------------------------------------------------


def a_card_of_another_amount_and_every_death() -> None:
    for life in cut_short(Story((F.OTHER_VALUE,) * 20)):
        check(life)


def escalated(**updates: Any) -> Record:
    evidence = attempt(TIMED_OUT).evidence
    known = {"status": S.ESCALATED, "wake_at": None, "due_at": None, "case_file": "{}", "evidence": evidence}
    return replace(unknown_since(), **(known | updates))


def the_mail_is_told_too_early() -> None:
    w = holding(escalated())
    recover(Task.MAIL, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert not w.notifier.mails, "a signature left that is as good as the card"


def the_mail_cannot_be_sent() -> None:
    w = holding(escalated(evidence=None))
    w.notifier.mail_fault = "MessageRejected"
    recover(Task.MAIL, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert "MessageRejected" in repr(w.notifier.notices), "nobody knows that Amazon was not told"


def a_case_holds_a_customers_account() -> None:
    w = world(*[TIMED_OUT] * 1000)
    issue(order(**ORDERS[LOAD]), w.dependencies, w.budget())
    run_execution(*w.recoveries.started[-1], w.dependencies)
    assert w.notifier.mails
    assert CUSTOMER not in repr(w.notifier.mails), "whoever holds it can spend"


def a_day_without_an_response() -> None:
    w = holding(unknown_since(), *[TIMED_OUT] * 1000)
    assert run_execution(ID, 0, w.dependencies) is Task.ESCALATED, "the alarm on failed executions stays silent"
    assert CODE not in repr(w.notifier.mails)


def an_operator_starts_another_round_after_a_reversal_was_sent() -> None:
    w = holding(replace(reversing(Cause.REVERSE, reversal_attempts=1), status=S.ESCALATED, wake_at=None))
    taken = start_recovery(ID, None, w.dependencies)
    run_execution(ID, taken.epoch, w.dependencies)
    assert "CreateGiftCard" not in w.amazon.names, "sent again after its reversal"


def a_second_round_has_time() -> None:
    w = holding(escalated(epoch=1), TIMED_OUT)
    w.clock.time = START + 2 * DEADLINE
    taken = start_recovery(ID, None, w.dependencies)
    assert run_execution(ID, taken.epoch, w.dependencies) is Task.DONE
    assert w.ledger.records[ID].status is S.SUCCEEDED


# ---- Amazon's activity ------------------------------------------------------------------------------


def in_activity(*pages: Any) -> World:
    """A reversal that finds nothing, after the in-flight window; and what the activity says."""
    w = holding(reversing(Cause.REVERSE, intent=Intent.REVERSE), *[NoSuchRequest()] * 500)
    w.amazon.pages = list(pages)
    run_execution(ID, 0, w.dependencies)
    return w


def a_card_is_in_the_activity_that_its_cancel_does_not_find() -> None:
    row = Activity(ID, "GCCreation", "Success", START, usd("25.00"), "GC1", None, True)
    w = in_activity(ActivityPage((row,), 1))
    assert w.ledger.records[ID].status is S.ESCALATED, "reversed, and yet charged"


def an_account_may_do_nothing_and_its_activity_is_closed() -> None:
    blocked = Refused(AmazonError(code="F300", type="OperationNotPermitted"))
    w = in_activity(*[blocked] * 500)
    assert w.ledger.records[ID].status is S.ESCALATED, "an account's trouble was taken for a card that never was"
