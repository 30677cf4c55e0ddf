"""The protocol's chapters 1 to 5: identities, states, sending, reading, delivering."""

from __future__ import annotations

from incentives.aws.single_requests import ledger as dynamodb
from incentives.domain.recovery.rules import rules as recovery
from incentives.domain.single_requests import transitions
from incentives.usecases import operation_calls as calls
from incentives.usecases.single_requests import find, issue, issue_queued, reveal
from tests.unit import histories_of_sending as sending
from tests.unit.rules import Rule

RULES = [
    # 1. Identities
    Rule(
        "1 the same key with another body is refused",
        issue.repeat,
        "if differing:",
        "if False:",
        sending.a_key_is_used_for_another_amount,
    ),
    Rule(
        "1 the same key with another account is refused",
        issue.repeat,
        "if key.account != order.account:",
        "if False:",
        sending.a_key_is_used_for_another_account,
    ),
    Rule(
        "1 request ids are stored, and belong to their partner id",
        calls.account_of,
        "if account.partner_id != record.partner_id:",
        "if False:",
        sending.an_account_becomes_another_partners,
    ),
    Rule(
        "1 every id of a chain resolves to the newest generation",
        find.find,
        "if record.replaced_by is None:",
        "if True:",
        sending.a_reissued_order_is_asked_for_by_its_key,
    ),
    # 2. States
    Rule(
        "2, 6 whoever takes a record over raises its epoch",
        transitions.take_over,
        "epoch=record.epoch + 1,",
        "",
        sending.an_execution_is_gone_and_the_sweep_starts_another,
    ),
    Rule(
        "2 a cancel sets the intent for good",
        transitions.accept_cancel,
        "return change(record, intent=Intent.REVERSE,",
        "return change(record,",
        sending.a_reissue_is_cancelled_while_it_reverses,
    ),
    Rule(
        "2 a cancel takes an open record from its holder",
        transitions.accept_cancel,
        "status=Status.REVERSING,\n        # Whoever held it until now loses every write: another holder begins here.\n"
        "        epoch=record.epoch + 1,",
        "",
        sending.a_cancel_of_an_open_request,
    ),
    Rule(
        "2, 8 a reissue is conditional on its intent",
        recovery._reissue,
        'requires=("intent", "attempts"),',
        "",
        sending.a_reissue_is_cancelled_between_its_plan_and_its_write,
    ),
    Rule(
        "2 a write that finds its own nonce had succeeded",
        dynamodb._lost_or_ours,
        "current if current.nonce == nonce else Lost(current)",
        "Lost(current)",
        sending.the_sdk_repeats_a_write_that_had_taken_effect,
    ),
    # 3. Sending
    Rule(
        "3 the first attempt is recorded before it leaves",
        transitions.first_send,
        "attempts=1,\n        in_flight=True,",
        "",
        sending.a_process_dies_while_its_first_call_is_under_way_and_the_order_is_cancelled,
    ),
    Rule(
        "3 a send names the attempt that it follows",
        transitions.record_send,
        'requires=("attempts",),',
        "",
        sending.two_sends_are_recorded_from_one_reading,
    ),
    Rule(
        "3 once REVERSING, the operation is never sent again",
        recovery._next_backward,
        "else SendReversal()",
        "else SendOperation() if record.reversal_attempts else SendReversal()",
        sending.a_card_that_was_not_found_is_cancelled,
    ),
    Rule(
        "3 a repeat is not lined up again",
        issue._record_only,
        "dependencies.ledger.get(record.request_id) is not None",
        "False",
        sending.an_order_is_repeated_while_there_is_no_permit,
    ),
    Rule(
        "3 who waits for a slot may be sent before its guess of a time",
        recovery._is_due,
        " or record.waits_for_permit",
        "",
        sending.a_permit_is_free_before_it_was_thought_to_be,
    ),
    Rule(
        "3 the backlog issues nothing that may have been sent",
        issue_queued.issue_queued,
        " or record.may_have_executed",
        "",
        sending.a_message_comes_out_again_while_its_order_is_being_sent,
    ),
    # 4. Reading one attempt
    Rule(
        "4 refused closes the request only if no earlier attempt is unknown",
        recovery.after_operation,
        "case Refused(error) if record.doubt:",
        "case Refused(error) if False:",
        sending.a_refusal_follows_an_unknown_that_had_its_effect,
    ),
    Rule(
        "4 an attempt whose process died is unknown",
        transitions.record_send,
        "doubt=record.doubt or unanswered,",
        "",
        sending.a_process_dies_unanswered_and_the_next_is_refused,
    ),
    Rule(
        "4 a throttle never erases an earlier unknown",
        recovery.after_operation,
        "return _wait_on(record, replace(read, error=named), now)",
        "return _wait_on(record, replace(read, error=named, doubt=False), now)",
        sending.a_throttle_comes_between_an_unknown_and_a_refusal,
    ),
    Rule(
        "4 a refused key never erases an earlier unknown",
        recovery.after_operation,
        "if key_was_fresh and not record.doubt:",
        "if key_was_fresh:",
        sending.a_refused_key_comes_between_an_unknown_and_a_refusal,
    ),
    Rule(
        "4 a refunded card is reversed, never a success",
        recovery.after_operation,
        "case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):",
        "case Conflict(kind=ConflictKind.REFUNDED, gc_id=gc_id):\n"
        "            return _close_succeeded(record, read, Card(gc_id, None, None, '', record.value), now)",
        sending.a_card_is_shown_as_refunded,
    ),
    Rule(
        "4 a refunded card ends REVERSED without asking again",
        recovery._next_backward,
        "if record.cause is Cause.REFUNDED or record.never_sent:",
        "if record.never_sent:",
        sending.a_refunded_card_ends_reversed,
    ),
    Rule(
        "4 another amount or currency is never a success",
        recovery.after_operation,
        "case Conflict(kind=kind, gc_id=gc_id, error=error):",
        "case Conflict(kind=kind, gc_id=gc_id, error=error):\n"
        "            return _close_succeeded(record, read, Card(gc_id, None, None, '', record.value), now)",
        sending.a_card_of_another_amount_is_shown,
    ),
    Rule(
        "4 another amount or currency is for people",
        recovery._next_forward,
        "if record.conflict is not None:",
        "if False:",
        sending.a_conflict_is_never_a_success,
    ),
    Rule(
        "4 a reversal never refuses by itself",
        recovery.after_reversal,
        "case Unresolved(error=error, unknown=unknown, not_executed=not_executed):",
        "case Unresolved(error=error, unknown=unknown, not_executed=not_executed):\n"
        "            return change_from(record, read, status=Status.REFUSED)",
        sending.a_reversal_is_refused_for_the_accounts_sake,
    ),
    # 5. Delivering
    Rule(
        "5 a code read again leaves only after a consistent read finds SUCCEEDED",
        reveal._deliver,
        "current = dependencies.ledger.get(record.request_id)",
        "current = record",
        sending.a_cancel_comes_between_the_code_and_its_delivery,
    ),
    Rule(
        "5 a new code leaves only after a write finds SUCCEEDED",
        issue._response,
        "if record.status is Status.SUCCEEDED and (progress.card is not None or not _has_code(record)):",
        "if progress.card is not None:",
        sending.a_cancel_comes_between_the_first_response_and_its_delivery,
    ),
    Rule(
        "5 a repeat in an open state sends nothing",
        issue._standing,
        "if record.status.is_open:\n        return accepted(record, dependencies.clock.now())",
        "if record.status.is_open:\n        return _response(drive(record, dependencies, budget), dependencies)",
        sending.an_order_is_repeated_while_it_is_open,
    ),
]
