"""An AWS account with all that functions lean on, in whichever emulator: made as the template declares it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.settings import (
    MARKETPLACE,
    OWNER_ACCESS_KEY_ID,
    OWNER_SECRET_ACCESS_KEY,
    PARTNER_ACCESS_KEY_ID,
    PARTNER_ID,
    PARTNER_SECRET_ACCESS_KEY,
    REGION,
)
from tests.contract.tables import create_table

SECRET_PREFIX: Final = "bench/accounts"
SERVICE: Final = "bench"

#: What a function's process has besides the names of what is furnished. No permit is ever waited for at this pace: what
#: is measured is the work, not the wait.
_SETTINGS: Final[Mapping[str, str]] = {
    "AMAZON_ENVIRONMENT": "sandbox",
    "ACCOUNT_SECRET_PREFIX": SECRET_PREFIX,
    "DEFAULT_ACCOUNT": "default",
    "ACTIVITY_TYPES": "GCCreation=charge,GCCancellation=refund",
    "ALERT_BALANCE_BELOW": "",
    "ALERT_DAYS_BELOW": "7",
    "ALERT_SPEND_MULTIPLE": "3",
    "PACE_REQUESTS_PER_SECOND": "1000",
    "PACE_BURST": "1",
    "PACE_SHARE_KEPT": "0",
    "POWERTOOLS_SERVICE_NAME": SERVICE,
    "POWERTOOLS_METRICS_NAMESPACE": "IncentivesGateway",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_TABLES: Final = ("Ledger", "Pacer", "Account", "Orders", "Books", "Budgets")
_NAMES: Final = (
    "LEDGER_TABLE",
    "RATE_LIMITER_TABLE",
    "ACCOUNT_TABLE",
    "ORDERS_TABLE",
    "BOOKS_TABLE",
    "BUDGETS_TABLE",
    "ORDERS_BUCKET",
    "BOOKS_BUCKET",
    "BACKLOG_QUEUE",
    "CARD_VAULT_KEY",
    "EVENT_BUS",
    "OPERATORS_TOPIC",
    "RECOVERY_STATE_MACHINE",
    "ORDER_STATE_MACHINE",
    "RECONCILIATION_STATE_MACHINE",
)
_MACHINE: Final = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}}

Client = Callable[[str], Any]


def furnish(client: Client) -> dict[str, str]:
    """Make everything; the environment variables that lead a function there.

    Args:
        client: makes a client of a service.
    """
    dynamodb, machines = client("dynamodb"), client("stepfunctions")
    client("secretsmanager").create_secret(Name=f"{SECRET_PREFIX}/default", SecretString=json.dumps(secret()))
    for bucket in ("bench-orders", "bench-books"):
        client("s3").create_bucket(Bucket=bucket)
    client("events").create_event_bus(Name="bench-bus")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=policy)["Role"]["Arn"]

    def machine(name: str) -> Any:
        return machines.create_state_machine(name=name, definition=json.dumps(_MACHINE), roleArn=role)

    made = (
        *(create_table(dynamodb, f"{name}Table") for name in _TABLES),
        "bench-orders",
        "bench-books",
        client("sqs").create_queue(QueueName="bench-backlog")["QueueUrl"],
        client("kms").create_key()["KeyMetadata"]["Arn"],
        "bench-bus",
        client("sns").create_topic(Name="bench-operators")["TopicArn"],
        *(machine(name)["stateMachineArn"] for name in ("bench-recovery", "bench-orders", "bench-books")),
    )
    return dict(zip(_NAMES, made, strict=True)) | _SETTINGS


def unfurnished() -> dict[str, str]:
    """The same variables where nothing is called: names only."""
    return dict.fromkeys(_NAMES, "bench") | {"BACKLOG_QUEUE": "https://queue.test/bench"} | _SETTINGS


def in_lambda(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a function's process: nothing of this machine's but the way to its programs."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_LAMBDA_FUNCTION_NAME": SERVICE,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_ACCESS_KEY_ID": OWNER_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": OWNER_SECRET_ACCESS_KEY,
        **more,
    }


def secret(partner_id: str = PARTNER_ID) -> dict[str, str]:
    """The partner account's secret."""
    return {
        "partnerId": partner_id,
        "accessKeyId": PARTNER_ACCESS_KEY_ID,
        "secretAccessKey": PARTNER_SECRET_ACCESS_KEY,
        "marketplace": MARKETPLACE,
    }
