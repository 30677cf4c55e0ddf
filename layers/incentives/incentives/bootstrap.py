"""The one place that reads the environment and builds real adapters: once per process, and only what is used."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import boto3

from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.agcod.marketplaces import endpoint_of
from incentives.api.gateway import ApiAnswer, ApiCall, serve
from incentives.aws.accounts import SecretsManagerAccounts
from incentives.aws.calls import CLIENT_CONFIG
from incentives.aws.events import EventBridgeBus
from incentives.aws.index import DynamoDbIndex
from incentives.aws.ledger import DynamoDbLedger
from incentives.aws.pacer import DynamoDbPacer
from incentives.aws.people import SesAndSnsPeople
from incentives.aws.recoveries import StepFunctionsRecoveries
from incentives.aws.telemetry import PowertoolsTelemetry
from incentives.aws.vault import KmsVault
from incentives.usecases.tools import Budget, Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment sets, each from one environment variable.

    Attributes:
        incentives_endpoint: another Incentives API than Amazon's own; None for Amazon's.
        vault_key: KMS key that seals card numbers.
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
    pace_requests_per_second: float
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
    try:
        pace = float(required("PACE_REQUESTS_PER_SECOND"))
    except ValueError:
        raise RuntimeError("environment variable PACE_REQUESTS_PER_SECOND must be a number") from None
    return Settings(
        ledger_table=required("LEDGER_TABLE"),
        pacer_table=required("PACER_TABLE"),
        account_secret_prefix=required("ACCOUNT_SECRET_PREFIX"),
        default_account=environment.get("DEFAULT_ACCOUNT") or None,
        amazon_environment="production" if amazon_environment == "production" else "sandbox",
        incentives_endpoint=environment.get("INCENTIVES_ENDPOINT") or None,
        pace_requests_per_second=pace,
        vault_key=required("CARD_VAULT_KEY"),
        recovery_state_machine=required("RECOVERY_STATE_MACHINE"),
        operators_topic=required("OPERATORS_TOPIC"),
        support_address=environment.get("SUPPORT_ADDRESS") or None,
        mail_sender=environment.get("MAIL_SENDER") or None,
        service=environment.get("POWERTOOLS_SERVICE_NAME", "incentives-gateway"),
        metrics_namespace=environment.get("POWERTOOLS_METRICS_NAMESPACE", "IncentivesGateway"),
    )


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
def tools() -> Tools:
    """Everything that the use cases need."""
    config = settings()
    clock = SystemClock()
    client = IncentivesClient(lambda code: endpoint_of(code, config.amazon_environment, config.incentives_endpoint))
    return Tools(
        ledger=ledger(),
        pacer=DynamoDbPacer(
            _client("dynamodb"), config.pacer_table, requests_per_second=config.pace_requests_per_second, now=clock.now
        ),
        amazon=Amazon(client),
        vault=KmsVault(lambda: _client("kms"), config.vault_key),
        recoveries=StepFunctionsRecoveries(lambda: _client("stepfunctions"), config.recovery_state_machine),
        people=SesAndSnsPeople(
            lambda: _client("sesv2"),
            lambda: _client("sns"),
            sender=config.mail_sender,
            topic_arn=config.operators_topic,
        ),
        accounts=SecretsManagerAccounts(lambda: _client("secretsmanager"), config.account_secret_prefix, now=clock.now),
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
