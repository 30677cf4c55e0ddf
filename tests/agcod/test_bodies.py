from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from incentives.agcod.bodies import REQUEST_ID_MEMBERS, LoadUnits, body_of, dumps
from incentives.domain.calls import Call
from incentives.domain.errors import InvalidInput
from incentives.domain.money import Money
from incentives.domain.secret_text import Secret
from tests.agcod.samples import CALLS, CARD_NUMBER, LOAD_ACCOUNT, VALUE

EXPECTED = {
    "CreateGiftCard": (
        '{"creationRequestId":"AwssbT1","partnerId":"Awssb","value":{"currencyCode":"USD","amount":25.00}}'
    ),
    "CancelGiftCard": '{"creationRequestId":"AwssbT1","partnerId":"Awssb","gcId":"5535125272070255"}',
    "ActivateGiftCard": (
        '{"activationRequestId":"AwssbT1","partnerId":"Awssb","cardNumber":"1400000005567585358",'
        '"value":{"currencyCode":"USD","amount":25.00}}'
    ),
    "DeactivateGiftCard": '{"activationRequestId":"AwssbT1","partnerId":"Awssb","cardNumber":"1400000005567585358"}',
    "LoadAmazonBalance": (
        '{"loadBalanceRequestId":"AwssbT1","partnerId":"Awssb","amount":{"currencyCode":"USD","value":"2500"},'
        '"account":{"id":"amz1.account.123512341234","type":"2"}}'
    ),
    "VoidAmazonBalanceLoad": (
        '{"loadBalanceRequestId":"AwssbT1","partnerId":"Awssb","amount":{"currencyCode":"USD","value":"2500"}}'
    ),
    "ActivationStatusCheck": (
        '{"statusCheckRequestId":"AwssbT1","partnerId":"Awssb","cardNumber":"1400000005567585358"}'
    ),
    "GetAvailableFunds": '{"partnerId":"Awssb"}',
    "GetGiftCardActivityPage": (
        '{"requestId":"AwssbT1","partnerId":"Awssb","pageIndex":0,"pageSize":1000,"showNoOps":false,'
        '"utcEndDate":"2026-03-02T00:00:00","utcStartDate":"2026-03-01T00:00:00"}'
    ),
}
ALL_CALLS = CALLS | {
    "ActivationStatusCheck": Call(name="ActivationStatusCheck", request_id="AwssbT1", card_number=Secret(CARD_NUMBER)),
    "GetAvailableFunds": Call(name="GetAvailableFunds", request_id=""),
    "GetGiftCardActivityPage": Call(
        name="GetGiftCardActivityPage",
        request_id="AwssbT1",
        options={
            "utcStartDate": "2026-03-01T00:00:00",
            "utcEndDate": "2026-03-02T00:00:00",
            "pageIndex": 0,
            "pageSize": 1000,
            "showNoOps": False,
        },
    ),
}


def test_every_operation_has_a_body() -> None:
    assert set(EXPECTED) == set(REQUEST_ID_MEMBERS)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_call_is_always_the_same_text(name: str) -> None:
    assert body_of(ALL_CALLS[name], "Awssb") == EXPECTED[name]
    json.loads(EXPECTED[name])


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("0.10", "USD", "0.10"), ("1000", "JPY", "1000"), ("12345678.91", "EUR", "12345678.91"), ("1E+3", "JPY", "1000")],
)
def test_amounts_keep_their_digits(amount: str, currency: str, text: str) -> None:
    call = replace(CALLS["CreateGiftCard"], value=Money(Decimal(amount), currency))
    assert f'"amount":{text}}}' in body_of(call, "Awssb")


@pytest.mark.parametrize(
    ("amount", "currency", "units", "text"),
    [
        ("25.00", "USD", "minor", "2500"),
        ("0.01", "USD", "minor", "1"),
        ("1000", "JPY", "minor", "1000"),
        ("25.00", "USD", "major", "25.00"),
    ],
)
def test_a_loads_amount_is_a_text_in_the_units_asked_for(
    amount: str, currency: str, units: LoadUnits, text: str
) -> None:
    call = replace(CALLS["LoadAmazonBalance"], value=Money(Decimal(amount), currency))
    assert f'"value":"{text}"' in body_of(call, "Awssb", load_units=units)


def test_options_come_sorted_and_escaped() -> None:
    options = {
        "transactionSource": {"sourceId": "Service", "sourceDetails": {"institutionName": "Käse"}},
        "externalReference": 'a "quote" 漢',
        "programId": "P1",
        "productType": "xmasPV",
    }
    body = body_of(replace(CALLS["CreateGiftCard"], options=options), "Awssb")
    assert body.isascii()
    assert {name: json.loads(body)[name] for name in options} == options
    assert body.index("externalReference") < body.index("productType") < body.index("programId")


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("CreateGiftCard", {"value": None}, "amount"),
        ("CreateGiftCard", {"options": {"partnerId": "Other"}}, "partnerId"),
        ("CreateGiftCard", {"options": {"value": {"amount": 1}}}, "value"),
        ("CreateGiftCard", {"options": {"externalReference": "x" * 101}}, "externalReference"),
        ("CreateGiftCard", {"options": {"externalReference": ""}}, "externalReference"),
        ("CreateGiftCard", {"options": {"programId": "no-hyphens"}}, "programId"),
        ("CreateGiftCard", {"options": {"productType": "x" * 51}}, "productType"),
        ("CreateGiftCard", {"options": {"productType": 1}}, "productType"),
        ("CreateGiftCard", {"options": {"transactionSource": "Service"}}, "transactionSource"),
        ("CreateGiftCard", {"options": {"transactionSource": {"a": "x" * 5000}}}, "transactionSource"),
        ("CreateGiftCard", {"options": {"transactionSource": {"a": 0.1}}}, "body"),
        ("CreateGiftCard", {"options": {"notification": {}}}, "notification"),
        ("CancelGiftCard", {"options": {"externalReference": "x"}}, "externalReference"),
        ("ActivateGiftCard", {"card_number": None}, "cardNumber"),
        ("ActivateGiftCard", {"card_number": Secret("123")}, "cardNumber"),
        ("DeactivateGiftCard", {"card_number": Secret(CARD_NUMBER + "\n")}, "cardNumber"),
        ("LoadAmazonBalance", {"options": {}}, "account"),
        ("LoadAmazonBalance", {"options": {"account": {"id": "a"}}}, "account.type"),
        ("LoadAmazonBalance", {"options": {"account": {"id": "", "type": "2"}}}, "account.id"),
        ("VoidAmazonBalanceLoad", {"options": {"notification": {}}}, "notification"),
    ],
)
def test_what_no_operation_takes_is_named(name: str, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        body_of(replace(CALLS[name], **change), "Awssb")
    assert caught.value.field == field
    assert CARD_NUMBER not in str(caught.value)


def test_a_deep_option_is_refused_before_it_is_walked() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidInput, match="deep"):
        body_of(replace(CALLS["CreateGiftCard"], options={"transactionSource": deep}), "Awssb")
    while deep:
        deep = deep.pop("a")


@pytest.mark.parametrize("levels", [6, 7])
def test_lists_count_as_levels(levels: int) -> None:
    nested: list[Any] = ["x"]
    # The option is a level, the member in it another one.
    for _ in range(levels - 3):
        nested = [nested, "y"]
    call = replace(CALLS["CreateGiftCard"], options={"transactionSource": {"a": nested}})
    if levels > 6:
        with pytest.raises(InvalidInput, match="nested at most 6 deep"):
            body_of(call, "Awssb")
    else:
        assert json.loads(body_of(call, "Awssb"))["transactionSource"] == {"a": nested}


def test_a_list_keeps_its_order_and_its_digits() -> None:
    assert dumps({"a": [Decimal("1.10"), (None, True), []]}) == '{"a":[1.10,[null,true],[]]}'


@pytest.mark.parametrize("name", ["CancelGiftCard", "DeactivateGiftCard"])
def test_what_takes_a_whole_card_back_names_no_amount(name: str) -> None:
    body = json.loads(body_of(replace(CALLS[name], value=VALUE), "Awssb"))
    assert not body.keys() & {"value", "amount"}


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(InvalidInput):
        body_of(Call(name="DeleteEverything", request_id="x", value=VALUE), "Awssb")


@pytest.mark.parametrize("value", [0.1, float("nan"), Decimal("NaN"), b"x", object()])
def test_nothing_but_json_and_decimals_is_written(value: object) -> None:
    with pytest.raises(InvalidInput):
        dumps({"a": value})


def test_a_void_may_name_the_account() -> None:
    call = replace(CALLS["VoidAmazonBalanceLoad"], value=None, options={"account": LOAD_ACCOUNT})
    assert json.loads(body_of(call, "Awssb"))["account"] == LOAD_ACCOUNT
