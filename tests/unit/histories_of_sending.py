"""Short histories that come out right by one rule of the protocol each, and lose money, leak or hang without it.

Identities, states, sending, reading and delivering. Each plays itself and asserts how it must end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
from botocore.stub import Stubber

from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_record
from incentives.domain.errors import GatewayError, KeyReused
from incentives.domain.outcomes import (
    ConflictKind,
    Succeeded,
)
from incentives.domain.single_requests.record import Cause, Intent, Lost, Record, change
from incentives.domain.single_requests.transitions import accept_cancel, record_send, take_over
from incentives.usecases.recovery.recover import Task, recover
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted, Delivered
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import START, Sent, account, card, usd, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import (
    MINUTE,
    REFUNDED,
    SECOND,
    order,
    record,
    reversing,
    unknown_since,
)
from tests.unit.lives import Story, lived
from tests.unit.playing import CREATE, ID, F, S, begun, ended, holding, lost

# ---- 1. identities ------------------------------------------------------------------------------


def a_key_is_used_for_another_amount() -> None:
    w = world()
    issue(order(), w.dependencies, w.budget())
    try:
        response: object = issue(order(value=usd("50.00")), w.dependencies, w.budget())
    except GatewayError as error:
        response = error
    assert isinstance(response, KeyReused), "a card of 25 was handed out for an order of 50"


def a_key_is_used_for_another_account() -> None:
    w = world()
    w.accounts.accounts["other"] = account("other")
    issue(order(), w.dependencies, w.budget())
    try:
        response: object = issue(order(account="other"), w.dependencies, w.budget())
    except GatewayError as error:
        response = error
    assert isinstance(response, KeyReused), "an order of one account was answered with another's card"


def an_account_becomes_another_partners() -> None:
    w = holding(unknown_since())
    w.accounts.accounts["default"] = account(partner_id="Other")
    recover(Task.REPEAT, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert not w.amazon.sent, "sent under an id that is another partner's"


def a_reissued_order_is_asked_for_by_its_key() -> None:
    ended(begun(Story((F.LOST_AFTER,) * 25, Intent.REISSUE)), S.SUCCEEDED)


# ---- 2. states ----------------------------------------------------------------------------------


def an_execution_is_gone_and_the_sweep_starts_another() -> None:
    life = begun(Story((F.LOST_AFTER,) * 25))
    life.executions.clear()
    ended(life, S.SUCCEEDED)


def a_reissue_is_cancelled_while_it_reverses() -> None:
    life = begun(Story((F.LOST_AFTER, *lost(100)), Intent.REISSUE))
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    life.cancel()
    ended(life, S.REVERSED)


def a_reissue_is_cancelled_between_its_plan_and_its_write() -> None:
    w = holding(reversing(Cause.REISSUE, undone=True))
    reissue = w.ledger.reissue

    def overtaken(plan: Any, nonce: str) -> Record | Lost:
        w.ledger.apply(accept_cancel(w.ledger.records[ID], w.clock.now()), "cancel")
        return reissue(plan, nonce)

    w.ledger.reissue = overtaken  # type: ignore[method-assign]
    run_execution(ID, 0, w.dependencies)
    assert len(w.ledger.records) == 1, "a cancelled order came back as a new card"


def two_sends_are_recorded_from_one_reading() -> None:
    w = holding(unknown_since())
    seen = w.ledger.records[ID]
    first = w.ledger.apply(record_send(seen, START, START), "one")
    second = w.ledger.apply(record_send(seen, START + SECOND, START), "two")
    assert isinstance(first, Record)
    assert isinstance(second, Lost), "two processes send at once, and the ledger counts one"


def the_sdk_repeats_a_write_that_had_taken_effect() -> None:
    kept = record(nonce="mine")

    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stub:
        stub.add_client_error(
            "update_item", "ConditionalCheckFailedException", modeled_fields={"Item": encode_record(kept)}
        )
        ledger = DynamoDbLedger(client, "table", sleep=lambda _: None)
        written = ledger.apply(change(replace(kept, nonce=""), attempts=2), "mine")
    assert isinstance(written, Record), "whoever holds it thinks that he has lost it, and it waits for the sweep"


# ---- 3. sending ---------------------------------------------------------------------------------


def a_process_dies_while_its_first_call_is_under_way_and_the_order_is_cancelled() -> None:
    whole = lived(Story(cancelled=True))
    remains = next(each for each in whole.moments if each.moment == "during amazon.attempt")
    life = whole.after(remains, retried=False)
    ended(life)


def a_card_that_was_not_found_is_cancelled() -> None:
    life = begun(Story(lost(14)))
    life.cancel()
    ended(life, S.REVERSED)


def a_process_dies_while_it_repeats_and_the_order_is_cancelled_later() -> None:
    """The repeat leaves long after the first attempt, and arrives at the last moment."""
    life = begun(Story(lost()))
    life.wait_until(START + 10 * MINUTE)
    life.amazon.faults = [F.LATE]
    life.until(lambda: not life.amazon.faults)
    life.amazon.faults = []
    life.cancel()
    ended(life, S.REVERSED)


def an_order_is_repeated_while_there_is_no_permit() -> None:
    w = world()
    w.rate_limiter.full_for = 5.0
    for _ in range(3):
        issue(order(), w.dependencies, w.budget())
    assert w.rate_limiter.lined_up == 1, "whoever comes after is told a time for calls that nobody will make"
    assert len(w.backlog.puts) == 1


def a_permit_is_free_before_it_was_thought_to_be() -> None:
    life = begun(Story(no_permit_for=30 * 60.0))
    life.world.rate_limiter.free_at = START + MINUTE
    life.until(lambda: not life.newest.status.is_open)
    assert life.world.clock.now() < START + 20 * MINUTE, "slots go by unused while it waits for its time"


def a_message_comes_out_again_while_its_order_is_being_sent() -> None:
    w = holding(record())
    issue_queued(ID, w.dependencies, w.budget())
    assert not w.amazon.sent, "two processes carry one order"


# ---- 4. reading ---------------------------------------------------------------------------------


def a_refusal_follows_an_unknown_that_had_its_effect() -> None:
    ended(begun(Story((F.LOST_AFTER, F.REFUSED))), S.REVERSED)


def a_throttle_comes_between_an_unknown_and_a_refusal() -> None:
    ended(begun(Story((F.LOST_AFTER, F.THROTTLED, F.REFUSED))), S.REVERSED)


def a_refused_key_comes_between_an_unknown_and_a_refusal() -> None:
    ended(begun(Story((F.LOST_AFTER, F.KEY_REFUSED, F.KEY_REFUSED, F.REFUSED))), S.REVERSED)


def a_process_dies_unanswered_and_the_next_is_refused() -> None:
    whole = lived(Story((F.LOST_AFTER,)))
    remains = next(each for each in whole.moments if each.moment == "after amazon.attempt")
    life = whole.after(remains, retried=False)
    life.amazon.faults = [F.REFUSED]
    ended(life, S.REVERSED)


def a_card_is_shown_as_refunded() -> None:
    life = begun(Story((F.LOST_AFTER,) * 13))
    assert life.first_id is not None
    life.amazon.cards[life.first_id].refunded = True
    life.amazon.faults.clear()
    ended(life, S.REVERSED)


def a_card_of_another_amount_is_shown() -> None:
    ended(begun(Story((F.OTHER_VALUE,))), S.ESCALATED)


def a_reversal_is_refused_for_the_accounts_sake() -> None:
    life = begun(Story())
    life.amazon.faults = [F.REFUSED] * 2
    life.cancel()
    ended(life, S.REVERSED)


# ---- 5. delivering ------------------------------------------------------------------------------


def a_cancel_comes_between_the_code_and_its_delivery() -> None:
    w = world()
    issue(order(), w.dependencies, w.budget())
    (request_id,) = w.ledger.records

    def cancelled(sent: Sent) -> Succeeded:
        w.ledger.apply(accept_cancel(w.ledger.records[request_id], w.clock.now()), "cancel")
        return Succeeded(card(sent.call))

    w.amazon.script = [cancelled]
    try:
        response: object = reveal(request_id, None, w.dependencies, w.budget())
    except GatewayError as error:
        response = error
    assert not isinstance(response, Delivered), "a code that is being cancelled was handed out"


def a_cancel_comes_between_the_first_response_and_its_delivery() -> None:
    def cancelled(sent: Sent) -> Succeeded:
        w.ledger.apply(accept_cancel(w.ledger.records[sent.call.request_id], w.clock.now()), "cancel")
        return Succeeded(card(sent.call))

    w = world(cancelled)
    response = issue(order(), w.dependencies, w.budget())
    assert isinstance(response, Accepted), "a code that is being cancelled was handed out"


def an_order_is_repeated_while_it_is_open() -> None:
    life = begun(Story((F.LOST_AFTER, *lost(30))))
    sent = life.amazon.calls
    response = life.issue()
    assert isinstance(response, Accepted)
    assert life.amazon.calls == sent, "two processes carry one order"


def a_cancel_of_an_open_request() -> None:
    w = holding(unknown_since())
    response = cancel(ID, CREATE, None, w.dependencies, w.budget())
    assert isinstance(response, Accepted)
    late = w.ledger.apply(take_over(unknown_since(), START, silent_only=False), "late")
    assert isinstance(late, Lost), "its former holder still has it"


def a_refunded_card_ends_reversed() -> None:
    w = holding(unknown_since(), REFUNDED)
    assert run_execution(ID, 0, w.dependencies) is Task.DONE
    assert w.ledger.records[ID].status is S.REVERSED
    assert w.amazon.names == ["CreateGiftCard"], "what has been refunded is not asked for again"


def a_conflict_is_never_a_success() -> None:
    w = holding(unknown_since(conflict=ConflictKind.VALUE))
    assert run_execution(ID, 0, w.dependencies) is Task.ESCALATED
    assert not w.amazon.sent
