"""Every function: what calls it, and all that its role may do. The template is held to this table, action by action."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

WRITE = frozenset({"PutItem", "GetItem", "UpdateItem"})
CHANGE = frozenset({"GetItem", "UpdateItem"})
READ = frozenset({"GetItem"})
ISSUE = WRITE | {"BatchGetItem"}
ENCRYPT = frozenset({"Encrypt", "Decrypt"})
OPEN = frozenset({"Decrypt"})


SECRETS_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:incentives-gateway/accounts/*"

# A caller's function ends before API Gateway gives up on it, after 29 s.
SECONDS_FOR_A_CALLER = 25
# The longest that Lambda lets a function work.
SECONDS_MAX = 900


@dataclass(frozen=True)
class Needs:
    """What one function needs.

    Attributes:
        routes: method and path of each; none for a function that no route calls.
        ledger: actions of DynamoDB on the ledger's table.
        index: the ledger's index that it queries.
        amazon: whether it calls Amazon: it takes permits from the rate limiter and reads accounts' keys.
        vault: actions of KMS on the card vault's key.
        recovery: whether it starts the recovery workflow.
        backlog: whether it puts requests into the backlog.
        seconds: its time-out.
        others: what else it may do, or do instead: actions by resource, as in the transformed template; mail only
            if set up.
    """

    routes: tuple[tuple[str, str], ...] = ()
    ledger: frozenset[str] = field(default_factory=frozenset)
    index: str | None = None
    amazon: bool = False
    vault: frozenset[str] = field(default_factory=frozenset)
    recovery: bool = False
    backlog: bool = False
    seconds: int = SECONDS_FOR_A_CALLER
    others: Mapping[str, frozenset[str]] = field(default_factory=dict)


def arn_of(resource: str, attribute: str = "Arn") -> str:
    """A resource's attribute, as it stands in a policy."""
    return json.dumps({"Fn::GetAtt": [resource, attribute]})


def ref(resource: str) -> str:
    """A reference to a resource, likewise."""
    return json.dumps({"Ref": resource})


# The sender that the rules fill in where they look at mail. Which identity SES finds for it (the address, its domain or
# a parent of that), and whether that one has a configuration set, is the company's own affair.
SENDER = "gateway@example.com"
_MAILS = {
    f"arn:aws:ses:us-east-1:123456789012:{kind}/*": frozenset({"ses:SendEmail"})
    for kind in ("identity", "configuration-set")
}
_TELLS_OPERATORS = {
    ref("OperatorsTopic"): frozenset({"sns:Publish"}),
    arn_of("OperatorsKey"): frozenset({"kms:GenerateDataKey", "kms:Decrypt"}),
}
_READS_THE_STREAM = {
    arn_of("LedgerTable", "StreamArn"): frozenset(
        {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
    ),
    "*": frozenset({"dynamodb:ListStreams"}),
}
_KEEPS_FAILED_EVENTS = {
    arn_of("FailedEventsBucket"): frozenset({"s3:ListBucket"}),
    json.dumps({"Fn::Sub": "${FailedEventsBucket.Arn}/*"}): frozenset({"s3:PutObject"}),
}
_TELLS_PROGRAMS = {arn_of("EventBus"): frozenset({"events:PutEvents"})}
_REPORTS_FAILURES = {arn_of("FailuresQueue"): frozenset({"sqs:SendMessage"})}
_TAKES_FROM_THE_BACKLOG = {
    arn_of("BacklogQueue"): frozenset(
        {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"}
    )
}
_READS_KEYS = {SECRETS_ARN: frozenset({"secretsmanager:GetSecretValue"})}


def _files(which: str, *actions: str) -> dict[str, frozenset[str]]:
    """Actions of S3 on files of orders."""
    return {json.dumps({"Fn::Sub": f"${{OrdersBucket.Arn}}/orders/{which}"}): frozenset(actions)}


def _items(table: str, *actions: str) -> dict[str, frozenset[str]]:
    """Actions of DynamoDB on another table than the ledger's."""
    return {arn_of(table): frozenset(f"dynamodb:{action}" for action in actions)}


_WRITES_ORDERS = _items("OrdersTable", "PutItem", "GetItem", "Query")
_TELLS_RESULTS = _files("*/result.csv", "s3:GetObject")

FUNCTIONS: dict[str, Needs] = {
    "CreateGiftCard": Needs((("post", "/gift-cards"),), WRITE, amazon=True, recovery=True, backlog=True),
    "GetGiftCard": Needs((("get", "/gift-cards/{requestId}"),), READ),
    "RevealClaimCode": Needs((("post", "/gift-cards/{requestId}/claim-code"),), READ, amazon=True),
    "CancelGiftCard": Needs((("post", "/gift-cards/{requestId}/cancel"),), CHANGE, amazon=True, recovery=True),
    "ActivateGiftCard": Needs(
        (("post", "/activations"),), WRITE, amazon=True, vault=ENCRYPT, recovery=True, backlog=True
    ),
    "GetActivation": Needs((("get", "/activations/{requestId}"),), READ),
    "DeactivateGiftCard": Needs(
        (("post", "/activations/{requestId}/deactivate"),), CHANGE, amazon=True, vault=OPEN, recovery=True
    ),
    "CheckActivationStatus": Needs((("post", "/activations/status-check"),), amazon=True),
    "LoadAmazonBalance": Needs(
        (("post", "/balance-loads"),), WRITE, amazon=True, vault=ENCRYPT, recovery=True, backlog=True
    ),
    "GetBalanceLoad": Needs((("get", "/balance-loads/{requestId}"),), READ),
    "VoidAmazonBalanceLoad": Needs(
        (("post", "/balance-loads/{requestId}/void"),), CHANGE, amazon=True, vault=OPEN, recovery=True
    ),
    "SearchRequests": Needs((("get", "/requests"),), index="by-account-day"),
    "GetAvailableFunds": Needs(
        (("get", "/funds"),), amazon=True, others=_items("AccountTable", "Query", "UpdateItem", "PutItem")
    ),
    "GetActivity": Needs((("get", "/activity"),), amazon=True),
    "StartRecovery": Needs((("post", "/requests/{requestId}/recover"),), CHANGE, recovery=True),
    "GetCaseFile": Needs((("get", "/requests/{requestId}/case-file"),), READ),
    "RecoverRequest": Needs(
        (),
        WRITE,
        amazon=True,
        vault=OPEN,
        # Beside permits: the last page of Amazon's activity.
        others=_MAILS | _TELLS_OPERATORS | _items("PacerTable", "GetItem", "UpdateItem"),
    ),
    "SweepRequests": Needs(
        (),
        CHANGE,
        index="by-wake",
        recovery=True,
        backlog=True,
        others=_REPORTS_FAILURES,
    ),
    "IssueQueued": Needs((), CHANGE, amazon=True, vault=OPEN, recovery=True, others=_TAKES_FROM_THE_BACKLOG),
    "CreateOrder": Needs(
        (("post", "/orders"),),
        others=_WRITES_ORDERS | _TELLS_RESULTS | _files("*/upload", "s3:PutObject") | _READS_KEYS,
    ),
    "GetOrder": Needs(
        (("get", "/orders/{orderId}"),),
        others=_items("OrdersTable", "GetItem", "Query") | _TELLS_RESULTS,
    ),
    "ControlOrder": Needs(
        tuple(("post", f"/orders/{{orderId}}/{what}") for what in ("start", "pause", "resume", "stop")),
        others=_WRITES_ORDERS
        | _TELLS_RESULTS
        | {ref("ProcessOrderStateMachine"): frozenset({"states:StartExecution"})},
    ),
    "ProcessOrder": Needs(
        (),
        ISSUE,
        amazon=True,
        recovery=True,
        backlog=True,
        seconds=60,
        others=_WRITES_ORDERS
        | _files("*", "s3:GetObject", "s3:PutObject")
        | {arn_of("OrdersBucket"): frozenset({"s3:ListBucket"})}
        | _TELLS_OPERATORS,
    ),
    "PublishEvents": Needs((), others=_READS_THE_STREAM | _KEEPS_FAILED_EVENTS | _TELLS_PROGRAMS),
    "CountSpend": Needs(
        (),
        others=_READS_THE_STREAM
        | _KEEPS_FAILED_EVENTS
        | _TELLS_PROGRAMS
        | _TELLS_OPERATORS
        | _items("AccountTable", "GetItem", "Query", "PutItem", "UpdateItem"),
    ),
    "WatchAccount": Needs(
        (),
        amazon=True,
        seconds=SECONDS_MAX,
        others=_items("AccountTable", "Query", "PutItem", "UpdateItem")
        | _TELLS_PROGRAMS
        | _TELLS_OPERATORS
        | _REPORTS_FAILURES,
    ),
    "RotateKeys": Needs(
        (),
        amazon=True,
        seconds=SECONDS_MAX,
        others=_items("AccountTable", "GetItem", "UpdateItem")
        # Beside permits: when keys were last used and refused.
        | _items("PacerTable", "GetItem", "UpdateItem")
        | {
            SECRETS_ARN: frozenset(
                f"secretsmanager:{action}"
                for action in ("DescribeSecret", "GetSecretValue", "UpdateSecretVersionStage")
            )
        }
        | _TELLS_PROGRAMS
        | _TELLS_OPERATORS,
    ),
}

#: What people invoke, and nothing else does.
INVOKED_BY_OPERATORS = {"RotateKeys"}

#: What API Gateway calls: function by method and path.
ROUTES: dict[tuple[str, str], str] = {route: name for name, needs in FUNCTIONS.items() for route in needs.routes}
