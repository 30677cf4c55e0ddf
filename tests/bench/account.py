"""An AWS account with all that functions lean on, in whichever emulator: made as the template declares it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.settings import MARKETPLACE, PARTNER_ACCESS_KEY_ID, PARTNER_ID, PARTNER_SECRET_ACCESS_KEY, REGION
from tests.contract.tables import create_table

#: No permit is ever waited for at this pace: what is measured is the work, not the wait.
UNPACED: Final = {"PACE_REQUESTS_PER_SECOND": "1000", "PACE_BURST": "1", "PACE_SHARE_KEPT": "0"}

_SECRET_PREFIX: Final = "bench/accounts"
_MACHINE: Final = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}}

Client = Callable[[str], Any]


def furnish(client: Client) -> dict[str, str]:
    """Make everything; the environment variables that lead a function there.

    Args:
        client: makes a client of a service.
    """
    dynamodb, machines = client("dynamodb"), client("stepfunctions")
    client("secretsmanager").create_secret(Name=f"{_SECRET_PREFIX}/default", SecretString=json.dumps(secret()))
    client("s3").create_bucket(Bucket="bench-orders")
    client("events").create_event_bus(Name="bench-bus")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=policy)["Role"]["Arn"]

    def machine(name: str) -> str:
        made = machines.create_state_machine(name=name, definition=json.dumps(_MACHINE), roleArn=role)
        arn: str = made["stateMachineArn"]
        return arn

    return UNPACED | {
        "LEDGER_TABLE": create_table(dynamodb, "LedgerTable"),
        "RATE_LIMITER_TABLE": create_table(dynamodb, "PacerTable"),
        "ACCOUNT_TABLE": create_table(dynamodb, "AccountTable"),
        "ORDERS_TABLE": create_table(dynamodb, "OrdersTable"),
        "ORDERS_BUCKET": "bench-orders",
        "ACCOUNT_SECRET_PREFIX": _SECRET_PREFIX,
        "BACKLOG_QUEUE": client("sqs").create_queue(QueueName="bench-backlog")["QueueUrl"],
        "CARD_VAULT_KEY": client("kms").create_key()["KeyMetadata"]["Arn"],
        "EVENT_BUS": "bench-bus",
        "OPERATORS_TOPIC": client("sns").create_topic(Name="bench-operators")["TopicArn"],
        "RECOVERY_STATE_MACHINE": machine("bench-recovery"),
        "ORDER_STATE_MACHINE": machine("bench-orders"),
        **SETTINGS,
    }


#: What is set but leads nowhere.
SETTINGS: Final[Mapping[str, str]] = {
    "AMAZON_ENVIRONMENT": "sandbox",
    "DEFAULT_ACCOUNT": "default",
    "ALERT_BALANCE_BELOW": "",
    "ALERT_DAYS_BELOW": "7",
    "ALERT_SPEND_MULTIPLE": "3",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "IncentivesGateway",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def secret(partner_id: str = PARTNER_ID) -> dict[str, str]:
    """The partner account's secret."""
    return {
        "partnerId": partner_id,
        "accessKeyId": PARTNER_ACCESS_KEY_ID,
        "secretAccessKey": PARTNER_SECRET_ACCESS_KEY,
        "marketplace": MARKETPLACE,
    }


#: What Lambda itself sets. Powertools' Tracer does nothing without; nor is anything made before the first call.
IN_LAMBDA: Final[Mapping[str, str]] = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
}
