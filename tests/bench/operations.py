"""Every operation, and what it may cost in calls: to AWS, to Amazon. The one table of it; a test holds it.

The secret is cached and the process warm, but for one line. What a call is for stands beside it: one more needs a
reason as good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from incentives.usecases.budgets.recount import LOOKS
from tests.bench import events
from tests.bench.events import Event
from tests.bench.stand import Calls, Stand, forget, know_account

_CREATE: Final = ("CreateGiftCard",)

_PERMIT: Final = "dynamodb.UpdateItem: permit"
_RECORD: Final = "dynamodb.GetItem: the record"
_NEW: Final = "dynamodb.TransactWriteItems: key, record and first send"
_NOTE: Final = "dynamodb.UpdateItem: note the send"
_CLOSE: Final = "dynamodb.UpdateItem: close"
_ORDER: Final = "dynamodb.GetItem: the order"
_FILE: Final = "s3.GetObject: its file"
_KNOWN: Final = "dynamodb.Query: what is known"
_DAY: Final = "dynamodb.GetItem: the day"
_KEEP: Final = "dynamodb.UpdateItem: keep the balance"

_ISSUE: Final = (_PERMIT, _NEW, _CLOSE)
_REPEAT: Final = (_RECORD, _PERMIT, _NOTE, _CLOSE)
_REVERSE: Final = (_RECORD, "dynamodb.UpdateItem: begin to reverse", _PERMIT, _NOTE, _CLOSE)
_ENCRYPT: Final = "kms.Encrypt: the number"
_DECRYPT: Final = "kms.Decrypt: the number"


@dataclass(frozen=True)
class Operation:
    """One operation of one function.

    Attributes:
        name: as people say it.
        function: its folder.
        steps: each call to AWS, and what it is for.
        amazon: the operations asked of Amazon.
        event: makes the event of one more such operation, and whatever must have happened before.
        is_cold: as a process's first.
    """

    name: str
    function: str
    steps: Sequence[str]
    amazon: Sequence[str]
    event: Callable[[Stand], Event] = field(repr=False)
    is_cold: bool = False

    @property
    def aws(self) -> Counter[str]:
        """How often each call to AWS is made."""
        return Counter(step.partition(":")[0] for step in self.steps)

    @property
    def why(self) -> str:
        """What the calls are for."""
        return "; ".join(dict.fromkeys(step.partition(": ")[2] for step in self.steps))


def measure(operation: Operation, stand: Stand) -> Calls:
    """The calls of one more such operation."""
    event = operation.event(stand)
    if operation.is_cold:
        forget()
    else:
        know_account()
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
NOT_COUNTED: Final = {
    "create_order": frozenset({"s3", "secretsmanager"}),
    "control_account": frozenset({"secretsmanager"}),
    "get_accounts": frozenset({"secretsmanager"}),
    "control_books": frozenset({"s3", "secretsmanager"}),
    "close_month": frozenset({"s3"}),
    "watch_account": frozenset({"stepfunctions"}),
}


OPERATIONS: Final[Sequence[Operation]] = (
    Operation("POST /gift-cards", "create_gift_card", _ISSUE, _CREATE, lambda _: events.create()),
    Operation("POST /gift-cards, with a budget", "create_gift_card", _ISSUE, _CREATE, events.of_budget),
    Operation(
        "POST /gift-cards, the first of a budget",
        "create_gift_card",
        ("dynamodb.GetItem: the budget", "dynamodb.GetItem: its month", *_ISSUE),
        _CREATE,
        events.first_of_budget,
    ),
    Operation(
        "POST /gift-cards, a process's first",
        "create_gift_card",
        ("secretsmanager.GetSecretValue: the secret, kept for five minutes", *_ISSUE),
        _CREATE,
        events.after_a_rest,
        is_cold=True,
    ),
    Operation(
        "POST /gift-cards, repeated",
        "create_gift_card",
        (
            _PERMIT,
            "dynamodb.TransactWriteItems: the key is taken",
            _RECORD,
            "dynamodb.GetItem: once more, after Amazon has told the code",
        ),
        _CREATE,
        events.created_again,
    ),
    Operation(
        "POST /gift-cards, respond-async",
        "create_gift_card",
        (
            "dynamodb.GetItem: is it a repeat",
            "dynamodb.UpdateItem: place in line",
            "dynamodb.TransactWriteItems: key and record",
            "sqs.SendMessage: into the backlog",
        ),
        (),
        events.later,
    ),
    Operation("GET /gift-cards/{id}", "get_gift_card", (_RECORD,), (), events.on_card("")),
    Operation(
        "POST /gift-cards/{id}/claim-code",
        "reveal_claim_code",
        (_RECORD, _PERMIT, "dynamodb.GetItem: once more, since a cancel may have come between"),
        _CREATE,
        events.on_card("/claim-code"),
    ),
    Operation(
        "POST /gift-cards/{id}/cancel", "cancel_gift_card", _REVERSE, ("CancelGiftCard",), events.on_card("/cancel")
    ),
    Operation(
        "POST /activations",
        "activate_gift_card",
        (_ENCRYPT, *_ISSUE),
        ("ActivateGiftCard",),
        lambda _: events.activate(),
    ),
    Operation("GET /activations/{id}", "get_activation", (_RECORD,), (), events.on_activation("")),
    Operation(
        "POST /activations/{id}/deactivate",
        "deactivate_gift_card",
        (_DECRYPT, *_REVERSE),
        ("DeactivateGiftCard",),
        events.on_activation("/deactivate"),
    ),
    Operation(
        "POST /activations/status-check",
        "check_activation_status",
        (_PERMIT,),
        ("ActivationStatusCheck",),
        lambda _: events.check_status(),
    ),
    Operation(
        "POST /balance-loads",
        "load_amazon_balance",
        (_ENCRYPT, *_ISSUE),
        ("LoadAmazonBalance",),
        lambda _: events.top_up(),
    ),
    Operation("GET /balance-loads/{id}", "get_balance_load", (_RECORD,), (), events.on_load("")),
    Operation(
        "POST /balance-loads/{id}/void",
        "void_amazon_balance_load",
        (_DECRYPT, *_REVERSE),
        ("VoidAmazonBalanceLoad",),
        events.on_load("/void"),
    ),
    Operation(
        "GET /requests, one page of a day",
        "search_requests",
        ("dynamodb.Query: the index of the day",),
        (),
        events.a_search,
    ),
    Operation(
        "GET /requests, of a key",
        "search_requests",
        ("dynamodb.GetItem: the key", _RECORD),
        (),
        events.a_key_is_looked_up,
    ),
    Operation(
        "GET /funds",
        "get_available_funds",
        (_KNOWN, _PERMIT, _KEEP, "dynamodb.Query: what is known now"),
        ("GetAvailableFunds",),
        lambda stand: events.funds_were_asked(stand, seconds=120),
    ),
    Operation("GET /funds within a minute", "get_available_funds", (_KNOWN,), (), events.funds_were_asked),
    Operation(
        "GET /accounts, one account",
        "get_accounts",
        ("dynamodb.Query: the accounts", "dynamodb.GetItem: whether it is frozen", _KNOWN),
        (),
        lambda _: events.request("/accounts"),
    ),
    Operation("GET /activity", "get_activity", (_PERMIT,), ("GetGiftCardActivityPage",), events.activity),
    Operation(
        "POST /requests/{id}/recover",
        "start_recovery",
        (_RECORD, "dynamodb.UpdateItem: take it over", "stepfunctions.StartExecution: the workflow"),
        (),
        events.on("/requests/{requestId}/recover", events.unknown),
    ),
    Operation(
        "GET /requests/{id}/case-file",
        "get_case_file",
        (_RECORD,),
        (),
        events.on("/requests/{requestId}/case-file", events.escalated),
    ),
    Operation("recovery, a retry that is answered", "recover_request", _REPEAT, _CREATE, events.recovered("Repeat")),
    Operation("recovery, a look", "recover_request", (_RECORD,), (), events.recovered("Look")),
    Operation(
        "sweep, nothing to take up",
        "sweep_requests",
        ("dynamodb.Query: of each partition what is due", "dynamodb.Query: what is open") * len(WAKE_PARTITIONS),
        (),
        events.swept,
    ),
    Operation("backlog, one message", "issue_queued", _REPEAT, _CREATE, events.queued),
    Operation("stream to events, one record", "publish_events", ("events.PutEvents: up to ten",), (), events.streamed),
    Operation(
        "stream to spend, one record",
        "count_spend",
        ("dynamodb.GetItem: what was counted", "dynamodb.TransactWriteItems: count"),
        (),
        events.streamed,
    ),
    Operation(
        "watch, one account",
        "watch_account",
        (
            "dynamodb.Query: the accounts",
            "dynamodb.GetItem: whether it is frozen",
            "dynamodb.Query: charges counted before",
            _PERMIT,
            _KEEP,
            *["dynamodb.Query: what is at risk, in each partition of the open requests"] * len(WAKE_PARTITIONS),
            "dynamodb.BatchGetItem: their amounts",
            "dynamodb.Query: charges counted since",
            "dynamodb.Query: the last balances",
            "dynamodb.PutItem: the balance",
            "dynamodb.Query: what is known now",
            "dynamodb.Query: alerts",
            "dynamodb.Query: the accounts, for their books",
            *["dynamodb.Query: when its books begin"] * 2,
            "dynamodb.Query: the days of its books",
        ),
        ("GetAvailableFunds",),
        events.watched,
    ),
    # After the watch: an account that has ever been frozen costs it one more write.
    Operation(
        "POST /accounts/{account}/unfreeze",
        "control_account",
        (
            "dynamodb.GetItem: whether it is frozen",
            "dynamodb.PutItem: that there is such an account",
            "dynamodb.PutItem: that it is not any more",
            "dynamodb.UpdateItem: the rate limiter's copy",
            "sns.Publish: the operators are told",
            "dynamodb.UpdateItem: that they were",
            "dynamodb.GetItem: how it stands then",
        ),
        (),
        events.frozen,
    ),
    Operation(
        "rotate keys, nothing pending",
        "rotate_keys",
        ("secretsmanager.DescribeSecret: the key's versions", "dynamodb.GetItem: how far a rotation is"),
        (),
        lambda _: {},
    ),
    Operation("POST /orders", "create_order", ("dynamodb.PutItem: the order",), (), lambda _: events.new_order()),
    Operation("GET /orders/{id}", "get_order", (_ORDER,), (), events.on_order("")),
    Operation("GET /orders", "get_order", ("dynamodb.Query: the orders",), (), lambda _: events.request("/orders")),
    Operation(
        "POST /orders/{id}/approve",
        "control_order",
        (
            _ORDER,
            "dynamodb.TransactWriteItems: the order, and that it issues these rows",
            "stepfunctions.StartExecution: the workflow",
            "dynamodb.Query: its batches",
        ),
        (),
        events.approved,
    ),
    Operation(
        "POST /orders/{id}/start",
        "control_order",
        (_ORDER, "dynamodb.PutItem: that it is to start", "stepfunctions.StartExecution: the workflow"),
        (),
        events.on_order("/start"),
    ),
    Operation(
        "bulk order, issue three rows",
        "process_order",
        (
            _ORDER,
            "dynamodb.GetItem: the batch",
            _FILE,
            *("dynamodb.GetItem: of each row the order", "dynamodb.GetItem: is its key known", *_ISSUE, _RECORD) * 3,
            "dynamodb.PutItem: progress",
        ),
        _CREATE * 3,
        lambda stand: events.progress(events.validated(stand), "Issue", batch=1, secondsLeft=200),
    ),
    Operation(
        "bulk order, validate",
        "process_order",
        (
            _ORDER,
            _FILE,
            "s3.PutObject: its rows",
            "dynamodb.TransactWriteItems: that it is issued, with the claim on its rows",
        ),
        (),
        lambda stand: events.progress(events.started(stand), "Validate"),
    ),
    Operation(
        "bulk order, check",
        "process_order",
        (_ORDER, "dynamodb.Query: its batches"),
        (),
        lambda stand: events.progress(events.validated(stand), "Check"),
    ),
    Operation(
        "GET /reconciliations/{account}/{day}",
        "get_books",
        (_DAY, "s3.GetObject: how it was judged"),
        (),
        events.on_judged_day,
    ),
    Operation(
        "POST /reconciliations/{account}/{day}/run",
        "control_books",
        (
            *["dynamodb.Query: when the books begin"] * 2,
            _DAY,
            "dynamodb.PutItem: the round",
            "stepfunctions.StartExecution: the workflow",
        ),
        (),
        lambda stand: events.run(events.book_day(stand)),
    ),
    Operation(
        "books, a page",
        "reconcile_account",
        (_DAY, _PERMIT, "s3.PutObject: its rows", "dynamodb.PutItem: the day"),
        ("GetGiftCardActivityPage",),
        lambda stand: events.begun_round(stand, "Plan"),
    ),
    Operation(
        "POST /closes/{account}/{month}, blocked",
        "close_month",
        (
            "dynamodb.GetItem: the close",
            "dynamodb.Query: the days",
            *["dynamodb.Query: when the books begin"] * 2,
            "dynamodb.Query: names of movements",
            "dynamodb.PutItem: what blocks it",
        ),
        (),
        events.blocked_close,
    ),
    Operation(
        "PUT /budgets/{name}, a new limit",
        "set_budget",
        (
            "dynamodb.GetItem: the budget",
            *["dynamodb.GetItem: of this month and the next, whether anybody has taken from it"] * 2,
            "dynamodb.TransactWriteItems: the limit, of each at once",
            "dynamodb.TransactGetItems: how it stands",
        ),
        (),
        lambda stand: events.set_budget(events.budget(stand)),
    ),
    Operation(
        "GET /budgets/{name}",
        "get_budgets",
        ("dynamodb.GetItem: the budget", "dynamodb.TransactGetItems: how it stands"),
        (),
        lambda stand: events.request("/budgets/{name}", name=events.budget(stand)),
    ),
    # Last: it takes minutes of the clock.
    Operation(
        "recount, one budget of today",
        "recount_budgets",
        (
            *["dynamodb.Query: the budgets, in pages"] * 2,
            *["dynamodb.Query: orders that hold, before the looks and after, and for how long"] * 3,
            *["dynamodb.TransactGetItems: this month and the last, looked at five times"] * 2 * LOOKS,
            "dynamodb.Query: the accounts",
            *["dynamodb.Query: those of open requests, by partition"] * len(WAKE_PARTITIONS),
            *["dynamodb.Query: of each account the ledger's index, by day"] * 2,
        ),
        (),
        events.recounted,
    ),
)
