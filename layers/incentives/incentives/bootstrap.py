"""The one place that reads the environment and builds real adapters: once per process, and only what is used."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar

import boto3

from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.agcod.marketplaces import endpoint_of
from incentives.api.gateway import ApiAnswer, ApiCall, serve
from incentives.aws.account_states import DynamoDbAccountStates
from incentives.aws.accounts import SecretsManagerAccounts
from incentives.aws.backlog import SqsBacklog
from incentives.aws.calls import CLIENT_CONFIG
from incentives.aws.events import EventBridgeBus
from incentives.aws.index import DynamoDbIndex
from incentives.aws.key_notes import DynamoDbKeyNotes
from incentives.aws.key_versions import SecretsManagerVersions
from incentives.aws.ledger import DynamoDbLedger
from incentives.aws.order_files import FILES_CONFIG, S3OrderFiles
from incentives.aws.order_workflows import StepFunctionsOrderWorkflows
from incentives.aws.orders import DynamoDbOrders, DynamoDbRecords
from incentives.aws.pacer import DynamoDbPacer
from incentives.aws.people import SesAndSnsPeople
from incentives.aws.recoveries import StepFunctionsRecoveries
from incentives.aws.rotations import DynamoDbRotations
from incentives.aws.telemetry import PowertoolsTelemetry
from incentives.aws.vault import KmsVault
from incentives.domain.alerts import Limits, read_limits
from incentives.domain.pacing import Pace
from incentives.usecases.key_tools import KeyTools
from incentives.usecases.order_tools import OrderTools
from incentives.usecases.raise_alerts import WatchTools
from incentives.usecases.tools import Budget, Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment sets, each from one environment variable.

    Attributes:
        incentives_endpoint: another Incentives API than Amazon's own; None for Amazon's.
        vault_key: KMS key that seals card numbers.
        pace: of every account.
        backlog_queue: URL.
        recovery_state_machine, operators_topic: ARNs.
        support_address: Amazon's support, for cases; None: nobody is mailed.
        mail_sender: a verified SES identity.
        default_account: the account of a request that names none; None if each must name one.
    """

    ledger_table: str
    pacer_table: str
    account_secret_prefix: str
    default_account: str | None
    amazon_environment: Literal["sandbox", "production"]
    incentives_endpoint: str | None
    pace: Pace
    backlog_queue: str
    vault_key: str
    recovery_state_machine: str
    operators_topic: str
    support_address: str | None
    mail_sender: str | None
    service: str
    metrics_namespace: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment variables.

    Raises:
        RuntimeError: names the variable that is missing or wrong.
    """

    def required(name: str) -> str:
        return _required(name, environment)

    amazon_environment = required("AMAZON_ENVIRONMENT")
    if amazon_environment not in {"sandbox", "production"}:
        raise RuntimeError("environment variable AMAZON_ENVIRONMENT must be sandbox or production")
    return Settings(
        ledger_table=required("LEDGER_TABLE"),
        pacer_table=required("PACER_TABLE"),
        account_secret_prefix=required("ACCOUNT_SECRET_PREFIX"),
        default_account=environment.get("DEFAULT_ACCOUNT") or None,
        amazon_environment="production" if amazon_environment == "production" else "sandbox",
        incentives_endpoint=environment.get("INCENTIVES_ENDPOINT") or None,
        pace=_read_pace(required),
        backlog_queue=required("BACKLOG_QUEUE"),
        vault_key=required("CARD_VAULT_KEY"),
        recovery_state_machine=required("RECOVERY_STATE_MACHINE"),
        operators_topic=required("OPERATORS_TOPIC"),
        support_address=environment.get("SUPPORT_ADDRESS") or None,
        mail_sender=environment.get("MAIL_SENDER") or None,
        service=environment.get("POWERTOOLS_SERVICE_NAME", "incentives-gateway"),
        metrics_namespace=environment.get("POWERTOOLS_METRICS_NAMESPACE", "IncentivesGateway"),
    )


Number = TypeVar("Number", int, float)


def _read_pace(required: Callable[[str], str]) -> Pace:
    def number(name: str, kind: Callable[[str], Number]) -> Number:
        try:
            return kind(required(name))
        except ValueError:
            raise RuntimeError(f"environment variable {name} must be a number") from None

    try:
        return Pace(
            requests_per_second=number("PACE_REQUESTS_PER_SECOND", float),
            burst=number("PACE_BURST", int),
            share_kept=number("PACE_SHARE_KEPT", float),
        )
    except ValueError as error:
        raise RuntimeError(f"environment variables PACE_*: {error}") from None


def _required(name: str, environment: Mapping[str, str] = os.environ) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise RuntimeError(f"environment variable {name} is not set")
    return value


class SystemClock:
    """`Clock` of this machine."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after this long, at once if it is not positive."""
        if seconds > 0:
            time.sleep(seconds)


@cache
def settings() -> Settings:
    """This process's settings."""
    return read_settings(os.environ)


@cache
def telemetry() -> PowertoolsTelemetry:
    """Logs and metrics."""
    return PowertoolsTelemetry(settings().service, settings().metrics_namespace)


@cache
def _client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    return boto3.client(service, config=CLIENT_CONFIG)  # type: ignore[call-overload] # typed per literal name only


@cache
def ledger() -> DynamoDbLedger:
    """The ledger alone, for functions that only read it."""
    return DynamoDbLedger(_client("dynamodb"), settings().ledger_table, sleep=SystemClock().sleep)


@cache
def bus() -> EventBridgeBus:
    """The application's event bus."""
    return EventBridgeBus(_client("events"), _required("EVENT_BUS"))


@cache
def index() -> DynamoDbIndex:
    """The ledger by account and day."""
    return DynamoDbIndex(_client("dynamodb"), settings().ledger_table)


@cache
def account_states() -> DynamoDbAccountStates:
    """What is known of accounts without asking Amazon."""
    return DynamoDbAccountStates(_client("dynamodb"), _required("ACCOUNT_TABLE"))


@cache
def watch_tools() -> WatchTools:
    """Everything that watching accounts needs."""
    return WatchTools(tools=tools(), states=account_states(), bus=bus(), limits=read_alert_limits(os.environ))


def read_alert_limits(environment: Mapping[str, str]) -> Limits:
    """When the operators are told of an account's balance and spend.

    Raises:
        RuntimeError: says what is wrong.
    """
    names = ("ALERT_BALANCE_BELOW", "ALERT_DAYS_BELOW", "ALERT_SPEND_MULTIPLE")
    try:
        return read_limits(*(environment.get(name, "") for name in names))
    except ValueError as error:
        raise RuntimeError(f"environment variables ALERT_*: {error}") from None


@cache
def tools() -> Tools:
    """Everything that the use cases need."""
    config = settings()
    clock = SystemClock()
    client = IncentivesClient(lambda code: endpoint_of(code, config.amazon_environment, config.incentives_endpoint))
    accounts = SecretsManagerAccounts(
        lambda: _client("secretsmanager"),
        config.account_secret_prefix,
        now=clock.now,
        note_refusal=key_notes().note_refusal,
    )
    return Tools(
        ledger=ledger(),
        pacer=DynamoDbPacer(
            _client("dynamodb"), config.pacer_table, pace=config.pace, now=clock.now, key_of=accounts.key_at_hand
        ),
        backlog=SqsBacklog(lambda: _client("sqs"), config.backlog_queue),
        amazon=Amazon(client),
        vault=KmsVault(lambda: _client("kms"), config.vault_key),
        recoveries=StepFunctionsRecoveries(lambda: _client("stepfunctions"), config.recovery_state_machine),
        people=SesAndSnsPeople(
            lambda: _client("sesv2"),
            lambda: _client("sns"),
            sender=config.mail_sender,
            topic_arn=config.operators_topic,
        ),
        accounts=accounts,
        clock=clock,
        telemetry=telemetry(),
        new_nonce=lambda: uuid.uuid4().hex,
    )


@cache
def key_notes() -> DynamoDbKeyNotes:
    """What functions note of the keys that they call Amazon with."""
    return DynamoDbKeyNotes(_client("dynamodb"), settings().pacer_table, now=SystemClock().now)


@cache
def key_tools() -> KeyTools:
    """Everything that rotating keys needs."""
    return KeyTools(
        tools=tools(),
        versions=SecretsManagerVersions(lambda: _client("secretsmanager"), settings().account_secret_prefix),
        rotations=DynamoDbRotations(_client("dynamodb"), _required("ACCOUNT_TABLE")),
        notes=key_notes(),
        bus=bus(),
    )


@cache
def order_tools() -> OrderTools:
    """What the use cases of bulk orders need."""
    clock = SystemClock()
    files: Any = cache(lambda: boto3.client("s3", config=FILES_CONFIG))
    return OrderTools(
        orders=DynamoDbOrders(_client("dynamodb"), _required("ORDERS_TABLE")),
        files=S3OrderFiles(files, _required("ORDERS_BUCKET"), now=clock.now),
        workflows=StepFunctionsOrderWorkflows(lambda: _client("stepfunctions"), _required("ORDER_STATE_MACHINE")),
        records=DynamoDbRecords(_client("dynamodb"), settings().ledger_table, sleep=clock.sleep),
        clock=clock,
        telemetry=telemetry(),
        new_nonce=lambda: uuid.uuid4().hex,
    )


def answer(event: Mapping[str, Any], respond: Callable[[ApiCall], ApiAnswer]) -> dict[str, Any]:
    """Answer one API Gateway event, and write out what was counted."""
    try:
        return serve(event, respond, telemetry().log)
    finally:
        telemetry().flush()


def budget_of(context: Any) -> Budget:  # noqa: ANN401 - Lambda's context has no published class
    """How long this invocation may still take."""
    return Budget(lambda: context.get_remaining_time_in_millis() / 1000)
