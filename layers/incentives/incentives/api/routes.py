"""Every route of the HTTP API as data: what it takes, what it returns. For its documentation; no function imports this.

A route added to the template is added here, with the models of its body and responses in `models`; tests say what is
missing. Every route also returns what API Gateway answers by itself, see `openapi`.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from incentives.api import books_routes, budget_routes, close_routes
from incentives.api.accounts import PAGE_MAX
from incentives.api.bulk_orders import PAGE_SIZE, PAGE_SIZE_MAX
from incentives.api.models import accounts, bulk_orders, case_files, single_requests
from incentives.api.models.base import Body
from incentives.api.openapi_parts import PARAMETERS
from incentives.api.route import ACCOUNT, ASK_AGAIN, CURSOR, DAY, Route, Success, parameter
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.single_requests.record import Status

#: What Amazon's refusals come out as: no money, the account, a state, the request. Amazon's response may be any of
#: them.
REFUSALS: Final = (402, 403, 409, 422)

_REPLAYED: Final = ("Idempotent-Replayed",)


def _issue(
    function: str, path: str, tag: str, texts: tuple[str, str], *, body: type[Body], new: type[BaseModel]
) -> Route:
    known = single_requests.GiftCard if new is single_requests.GiftCardWithCode else new
    return Route(
        function=function,
        method="post",
        path=path,
        tag=tag,
        summary=texts[0],
        description=f"{texts[1]} {_REPEATABLE}",
        body=body,
        keyed=True,
        preferring=True,
        responses={
            201: Success(description="Done, just now.", model=new),
            200: Success(description="A repeat of an order that had been carried out.", model=new, headers=_REPLAYED),
            202: Success(description=_OPEN, model=known, headers=(*ASK_AGAIN, "Preference-Applied")),
        },
        problems=(*REFUSALS, 503),
    )


def _reverse(function: str, path: str, tag: str, texts: tuple[str, str], known: type[BaseModel]) -> Route:
    return Route(
        function=function,
        method="post",
        path=path,
        tag=tag,
        summary=texts[0],
        description=texts[1],
        responses={
            200: Success(description="Reversed: nothing is charged.", model=known, headers=_REPLAYED),
            202: Success(
                description="Noted, for good. Ask again whether it has been carried out.",
                model=known,
                headers=ASK_AGAIN,
            ),
        },
        problems=(409, 503),
    )


def _read(function: str, path: str, what: str, known: type[BaseModel], tag: str) -> Route:
    return Route(
        function=function,
        method="get",
        path=path,
        tag=tag,
        summary=f"Read {what}",
        description="From the ledger alone. Asked for by the id of one that was replaced, it tells of the newest.",
        responses={200: Success(description="How it stands.", model=known)},
        problems=(503,),
    )


_REPEATABLE: Final = (
    "Safe to repeat: the same Idempotency-Key with the same body never does it twice, whatever happened to the first "
    "call; with another body it is refused, the differing fields named. A key never expires. After a 503 nothing was "
    "charged: repeat it with the same key once the cause is mended."
)
_OPEN: Final = (
    "Not known yet, neither done nor failed. Either Amazon has not responded clearly, and it is being settled. Or the "
    "account's pace does not allow the call yet, or the caller preferred not to wait: `dueAt` says about when its turn "
    "is, and it is carried out without the caller doing more. Ask at Location after Retry-After, or repeat the request "
    "with the same key."
)


def _control(
    verb: str,
    summary: str,
    description: str,
    *,
    statuses: tuple[int, ...],
    body: type[Body] | None = None,
    body_required: bool = False,
    problems: tuple[int, ...] = (409, 503),
) -> Route:
    responses = {
        200: Success(description="Done: how the order stands.", model=bulk_orders.Order),
        202: Success(
            description="The order is worked on: ask at Location after Retry-After.",
            model=bulk_orders.Order,
            headers=ASK_AGAIN,
        ),
    }
    return Route(
        function="control_order",
        operation=f"{verb}_order",
        method="post",
        path=f"/orders/{{orderId}}/{verb}",
        tag="Bulk orders",
        summary=summary,
        description=description,
        body=body,
        body_required=body_required,
        responses={status: responses[status] for status in statuses},
        problems=problems,
    )


ROUTES: Final = (
    _issue(
        "create_gift_card",
        "/gift-cards",
        "Gift cards",
        ("Issue a gift card", "Issues one card and returns its claim code."),
        body=single_requests.CreateGiftCardBody,
        new=single_requests.GiftCardWithCode,
    ),
    _read("get_gift_card", "/gift-cards/{requestId}", "a gift card", single_requests.GiftCard, "Gift cards"),
    Route(
        function="reveal_claim_code",
        method="post",
        path="/gift-cards/{requestId}/claim-code",
        tag="Gift cards",
        summary="Read a claim code again",
        description="Asks Amazon for the code of a card that is live. The gateway keeps none; each call is "
        "logged, without the code.",
        responses={
            200: Success(description="The code.", model=single_requests.GiftCardWithCode),
            202: Success(
                description="Amazon did not show it in time; nothing has changed. Ask again after Retry-After.",
                model=single_requests.GiftCard,
                headers=ASK_AGAIN,
            ),
        },
        problems=(*REFUSALS, 503),
    ),
    _reverse(
        "cancel_gift_card",
        "/gift-cards/{requestId}/cancel",
        "Gift cards",
        (
            "Cancel a gift card",
            "Amazon cancels a card within 15 minutes of its creation; later it returns 409 and names the deadline.",
        ),
        single_requests.GiftCard,
    ),
    _issue(
        "activate_gift_card",
        "/activations",
        "Activations",
        (
            "Activate a physical card",
            "Activates one printed card. Its number is kept encrypted and is shown by its last four digits only.",
        ),
        body=single_requests.ActivateGiftCardBody,
        new=single_requests.Activation,
    ),
    _read("get_activation", "/activations/{requestId}", "an activation", single_requests.Activation, "Activations"),
    _reverse(
        "deactivate_gift_card",
        "/activations/{requestId}/deactivate",
        "Activations",
        ("Deactivate a physical card", "Undoes an activation."),
        single_requests.Activation,
    ),
    Route(
        function="check_activation_status",
        method="post",
        path="/activations/status-check",
        tag="Activations",
        summary="Ask whether a physical card is active",
        description="Asks Amazon; nothing changes. It is a POST because a card number belongs in no URL.",
        body=single_requests.CheckActivationStatusBody,
        responses={200: Success(description="The card's state.", model=accounts.CardState)},
        problems=(*REFUSALS, 503),
    ),
    _issue(
        "load_amazon_balance",
        "/balance-loads",
        "Balance loads",
        (
            "Load a customer's Amazon balance",
            "Adds an amount to the balance of an Amazon customer, whose id is kept encrypted.",
        ),
        body=single_requests.LoadAmazonBalanceBody,
        new=single_requests.BalanceLoad,
    ),
    _read(
        "get_balance_load", "/balance-loads/{requestId}", "a balance load", single_requests.BalanceLoad, "Balance loads"
    ),
    _reverse(
        "void_amazon_balance_load",
        "/balance-loads/{requestId}/void",
        "Balance loads",
        ("Take a balance load back", "Voids a balance load."),
        single_requests.BalanceLoad,
    ),
    Route(
        function="create_order",
        method="post",
        path="/orders",
        tag="Bulk orders",
        summary="Make a bulk order",
        description="Makes an order of up to 100,000 gift cards and says where its file goes. Nothing is issued before "
        "it is started. Safe to repeat: the same Idempotency-Key with the same body never makes a second order.",
        body=bulk_orders.CreateOrderBody,
        keyed=True,
        responses={
            201: Success(description="Made, just now.", model=bulk_orders.NewOrder, headers=("Location",)),
            200: Success(
                description="It had been made: how it stands, with a fresh place for its file while one may be put.",
                model=bulk_orders.NewOrder,
                headers=("Location", *_REPLAYED),
            ),
        },
        problems=(422, 503),
    ),
    Route(
        function="get_order",
        method="get",
        path="/orders/{orderId}",
        tag="Bulk orders",
        summary="Read a bulk order",
        description="How far it is, what is wrong with its file, and where its result is.",
        responses={200: Success(description="How it stands.", model=bulk_orders.Order)},
        problems=(503,),
    ),
    Route(
        function="get_order",
        operation="list_orders",
        method="get",
        path="/orders",
        tag="Bulk orders",
        summary="List bulk orders",
        description="Newest first. The list lags behind the orders by a moment.",
        query=(
            parameter("status", "Only orders of this status.", {"enum": [*OrderStatus]}),
            parameter(
                "account",
                "Only orders of this partner account.",
                {"type": "string", "pattern": f"^{ACCOUNT_NAME.pattern}$"},
            ),
            parameter(
                "limit",
                "Orders on a page, at most.",
                {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE},
            ),
            CURSOR,
        ),
        responses={200: Success(description="A page.", model=bulk_orders.OrderPage)},
        problems=(503,),
    ),
    _control(
        "start",
        "Start a bulk order",
        "Checks the whole file, then issues its cards; with `dryRun` it only checks. An order whose sum needs a second "
        "person is AWAITING_APPROVAL first. One that was found INVALID or VALIDATED may be given another file and be "
        "started again.",
        statuses=(200, 202),
        body=bulk_orders.StartOrderBody,
    ),
    _control(
        "pause",
        "Pause a bulk order",
        "No further card is asked for until it is resumed; what was asked for is settled.",
        statuses=(200,),
    ),
    _control(
        "resume",
        "Resume a bulk order",
        "Goes on where it was paused. No card is issued twice. From 89 days after the order was made it returns 409, "
        "and an order whose account now has another partner id is paused again: then stop it, and order in another "
        "file the rows that its result shows neither as issued nor as escalated.",
        statuses=(202,),
    ),
    _control(
        "stop",
        "Stop a bulk order",
        "No further card is asked for, for good. What was asked for is settled, then the order is FINISHED.",
        statuses=(200, 202),
    ),
    _control(
        "approve",
        "Approve a bulk order",
        "For a second person: has an order issued that is AWAITING_APPROVAL, and takes its sum from its budget. "
        "Whoever made the order, was told where its file goes, or started it, gets 403, as does a caller of whom the "
        "gateway cannot tell which person it is. Another digest or total than the order shows gets 409. Where the "
        "budget does not allow it, the order is VALIDATED afterwards and says why (200). Safe to repeat.",
        statuses=(200, 202),
        body=bulk_orders.ApproveOrderBody,
        body_required=True,
        problems=(403, 409, 429, 503),
    ),
    _control(
        "reject",
        "Reject a bulk order",
        "Sends an order back that is AWAITING_APPROVAL: it is VALIDATED then, and may be started again, perhaps with "
        "another file.",
        statuses=(200,),
        body=bulk_orders.RejectOrderBody,
        body_required=True,
    ),
    Route(
        function="search_requests",
        method="get",
        path="/requests",
        tag="Requests",
        summary="Search requests",
        description="Requests of one account, newest first; the index lags behind the ledger by a moment. Or, with the "
        "header Idempotency-Key and no parameters, the newest request of that key, as the ledger has it now; none if "
        "no request has the key.",
        query=(
            {
                **PARAMETERS["IdempotencyKey"],
                "required": False,
                "description": "The request of this key is looked for, and nothing else. In the form in which it was "
                "sent, with or without quotes.",
            },
            ACCOUNT,
            parameter("status", "Only requests of this status.", {"enum": [*Status]}),
            parameter("from", "First day, UTC. A week up to `to` if absent; at most 91 days before it.", DAY),
            parameter("to", "Last day, UTC; today if absent.", DAY),
            parameter("cursor", "Of the page before; the other parameters must be the same.", {"type": "string"}),
        ),
        responses={200: Success(description="A page.", model=single_requests.RequestPage)},
        problems=(503,),
    ),
    Route(
        function="start_recovery",
        method="post",
        path="/requests/{requestId}/recover",
        tag="Requests",
        summary="Start another round of recovery",
        description="For operators: takes an open or escalated request over, of whatever operation, and starts "
        "finding out what became of it, for another 24 hours if it was escalated.",
        responses={202: Success(description="Started.", model=single_requests.RequestNow, headers=ASK_AGAIN)},
        problems=(409, 503),
    ),
    Route(
        function="get_case_file",
        method="get",
        path="/requests/{requestId}/case-file",
        tag="Requests",
        summary="Read the case of an escalated request",
        description="For operators: what Amazon's support asks for. It holds no key, no claim code and no "
        "signature that could still be used.",
        responses={200: Success(description="The case.", model=case_files.CaseFile)},
        problems=(409, 503),
    ),
    Route(
        function="get_accounts",
        method="get",
        path="/accounts",
        tag="Accounts",
        summary="List the accounts",
        description="By name, 50 at a time: the default account, and all that have ever been asked about, charged or "
        "frozen. Amazon is not asked.",
        query=(CURSOR,),
        responses={200: Success(description="A page.", model=accounts.AccountList)},
        problems=(503,),
    ),
    Route(
        function="control_account",
        operation="freeze_account",
        method="post",
        path="/accounts/{account}/freeze",
        tag="Accounts",
        summary="Freeze an account",
        description="From this response on, nothing leaves for Amazon that Amazon has never seen, and no claim code is "
        "read: creates, activations, loads and claim codes are answered 503 AccountFrozen, and nothing is recorded. "
        "What is unknown is still settled; cancels, queries and the rotation of keys go on. It takes some six "
        "seconds. The operators are told. Safe to repeat: the account stays frozen as it was.",
        body=accounts.FreezeAccountBody,
        responses={200: Success(description="How it stands.", model=accounts.AccountFreeze)},
        problems=(503,),
    ),
    Route(
        function="control_account",
        operation="unfreeze_account",
        method="post",
        path="/accounts/{account}/unfreeze",
        tag="Accounts",
        summary="Unfreeze an account",
        description="What has waited goes on within a quarter of an hour; paused bulk orders have to be resumed. The "
        "operators are told. Safe to repeat.",
        responses={200: Success(description="How it stands.", model=accounts.AccountFreeze)},
        problems=(503,),
    ),
    Route(
        function="get_available_funds",
        method="get",
        path="/funds",
        tag="Accounts",
        summary="Read an account's balance",
        description="Asks Amazon once a minute at most, however many callers ask. While Amazon does not respond, the "
        "balance told is up to an hour old; `asOf` says of when it is.",
        query=(ACCOUNT,),
        responses={200: Success(description="The balance.", model=accounts.Funds)},
        problems=(*REFUSALS, 503),
    ),
    Route(
        function="get_activity",
        method="get",
        path="/activity",
        tag="Accounts",
        summary="Read a page of an account's activity",
        description="Asks Amazon for a page of its own activity, which it shows about once a minute.",
        query=(
            ACCOUNT,
            parameter("from", "First day, UTC.", DAY, required=True),
            parameter("to", "Last day, UTC.", DAY, required=True),
            parameter(
                "page",
                "Amazon's pageIndex, from 0.",
                {"type": "integer", "minimum": 0, "maximum": PAGE_MAX, "default": 0},
            ),
        ),
        responses={200: Success(description="A page.", model=accounts.ActivityPage)},
        problems=(*REFUSALS, 503),
    ),
    *books_routes.ROUTES,
    *close_routes.ROUTES,
    *budget_routes.ROUTES,
)
