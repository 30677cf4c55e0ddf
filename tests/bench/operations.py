"""Every operation, and what it may cost in calls: to AWS, to Amazon. The one table of it; a test holds it.

The secret is cached and the process warm, but for one line. What a call is for stands beside it: a number that rises
needs a reason as good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from incentives.bootstrap import container
from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from tests.bench import events
from tests.bench.events import Event
from tests.bench.stand import Calls, Stand, forget

_GET: Final = "dynamodb.GetItem"
_PUT: Final = "dynamodb.PutItem"
_QUERY: Final = "dynamodb.Query"
_UPDATE: Final = "dynamodb.UpdateItem"
_TRANSACT: Final = "dynamodb.TransactWriteItems"
_SECRET: Final = "secretsmanager.GetSecretValue"
_START: Final = "stepfunctions.StartExecution"

_ISSUE: Final = "slot; key, record and first send; close"
_READ: Final = "the record"
_REVERSE: Final = "the record; begin to reverse; slot; note the send; close"


@dataclass(frozen=True)
class Operation:
    """One operation of one function.

    Attributes:
        name: as people say it.
        function: its folder.
        aws, amazon: the calls that it makes.
        why: what each call is for.
        event: makes the event of one more such operation, and whatever must have happened before.
        is_cold: as a process's first.
    """

    name: str
    function: str
    aws: Mapping[str, int]
    amazon: Sequence[str]
    why: str
    event: Callable[[Stand], Event] = field(repr=False)
    is_cold: bool = False


def measure(operation: Operation, stand: Stand) -> Calls:
    """The calls of one more such operation."""
    event = operation.event(stand)
    if operation.is_cold:
        forget()
    else:
        container.accounts.get("default")
    stand.fresh_count()
    stand.run(operation.function, event)
    # Whatever is done for the next one is none of this one's.
    calls, stand.calls = stand.calls, Calls()
    return calls


def services_of(function: str) -> tuple[tuple[str, ...], bool]:
    """The AWS services that a function's first invocation needs, by the first of its operations; if it asks Amazon."""
    plain = next(each for each in OPERATIONS if each.function == function)
    services = {call.partition(".")[0] for call in plain.aws} | NOT_COUNTED.get(function, frozenset())
    asks_amazon = bool(plain.amazon)
    return tuple(sorted(services | ({"secretsmanager"} if asks_amazon else set()))), asks_amazon


#: Services that a first invocation needs a client of, and a plain one makes no call to: the account's secret is read
#: by then, and a place for a file is signed without a call.
NOT_COUNTED: Final = {"create_order": frozenset({"s3", "secretsmanager"})}


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "POST /gift-cards",
        "create_gift_card",
        {_UPDATE: 2, _TRANSACT: 1},
        ("CreateGiftCard",),
        _ISSUE,
        lambda _: events.create(),
    ),
    Operation(
        "POST /gift-cards, a process's first",
        "create_gift_card",
        {_SECRET: 1, _UPDATE: 2, _TRANSACT: 1},
        ("CreateGiftCard",),
        "the secret, kept for five minutes; then as above",
        events.after_a_rest,
        is_cold=True,
    ),
    Operation(
        "POST /gift-cards, repeated",
        "create_gift_card",
        {_UPDATE: 1, _TRANSACT: 1, _GET: 2},
        ("CreateGiftCard",),
        "slot; the key is taken; its record; the code, which only Amazon keeps; the record once more",
        events.created_again,
    ),
    Operation(
        "POST /gift-cards, respond-async",
        "create_gift_card",
        {_GET: 1, _UPDATE: 1, _TRANSACT: 1, "sqs.SendMessage": 1},
        (),
        "is it a repeat; place in line; key and record; into the backlog",
        events.later,
    ),
    Operation(
        "GET /gift-cards/{id}",
        "get_gift_card",
        {_GET: 1},
        (),
        _READ,
        events.on("/gift-cards/{requestId}", events.issued),
    ),
    Operation(
        "POST /gift-cards/{id}/claim-code",
        "reveal_claim_code",
        {_GET: 2, _UPDATE: 1},
        ("CreateGiftCard",),
        "the record; slot; the record once more, since a cancel may have come between",
        events.on("/gift-cards/{requestId}/claim-code", events.issued),
    ),
    Operation(
        "POST /gift-cards/{id}/cancel",
        "cancel_gift_card",
        {_GET: 1, _UPDATE: 4},
        ("CancelGiftCard",),
        _REVERSE,
        events.on("/gift-cards/{requestId}/cancel", events.issued),
    ),
    Operation(
        "POST /activations",
        "activate_gift_card",
        {"kms.Encrypt": 1, _UPDATE: 2, _TRANSACT: 1},
        ("ActivateGiftCard",),
        "seal the card number; " + _ISSUE,
        lambda _: events.activate(),
    ),
    Operation(
        "GET /activations/{id}",
        "get_activation",
        {_GET: 1},
        (),
        _READ,
        events.on("/activations/{requestId}", events.activated),
    ),
    Operation(
        "POST /activations/{id}/deactivate",
        "deactivate_gift_card",
        {"kms.Decrypt": 1, _GET: 1, _UPDATE: 4},
        ("DeactivateGiftCard",),
        "the card number; " + _REVERSE,
        events.on("/activations/{requestId}/deactivate", events.activated),
    ),
    Operation(
        "POST /activations/status-check",
        "check_activation_status",
        {_UPDATE: 1},
        ("ActivationStatusCheck",),
        "permit",
        lambda _: events.request("/activations/status-check", {"cardNumber": next(events.CARDS)}),
    ),
    Operation(
        "POST /balance-loads",
        "load_amazon_balance",
        {"kms.Encrypt": 1, _UPDATE: 2, _TRANSACT: 1},
        ("LoadAmazonBalance",),
        "seal the customer's account; " + _ISSUE,
        lambda _: events.top_up(),
    ),
    Operation(
        "GET /balance-loads/{id}",
        "get_balance_load",
        {_GET: 1},
        (),
        _READ,
        events.on("/balance-loads/{requestId}", events.loaded),
    ),
    Operation(
        "POST /balance-loads/{id}/void",
        "void_amazon_balance_load",
        {"kms.Decrypt": 1, _GET: 1, _UPDATE: 4},
        ("VoidAmazonBalanceLoad",),
        "the customer's account; " + _REVERSE,
        events.on("/balance-loads/{requestId}/void", events.loaded),
    ),
    Operation(
        "GET /requests, one page of a day",
        "search_requests",
        {_QUERY: 1},
        (),
        "the index of the day",
        events.a_search,
    ),
    Operation(
        "GET /funds",
        "get_available_funds",
        {_QUERY: 2, _UPDATE: 2},
        ("GetAvailableFunds",),
        "what is known; slot; keep it; what is known now",
        events.funds_are_old,
    ),
    Operation(
        "GET /funds within a minute",
        "get_available_funds",
        {_QUERY: 1},
        (),
        "what is known",
        events.funds_were_asked,
    ),
    Operation(
        "GET /activity",
        "get_activity",
        {_UPDATE: 1},
        ("GetGiftCardActivityPage",),
        "permit",
        events.activity,
    ),
    Operation(
        "POST /requests/{id}/recover",
        "start_recovery",
        {_GET: 1, _UPDATE: 1, _START: 1},
        (),
        "the record; take it over; the workflow",
        events.on("/requests/{requestId}/recover", events.unknown),
    ),
    Operation(
        "GET /requests/{id}/case-file",
        "get_case_file",
        {_GET: 1},
        (),
        _READ,
        events.on("/requests/{requestId}/case-file", events.escalated),
    ),
    Operation(
        "recovery, a retry that is answered",
        "recover_request",
        {_GET: 1, _UPDATE: 3},
        ("CreateGiftCard",),
        "the record; slot; note the send; close",
        events.recovered("Repeat"),
    ),
    Operation(
        "recovery, a look",
        "recover_request",
        {_GET: 1},
        (),
        _READ,
        events.recovered("Look"),
    ),
    Operation(
        "sweep, nothing to take up",
        "sweep_requests",
        {_QUERY: 2 * len(WAKE_PARTITIONS)},
        (),
        "of each partition of the index: what is due; what is open",
        events.swept,
    ),
    Operation(
        "backlog, one message",
        "issue_queued",
        {_GET: 1, _UPDATE: 3},
        ("CreateGiftCard",),
        "the record; slot; note the send; close",
        events.queued,
    ),
    Operation(
        "stream to events, one record",
        "publish_events",
        {"events.PutEvents": 1},
        (),
        "up to ten events",
        events.streamed,
    ),
    Operation(
        "stream to spend, one record",
        "count_spend",
        {_GET: 1, _TRANSACT: 1},
        (),
        "what was counted; count",
        events.streamed,
    ),
    Operation(
        "watch, one account",
        "watch_account",
        {_QUERY: 3, _UPDATE: 2},
        ("GetAvailableFunds",),
        "the accounts; slot; keep the balance; what is known now; which alerts stand",
        events.watched,
    ),
    Operation(
        "rotate keys, nothing pending",
        "rotate_keys",
        {"secretsmanager.DescribeSecret": 1, _GET: 1},
        (),
        "the key's versions; how far a rotation is",
        lambda _: {},
    ),
    Operation(
        "POST /orders",
        "create_order",
        {_PUT: 1},
        (),
        "the order",
        lambda _: events.request("/orders", {"format": "csv"}, key=events.new_key()),
    ),
    Operation(
        "GET /orders/{id}",
        "get_order",
        {_GET: 1},
        (),
        "the order",
        events.on_order(""),
    ),
    Operation(
        "POST /orders/{id}/start",
        "control_order",
        {_GET: 1, _PUT: 1, _START: 1},
        (),
        "the order; that it is to start; the workflow",
        events.on_order("/start"),
    ),
    Operation(
        "bulk order, issue three rows",
        "process_order",
        {"s3.GetObject": 1, _GET: 11, _UPDATE: 6, _TRANSACT: 3, _PUT: 1},
        (
            "CreateGiftCard",
            "CreateGiftCard",
            "CreateGiftCard",
        ),
        "the batch and its rows; of each row: the order, the record, then as POST /gift-cards; progress",
        lambda stand: events.progress(events.validated(stand), "Issue", batch=1, secondsLeft=200),
    ),
    Operation(
        "bulk order, validate",
        "process_order",
        {"s3.GetObject": 1, "s3.PutObject": 1, _GET: 1, _TRANSACT: 1},
        (),
        "the order; its file; its rows; that it is issued, with the claim on its rows",
        lambda stand: events.progress(events.started(stand), "Validate"),
    ),
    Operation(
        "bulk order, check",
        "process_order",
        {_GET: 1, _QUERY: 1},
        (),
        "the order; its batches",
        lambda stand: events.progress(events.validated(stand), "Check"),
    ),
)
