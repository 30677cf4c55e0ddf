"""The real functions on moto and the sandbox's model, in this process: every call that leaves them is counted."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.dynamodb.models.table import Table

from incentives.bootstrap import client, container
from incentives.agcod.client import IncentivesClient
from incentives.aws import clients as calls
from local.settings import PARTNER_ACCESS_KEY_ID, PARTNER_ID, PARTNER_SECRET_ACCESS_KEY
from sandbox.control.options import Options, changed
from sandbox.http.gateway import Sandbox, Settings, make_account
from tests.bench import account
from tests.contract import motos
from tests.workflow.amazon import SandboxClient
from tests.workflow.scene import load

#: Time-outs, as the template has them.
FUNCTION_SECONDS: Final = 25.0
_SECONDS: Final = {
    "process_order": 60.0, "watch_account": 900.0, "reconcile_account": 300.0, "rotate_keys": 900.0,
    "recount_budgets": 900.0,
}  # fmt: skip

#: Paces belong to other benches.
_UNPACED: Final = {"perSecond": None, "fundsPerSecond": None, "activityPerMinute": None}


class Clock:
    """Stands still unless somebody sleeps: a machine that is busy makes nobody late, and changes no count."""

    def __init__(self) -> None:
        self._time = datetime.now(UTC)

    def now(self) -> datetime:
        return self._time

    def sleep(self, seconds: float) -> None:
        self._time += timedelta(seconds=max(0.0, seconds))


@dataclass
class Calls:
    """What left the functions.

    Attributes:
        aws: calls, as `dynamodb.GetItem`.
        amazon: operations, in order.
        items: that DynamoDB's responses held, read for a query included.
        bytes_read: of DynamoDB's items.
        puts: items of transactions, in order.
        cpu: seconds within the calls to AWS, the emulator's included.
    """

    aws: Counter[str] = field(default_factory=Counter)
    amazon: list[str] = field(default_factory=list)
    items: int = 0
    bytes_read: int = 0
    puts: list[dict[str, Any]] = field(default_factory=list)
    cpu: float = 0.0


class Stand:
    """Functions, and what they lean on.

    Attributes:
        calls: since the last `fresh_count`.
        environment: of the functions.
        log: what the functions have written since then.
        is_running: whether a function is; only its calls are counted.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.clock = Clock()
        self.environment = environment
        self.calls = Calls()
        self.log = io.StringIO()
        started = self.clock.now()
        partner = make_account(PARTNER_ID, PARTNER_ACCESS_KEY_ID, PARTNER_SECRET_ACCESS_KEY)
        options = changed(Options(), _UNPACED)
        self.sandbox = Sandbox(
            Settings((partner,), options),
            self.clock.now,
            lambda: (self.clock.now() - started).total_seconds(),  # noqa: PLW0108 - the clock is read anew each time
        )
        self._wire = SandboxClient(self.sandbox, self.clock)  # type: ignore[arg-type] # it asks for no more than a clock
        self._wire.seconds_per_call = 0.0
        self.is_running = False
        self._handlers: dict[str, Callable[[dict[str, Any], Any], Any]] = {}

    def run(self, function: str, event: dict[str, Any], *, seconds: float | None = None) -> Any:
        """Invoke a function, with the time that the template gives it unless said otherwise."""
        end = self.clock.now() + timedelta(seconds=seconds or _SECONDS.get(function, FUNCTION_SECONDS))
        left = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((end - self.clock.now()).total_seconds() * 1000),
            function_name="function",
            aws_request_id="1",
        )
        self.is_running = True
        try:
            for each in logging.getLogger(account.SERVICE).handlers:
                # The stdout of whenever it was made, otherwise: perhaps another stand's log.
                each.setStream(self.log)  # type: ignore[attr-defined] # Powertools has stream handlers only
            with contextlib.redirect_stdout(self.log):
                handler = self._handlers.get(function) or self._handlers.setdefault(function, load(function))
                return handler(event, left)
        finally:
            self.is_running = False

    def call(self, function: str, event: dict[str, Any], *, seconds: float | None = None) -> dict[str, Any]:
        """Invoke a function of the API; the body of its response, which is a success."""
        response = self.run(function, event, seconds=seconds)
        body: dict[str, Any] = json.loads(response["body"])
        if response["statusCode"] >= 300:
            raise RuntimeError(f"{function} answered {response['statusCode']}: {body}")
        return body

    def fresh_count(self) -> Calls:
        """Begin to count anew."""
        self.calls = Calls()
        self.log.seek(0)
        self.log.truncate()
        return self.calls

    def client(self, service: str = "dynamodb") -> Any:
        """A client whose calls are not counted."""
        return motos.client(service)

    def note(self, service: str, operation: str, params: dict[str, Any], response: dict[str, Any]) -> None:
        """A call to AWS has been answered."""
        self.calls.aws[f"{service}.{operation}"] += 1
        if service != "dynamodb":
            return
        self.calls.puts += [each["Put"]["Item"] for each in params.get("TransactItems", []) if "Put" in each]
        read = [response[name] for name in ("Item", "Attributes") if response.get(name)] + list(
            response.get("Items", [])
        )
        self.calls.items += max(len(read), int(response.get("ScannedCount", 0)))
        self.calls.bytes_read += sum(len(json.dumps(item)) for item in read)

    def send(self, signed: Any, *, seconds: float) -> Any:
        """A call to Amazon leaves."""
        self.calls.amazon.append(signed.call.name)
        return self._wire.send(signed, seconds=seconds)


@contextmanager
def standing() -> Iterator[Stand]:
    """A stand; one at a time."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            patch.setenv(name, value)
        environment = account.furnish(motos.client)
        for name, value in environment.items():
            patch.setenv(name, value)
        forget()
        stand = Stand(environment)
        patch.setattr(IncentivesClient, "send", lambda _self, signed, *, seconds: stand.send(signed, seconds=seconds))
        sign = IncentivesClient.sign
        patch.setattr(
            IncentivesClient,
            "sign",
            lambda self, call, account, now=None: sign(self, call, account, now or stand.clock.now()),
        )
        patch.setitem(vars(container), "clock", stand.clock)
        make_call = BaseClient._make_api_call

        def counted(client: Any, operation: str, params: dict[str, Any]) -> Any:
            response: dict[str, Any] = {}
            begun = time.process_time()
            try:
                response = make_call(client, operation, params)
            finally:
                if stand.is_running:
                    stand.calls.cpu += time.process_time() - begun
                    stand.note(client.meta.service_model.service_name, operation, params, response)
            return response

        patch.setattr(BaseClient, "_make_api_call", counted)
        patch.setattr(Table, "__deepcopy__", _copied, raising=False)
        try:
            yield stand
        finally:
            forget()


def _copied(table: Table, _memo: object) -> Table:
    """For moto, which copies whole tables to undo transactions: here none is undone but those that only put items."""
    copied = copy.copy(table)
    copied.items = copy.copy(table.items)
    if table.has_range_key:
        copied.items.update({key: copy.copy(items) for key, items in table.items.items()})
    return copied


def forget() -> None:
    """Whatever has been made once for all: it knows another environment."""
    for name in [*vars(container)]:
        if name != "clock":
            del vars(container)[name]
    for each in (client, *vars(calls).values()):
        if hasattr(each, "cache_clear"):
            each.cache_clear()


def know_account(name: str = "default") -> None:
    """Read an account's secret, which is then kept for five minutes."""
    container.accounts.get(name)
