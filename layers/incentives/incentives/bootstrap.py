"""The one place that reads the environment and builds real adapters: once per process, and only what is used.

Each function of the deployment uses a part of this, and pays for what it loads at every cold start. So everything is
imported where it is built.

    import bootstrap       the collector of garbage pauses: nothing that is made from here on is garbage
    import the rest        the function's use case
    in_init(...)           builds what each call needs, and lets the collector go on; what there is by then it leaves be
    handler(...)           builds what only this call needs, if anything
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import contextlib
import gc
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from incentives.agcod.amazon import Amazon
    from incentives.agcod.client import IncentivesClient
    from incentives.api.gateway import ApiCall, ApiResponse
    from incentives.aws.accounts.account_states import DynamoDbAccountStates
    from incentives.aws.accounts.accounts import SecretsManagerAccounts
    from incentives.aws.bulk_orders.order_files import S3OrderFiles
    from incentives.aws.events import EventBridgeBus
    from incentives.aws.keys.key_notes import DynamoDbKeyNotes
    from incentives.aws.notifier import SesAndSnsNotifier
    from incentives.aws.rate_limiter import DynamoDbRateLimiter
    from incentives.aws.recovery.kept_pages import DynamoDbKeptPages
    from incentives.aws.recovery.recoveries import StepFunctionsRecoveries
    from incentives.aws.single_requests.backlog import SqsBacklog
    from incentives.aws.single_requests.index import DynamoDbIndex
    from incentives.aws.single_requests.ledger import DynamoDbLedger
    from incentives.aws.single_requests.many_records import DynamoDbRecords
    from incentives.aws.telemetry import PowertoolsTelemetry
    from incentives.aws.vault import KmsVault
    from incentives.domain.accounts.alerts import Limits
    from incentives.domain.rate_limit import Pace
    from incentives.usecases.accounts.dependencies import WatchDependencies
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Budget, Dependencies
    from incentives.usecases.keys.dependencies import KeyDependencies

#: What Lambda calls the function that this process is one of. Nowhere else is it set.
_IN_LAMBDA: Final = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

if _IN_LAMBDA:
    # Of what loading makes nearly nothing is garbage, and looking for it takes a tenth of the time to start.
    gc.disable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment sets, each from one environment variable.

    Attributes:
        incentives_endpoint: another Incentives API than Amazon's own; None for Amazon's.
        vault_key: KMS key that encrypts card numbers.
        pace: of every account.
        backlog_queue: URL.
        recovery_state_machine, operators_topic: ARNs.
        support_address: Amazon's support, for cases; None: nobody is mailed.
        mail_sender: a verified SES identity.
        default_account: the account of a request that names none; None if each must name one.
    """

    ledger_table: str
    rate_limiter_table: str
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
        rate_limiter_table=required("RATE_LIMITER_TABLE"),
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
    from incentives.domain.rate_limit import Pace

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
    from incentives.aws.telemetry import PowertoolsTelemetry

    return PowertoolsTelemetry(settings().service, settings().metrics_namespace)


class _Later:
    """Stands in for an adapter that most invocations of some function do without; it is built when first used."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the adapter has
        return getattr(self._build(), name)


def _later(build: Callable[[], Any]) -> Any:  # noqa: ANN401 - passes for the adapter
    return _Later(build)


def in_init(*parts: Callable[[], object]) -> None:
    """Build what every invocation of a function needs, as the last thing that its module does.

    Lambda gives a whole processor to a process that starts, and to one that answers its first call a share of one.
    What cannot be built is left to the call, which knows how to tell of it. Outside of Lambda nothing happens.
    """
    if not _IN_LAMBDA:
        return
    always: tuple[Callable[[], object], ...] = (settings, telemetry)
    for part in (*always, *parts):
        with contextlib.suppress(Exception):
            part()
    # What there is now stays: no later look for garbage goes over it.
    gc.freeze()
    gc.enable()


@cache
def _client(service: Any) -> Any:  # noqa: ANN401 - of `make_client`
    from incentives.aws.clients import make_client

    return make_client(service)


@cache
def ledger() -> DynamoDbLedger:
    """The ledger."""
    from incentives.aws.single_requests.ledger import DynamoDbLedger

    return DynamoDbLedger(_client("dynamodb"), settings().ledger_table, sleep=SystemClock().sleep)


@cache
def bus() -> EventBridgeBus:
    """The application's event bus."""
    from incentives.aws.events import EventBridgeBus

    return EventBridgeBus(_client("events"), _required("EVENT_BUS"))


@cache
def index() -> DynamoDbIndex:
    """The ledger by account and day."""
    from incentives.aws.single_requests.index import DynamoDbIndex

    return DynamoDbIndex(_client("dynamodb"), settings().ledger_table)


@cache
def account_states() -> DynamoDbAccountStates:
    """What is known of accounts without asking Amazon."""
    from incentives.aws.accounts.account_states import DynamoDbAccountStates

    return DynamoDbAccountStates(_client("dynamodb"), _required("ACCOUNT_TABLE"))


@cache
def watch_dependencies() -> WatchDependencies:
    """Everything that watching accounts needs."""
    from incentives.usecases.accounts.dependencies import WatchDependencies

    limits = read_alert_limits(os.environ)
    return WatchDependencies(dependencies=dependencies(), states=account_states(), bus=_later(bus), limits=limits)


def read_alert_limits(environment: Mapping[str, str]) -> Limits:
    """When the operators are told of an account's balance and spend.

    Raises:
        RuntimeError: says what is wrong.
    """
    from incentives.domain.accounts.alerts import read_limits

    names = ("ALERT_BALANCE_BELOW", "ALERT_DAYS_BELOW", "ALERT_SPEND_MULTIPLE")
    try:
        return read_limits(*(environment.get(name, "") for name in names))
    except ValueError as error:
        raise RuntimeError(f"environment variables ALERT_*: {error}") from None


def secrets() -> Any:  # noqa: ANN401 - see _client
    """The client that reads the accounts' keys."""
    return _client("secretsmanager")


@cache
def accounts() -> SecretsManagerAccounts:
    """The accounts' keys."""
    from incentives.aws.accounts.accounts import SecretsManagerAccounts

    return SecretsManagerAccounts(
        secrets,
        settings().account_secret_prefix,
        now=SystemClock().now,
        note_refusal=lambda account, key_fingerprint: key_notes().note_refusal(account, key_fingerprint),
    )


@cache
def _incentives() -> IncentivesClient:
    from incentives.agcod.client import IncentivesClient
    from incentives.agcod.marketplaces import endpoint_of

    config = settings()
    return IncentivesClient(lambda code: endpoint_of(code, config.amazon_environment, config.incentives_endpoint))


@cache
def amazon() -> Amazon:
    """The Incentives API, and the client that reads the keys to it."""
    from incentives.agcod.amazon import Amazon

    secrets()
    return Amazon(_incentives())


def authorities() -> None:
    """Read who may vouch for Amazon: for functions whose callers would wait for it at the first call."""
    if not (settings().incentives_endpoint or "").startswith("http:"):
        _incentives().read_authorities()


@cache
def dependencies() -> Dependencies:
    """Everything that the use cases need. What only some of them use is built when they do."""
    from incentives.usecases.dependencies import Dependencies

    return Dependencies(
        ledger=_later(ledger),
        rate_limiter=_later(rate_limiter),
        backlog=_later(_backlog),
        amazon=_later(amazon),
        kept_pages=_later(_kept_pages),
        vault=_later(vault),
        recoveries=_later(recoveries),
        notifier=_later(_notifier),
        accounts=_later(accounts),
        clock=SystemClock(),
        telemetry=telemetry(),
        new_nonce=lambda: uuid.uuid4().hex,
    )


@cache
def rate_limiter() -> DynamoDbRateLimiter:
    """The accounts' pace."""
    from incentives.aws.rate_limiter import DynamoDbRateLimiter

    config = settings()
    key_of = accounts().key_at_hand
    return DynamoDbRateLimiter(
        _client("dynamodb"), config.rate_limiter_table, pace=config.pace, now=SystemClock().now, key_of=key_of
    )


@cache
def _kept_pages() -> DynamoDbKeptPages:
    from incentives.aws.recovery.kept_pages import DynamoDbKeptPages

    return DynamoDbKeptPages(_client("dynamodb"), settings().rate_limiter_table)


@cache
def vault() -> KmsVault:
    """Encrypts card numbers."""
    from incentives.aws.vault import KmsVault

    client = _client("kms")
    return KmsVault(lambda: client, settings().vault_key)


@cache
def recoveries() -> StepFunctionsRecoveries:
    """The recovery workflows."""
    from incentives.aws.recovery.recoveries import StepFunctionsRecoveries

    client = _client("stepfunctions")
    return StepFunctionsRecoveries(lambda: client, settings().recovery_state_machine)


@cache
def _backlog() -> SqsBacklog:
    from incentives.aws.single_requests.backlog import SqsBacklog

    client = _client("sqs")
    return SqsBacklog(lambda: client, settings().backlog_queue)


@cache
def _notifier() -> SesAndSnsNotifier:
    from incentives.aws.notifier import SesAndSnsNotifier

    config = settings()
    return SesAndSnsNotifier(
        lambda: _client("sesv2"),
        lambda: _client("sns"),
        sender=config.mail_sender,
        topic_arn=config.operators_topic,
    )


@cache
def key_notes() -> DynamoDbKeyNotes:
    """What functions note of the keys that they call Amazon with."""
    from incentives.aws.keys.key_notes import DynamoDbKeyNotes

    return DynamoDbKeyNotes(_client("dynamodb"), settings().rate_limiter_table, now=SystemClock().now)


@cache
def key_dependencies() -> KeyDependencies:
    """Everything that rotating keys needs."""
    from incentives.aws.keys.key_versions import SecretsManagerVersions
    from incentives.aws.keys.rotations import DynamoDbRotations
    from incentives.usecases.keys.dependencies import KeyDependencies

    return KeyDependencies(
        dependencies=dependencies(),
        versions=SecretsManagerVersions(secrets, settings().account_secret_prefix),
        rotations=DynamoDbRotations(_client("dynamodb"), _required("ACCOUNT_TABLE")),
        notes=key_notes(),
        bus=_later(bus),
    )


@cache
def order_files() -> S3OrderFiles:
    """The files of bulk orders."""
    from incentives.aws.bulk_orders.order_files import FILES_CONFIG, S3OrderFiles
    from incentives.aws.clients import make_client

    client = make_client("s3", config=FILES_CONFIG)
    return S3OrderFiles(lambda: client, _required("ORDERS_BUCKET"), now=SystemClock().now)


@cache
def _records() -> DynamoDbRecords:
    from incentives.aws.single_requests.many_records import DynamoDbRecords

    return DynamoDbRecords(_client("dynamodb"), settings().ledger_table, sleep=SystemClock().sleep)


@cache
def order_dependencies() -> OrderDependencies:
    """What the use cases of bulk orders need."""
    from incentives.aws.bulk_orders.order_workflows import StepFunctionsOrderWorkflows
    from incentives.aws.bulk_orders.orders import DynamoDbOrders
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies

    return OrderDependencies(
        orders=DynamoDbOrders(_client("dynamodb"), _required("ORDERS_TABLE")),
        files=_later(order_files),
        workflows=StepFunctionsOrderWorkflows(lambda: _client("stepfunctions"), _required("ORDER_STATE_MACHINE")),
        records=_later(_records),
        clock=SystemClock(),
        telemetry=telemetry(),
        new_nonce=lambda: uuid.uuid4().hex,
    )


def response(event: Mapping[str, Any], respond: Callable[[ApiCall], ApiResponse]) -> dict[str, Any]:
    """Answer one API Gateway event, and write out what was counted."""
    from incentives.api.gateway import serve

    try:
        return serve(event, respond, telemetry().log)
    finally:
        telemetry().flush()


def budget_of(context: Any) -> Budget:  # noqa: ANN401 - Lambda's context has no published class
    """How long this invocation may still take."""
    from incentives.usecases.dependencies import Budget

    return Budget(lambda: context.get_remaining_time_in_millis() / 1000)
