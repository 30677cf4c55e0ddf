"""CreateGiftCard, CancelGiftCard and GetAvailableFunds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.http import reading
from sandbox.model.errors import refuse
from sandbox.model.log import Activity
from sandbox.model.mocks import MOCK_CLAIM_CODE, MOCK_GC_ID
from sandbox.model.outcome import Done
from sandbox.model.values import Fields, Json, Money, basic_date, expiration_of, java_date
from sandbox.model.world import Account, GiftCard, World


def create_gift_card(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Issue a claim code, or return the one that the id has already.

    The input is validated before the id is looked up (recorded): a repeat with an amount over the limit is refused
    although the card exists, and a repeat with another allowed amount silently returns the original card.
    """
    if (mock := reading.mock_id(fields, "creationRequestId")) is not None:
        return Done(_mock_card(fields, mock), None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "creationRequestId")
    value = reading.card_value(world, account, fields)
    reading.optional_members(fields)
    reading.usable_account(account)
    key = (account.partner_id, request_id)
    card = world.cards.get(key)
    repeat = card is not None
    if card is None:
        if not world.affords(account.partner_id, value):
            raise refuse("InsufficientFunds")
        card = GiftCard(
            account=account.partner_id,
            request_id=request_id,
            gc_id=world.gc_id(account.partner_id, request_id),
            claim_code=world.claim_code(account.partner_id, request_id),
            value=value,
            created_at=at,
            expires_at=expiration_of(value.currency, at),
        )
        world.cards[key] = card
        world.charge(account.partner_id, at, request_id, "CreateGiftCard", value)
    row = Activity(account.partner_id, at, "CreateGiftCard", request_id, card.gc_id, None, card.value, None, not repeat)
    return Done(card_fields(card, at), row)


def cancel_gift_card(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Take a card back within 15 minutes of its creation.

    Repeating it succeeds, also later; an unknown id is not permitted.
    """
    if (mock := reading.mock_id(fields, "creationRequestId")) is not None:
        return Done({"creationRequestId": mock, "gcId": MOCK_GC_ID, "status": "SUCCESS"}, None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "creationRequestId")
    gc_id = reading.text(fields, "gcId")
    reading.usable_account(account)
    key = (account.partner_id, request_id)
    card = world.cards.get(key)
    if card is None:
        raise refuse("OperationNotPermitted")
    if gc_id is not None and gc_id != card.gc_id:
        raise refuse("InvalidGCIdInput")
    repeat = card.cancelled_at is not None
    if not repeat:
        if at - card.created_at > timedelta(seconds=world.options.cancel_window_seconds):
            raise refuse("CancelRequestArrivedAfterTimeLimit")
        if card.claimed or card.status(at) == "Expired":
            raise refuse("OperationNotPermitted")
        refund(world, card, at, "CancelGiftCard")
    row = Activity(account.partner_id, at, "CancelGiftCard", request_id, card.gc_id, None, card.value, None, not repeat)
    return Done({"creationRequestId": request_id, "gcId": card.gc_id, "status": "SUCCESS"}, row)


def get_available_funds(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """The balance in the account's home currency, with the server's time."""
    reading.mock_id(fields, "accountId")
    reading.partner_id(account, fields)
    reading.usable_account(account)
    currency = account.home_currency
    balance = Decimal(0) if world.options.zero_funds else account.funds.get(currency, Decimal(0))
    funds: dict[str, Json] = {"amount": balance, "currencyCode": currency}
    return Done({"availableFunds": funds, "status": "SUCCESS", "timestamp": basic_date(at)}, None)


def refund(world: World, card: GiftCard, at: datetime, operation: str) -> None:
    """Cancel the card and give its money back."""
    world.cards[(card.account, card.request_id)] = replace(card, cancelled_at=at)
    back = Money(-card.value.amount, card.value.currency)
    world.charge(card.account, at, card.request_id, operation, back)


def card_fields(card: GiftCard, at: datetime) -> dict[str, Json]:
    """The response of CreateGiftCard for that card, as it stands."""
    return {
        "cardInfo": {
            "cardNumber": None,
            "cardStatus": card.status(at),
            "expirationDate": None,
            "value": card.value.fields,
        },
        "creationRequestId": card.request_id,
        "gcClaimCode": card.claim_code,
        "gcExpirationDate": None if card.expires_at is None else java_date(card.expires_at),
        "gcId": card.gc_id,
        "status": "SUCCESS",
    }


def _mock_card(fields: Fields, mock: str) -> dict[str, Json]:
    # A mock success echoes the asked value, whatever it is, and never expires.
    value = fields.get("value")
    asked = value if isinstance(value, dict) else {}
    return {
        "cardInfo": {
            "cardNumber": None,
            "cardStatus": "Fulfilled",
            "expirationDate": None,
            "value": {"amount": asked.get("amount"), "currencyCode": asked.get("currencyCode")},
        },
        "creationRequestId": mock,
        "gcClaimCode": MOCK_CLAIM_CODE,
        "gcExpirationDate": None,
        "gcId": MOCK_GC_ID,
        "status": "SUCCESS",
    }
