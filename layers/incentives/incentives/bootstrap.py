"""The one place that reads the environment and builds real adapters: once per process, and only what is used.

A function pays for what it loads at every cold start, so everything is imported where it is built. While a function
starts, in Lambda, the collector of garbage pauses: from the import of this module, its first, to `in_init`, its last.
"""

# ruff: noqa: PLC0415 - as it says

from __future__ import annotations

import contextlib
import gc
import os
import uuid
from collections.abc import Callable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from incentives.aws.clock import SystemClock

if TYPE_CHECKING:
    from datetime import date, datetime

    from boto3 import client as client  # noqa: PLC0414 - an export; its stubs know the class of each service's client

    from incentives.agcod.client import IncentivesClient
    from incentives.aws.accounts.accounts import SecretsManagerAccounts
    from incentives.aws.budgets.holds import DynamoDbHolds
    from incentives.aws.keys.key_notes import DynamoDbKeyNotes
    from incentives.aws.telemetry import PowertoolsTelemetry
    from incentives.settings import Settings
    from incentives.usecases import ports
    from incentives.usecases.accounts.dependencies import AccountDependencies, WatchDependencies
    from incentives.usecases.budgets.dependencies import BudgetDependencies
    from incentives.usecases.budgets.ports import BudgetDefinitions
    from incentives.usecases.budgets.recount import RecountDependencies
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.keys.dependencies import KeyDependencies
    from incentives.usecases.reconciliation.dependencies import BooksDependencies
    from incentives.usecases.reconciliation.ports import Books

_IN_LAMBDA: Final = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
if _IN_LAMBDA:
    # Of what loading makes nearly nothing is garbage, and looking for it takes a tenth of the time to start.
    gc.disable()


if not TYPE_CHECKING:

    @cache
    def client(service: str) -> object:
        """This process's client of an AWS service."""
        from incentives.aws.clients import CLIENT_CONFIG, FILES_CONFIG, make_client

        return make_client(service, config=FILES_CONFIG if service == "s3" else CLIENT_CONFIG)


class Container:
    """What this process is made of: built when first used, and kept. A test puts its own into `vars(container)`."""

    @cached_property
    def settings(self) -> Settings:
        """What this deployment sets."""
        from incentives.settings import read_settings

        return read_settings(os.environ)

    @cached_property
    def telemetry(self) -> PowertoolsTelemetry:
        """Logs and metrics."""
        from incentives.aws.telemetry import PowertoolsTelemetry

        return PowertoolsTelemetry(self.settings.service, self.settings.metrics_namespace)

    @cached_property
    def clock(self) -> ports.Clock:
        """This machine's."""
        return SystemClock()

    def new_nonce(self) -> str:
        """Tells one write from every other."""
        return uuid.uuid4().hex

    def random(self) -> float:
        """Evenly between 0 and 1: keeps those apart who got into each other's way."""
        import random

        return random.random()  # noqa: S311 - no secret

    @cached_property
    def dependencies(self) -> Dependencies:
        """The container itself: a use case builds what it uses of it."""
        return self

    @cached_property
    def ledger(self) -> ports.Ledger:
        """The record of every request."""
        from incentives.aws.single_requests.beside import Beside
        from incentives.aws.single_requests.ledger import DynamoDbLedger

        its = self.settings
        beside = Beside(self.holds, its.account_table, its.orders_table)
        return DynamoDbLedger(client("dynamodb"), its.ledger_table, beside=beside, sleep=self.clock.sleep)

    @cached_property
    def holds(self) -> DynamoDbHolds:
        """What takes from budgets, and gives back to them."""
        from incentives.aws.budgets.holds import DynamoDbHolds

        its = self.settings
        return DynamoDbHolds(
            client("dynamodb"),
            its.budgets_table,
            zone=lambda: its.zone,
            required=its.require_budget == "true",
            now=self.clock.now,
            sleep=self.clock.sleep,
            random=self.random,
        )

    @cached_property
    def budgets(self) -> ports.Budgets:
        """What is known of budgets before a request takes from one."""
        return self.holds

    @cached_property
    def rate_limiter(self) -> ports.RateLimiter:
        """The accounts' pace."""
        from incentives.aws.rate_limiter import DynamoDbRateLimiter

        return DynamoDbRateLimiter(
            client("dynamodb"),
            self.settings.rate_limiter_table,
            pace=self.settings.pace,
            now=self.clock.now,
            key_of=self.accounts.key_at_hand,
        )

    @cached_property
    def backlog(self) -> ports.Backlog:
        """Requests that wait for their permit."""
        from incentives.aws.single_requests.backlog import SqsBacklog

        return SqsBacklog(lambda: client("sqs"), self.settings.backlog_queue)

    @cached_property
    def incentives(self) -> IncentivesClient:
        """Speaks HTTPS with Amazon."""
        from incentives.agcod.client import IncentivesClient
        from incentives.agcod.marketplaces import endpoint_of

        its = self.settings
        return IncentivesClient(lambda code: endpoint_of(code, its.amazon_environment, its.incentives_endpoint))

    @cached_property
    def amazon(self) -> ports.Amazon:
        """The Incentives API."""
        from incentives.agcod.amazon import Amazon

        return Amazon(self.incentives)

    @cached_property
    def kept_pages(self) -> ports.KeptPages:
        """Pages of Amazon's own activity."""
        from incentives.aws.recovery.kept_pages import DynamoDbKeptPages

        return DynamoDbKeptPages(client("dynamodb"), self.settings.rate_limiter_table)

    @cached_property
    def accounts(self) -> SecretsManagerAccounts:
        """The accounts' keys."""
        from incentives.aws.accounts.accounts import SecretsManagerAccounts

        return SecretsManagerAccounts(
            lambda: client("secretsmanager"),
            self.settings.account_secret_prefix,
            now=self.clock.now,
            note_refusal=self.key_notes.note_refusal,
        )

    @cached_property
    def vault(self) -> ports.Vault:
        """Encrypts card numbers."""
        from incentives.aws.vault import KmsVault

        return KmsVault(lambda: client("kms"), self.settings.vault_key)

    @cached_property
    def recoveries(self) -> ports.Recoveries:
        """The recovery workflows."""
        from incentives.aws.recovery.recoveries import StepFunctionsRecoveries

        return StepFunctionsRecoveries(lambda: client("stepfunctions"), self.settings.recovery_state_machine)

    @cached_property
    def notifier(self) -> ports.Notifier:
        """Mail to Amazon's support, and word to the operators."""
        from incentives.aws.notifier import SesAndSnsNotifier

        return SesAndSnsNotifier(
            lambda: client("sesv2"),
            lambda: client("sns"),
            sender=self.settings.mail_sender,
            topic_arn=self.settings.operators_topic,
        )

    @cached_property
    def role_paths(self) -> ports.RolePaths:
        """The roles of IAM Identity Center."""
        from incentives.aws.role_paths import IamRolePaths

        return IamRolePaths(lambda: client("iam"))

    @cached_property
    def index(self) -> ports.Index:
        """The ledger by account and day."""
        from incentives.aws.single_requests.index import DynamoDbIndex

        return DynamoDbIndex(client("dynamodb"), self.settings.ledger_table)

    @cached_property
    def records(self) -> ports.Records:
        """The ledger, many records at a time."""
        from incentives.aws.single_requests.many_records import DynamoDbRecords

        return DynamoDbRecords(client("dynamodb"), self.settings.ledger_table, sleep=self.clock.sleep)

    @cached_property
    def bus(self) -> ports.Bus:
        """The application's event bus."""
        from incentives.aws.events import EventBridgeBus

        return EventBridgeBus(lambda: client("events"), self.settings.event_bus)

    @cached_property
    def account_states(self) -> ports.AccountStates:
        """What is known of accounts without asking Amazon."""
        from incentives.aws.accounts.account_states import DynamoDbAccountStates

        its = self.settings
        return DynamoDbAccountStates(
            client("dynamodb"),
            its.account_table,
            ledger_table=its.ledger_table,
            holds=self.holds,
            sleep=self.clock.sleep,
            random=self.random,
        )

    @cached_property
    def freezes(self) -> ports.Freezes:
        """Which accounts are frozen."""
        from incentives.aws.accounts.freezes import DynamoDbFreezes

        return DynamoDbFreezes(client("dynamodb"), self.settings.account_table)

    @cached_property
    def account_dependencies(self) -> AccountDependencies:
        """Everything that freezing and listing accounts needs."""
        from incentives.usecases.accounts.dependencies import AccountDependencies

        return AccountDependencies(
            dependencies=self.dependencies,
            freezes=self.freezes,
            states=self.account_states,
            default=self.settings.default_account,
        )

    @cached_property
    def watch_dependencies(self) -> WatchDependencies:
        """Everything that watching accounts needs."""
        from incentives.usecases.accounts.dependencies import WatchDependencies

        return WatchDependencies(
            dependencies=self.dependencies,
            states=self.account_states,
            bus=self.bus,
            limits=self.settings.limits,
            freezes=self.freezes,
            books=self.books,
            index=self.index,
            booking_day=self.booking_day,
        )

    @cached_property
    def key_notes(self) -> DynamoDbKeyNotes:
        """What functions note of the keys that they call Amazon with."""
        from incentives.aws.keys.key_notes import DynamoDbKeyNotes

        return DynamoDbKeyNotes(client("dynamodb"), self.settings.rate_limiter_table, now=self.clock.now)

    @cached_property
    def key_dependencies(self) -> KeyDependencies:
        """Everything that rotating keys needs."""
        from incentives.aws.keys.key_versions import SecretsManagerVersions
        from incentives.aws.keys.rotations import DynamoDbRotations
        from incentives.usecases.keys.dependencies import KeyDependencies

        return KeyDependencies(
            dependencies=self.dependencies,
            versions=SecretsManagerVersions(lambda: client("secretsmanager"), self.settings.account_secret_prefix),
            rotations=DynamoDbRotations(client("dynamodb"), self.settings.account_table),
            notes=self.key_notes,
            bus=self.bus,
        )

    @cached_property
    def order_dependencies(self) -> OrderDependencies:
        """What the use cases of bulk orders need."""
        from incentives.aws.bulk_orders.order_files import S3OrderFiles
        from incentives.aws.bulk_orders.order_workflows import StepFunctionsOrderWorkflows
        from incentives.aws.bulk_orders.orders import DynamoDbOrders
        from incentives.usecases.bulk_orders.dependencies import OrderDependencies

        config = self.settings
        return OrderDependencies(
            orders=DynamoDbOrders(
                client("dynamodb"), config.orders_table, holds=lambda: self.holds, sleep=self.clock.sleep
            ),
            files=S3OrderFiles(lambda: client("s3"), config.orders_bucket, now=self.clock.now),
            workflows=StepFunctionsOrderWorkflows(lambda: client("stepfunctions"), config.order_state_machine),
            records=self.records,
            budgets=self.budgets,
            definitions=self.budget_definitions,
            freezes=self.freezes,
            clock=self.clock,
            telemetry=self.telemetry,
            new_nonce=self.new_nonce,
            approvals=config.approvals,
        )

    @cached_property
    def books(self) -> Books:
        """The books' table."""
        from incentives.aws.reconciliation.books import DynamoDbBooks

        config = self.settings
        return DynamoDbBooks(client("dynamodb"), config.books_table, sleep=self.clock.sleep, new_nonce=self.new_nonce)

    def booking_day(self, moment: datetime) -> date:
        """The day of a moment in the books. A zone that is none keeps nobody from what has no need of it."""
        from incentives.domain.reconciliation.days import day_of

        return day_of(moment, self.settings.zone)

    @cached_property
    def books_dependencies(self) -> BooksDependencies:
        """What reconciling and closing need."""
        from incentives.aws.reconciliation.books_files import S3BooksFiles, S3StatementUploads
        from incentives.aws.reconciliation.reconciliations import StepFunctionsReconciliations
        from incentives.usecases.reconciliation.dependencies import BooksDependencies, BooksSettings

        config, now = self.settings, self.clock.now
        return BooksDependencies(
            dependencies=self.dependencies,
            books=self.books,
            files=S3BooksFiles(lambda: client("s3"), config.books_bucket, lock_years=config.lock_years, now=now),
            uploads=S3StatementUploads(lambda: client("s3"), config.orders_bucket, now=now),
            reconciliations=StepFunctionsReconciliations(
                lambda: client("stepfunctions"), config.reconciliation_state_machine
            ),
            index=self.index,
            records=self.records,
            settings=BooksSettings(
                zone=config.zone,
                begin=config.first_booking_day,
                types=config.effects,
                without_balance=config.without_balance,
            ),
        )

    @cached_property
    def budget_definitions(self) -> BudgetDefinitions:
        """Budgets as they are defined."""
        from random import random

        from incentives.aws.budgets.definitions import DynamoDbBudgetDefinitions

        return DynamoDbBudgetDefinitions(
            client("dynamodb"),
            self.settings.budgets_table,
            sleep=self.clock.sleep,
            random=random,
            new_nonce=self.new_nonce,
        )

    @cached_property
    def budget_dependencies(self) -> BudgetDependencies:
        """What setting and showing budgets needs."""
        from incentives.usecases.budgets.dependencies import BudgetDependencies

        definitions = self.budget_definitions
        return BudgetDependencies(dependencies=self.dependencies, definitions=definitions, zone=self.settings.zone)

    def recount_dependencies(self, seconds_left: Callable[[], float]) -> RecountDependencies:
        """What counting budgets again needs."""
        from incentives.aws.budgets.recounts import DynamoDbRecounts
        from incentives.usecases.budgets.recount import RecountDependencies

        config, default = self.settings, self.settings.default_account
        recounts = DynamoDbRecounts(
            client("dynamodb"),
            ledger=config.ledger_table,
            accounts=config.account_table,
            orders=config.orders_table,
            sleep=self.clock.sleep,
        )
        return RecountDependencies(
            budgets=self.budget_dependencies,
            recounts=recounts,
            accounts=lambda: sorted({*self.account_states.accounts(), *([default] if default else [])}),
            seconds_left=seconds_left,
        )

    def ready_for_amazon(self) -> ports.Amazon:
        """Make what every call of Amazon takes, and read who may vouch for Amazon: a caller would wait for it."""
        _ = self.rate_limiter, client("secretsmanager")
        if not (self.settings.incentives_endpoint or "").startswith("http:"):
            self.incentives.read_authorities()
        return self.amazon


container: Final = Container()


def in_init(build: Callable[[], object]) -> None:
    """Build what every invocation of a function needs, in Lambda: a process that starts has a whole processor.

    What cannot be built is left to the call, which knows how to tell of it. What there is then is never garbage.
    """
    if _IN_LAMBDA:
        with contextlib.suppress(Exception):
            _ = container.telemetry, build()
        gc.freeze()
        gc.enable()
