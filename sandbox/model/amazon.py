"""The model: executes one operation on the world, as of a given moment. It changes nothing but the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model.activations import activate_gift_card, activation_status_check, deactivate_gift_card
from sandbox.model.activity import get_gift_card_activity_page
from sandbox.model.cards import cancel_gift_card, create_gift_card, get_available_funds
from sandbox.model.errors import RefusedError, UnreadableError
from sandbox.model.loads import load_amazon_balance, validate_account_for_amazon_balance_load, void_amazon_balance_load
from sandbox.model.log import ACTIVITY_TYPES, Activity
from sandbox.model.outcome import Done, Failure, Framework, Response, Success
from sandbox.model.world import Account, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sandbox.model.values import Fields, Json


@dataclass(frozen=True)
class Operation:
    """One operation: what runs it, the request's id field, and the fields of its response."""

    run: Callable[[World, Account, Fields, datetime], Done]
    id_field: str | None
    members: tuple[str, ...]


OPERATIONS: dict[str, Operation] = {
    "CreateGiftCard": Operation(
        create_gift_card,
        "creationRequestId",
        ("cardInfo", "creationRequestId", "gcClaimCode", "gcExpirationDate", "gcId", "status"),
    ),
    "CancelGiftCard": Operation(cancel_gift_card, "creationRequestId", ("creationRequestId", "gcId", "status")),
    "ActivateGiftCard": Operation(
        activate_gift_card, "activationRequestId", ("activationRequestId", "cardInfo", "status")
    ),
    "DeactivateGiftCard": Operation(
        deactivate_gift_card, "activationRequestId", ("activationRequestId", "cardInfo", "status")
    ),
    "ActivationStatusCheck": Operation(
        activation_status_check, "statusCheckRequestId", ("cardInfo", "status", "statusCheckRequestId")
    ),
    "LoadAmazonBalance": Operation(
        load_amazon_balance, "loadBalanceRequestId", ("amount", "loadBalanceRequestId", "status")
    ),
    "VoidAmazonBalanceLoad": Operation(
        void_amazon_balance_load, "loadBalanceRequestId", ("loadBalanceRequestId", "status")
    ),
    "ValidateAccountForAmazonBalanceLoad": Operation(
        validate_account_for_amazon_balance_load, None, ("status", "timestamp")
    ),
    "GetAvailableFunds": Operation(get_available_funds, None, ("availableFunds", "status", "timestamp")),
    "GetGiftCardActivityPage": Operation(
        get_gift_card_activity_page,
        "requestId",
        ("cardActivityList", "pageIndex", "requestId", "status", "totalNumberOfTransactionsInRequestedTimeFrame"),
    ),
}


def request_id_of(operation: str, fields: Fields | None) -> str | None:
    """The request's id as it was sent, unchecked."""
    known = OPERATIONS.get(operation)
    if known is None or known.id_field is None or fields is None:
        return None
    value = fields.get(known.id_field)
    return value if isinstance(value, str) else None


def execute(world: World, partner_id: str, operation: str, fields: Fields, at: datetime) -> Response:
    """Run `operation` for the account as of `at`, change the world and say what Amazon would respond."""
    known = OPERATIONS[operation]
    account = world.accounts[partner_id]
    try:
        done = known.run(world, account, fields, at)
    except UnreadableError as problem:
        return Framework(None, problem.message, 400, capital=True)
    except RefusedError as refusal:
        if operation in ACTIVITY_TYPES and not refusal.mock:
            sent = request_id_of(operation, fields)
            world.write(Activity(partner_id, at, operation, sent, failure=refusal.error.type, real=False))
        return failure(world, operation, fields, refusal)
    if done.activity is not None:
        world.write(done.activity)
    return Success(operation, done.fields)


def failure(world: World, operation: str, fields: Fields | None, refusal: RefusedError) -> Failure:
    """The envelope of a refusal.

    Every field of the operation's response, null but for the echoed id, card info and status.
    """
    known = OPERATIONS[operation]
    members: dict[str, Json] = dict.fromkeys(known.members)
    if known.id_field is not None and not refusal.mock:
        members[known.id_field] = request_id_of(operation, fields)
    if "cardInfo" in members and isinstance(refusal.card_info, dict):
        members["cardInfo"] = refusal.card_info
    members["status"] = refusal.error.status
    is_server_side = refusal.error.code in {"F100", "F400", "F500"}
    return Failure(operation, refusal.error, members, world.options.resend_status if is_server_side else 400)
