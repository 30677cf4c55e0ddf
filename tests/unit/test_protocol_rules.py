"""Each rule of the protocol, taken out: the history that it is for then goes wrong.

A row names a rule, the function that holds it, the words in that function to take out, and what stands there instead.
The history holds as the code is, and fails once the words are gone; so a rule that is lost is noticed, and a row whose
words have changed must be looked at again.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import pytest

from incentives.aws import ledger as dynamodb
from incentives.domain import recovery, transitions, waits
from incentives.domain.errors import GatewayError
from incentives.usecases import cancel, drive, escalate, find, issue, recover, reveal, start_recovery
from tests.unit import scenarios as history


@dataclass(frozen=True)
class Rule:
    """One rule, and how it is taken out.

    Attributes:
        says: the rule.
        where: the function that holds it.
        words: of its source, found there once.
        instead: what stands there without the rule.
        history: what then goes wrong.
    """

    says: str
    where: Callable[..., Any]
    words: str
    instead: str
    history: Callable[[], None]


RULES = [
    # 1. Identities
    Rule(
        "1 the same key with another body is refused",
        issue.repeat,
        "if differing:",
        "if False:",
        history.a_key_is_used_for_another_amount,
    ),
    Rule(
        "1 the same key with another account is refused",
        issue.repeat,
        "if key.account != order.account:",
        "if False:",
        history.a_key_is_used_for_another_account,
    ),
    Rule(
        "1 request ids are stored, and belong to their partner id",
        drive.account_of,
        "if account.partner_id != record.partner_id:",
        "if False:",
        history.an_account_becomes_another_partners,
    ),
    Rule(
        "1 every id of a chain resolves to the newest generation",
        find.find,
        "range(GENERATIONS_MAX)",
        "range(0)",
        history.a_reissued_order_is_asked_for_by_its_key,
    ),
    # 2. States
    Rule(
        "2, 6 whoever takes a record over raises its epoch",
        transitions.take_over,
        "epoch=record.epoch + 1,",
        "",
        history.an_execution_is_gone_and_the_sweep_starts_another,
    ),
    Rule(
        "2 a cancel sets the intent for good",
        transitions.accept_cancel,
        "return change(record, intent=Intent.REVERSE,",
        "return change(record,",
        history.a_reissue_is_cancelled_while_it_reverses,
    ),
    Rule(
        "2 a cancel takes an open record from its holder",
        transitions.accept_cancel,
        "status=Status.REVERSING,\n        # Whoever held it until now loses every write: another holder begins here.\n"
        "        epoch=record.epoch + 1,",
        "",
        history.a_cancel_of_an_open_request,
    ),
    Rule(
        "2, 8 a reissue is conditional on its intent",
        recovery._reissue,
        'requires=("intent", "attempts"),',
        "",
        history.a_reissue_is_cancelled_between_its_plan_and_its_write,
    ),
    Rule(
        "2 a write that finds its own nonce had succeeded",
        dynamodb._lost_or_ours,
        "current if current.nonce == nonce else Lost(current)",
        "Lost(current)",
        history.the_sdk_repeats_a_write_that_had_taken_effect,
    ),
    # 3. Sending
    Rule(
        "3 the first attempt is recorded before it leaves",
        transitions.first_send,
        "attempts=1,\n        in_flight=True,",
        "",
        history.a_process_dies_while_its_first_call_is_under_way_and_the_order_is_cancelled,
    ),
    Rule(
        "3 a send names the attempt that it follows",
        transitions.record_send,
        'requires=("attempts",),',
        "",
        history.two_sends_are_recorded_from_one_reading,
    ),
    Rule(
        "3 once REVERSING, the operation is never sent again",
        recovery._next_backward,
        "else SendReversal()",
        "else SendOperation() if record.reversal_attempts else SendReversal()",
        history.a_card_that_was_not_found_is_cancelled,
    ),
    # 4. Reading one attempt
    Rule(
        "4 refused closes the request only if no earlier attempt is unknown",
        recovery.after_operation,
        "case Refused(error) if record.doubt:",
        "case Refused(error) if False:",
        history.a_refusal_follows_an_unknown_that_had_its_effect,
    ),
    Rule(
        "4 an attempt whose process died is unknown",
        transitions.record_send,
        "doubt=record.doubt or unanswered,",
        "",
        history.a_process_dies_unanswered_and_the_next_is_refused,
    ),
    Rule(
        "4 a throttle never erases an earlier unknown",
        recovery.after_operation,
        "return _wait_on(record, replace(read, error=named), now)",
        "return _wait_on(record, replace(read, error=named, doubt=False), now)",
        history.a_throttle_comes_between_an_unknown_and_a_refusal,
    ),
    Rule(
        "4 a refused key never erases an earlier unknown",
        recovery.after_operation,
        "if key_was_fresh and not record.doubt:",
        "if key_was_fresh:",
        history.a_refused_key_comes_between_an_unknown_and_a_refusal,
    ),
    Rule(
        "4 a refunded card is reversed, never a success",
        recovery.after_operation,
        "case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):",
        "case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):\n"
        "            return _close_succeeded(record, read, Card(gc_id, None, None, '', record.value), now)",
        history.a_card_is_shown_as_refunded,
    ),
    Rule(
        "4 a refunded card ends REVERSED without asking again",
        recovery._next_backward,
        "if record.cause is Cause.REFUNDED or record.never_sent:",
        "if record.never_sent:",
        history.a_refunded_card_ends_reversed,
    ),
    Rule(
        "4 another amount or currency is never a success",
        recovery.after_operation,
        "case Conflict(kind=kind, gc_id=gc_id, error=error):",
        "case Conflict(kind=kind, gc_id=gc_id, error=error):\n"
        "            return _close_succeeded(record, read, Card(gc_id, None, None, '', record.value), now)",
        history.a_card_of_another_amount_is_shown,
    ),
    Rule(
        "4 another amount or currency is for people",
        recovery._next_forward,
        "if record.conflict is not None:",
        "if False:",
        history.a_conflict_is_never_a_success,
    ),
    Rule(
        "4 a reversal never refuses by itself",
        recovery.after_reversal,
        "case Unresolved(error=error, unknown=unknown, not_executed=not_executed):",
        "case Unresolved(error=error, unknown=unknown, not_executed=not_executed):\n"
        "            return change_from(record, read, status=Status.REFUSED)",
        history.a_reversal_is_refused_for_the_accounts_sake,
    ),
    # 5. Delivering
    Rule(
        "5 a code read again leaves only after a consistent read finds SUCCEEDED",
        reveal._deliver,
        "current = tools.ledger.get(record.request_id)",
        "current = record",
        history.a_cancel_comes_between_the_code_and_its_delivery,
    ),
    Rule(
        "5 a new code leaves only after a write finds SUCCEEDED",
        issue._answer,
        "if record.status is Status.SUCCEEDED and (driven.card is not None or not _has_code(record)):",
        "if driven.card is not None:",
        history.a_cancel_comes_between_the_first_answer_and_its_delivery,
    ),
    Rule(
        "5 a repeat in an open state sends nothing",
        issue.repeat,
        "if record.status.is_open:\n        return accepted(record, tools.clock.now())",
        "if record.status.is_open:\n        return _answer(drive(record, tools, budget), tools)",
        history.an_order_is_repeated_while_it_is_open,
    ),
    # 6. Recovery
    Rule(
        "6 a task whose epoch is not current stops",
        recover.recover,
        "if record is None or record.epoch != epoch:",
        "if record is None:",
        history.an_older_execution_wakes_up,
    ),
    Rule(
        "6 no two executions share an epoch",
        recover._reissue,
        "return plan.close.after if isinstance(taken, Lost) else taken",
        "return (taken.current or result) if isinstance(taken, Lost) else taken",
        history.a_successor_is_taken_by_a_cancel_before_its_execution_takes_it,
    ),
    Rule(
        "6 repeats are counted from the first unknown, not from creation",
        recovery._next_forward,
        "now >= record.first_unknown_at + REPEAT_BEFORE_REVERSING",
        "now >= record.created_at + REPEAT_BEFORE_REVERSING",
        history.a_paced_order_has_waited_unsent,
    ),
    Rule(
        "6 reverse and reissue give up repeating after a minute",
        recovery._next_forward,
        "record.intent in {Intent.REVERSE, Intent.REISSUE}",
        "False",
        history.an_unknown_that_nobody_wants_repeated_for_ever,
    ),
    Rule(
        "6 no wait is longer than a minute while a late card could be cancelled",
        waits.next_wait_seconds,
        "cap = WAIT_INSIDE_WINDOW_SECONDS_MAX if inside else WAIT_SECONDS_MAX",
        "cap = WAIT_SECONDS_MAX",
        history.a_card_lands_late_while_answers_are_lost,
    ),
    Rule(
        "6 there is a poll at the fence itself",
        waits.next_wait_seconds,
        "[window_fence + timedelta(seconds=1), deadline(record)]",
        "[deadline(record)]",
        history.the_fence_passes,
    ),
    Rule(
        "6 there is a last try at the deadline",
        recovery._next_forward,
        "if record.status is Status.RECOVERING and tried:",
        "if record.status is Status.RECOVERING:",
        history.an_amazon_that_answers_at_the_last_moment,
    ),
    Rule(
        "6 task handlers return outcomes",
        recover.recover,
        "except LedgerUnavailable:",
        "except LookupError:",
        history.a_ledger_that_cannot_be_reached_for_a_moment,
    ),
    # 7. The fence
    Rule(
        "7 no such request proves nothing before the fence",
        recovery._is_after_fence,
        "return limit is None or (attempt.amazon_date is not None and attempt.amazon_date > limit)",
        "return True",
        history.a_card_lands_after_amazon_knew_nothing_of_it,
    ),
    Rule(
        "7 the fence is 20 minutes from the latest attempt, not from the first",
        waits.fence,
        "record.last_sent_at + FENCE",
        "record.first_sent_at + FENCE",
        history.a_process_dies_while_it_repeats_and_the_order_is_cancelled_later,
    ),
    Rule(
        "7 the fence is compared with Amazon's own clock",
        recovery.after_reversal,
        "if record.card_seen or not _is_after_fence(record, attempt):",
        "if record.card_seen or now <= (fence(record) or now):",
        history.our_clock_leaps_while_a_card_is_on_its_way,
    ),
    Rule(
        "7 no such request counts only twice",
        recovery.after_reversal,
        "if first is None:",
        "first = first or (attempt.amazon_date or now) - NO_SUCH_REQUEST_APART\n            if False:",
        history.one_stale_read_after_the_fence,
    ),
    Rule(
        "7 no such request counts only 60 seconds apart",
        recovery.after_reversal,
        "if attempt.amazon_date is None or attempt.amazon_date < first + NO_SUCH_REQUEST_APART:",
        "if False:",
        history.two_stale_reads_within_a_minute,
    ),
    Rule(
        "7 no such request never counts for a card that was seen",
        recovery.after_reversal,
        "if record.card_seen or not _is_after_fence(record, attempt):",
        "if not _is_after_fence(record, attempt):",
        history.stale_reads_of_a_card_that_was_seen,
    ),
    Rule(
        "7 a card that was seen is known to whoever holds the record next",
        drive.lost,
        "if here.card is not None and",
        "if False and",
        history.a_success_is_read_by_whoever_has_just_lost_the_record,
    ),
    Rule(
        "7 reversed counts for activations and loads only after the fence",
        recovery.after_reversal,
        "if may_revive and not _is_after_fence(record, attempt):",
        "if False:",
        history.a_load_lands_after_it_was_voided,
    ),
    Rule(
        "7 too late is no proof of life",
        recovery.after_reversal,
        "if record.too_late is TooLateStage.ALIVE:",
        "if True:",
        history.a_cancel_had_worked_and_is_called_too_late,
    ),
    Rule(
        "7 a card that is alive gets one more reversal",
        recovery.after_probe,
        "case Succeeded(card):",
        "case Succeeded(card):\n            return _stays(record, read, now)",
        history.too_late_was_too_early_said,
    ),
    Rule(
        "7 a card that nobody wants never ends as a success",
        recovery._stays,
        "if record.cause is Cause.REVERSE:",
        "if False:",
        history.a_card_that_nobody_wants_is_too_late_to_be_cancelled,
    ),
    Rule(
        "7 back to SUCCEEDED only after too late",
        recovery.after_reversal,
        "case Unresolved(error=error, unknown=unknown, not_executed=not_executed):",
        "case Unresolved() if record.card_seen:\n            return _stays(record, read, now)\n"
        "        case Unresolved(error=error, unknown=unknown, not_executed=not_executed):",
        history.an_unresolved_reversal_of_a_live_card,
    ),
    # 8. Reissue
    Rule(
        "8 the old is closed and the new opened in one transaction",
        recover._reissue,
        "result = tools.ledger.reissue(plan, tools.new_nonce())",
        "result = tools.ledger.apply(plan.close, tools.new_nonce())\n"
        "    result = result if isinstance(result, Lost) else tools.ledger.reissue(plan, tools.new_nonce())",
        history.a_process_dies_while_it_reissues,
    ),
    Rule(
        "8 there are three generations at most",
        recovery._may_reissue,
        "and record.generation + 1 < GENERATIONS_MAX",
        "",
        history.no_generation_is_ever_answered,
    ),
    Rule(
        "8 the deadline is inherited",
        recovery._reissue,
        "deadline_at=record.deadline_at,",
        "",
        history.a_reissue_comes_late_in_its_orders_day,
    ),
    Rule(
        "8 a card that our own earlier generation holds is unknown, not refused",
        recovery._is_our_own_earlier_generation,
        "record.generation > 0",
        "False",
        history.our_own_earlier_generation_holds_the_physical_card,
    ),
    # 9. Time
    Rule(
        "9 tries end a day after the first unknown",
        recovery._next_forward,
        "if now >= deadline(record):",
        "if False:",
        history.nobody_ever_answers,
    ),
    Rule(
        "9 tries to reverse end too",
        recovery._next_backward,
        "if now >= deadline(record) and (record.gave_up or _tried_since(_last_try(record), deadline(record))):",
        "if False:",
        history.nobody_ever_answers_a_reversal,
    ),
    Rule(
        "9 a reversal that a caller asks for has its own day",
        transitions.accept_cancel,
        "deadline_at=now + DEADLINE,",
        "",
        history.a_cancel_comes_at_the_end_of_the_day,
    ),
    Rule(
        "9 what was never sent by then is refused as not sent",
        recovery._next_forward,
        "if not record.may_have_executed:",
        "if False:",
        history.an_order_never_gets_a_slot,
    ),
    Rule(
        "9 a cancel is refused here only 15 minutes after the last create answer",
        transitions.cancel_surely_over_at,
        "record.answered_at + CANCEL_WINDOW",
        "record.first_sent_at + CANCEL_WINDOW",
        history.a_card_is_cancelled_that_was_created_long_after_its_first_send,
    ),
    Rule(
        "9 other reversals than a cancel have no such window",
        cancel._known,
        "case Status.SUCCEEDED if record.operation is Operation.CREATE_GIFT_CARD:",
        "case Status.SUCCEEDED:",
        history.a_load_is_voided_the_next_day,
    ),
    Rule(
        "9 the sweep takes records whose time has come and nothing else",
        start_recovery.sweep,
        "record.wake_at is None or record.wake_at > now",
        "record.wake_at is None",
        history.the_index_lags_behind_the_ledger,
    ),
    Rule(
        "9 the sweep gives way to a holder that is heard of",
        transitions.take_over,
        'requires=("wake_at",) if silent_only else (),',
        "",
        history.a_holder_is_heard_of_while_the_sweep_looks,
    ),
    Rule(
        "9 whoever waits for its next try is not presumed dead",
        transitions.take_over,
        "wake_at=max(now, record.due_at or now) + LEASE,",
        "wake_at=now + LEASE,",
        history.a_round_waits_for_its_next_try,
    ),
    Rule(
        "9 every open record wakes somebody",
        transitions.hand_over,
        "wake_at=due_at + LEASE,",
        "wake_at=None,",
        history.a_handed_over_record_whose_recovery_never_started,
    ),
    Rule(
        "9 503 only if the record was certainly not written",
        issue._in_doubt,
        "if not error.in_doubt:",
        "if True:",
        history.a_record_is_written_and_its_answer_lost,
    ),
    # 10. Escalation
    Rule(
        "10 the case is stored with the state, before any mail",
        escalate.escalate,
        "with_case = replace(closing, after=replace(closing.after, case_file=text))",
        "with_case = closing",
        history.a_card_of_another_amount_and_every_death,
    ),
    Rule(
        "10 no signature younger than 16 minutes leaves",
        escalate.mail_case,
        "or not is_case_due(record, now)",
        "",
        history.the_mail_is_told_too_early,
    ),
    Rule(
        "10 a mail that cannot be sent raises an alert",
        escalate.mail_case,
        "if unsent\n",
        "if False\n",
        history.the_mail_cannot_be_sent,
    ),
    Rule(
        "10 a case holds nothing that could be spent",
        escalate._request_of,
        "body = body.replace(",
        "body.replace(",
        history.a_case_holds_a_customers_account,
    ),
    Rule(
        "10 the execution of an escalation ends as failed",
        recover.progress,
        "else Task.ESCALATED",
        "else Task.DONE",
        history.a_day_without_an_answer,
    ),
    Rule(
        "2, 10 another round goes on reversing once any reversal was sent",
        transitions.reopen,
        "Status.REVERSING if record.reversal_attempts or record.cause is not None else Status.RECOVERING",
        "Status.RECOVERING",
        history.an_operator_starts_another_round_after_a_reversal_was_sent,
    ),
    Rule(
        "2, 10 another round has its own deadline",
        transitions.reopen,
        "deadline_at=now + DEADLINE,",
        "",
        history.a_second_round_has_time,
    ),
]


def without(rule: Rule) -> CodeType:
    """The function's code with the rule taken out."""
    assert isinstance(rule.where, FunctionType)
    source = textwrap.dedent(inspect.getsource(rule.where))
    assert source.count(rule.words) == 1, f"{rule.says}: its words are not in {rule.where.__qualname__}"
    scratch = dict(rule.where.__globals__)
    text = "from __future__ import annotations\n" + source.replace(rule.words, rule.instead)
    exec(compile(text, "without", "exec"), scratch)  # noqa: S102 - our own source, less one rule
    code: CodeType = scratch[rule.where.__name__].__code__
    return code


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_without_the_rule_its_history_goes_wrong(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    rule.history()

    # Everybody who has imported the function has this one.
    monkeypatch.setattr(rule.where, "__code__", without(rule))
    with pytest.raises((AssertionError, GatewayError, ValueError)):
        rule.history()


def test_every_history_is_some_rules() -> None:
    used = {rule.history.__name__ for rule in RULES}
    told = {
        name
        for name, each in vars(history).items()
        if inspect.isfunction(each) and each.__module__ == history.__name__ and not inspect.signature(each).parameters
    }

    assert told - used == set()


def test_every_chapter_of_the_protocol_has_its_rules() -> None:
    chapters = {int(number) for rule in RULES for number in re.findall(r"^\d+|(?<=^\d, )\d+", rule.says)}

    assert set(range(1, 11)) <= chapters
