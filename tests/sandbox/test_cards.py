from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from sandbox.control.api import handle
from sandbox.http.gateway import Arrival
from sandbox.model.clock import Clock
from sandbox.model.mocks import MOCKS
from tests.sandbox.callers import KEY, PARTNER, START, Model

CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}")


def test_a_new_card_has_the_recorded_shape(model: Model) -> None:
    status, card = model.create(amount=25.5)
    assert status == 200
    assert list(card) == ["cardInfo", "creationRequestId", "gcClaimCode", "gcExpirationDate", "gcId", "status"]
    assert card["cardInfo"] == {
        "cardNumber": None,
        "cardStatus": "Fulfilled",
        "expirationDate": None,
        "value": {"amount": 25.5, "currencyCode": "USD"},
    }
    assert CODE.fullmatch(card["gcClaimCode"])
    assert re.fullmatch(r"[1-9][0-9]{15}", card["gcId"])
    assert card["gcExpirationDate"] is None
    assert model.net == Decimal("25.5")


@pytest.mark.parametrize(
    ("currency", "expires"), [("JPY", "Fri Jun 01 14:59:59 UTC 2040"), ("EUR", "Fri Jun 01 21:59:59 UTC 2040")]
)
def test_cards_outside_north_america_expire_after_ten_years(currency: str, expires: str) -> None:
    model = Model(currencies=(currency,))
    card = model.create(amount=1000, currency=currency)[1]
    assert card["gcExpirationDate"] == expires
    assert card["cardInfo"]["value"] == {"amount": 1000.0, "currencyCode": currency}
    model.time.now = START.replace(year=2041)
    assert model.create(amount=1000, currency=currency)[1]["cardInfo"]["cardStatus"] == "Expired"


def test_a_repeat_answers_the_same_card_and_charges_once(model: Model) -> None:
    assert model.create() == model.create()
    assert model.net == 25


def test_a_repeat_with_another_amount_silently_answers_the_original(model: Model) -> None:
    first = model.create(amount=25)
    assert model.create(amount=30) == first
    assert model.net == 25


@pytest.mark.parametrize(
    ("amount", "code", "error_type"),
    [(20_000, "F300", "OperationNotPermitted"), (-1, "F200", "InvalidAmountValue"), (0, "F200", "InvalidAmountValue")],
)
def test_a_repeat_is_validated_before_the_id_is_looked_up(
    model: Model, amount: int, code: str, error_type: str
) -> None:
    model.create()
    status, response = model.create(amount=amount)
    assert (status, response["errorCode"], response["errorType"]) == (400, code, error_type)
    assert response["agcodResponse"]["status"] == "FAILURE"
    assert response["agcodResponse"]["creationRequestId"] == "Sandb1"
    assert response["agcodResponse"]["gcClaimCode"] is None


def test_an_amount_over_the_limit_carries_the_asked_card_info(model: Model) -> None:
    info = model.create(amount=20_000)[1]["agcodResponse"]["cardInfo"]
    value = {"amount": 20_000, "currencyCode": "USD"}
    assert info == {"cardNumber": None, "cardStatus": None, "expirationDate": None, "value": value}


def test_the_over_limit_error_can_be_the_documented_one(model: Model) -> None:
    model.set(overLimit="MaxAmountExceeded")
    assert model.create(amount=2000.01)[1]["errorType"] == "MaxAmountExceeded"
    assert model.create(amount=2000)[0] == 200


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"amount": None, "currencyCode": "USD"}, None),
        ({"currencyCode": "USD"}, None),
        ({"amount": "25", "currencyCode": "USD"}, "class java.lang.String is not an expected Json type"),
        ({"amount": True, "currencyCode": "USD"}, "class java.lang.Boolean is not an expected Json type"),
        ({"amount": 25, "currencyCode": 840}, "class java.lang.Integer is not an expected Json type"),
        (25, "class java.lang.Integer is not an expected Json type"),
        ([25.5], "class java.util.ArrayList is not an expected Json type"),
    ],
)
def test_wrong_types_get_the_bare_message(model: Model, value: object, message: str | None) -> None:
    response = model.ask("CreateGiftCard", creationRequestId="Sandb1", value=value)
    assert response == (400, {"Message": message})
    assert model.card_status() is None


@pytest.mark.parametrize(
    ("fields", "error_type"),
    [
        ({"creationRequestId": None}, "InvalidRequestIdInput"),
        ({"creationRequestId": ""}, "InvalidRequestIdInput"),
        ({"creationRequestId": "Sandb-1"}, "InvalidRequestIdInput"),
        ({"creationRequestId": "Other1"}, "RequestIdMustStartWithPartnerName"),
        ({"creationRequestId": "sandb1"}, "RequestIdMustStartWithPartnerName"),
        ({"creationRequestId": "Sandb" + "1" * 36}, "RequestIdTooLong"),
        ({"partnerId": ""}, "InvalidPartnerIdInput"),
        ({"partnerId": "sandb"}, "AccessDenied"),
        ({"value": None}, "InvalidAmountInput"),
        ({"value": {"amount": 1, "currencyCode": ""}}, "InvalidCurrencyCodeInput"),
        ({"value": {"amount": 1, "currencyCode": "CAD"}}, "CurrencyCodeMismatch"),
        ({"value": {"amount": 1.001, "currencyCode": "USD"}}, "FractionalAmountNotAllowed"),
        ({"value": {"amount": 0.001, "currencyCode": "USD"}}, "AmountBelowMinThreshold"),
        ({"externalReference": "x" * 101}, "ExternalReferenceTooLong"),
        ({"programId": "no good"}, "InvalidProgramId"),
        ({"productType": "no good"}, "InvalidRequest"),
    ],
)
def test_invalid_input_is_refused_by_name(model: Model, fields: dict[str, Any], error_type: str) -> None:
    good = {"creationRequestId": "Sandb1", "partnerId": PARTNER, "value": {"amount": 1, "currencyCode": "USD"}}
    delivery = model.sandbox.call("CreateGiftCard", good | fields)
    assert delivery.http_status == 400
    assert f'"errorType":"{error_type}"'.encode() in (delivery.body or b"")
    assert model.net == 0


@pytest.mark.parametrize("request_id", ["Sandb" + "1" * 35, "Sandb"])
def test_ids_up_to_forty_characters_pass(model: Model, request_id: str) -> None:
    assert model.create(request_id)[0] == 200


@pytest.mark.parametrize("request_id", ["other_1", "1=!4&5*9-7}%"])
def test_lenient_ids_take_what_old_traffic_sent(model: Model, request_id: str) -> None:
    assert model.create(request_id)[0] == 400
    model.set(strictIds=False)
    assert model.create(request_id)[0] == 200


def test_whole_unit_currencies_take_no_fraction() -> None:
    model = Model(currencies=("JPY",))
    assert model.create(amount=100.5, currency="JPY")[1]["errorType"] == "FractionalAmountNotAllowed"
    assert model.create(amount=100.0, currency="JPY")[0] == 200


def test_an_absurd_number_is_over_the_limit_and_nothing_worse(model: Model) -> None:
    body = b'{"creationRequestId":"Sandb1","partnerId":"Sandb","value":{"amount":1e999999999999,"currencyCode":"USD"}}'
    response = exchange(model, "CreateGiftCard", body)
    assert json.loads(response)["errorType"] == "OperationNotPermitted"
    assert model.net == 0


def exchange(model: Model, operation: str, body: bytes) -> bytes:
    delivery = model.sandbox.exchange(Arrival(operation, body, KEY))
    assert delivery.body is not None
    return delivery.body


def test_cancel_refunds_and_a_later_create_answers_the_refunded_original(model: Model) -> None:
    card = model.create()[1]
    assert model.cancel() == (200, {"creationRequestId": "Sandb1", "gcId": card["gcId"], "status": "SUCCESS"})
    assert model.net == 0
    again = model.create()[1]
    assert again["cardInfo"]["cardStatus"] == "RefundedToPurchaser"
    assert (again["gcId"], again["gcClaimCode"]) == (card["gcId"], card["gcClaimCode"])
    assert model.net == 0


def test_a_repeated_cancel_succeeds_even_when_it_is_late(model: Model) -> None:
    model.create()
    first = model.cancel()
    model.time.advance(10_000)
    assert model.cancel() == first
    assert model.net == 0


@pytest.mark.parametrize(("seconds", "error_type"), [(900, None), (900.001, "CancelRequestArrivedAfterTimeLimit")])
def test_the_cancel_window_is_fifteen_minutes(model: Model, seconds: float, error_type: str | None) -> None:
    model.create()
    model.time.advance(seconds)
    status, response = model.cancel()
    assert (status, response.get("errorType")) == (200 if error_type is None else 400, error_type)
    if error_type is not None:
        assert response["errorCode"] == "F200"
        assert model.card_status() == "Fulfilled"


def test_cancel_of_an_unknown_id_is_not_permitted(model: Model) -> None:
    status, response = model.cancel("Sandb404")
    assert (status, response["errorCode"], response["errorType"]) == (400, "F300", "OperationNotPermitted")
    response = response["agcodResponse"]
    assert response["__type"] == "CancelGiftCardResponse:http://internal.amazon.com/coral/com.amazonaws.agcod/"
    assert response == {
        "__type": response["__type"],
        "creationRequestId": "Sandb404",
        "gcId": None,
        "status": "FAILURE",
    }


def test_a_gift_card_id_that_is_sent_must_match(model: Model) -> None:
    card = model.create()[1]
    assert model.cancel(gcId="A000")[1]["errorType"] == "InvalidGCIdInput"
    assert model.cancel(gcId=card["gcId"])[0] == 200


def test_a_claimed_card_cannot_be_cancelled(model: Model) -> None:
    model.create()
    clock = Clock(real=lambda: model.time.now)
    assert handle(model.sandbox, clock, "POST", "claim", {"requestId": "Sandb1"})[0] == 200
    assert model.cancel()[1]["errorType"] == "OperationNotPermitted"
    assert model.net == 25
    assert handle(model.sandbox, clock, "POST", "claim", {"requestId": "Sandb1"})[0] == 400


def test_funds_are_charged_refunded_and_run_out(model: Model) -> None:
    clock = Clock(real=lambda: model.time.now)
    handle(model.sandbox, clock, "POST", "funds", {"amount": "30.00"})
    model.create("Sandb1", 25)
    status, response = model.create("Sandb2", 25)
    assert (status, response["errorCode"], response["errorType"]) == (400, "F300", "InsufficientFunds")
    assert model.create("Sandb1", 25)[0] == 200, "a repeat needs no funds"
    model.cancel("Sandb1")
    assert model.create("Sandb2", 25)[0] == 200
    assert model.ask("GetAvailableFunds") == (
        200,
        {
            "availableFunds": {"amount": 5.0, "currencyCode": "USD"},
            "status": "SUCCESS",
            "timestamp": "20300601T120000Z",
        },
    )
    model.set(zeroFunds=True)
    assert model.ask("GetAvailableFunds")[1]["availableFunds"]["amount"] == 0.0


def test_a_blocked_account_is_refused_with_its_reason_until_it_is_not(model: Model) -> None:
    clock = Clock(real=lambda: model.time.now)
    model.create()
    handle(model.sandbox, clock, "POST", "accounts", {"partnerId": PARTNER, "blocked": "AccountHasProblems"})
    for status, response in (model.create(), model.cancel(), model.ask("GetAvailableFunds")):
        assert (status, response["errorCode"], response["errorType"]) == (400, "F300", "AccountHasProblems")
    assert model.create(amount=-1)[1]["errorType"] == "InvalidAmountValue", "the input is looked at first"
    handle(model.sandbox, clock, "POST", "accounts", {"partnerId": PARTNER, "blocked": None})
    assert model.create()[0] == 200


def test_claim_codes_come_from_the_seed(model: Model) -> None:
    other_seed = Model()
    other_seed.set(seed="another")
    assert model.create()[1]["gcClaimCode"] == Model().create()[1]["gcClaimCode"]
    assert model.create()[1]["gcClaimCode"] != other_seed.create()[1]["gcClaimCode"]
    codes = {model.create(f"Sandb{number}")[1]["gcClaimCode"] for number in range(200)}
    assert len(codes) == 200


@pytest.mark.parametrize("mock", [name for name, error in MOCKS.items() if error is not None])
def test_mock_failures_come_from_the_table_without_any_effect(model: Model, mock: str) -> None:
    error = MOCKS[mock]
    assert error is not None
    status, response = model.create(mock)
    assert status == 400
    assert (response["errorCode"], response["errorType"], response["message"]) == (
        error.code,
        error.type,
        error.message,
    )
    assert response["agcodResponse"]["creationRequestId"] is None
    assert response["agcodResponse"]["status"] == ("RESEND" if mock == "F4000" else "FAILURE")
    assert model.cancel(mock)[1]["errorType"] == error.type
    assert model.net == 0


# Recorded or documented rows of the table, written out so that the table cannot change unnoticed.
@pytest.mark.parametrize(
    ("mock", "code", "error_type"),
    [
        ("F1000", "F100", "GeneralError"),
        ("F2003", "F200", "InvalidAmountInput"),
        ("F2004", "F200", "InvalidAmountValue"),
        ("F2005", "F200", "InvalidCurrencyCodeInput"),
        ("F2010", "F200", "CardAlreadyActivatedWithDifferentRequestId"),
        ("F2015", "F200", "MaxAmountExceeded"),
        ("F2016", "F200", "CurrencyCodeMismatch"),
        ("F2017", "F200", "FractionalAmountNotAllowed"),
        ("F2047", "F200", "CancelRequestArrivedAfterTimeLimit"),
        ("F3003", "F300", "InsufficientFunds"),
        ("F3005", "F300", "GeneralError"),
        ("F3010", "F300", "CustomerSurpassedDailyVelocityLimit"),
        ("F4000", "F400", "SystemTemporarilyUnavailable"),
        ("F5000", "F500", "GeneralError"),
    ],
)
def test_recorded_mock_ids(model: Model, mock: str, code: str, error_type: str) -> None:
    response = model.create(mock)[1]
    assert (response["errorCode"], response["errorType"]) == (code, error_type)


def test_the_mock_success_echoes_the_amount_and_charges_nothing(model: Model) -> None:
    status, card = model.create("F0000", 1234.5)
    assert status == 200
    assert (card["gcClaimCode"], card["gcId"]) == ("ZYXW-VUTS-RQPO", "ABC123ZYX987")
    assert card["cardInfo"]["value"]["amount"] == 1234.5
    assert card["gcExpirationDate"] is None
    assert model.cancel("F0000")[0] == 200
    assert model.net == 0
