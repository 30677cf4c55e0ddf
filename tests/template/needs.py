"""Every function: what calls it, and all that its role may do. The template is held to this table, action by action."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

WRITE = frozenset({"PutItem", "GetItem", "UpdateItem"})
CHANGE = frozenset({"GetItem", "UpdateItem"})
READ = frozenset({"GetItem"})
SEAL = frozenset({"Encrypt", "Decrypt"})
OPEN = frozenset({"Decrypt"})


@dataclass(frozen=True)
class Needs:
    """What one function needs.

    Attributes:
        route: method and path; None for a function that no route calls.
        ledger: actions of DynamoDB on the ledger's table.
        index: the ledger's index that it queries.
        amazon: whether it calls Amazon: it takes slots from the pacer and reads accounts' keys.
        vault: actions of KMS on the card vault's key.
        recovery: whether it starts the recovery workflow.
        others: what else it may do: actions by resource, as in the transformed template; mail is sent only if set up.
    """

    route: tuple[str, str] | None = None
    ledger: frozenset[str] = field(default_factory=frozenset)
    index: str | None = None
    amazon: bool = False
    vault: frozenset[str] = field(default_factory=frozenset)
    recovery: bool = False
    others: Mapping[str, frozenset[str]] = field(default_factory=dict)


def arn_of(resource: str, attribute: str = "Arn") -> str:
    """A resource's attribute, as it stands in a policy."""
    return json.dumps({"Fn::GetAtt": [resource, attribute]})


def ref(resource: str) -> str:
    """A reference to a resource, likewise."""
    return json.dumps({"Ref": resource})


# The sender that the rules fill in where they look at mail. It may be verified by itself or by its domain.
SENDER = "gateway@example.com"
_MAILS = {
    f"arn:aws:ses:us-east-1:123456789012:identity/{identity}": frozenset({"ses:SendEmail"})
    for identity in (SENDER, "example.com")
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

FUNCTIONS: dict[str, Needs] = {
    "CreateGiftCard": Needs(("post", "/gift-cards"), WRITE, amazon=True, recovery=True),
    "GetGiftCard": Needs(("get", "/gift-cards/{requestId}"), READ),
    "RevealClaimCode": Needs(("post", "/gift-cards/{requestId}/claim-code"), READ, amazon=True),
    "CancelGiftCard": Needs(("post", "/gift-cards/{requestId}/cancel"), CHANGE, amazon=True, recovery=True),
    "ActivateGiftCard": Needs(("post", "/activations"), WRITE, amazon=True, vault=SEAL, recovery=True),
    "GetActivation": Needs(("get", "/activations/{requestId}"), READ),
    "DeactivateGiftCard": Needs(
        ("post", "/activations/{requestId}/deactivate"), CHANGE, amazon=True, vault=OPEN, recovery=True
    ),
    "CheckActivationStatus": Needs(("post", "/activations/status-check"), amazon=True),
    "LoadAmazonBalance": Needs(("post", "/balance-loads"), WRITE, amazon=True, vault=SEAL, recovery=True),
    "GetBalanceLoad": Needs(("get", "/balance-loads/{requestId}"), READ),
    "VoidAmazonBalanceLoad": Needs(
        ("post", "/balance-loads/{requestId}/void"), CHANGE, amazon=True, vault=OPEN, recovery=True
    ),
    "SearchRequests": Needs(("get", "/requests"), index="by-account-day"),
    "GetAvailableFunds": Needs(("get", "/funds"), amazon=True),
    "GetActivity": Needs(("get", "/activity"), amazon=True),
    "StartRecovery": Needs(("post", "/requests/{requestId}/recover"), CHANGE, recovery=True),
    "GetCaseFile": Needs(("get", "/requests/{requestId}/case-file"), READ),
    "RecoverRequest": Needs(None, WRITE, amazon=True, vault=OPEN, others=_MAILS | _TELLS_OPERATORS),
    "SweepRequests": Needs(
        None, CHANGE, index="by-wake", recovery=True, others={arn_of("FailuresQueue"): frozenset({"sqs:SendMessage"})}
    ),
    "PublishEvents": Needs(
        None, others=_READS_THE_STREAM | _KEEPS_FAILED_EVENTS | {arn_of("EventBus"): frozenset({"events:PutEvents"})}
    ),
}

#: What API Gateway calls: function by method and path.
ROUTES: dict[tuple[str, str], str] = {needs.route: name for name, needs in FUNCTIONS.items() if needs.route}
