from __future__ import annotations

from typing import Any

import pytest

from sandbox.control.api import handle
from sandbox.model.clock import Clock
from tests.sandbox.callers import Model

LOGIN = {"id": "amz1.account.123512341234", "type": "2"}
TOKEN = {"id": "123456789012345678901234567890", "type": "1"}


def load(model: Model, value: object = "1000", customer: object = None, **rest: object) -> tuple[int, dict[str, Any]]:
    fields = {
        "loadBalanceRequestId": "Sandb1",
        "amount": {"currencyCode": "USD", "value": value},
        "account": customer or LOGIN,
        "transactionSource": {"sourceId": "Customer Service"},
    }
    return model.ask("LoadAmazonBalance", **(fields | rest))


def void(model: Model, **rest: object) -> tuple[int, dict[str, Any]]:
    return model.ask("VoidAmazonBalanceLoad", **({"loadBalanceRequestId": "Sandb1"} | rest))


def test_a_load_counts_cents(model: Model) -> None:
    amount = {"currencyCode": "USD", "value": "1000"}
    assert load(model) == (200, {"amount": amount, "loadBalanceRequestId": "Sandb1", "status": "SUCCESS"})
    assert model.net == 10


def test_or_major_units_by_option(model: Model) -> None:
    model.set(loadUnits="major")
    load(model, "10.50")
    assert model.net == 10.5


def test_whole_unit_currencies_count_themselves() -> None:
    model = Model(currencies=("JPY",))
    assert load(model, amount={"currencyCode": "JPY", "value": 1000})[0] == 200
    assert model.net == 1000


def test_a_repeat_answers_the_original_whatever_its_amount(model: Model) -> None:
    first = load(model)
    assert load(model) == first
    assert load(model, "2000") == first
    assert model.net == 10


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, "InvalidAmountInput"),
        ("", "InvalidAmountInput"),
        ("ten", "InvalidAmountInput"),
        ("NaN", "InvalidAmountInput"),
        ("Infinity", "InvalidAmountInput"),
        ("0", "InvalidAmountValue"),
        ("-5", "InvalidAmountValue"),
        ("10.5", "FractionalAmountNotAllowed"),
        ("1e999", "OperationNotPermitted"),
        ("1e999999999", "OperationNotPermitted"),
        ("1e-999999999", "FractionalAmountNotAllowed"),
        ("200001", "OperationNotPermitted"),
    ],
)
def test_bad_amounts_are_refused(model: Model, value: object, error_type: str) -> None:
    status, response = load(model, value)
    assert (status, response["errorType"]) == (400, error_type)
    assert model.net == 0


@pytest.mark.parametrize(
    "customer",
    [{"id": "1" * 29, "type": "1"}, {"id": "x" * 30, "type": "1"}, {"id": "", "type": "2"}, {"id": "a", "type": "9"}],
)
def test_bad_customers_are_refused(model: Model, customer: dict[str, str]) -> None:
    assert load(model, customer=customer)[1]["errorType"] == "InvalidRequestInput"


@pytest.mark.parametrize(
    ("state", "error_type"),
    [
        ("unknown", "UnknownCustomer"),
        ("blocked", "BlockedCustomer"),
        ("accountBlocked", "CustomerAccountBlocked"),
        ("velocity", "CustomerSurpassedDailyVelocityLimit"),
    ],
)
def test_customers_can_be_made_unusable(model: Model, state: str, error_type: str) -> None:
    clock = Clock(real=lambda: model.time.now)
    handle(model.sandbox, clock, "POST", "customers", {"id": LOGIN["id"], "state": state})
    response = load(model)[1]
    assert (response["errorCode"], response["errorType"]) == ("F300", error_type)
    handle(model.sandbox, clock, "POST", "customers", {"id": LOGIN["id"], "state": None})
    assert load(model)[0] == 200


def test_a_void_gives_the_money_back_and_may_be_repeated(model: Model) -> None:
    load(model)
    assert void(model) == (200, {"loadBalanceRequestId": "Sandb1", "status": "SUCCESS"})
    assert void(model)[0] == 200
    assert model.net == 0


@pytest.mark.parametrize(
    ("wrong", "error_type"),
    [
        ({"amount": {"currencyCode": "USD", "value": "999"}}, "InvalidAmountValue"),
        ({"account": TOKEN}, "InvalidRequest"),
        ({"loadBalanceRequestId": "Sandb404"}, "OperationNotPermitted"),
    ],
)
def test_a_void_that_does_not_fit_its_load_is_refused(model: Model, wrong: dict[str, Any], error_type: str) -> None:
    load(model)
    assert void(model, **wrong)[1]["errorType"] == error_type
    assert model.net == 10
    assert void(model, amount={"currencyCode": "USD", "value": "1000"}, account=LOGIN)[0] == 200
    assert model.net == 0


@pytest.mark.parametrize(("option", "net"), [("revives", 10), ("refunded", 0)])
def test_a_late_load_after_its_void(model: Model, option: str, net: int) -> None:
    model.set(lateLoad=option)
    load(model)
    void(model)
    assert load(model)[0] == 200
    assert model.net == net


def test_an_account_can_be_validated_before_loading(model: Model) -> None:
    fields = {"account": TOKEN, "amount": {"currencyCode": "USD", "value": 4000}, "transactionSource": {}}
    operation = "ValidateAccountForAmazonBalanceLoad"
    assert model.ask(operation, **fields) == (200, {"status": "SUCCESS", "timestamp": "20300601T120000Z"})
    load(model, customer=TOKEN)
    void(model)
    assert model.ask(operation, **fields)[1]["errorType"] == "InvalidRequest"
    bad = fields | {"account": {"id": "1", "type": "1"}}
    assert model.ask(operation, **bad)[0] == 400
    assert model.net == 0


def test_mock_ids_may_stand_in_either_id(model: Model) -> None:
    assert load(model, loadBalanceRequestId="F0000")[1]["status"] == "SUCCESS"
    assert load(model, customer={"id": "F3010", "type": "2"})[1]["errorType"] == "CustomerSurpassedDailyVelocityLimit"
    assert void(model, loadBalanceRequestId="F4000")[1]["agcodResponse"]["status"] == "RESEND"
    assert model.net == 0


def test_funds_must_cover_a_load(model: Model) -> None:
    handle(model.sandbox, Clock(), "POST", "funds", {"amount": 9})
    assert load(model)[1]["errorType"] == "InsufficientFunds"
