"""Balance loads: the customer is encrypted and masked, the amount counts cents, and a void names what it voids."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from incentives.agcod.bodies import body_of
from incentives.domain.caller_fields import CUSTOMER_ACCOUNT, masked
from incentives.domain.errors import KeyReused
from incentives.domain.money import parse_money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Card, Succeeded
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.operation_calls import operation_call, reversal_call
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted, Delivered, Standing
from tests.support.fakes import Scripted, Sent, World, world
from tests.unit.builders import order, record

LOAD: Final = Operation.LOAD_AMAZON_BALANCE
CUSTOMER: Final = "amzn1.account.CANARYCUSTOMER"
SOURCE: Final = {"sourceId": "shop-7"}


def load(customer: str = CUSTOMER, **updates: Any) -> NewRequest:
    given = {CUSTOMER_ACCOUNT: {"id": customer, "type": "2"}} | updates.pop("given", {})
    return replace(order(operation=LOAD, given=given), **updates)


def loaded(sent: Sent) -> Succeeded:
    assert sent.call.value is not None
    return Succeeded(Card(None, None, None, "SUCCESS", sent.call.value))


def place(w: World, **updates: Any) -> Delivered | Accepted:
    return issue(load(**updates), w.dependencies, w.budget())


def holding(*script: Scripted, **updates: Any) -> tuple[World, Record]:
    w = world(loaded)
    place(w, **updates)
    (kept,) = w.ledger.records.values()
    w.amazon.script = list(script)
    w.amazon.sent.clear()
    return w, kept


def sent_body(sent: Sent) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(body_of(sent.call, "Test1"))
    return body


def test_a_load_names_amount_and_customer_to_amazon_and_keeps_neither_in_the_clear() -> None:
    w = world(loaded)
    response = place(w, given={"transactionSource": SOURCE, "notification": {"channel": "MAIL"}})
    assert isinstance(response, Delivered)
    assert response.card is not None
    assert response.card.claim_code is None
    (sent,) = w.amazon.sent
    assert sent_body(sent) == {
        "loadBalanceRequestId": response.record.request_id,
        "partnerId": "Test1",
        "amount": {"currencyCode": "USD", "value": "2500"},
        "account": {"id": CUSTOMER, "type": "2"},
        "notification": {"channel": "MAIL"},
        "transactionSource": SOURCE,
    }
    assert response.record.subject == masked(CUSTOMER)
    assert CUSTOMER not in repr((w.ledger.records, w.ledger.keys, w.telemetry.lines, response))


@pytest.mark.parametrize("customer", [CUSTOMER + "2", "amzn1.account.OTHER"])
def test_another_customer_under_the_same_key_is_refused_by_name(customer: str) -> None:
    w, _ = holding()
    with pytest.raises(KeyReused) as told:
        place(w, customer=customer)
    assert told.value.differing == (CUSTOMER_ACCOUNT,)
    assert customer not in told.value.detail


def test_a_void_names_the_amount_the_customer_and_the_source_of_what_it_voids() -> None:
    w, kept = holding(given={"transactionSource": SOURCE, "externalReference": "po-7"})
    response = cancel(kept.request_id, LOAD, None, w.dependencies, w.budget())
    assert isinstance(response, Standing | Accepted)
    first = w.amazon.sent[0]
    assert first.call.name == "VoidAmazonBalanceLoad"
    assert sent_body(first) == {
        "loadBalanceRequestId": kept.request_id,
        "partnerId": "Test1",
        "amount": {"currencyCode": "USD", "value": "2500"},
        "account": {"id": CUSTOMER, "type": "2"},
        "transactionSource": SOURCE,
    }
    assert response.record.status in (Status.REVERSED, Status.REVERSING)


def test_yen_have_no_cents() -> None:
    kept = record(operation=LOAD, value=parse_money("1000", "JPY"))
    members = {CUSTOMER_ACCOUNT: {"id": CUSTOMER, "type": "1"}}
    for call in (operation_call(kept, members), reversal_call(kept, members)):
        assert json.loads(body_of(call, "Test1"))["amount"] == {"currencyCode": "JPY", "value": "1000"}
