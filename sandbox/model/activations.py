"""ActivateGiftCard, DeactivateGiftCard and ActivationStatusCheck for printed cards.

No traffic of these operations was ever recorded: shapes are documentation's, refusals are chosen from the documented
error types.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.http import reading
from sandbox.model.errors import refuse
from sandbox.model.log import Activity
from sandbox.model.mocks import MOCK_SUCCESS
from sandbox.model.outcome import Done
from sandbox.model.values import Fields, Json, Money
from sandbox.model.world import Account, Activation, PhysicalCard, World

if TYPE_CHECKING:
    from datetime import datetime

CARD_NUMBER_LENGTH = 19
_WAC_LENGTH = 16
# Amazon's rule is unpublished. This stand-in fits into three digits and notices every single wrong digit, as 997 is
# prime.
_CHECKSUM_MODULUS = 997


def with_check_digits(wac: str) -> str:
    """The 19-digit card number of a 16-digit code, under the sandbox's own checksum rule."""
    return f"{wac}{int(wac) % _CHECKSUM_MODULUS:03d}"


def activate_gift_card(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Activate a card for its value. Repeating the id returns the original; an activated card refuses any other id."""
    if reading.mock_id(fields, "activationRequestId") is not None:
        return Done(_mock(fields, "activationRequestId", "Activated"), None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "activationRequestId")
    number = _card_number(world, fields)
    value = reading.card_value(world, account, fields)
    reading.optional_members(fields)
    reading.usable_account(account)
    card = world.physical.get(number, PhysicalCard(number))
    key = (account.partner_id, request_id)
    earlier = world.activations.get(key)
    if earlier is not None and earlier.card_number != number:
        raise refuse("ActivationRequestIdAlreadyBeenUsed")
    if earlier is not None and earlier.value != value:
        raise refuse("CardActivatedWithDifferentDenomination")
    if earlier is not None and earlier.deactivated_at is None:
        return _done(earlier, "Activated", at, "ActivateGiftCard", real=False)
    if earlier is not None and world.options.late_activate == "refunded":
        return _done(earlier, "RefundedToPurchaser", at, "ActivateGiftCard", real=False)
    if card.blocked:
        raise refuse("ActivationNotAllowed")
    if card.activated_by is not None:
        raise refuse("CardAlreadyActivatedWithDifferentRequestId")
    if card.denomination is not None and card.denomination != value:
        raise refuse("RequestedDenominationMismatch")
    if not world.affords(account.partner_id, value):
        raise refuse("InsufficientFunds")
    times = 1 if earlier is None else earlier.times + 1
    activation = Activation(account.partner_id, request_id, number, value, at, None, times)
    world.activations[key] = activation
    world.physical[number] = replace(card, activated_by=key)
    world.charge(account.partner_id, at, request_id, "ActivateGiftCard", value)
    return _done(activation, "Activated", at, "ActivateGiftCard", real=True)


def deactivate_gift_card(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Undo an activation by its own id. Repeating it succeeds."""
    if reading.mock_id(fields, "activationRequestId") is not None:
        return Done(_mock(fields, "activationRequestId", "AwaitingActivation"), None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "activationRequestId")
    number = _card_number(world, fields)
    reading.usable_account(account)
    key = (account.partner_id, request_id)
    activation = world.activations.get(key)
    if activation is None:
        raise refuse("NonExistingActivationRequestId")
    if activation.card_number != number:
        raise refuse("WrongActivationRequestId")
    if activation.deactivated_at is not None:
        return _done(activation, "AwaitingActivation", at, "DeactivateGiftCard", real=False)
    if world.physical[number].redeemed:
        raise refuse("DeactivationNotAllowed")
    world.activations[key] = replace(activation, deactivated_at=at)
    world.physical[number] = replace(world.physical[number], activated_by=None)
    back = Money(-activation.value.amount, activation.value.currency)
    world.charge(account.partner_id, at, request_id, "DeactivateGiftCard", back)
    return _done(activation, "AwaitingActivation", at, "DeactivateGiftCard", real=True)


def activation_status_check(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Whether a card is activated. Its id is the activation's, or any other of the partner's."""
    if reading.mock_id(fields, "statusCheckRequestId") is not None:
        return Done(_mock(fields, "statusCheckRequestId", "Activated"), None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "statusCheckRequestId")
    number = _card_number(world, fields)
    reading.usable_account(account)
    card = world.physical.get(number, PhysicalCard(number))
    value = card.denomination
    if card.activated_by is not None:
        value = world.activations[card.activated_by].value
    status = "AwaitingActivation" if card.activated_by is None else "Activated"
    shown: Json = None if value is None else value.fields
    del at
    info: Json = {"cardNumber": number, "cardStatus": status, "expirationDate": None, "value": shown}
    return Done({"cardInfo": info, "status": "SUCCESS", "statusCheckRequestId": request_id}, None)


def _card_number(world: World, fields: Fields) -> str:
    number = reading.text(fields, "cardNumber")
    if not number:
        raise refuse("InvalidCardNumberInput")
    if not (number.isascii() and number.isdigit()) or len(number) > CARD_NUMBER_LENGTH:
        raise refuse("InvalidCardNumberInput", "Card number is invalid")
    if len(number) < CARD_NUMBER_LENGTH:
        raise refuse("CardNumberTooShort")
    if world.options.checksum and with_check_digits(number[:_WAC_LENGTH]) != number:
        raise refuse("CardNumberCheckSumError")
    if world.options.known_cards_only and number not in world.physical:
        raise refuse("CardNumberNotFound")
    return number


def _done(activation: Activation, status: str, at: datetime, operation: str, *, real: bool) -> Done:
    info: Json = {
        "cardNumber": activation.card_number,
        "cardStatus": status,
        "expirationDate": None,
        "value": activation.value.fields,
    }
    number, value = activation.card_number, activation.value
    row = Activity(activation.account, at, operation, activation.request_id, None, number, value, None, real)
    return Done({"activationRequestId": activation.request_id, "cardInfo": info, "status": "SUCCESS"}, row)


def _mock(fields: Fields, id_field: str, status: str) -> dict[str, Json]:
    value = fields.get("value")
    asked = value if isinstance(value, dict) else {}
    info: Json = {
        "cardNumber": fields.get("cardNumber"),
        "cardStatus": status,
        "expirationDate": None,
        "value": {"amount": asked.get("amount"), "currencyCode": asked.get("currencyCode")},
    }
    return {id_field: MOCK_SUCCESS, "cardInfo": info, "status": "SUCCESS"}
