"""A rotation on stage: real adapters on moto, the sandbox over HTTP as Amazon, warm functions that go on issuing."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from botocore.exceptions import ReadTimeoutError

from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.aws.accounts.accounts import SecretsManagerAccounts
from incentives.aws.keys.key_notes import DynamoDbKeyNotes
from incentives.aws.keys.key_versions import SecretsManagerVersions
from incentives.aws.keys.rotations import DynamoDbRotations
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.errors import GatewayError
from incentives.domain.events import Event
from incentives.domain.keys.rotation import TRIAL, Report
from incentives.domain.rate_limit import Pace
from incentives.domain.single_requests.record import Status
from incentives.usecases.dependencies import Dependencies
from incentives.usecases.keys.dependencies import KeyDependencies
from incentives.usecases.keys.rotate_keys import rotate_keys
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from sandbox.control.options import Options
from sandbox.http.gateway import Settings, make_account
from sandbox.http.server import Server, running
from tests.contract import motos
from tests.support.fakes import FakeClock, World, world
from tests.unit.builders import order

PREFIX: Final = "incentives-gateway/accounts"
RATE_LIMITER: Final = "pace"
ACCOUNTS: Final = "accounts"

#: No keys: obvious dummies that must not be found in any text.
OLD_SECRET: Final = "not-the-old-secret"
NEW_SECRET: Final = "not-the-new-secret"

WARM_FUNCTIONS: Final = 3
INVOCATION_SECONDS: Final = 900.0

#: Seconds: as long as in earnest where time matters, and short where it does not.
SHORT_WATCH: Final = 30.0
WHOLE_WATCH: Final = TRIAL.total_seconds()

#: Of a function that issues: enough for a few tries, since here they run one after another.
ORDER_SECONDS: Final = 14.0

#: Between two rounds of orders.
ORDERS_APART: Final = timedelta(seconds=25)

_numbers = itertools.count()


class Died(BaseException):
    """The process ended here."""


@dataclass
class Life:
    """What a process has called at AWS.

    Attributes:
        deaf_at: a method, and which of its calls takes effect without a response.
    """

    deaf_at: tuple[str, int] | None = None
    calls_of: Counter[str] = field(default_factory=Counter)


@dataclass
class Mortal:
    """An AWS client of a process that may not hear a response."""

    client: Any
    life: Life

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**members: Any) -> Any:
            self.life.calls_of[name] += 1
            response = getattr(self.client, name)(**members)
            if self.life.deaf_at == (name, self.life.calls_of[name]):
                raise ReadTimeoutError(endpoint_url="https://aws.test")
            return response

        return call


class BusyClock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None
        self._busy = False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds < 1 or self._busy:
            # The pauses between two looks, and not those of what happens in them.
            return
        self._busy = True
        try:
            self.meanwhile()
        finally:
            self._busy = False


@dataclass
class Bus:
    events: list[Event] = field(default_factory=list)

    def publish(self, events: Any) -> None:
        self.events.extend(events)


@dataclass
class Aws:
    secrets: Any
    dynamodb: Any
    server: Server


@contextmanager
def aws_and_amazon() -> Iterator[Aws]:
    options = Options(per_second=None, funds_per_second=None, activity_per_minute=None)
    unused = make_account("Unused", "UNUSED", "unused")
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch), running(Settings((unused,), options)) as server:
        client = motos.client()
        for name, hash_key, range_key in ((RATE_LIMITER, "id", None), (ACCOUNTS, "account", "part")):
            keys = [(hash_key, "HASH"), *([(range_key, "RANGE")] if range_key else [])]
            client.create_table(
                TableName=name,
                AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each, _ in keys],
                KeySchema=[{"AttributeName": each, "KeyType": kind} for each, kind in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        yield Aws(motos.client("secretsmanager"), client, server)


class Scene:
    """An account with a key in use, functions that go on issuing with it, and an operator.

    Attributes:
        issued: how each order was answered, in order; an error stands for itself.
    """

    def __init__(self, aws: Aws, *, warm_functions: int = WARM_FUNCTIONS) -> None:
        number = next(_numbers)
        self.aws = aws
        self.name = f"account-{number}"
        self.partner = f"P{number}"
        self.old, self.new = f"OLDKEY{number:04}", f"NEWKEY{number:04}N"
        self.clock = BusyClock()
        self.w: World = world()
        self.bus = Bus()
        self.issued: list[Any] = []
        self._traffic_at: datetime | None = None
        self._sandbox = aws.server.served.sandbox
        self._sandbox.world.put_account(make_account(self.partner, self.old, OLD_SECRET))
        aws.secrets.create_secret(
            Name=self.secret_id, SecretString=self.secret(self.old, OLD_SECRET, created="2026-01-01T00:00:00Z")
        )
        self.functions = [self.process() for _ in range(warm_functions)]

    @property
    def secret_id(self) -> str:
        return f"{PREFIX}/{self.name}"

    def secret(self, key: str, secret: str, *, created: str | None = "2026-02-27T00:00:00Z", **updates: object) -> str:
        members = {
            "partnerId": self.partner, "accessKeyId": key, "secretAccessKey": secret, "marketplace": "US",
            "keyCreatedAt": created,
        }  # fmt: skip
        return json.dumps({name: value for name, value in (members | updates).items() if value is not None})

    def process(self, life: Life | None = None, clock: FakeClock | None = None) -> Dependencies:
        """The tools of one more process, with memories of its own."""
        secrets, dynamodb = self._clients(life)
        clock = clock or self.clock
        notes = DynamoDbKeyNotes(dynamodb, RATE_LIMITER, now=clock.now)
        accounts = SecretsManagerAccounts(lambda: secrets, PREFIX, now=clock.now, note_refusal=notes.note_refusal)
        return replace(
            self.w.dependencies,
            clock=clock,
            accounts=accounts,
            # So fast that nobody waits: what is rotated here is keys.
            rate_limiter=DynamoDbRateLimiter(
                dynamodb,
                RATE_LIMITER,
                pace=Pace(requests_per_second=1000.0),
                now=clock.now,
                key_of=accounts.key_at_hand,
            ),
            amazon=Amazon(IncentivesClient(self.aws.server.url)),
        )

    def _clients(self, life: Life | None) -> tuple[Any, Any]:
        if life is None:
            return self.aws.secrets, self.aws.dynamodb
        return Mortal(self.aws.secrets, life), Mortal(self.aws.dynamodb, life)

    # ---- the operator

    def put_pending(self, text: str | None = None) -> str:
        text = text if text is not None else self.secret(self.new, NEW_SECRET)
        response = self.aws.secrets.put_secret_value(
            SecretId=self.secret_id, SecretString=text, VersionStages=["AWSPENDING"]
        )
        version: str = response["VersionId"]
        return version

    def rotate(self, *, life: Life | None = None, watch_for: float = SHORT_WATCH, amazon: Any = None) -> Report:
        secrets, dynamodb = self._clients(life)
        dependencies = self.process(life)
        end = self.clock.now() + timedelta(seconds=INVOCATION_SECONDS)
        keys = KeyDependencies(
            dependencies=dependencies if amazon is None else replace(dependencies, amazon=amazon),
            versions=SecretsManagerVersions(lambda: secrets, PREFIX),
            rotations=DynamoDbRotations(dynamodb, ACCOUNTS),
            notes=DynamoDbKeyNotes(dynamodb, RATE_LIMITER, now=self.clock.now),
            bus=self.bus,
        )
        return rotate_keys(
            self.name,
            keys,
            lambda: (end - self.clock.time).total_seconds(),  # noqa: PLW0108 - read anew each time
            watch_for=timedelta(seconds=watch_for),
        )

    def labels(self) -> dict[str, str]:
        """The access key id of each labelled version, by label."""
        return {label: self._key_of(version) for label, version in self.versions().items()}

    def versions(self) -> dict[str, str]:
        found = self.aws.secrets.describe_secret(SecretId=self.secret_id)["VersionIdsToStages"]
        return {label: version for version, labels in found.items() for label in labels}

    def _key_of(self, version: str) -> str:
        text = self.aws.secrets.get_secret_value(SecretId=self.secret_id, VersionId=version)["SecretString"]
        key: str = json.loads(text)["accessKeyId"]
        return key

    # ---- at Amazon

    @property
    def keys_at_amazon(self) -> dict[str, str]:
        return dict(self._sandbox.world.accounts[self.partner].keys)

    def create_key(self, key: str | None = None, secret: str = NEW_SECRET) -> None:
        self._set_keys(self.keys_at_amazon | {key or self.new: secret})

    def deactivate(self, key: str) -> None:
        self._set_keys({each: secret for each, secret in self.keys_at_amazon.items() if each != key})

    def _set_keys(self, keys: dict[str, str]) -> None:
        account = self._sandbox.world.accounts[self.partner]
        self._sandbox.world.put_account(replace(account, keys=keys))

    def fault(self, kind: str, **rest: object) -> None:
        self._sandbox.script.add({"kind": kind, "operation": "GetAvailableFunds", **rest})

    def clear_faults(self) -> None:
        self._sandbox.script.clear()

    # ---- callers

    def traffic(self) -> None:
        """Each warm function issues an order, unless each has done so a moment ago."""
        if self._traffic_at is not None and self.clock.now() - self._traffic_at < ORDERS_APART:
            return
        self._traffic_at = self.clock.now()
        for dependencies in self.functions:
            wanted = order(key=f"{self.name}-{len(self.issued)}", account=self.name)
            end = self.clock.now() + timedelta(seconds=ORDER_SECONDS)
            budget = replace(self.w.budget(), seconds_left=lambda end=end: (end - self.clock.time).total_seconds())
            try:
                self.issued.append(issue(wanted, dependencies, budget))
            except GatewayError as error:
                self.issued.append(error)

    def drain(self) -> None:
        worker = self.process()
        while self.w.backlog.puts:
            request_id, delay = self.w.backlog.puts.pop(0)
            self.clock.sleep(delay)
            issue_queued(request_id, worker, replace(self.w.budget(), seconds_left=lambda: 25.0))

    def fates(self) -> set[Status]:
        return {record.status for record in self.w.ledger.records.values()}

    def failures(self) -> list[Any]:
        return [response for response in self.issued if isinstance(response, GatewayError)]

    def said(self) -> str:
        """Everything that was logged, told, published or kept in a table."""
        tables = [self.aws.dynamodb.scan(TableName=name)["Items"] for name in (RATE_LIMITER, ACCOUNTS)]
        return repr((self.w.telemetry.lines, self.w.notifier.notices, self.bus.events, self.w.ledger.records, tables))

    @property
    def at(self) -> datetime:
        return self.clock.now().astimezone(UTC)


def ready(scene: Scene) -> Scene:
    """A new key made at Amazon and put as pending, and functions that are warm with the old one."""
    scene.create_key()
    scene.put_pending()
    scene.traffic()
    return scene
