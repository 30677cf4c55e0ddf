from __future__ import annotations

from typing import Any

import pytest

from sandbox.control.api import handle
from sandbox.model.activations import with_check_digits
from sandbox.model.clock import Clock
from tests.sandbox.callers import Model

NUMBER = "1400000005567585358"
VALUE = {"amount": 50, "currencyCode": "USD"}


def activate(model: Model, request_id: str = "Sandb1", **rest: object) -> tuple[int, dict[str, Any]]:
    fields = {"activationRequestId": request_id, "cardNumber": NUMBER, "value": VALUE} | rest
    return model.ask("ActivateGiftCard", **fields)


def deactivate(model: Model, request_id: str = "Sandb1", **rest: object) -> tuple[int, dict[str, Any]]:
    return model.ask("DeactivateGiftCard", **({"activationRequestId": request_id, "cardNumber": NUMBER} | rest))


def status_of(model: Model) -> str:
    response = model.ask("ActivationStatusCheck", statusCheckRequestId="Sandb1", cardNumber=NUMBER)[1]
    return str(response["cardInfo"]["cardStatus"])


def control(model: Model, name: str, **body: object) -> None:
    status, response = handle(model.sandbox, Clock(real=lambda: model.time.now), "POST", name, body)
    assert status == 200, response


def test_activation_charges_and_shows_the_card(model: Model) -> None:
    info = {
        "cardNumber": NUMBER,
        "cardStatus": "Activated",
        "expirationDate": None,
        "value": {"amount": 50.0, "currencyCode": "USD"},
    }
    assert activate(model) == (200, {"activationRequestId": "Sandb1", "cardInfo": info, "status": "SUCCESS"})
    assert status_of(model) == "Activated"
    assert model.net == 50


def test_a_repeat_answers_the_original_and_charges_once(model: Model) -> None:
    assert activate(model) == activate(model)
    assert model.net == 50


@pytest.mark.parametrize(
    ("again", "error_type"),
    [
        ({"request_id": "Sandb2"}, "CardAlreadyActivatedWithDifferentRequestId"),
        ({"value": {"amount": 60, "currencyCode": "USD"}}, "CardActivatedWithDifferentDenomination"),
        ({"cardNumber": "2" * 19}, "ActivationRequestIdAlreadyBeenUsed"),
    ],
)
def test_another_activation_that_clashes_is_refused(model: Model, again: dict[str, Any], error_type: str) -> None:
    activate(model)
    status, response = activate(model, **again)
    assert (status, response["errorCode"], response["errorType"]) == (400, "F200", error_type)
    assert response["agcodResponse"]["__type"].startswith("ActivateGiftCardResponse:")
    assert model.net == 50


def test_deactivation_gives_the_money_back_and_may_be_repeated(model: Model) -> None:
    activate(model)
    first = deactivate(model)
    assert first[0] == 200
    assert first[1]["cardInfo"]["cardStatus"] == "AwaitingActivation"
    assert deactivate(model) == first
    assert status_of(model) == "AwaitingActivation"
    assert model.net == 0


def test_a_late_activate_after_its_deactivation_revives_the_card(model: Model) -> None:
    activate(model)
    deactivate(model)
    assert activate(model)[1]["cardInfo"]["cardStatus"] == "Activated"
    assert model.net == 50
    assert deactivate(model)[0] == 200
    assert model.net == 0


def test_or_it_answers_the_refunded_card_by_option(model: Model) -> None:
    model.set(lateActivate="refunded")
    activate(model)
    deactivate(model)
    status, response = activate(model)
    assert (status, response["cardInfo"]["cardStatus"]) == (200, "RefundedToPurchaser")
    assert status_of(model) == "AwaitingActivation"
    assert model.net == 0


def test_a_deactivated_card_can_be_activated_under_a_new_id(model: Model) -> None:
    activate(model)
    deactivate(model)
    assert activate(model, "Sandb2")[0] == 200
    assert activate(model, "Sandb1")[1]["errorType"] == "CardAlreadyActivatedWithDifferentRequestId"
    assert model.net == 50


def test_deactivation_of_an_unknown_id_or_of_another_card_is_refused(model: Model) -> None:
    assert deactivate(model)[1]["errorType"] == "NonExistingActivationRequestId"
    activate(model)
    assert deactivate(model, cardNumber="2" * 19)[1]["errorType"] == "WrongActivationRequestId"
    assert model.net == 50


@pytest.mark.parametrize(
    ("number", "error_type"),
    [
        (None, "InvalidCardNumberInput"),
        ("", "InvalidCardNumberInput"),
        ("1" * 18, "CardNumberTooShort"),
        ("1" * 20, "InvalidCardNumberInput"),
        ("1" * 18 + "x", "InvalidCardNumberInput"),
    ],
)
def test_card_numbers_have_nineteen_digits(model: Model, number: str | None, error_type: str) -> None:
    assert activate(model, cardNumber=number)[1]["errorType"] == error_type


def test_the_checksum_rule_is_an_option(model: Model) -> None:
    model.set(checksum=True)
    good = with_check_digits("1400000005567585")
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    assert activate(model, cardNumber=wrong)[1]["errorType"] == "CardNumberCheckSumError"
    assert activate(model, cardNumber=good)[0] == 200


def test_only_seeded_cards_exist_by_option(model: Model) -> None:
    model.set(knownCardsOnly=True)
    assert activate(model)[1]["errorType"] == "CardNumberNotFound"
    control(model, "cards", cardNumber=NUMBER)
    assert activate(model)[0] == 200


def test_a_printed_denomination_must_be_met(model: Model) -> None:
    control(model, "cards", cardNumber=NUMBER, denomination={"amount": 25, "currencyCode": "USD"})
    assert activate(model)[1]["errorType"] == "RequestedDenominationMismatch"
    assert activate(model, value={"amount": 25, "currencyCode": "USD"})[0] == 200


def test_blocked_cards_stay_off_and_redeemed_cards_stay_on(model: Model) -> None:
    control(model, "cards", cardNumber=NUMBER, blocked=True)
    response = activate(model)[1]
    assert (response["errorCode"], response["errorType"]) == ("F300", "ActivationNotAllowed")
    control(model, "cards", cardNumber=NUMBER, blocked=False)
    activate(model)
    control(model, "cards", cardNumber=NUMBER, redeemed=True)
    assert deactivate(model)[1]["errorType"] == "DeactivationNotAllowed"
    assert model.net == 50


def test_an_unknown_card_awaits_activation(model: Model) -> None:
    response = model.ask("ActivationStatusCheck", statusCheckRequestId="Sandb1", cardNumber=NUMBER)
    info = {"cardNumber": NUMBER, "cardStatus": "AwaitingActivation", "expirationDate": None, "value": None}
    assert response == (200, {"cardInfo": info, "status": "SUCCESS", "statusCheckRequestId": "Sandb1"})


def test_funds_must_cover_an_activation(model: Model) -> None:
    control(model, "funds", amount=49.99)
    assert activate(model)[1]["errorType"] == "InsufficientFunds"
    assert status_of(model) == "AwaitingActivation"


@pytest.mark.parametrize("operation", ["ActivateGiftCard", "DeactivateGiftCard"])
def test_mock_ids_work_here_too(model: Model, operation: str) -> None:
    fields = {"cardNumber": NUMBER, "value": VALUE}
    assert model.ask(operation, activationRequestId="F0000", **fields)[1]["status"] == "SUCCESS"
    response = model.ask(operation, activationRequestId="F2010", **fields)[1]
    assert response["errorType"] == "CardAlreadyActivatedWithDifferentRequestId"
    assert response["agcodResponse"]["activationRequestId"] is None
    assert model.ask("ActivationStatusCheck", statusCheckRequestId="F4000", **fields)[1]["errorCode"] == "F400"
    assert model.net == 0
