"""One test's world: the gateway's tools on a virtual clock, the sandbox as Amazon, the real functions, the workflow.

The backlog is the real adapter over a queue that hands each message to its function when it is due.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.agcod.amazon import Amazon
from incentives.aws.recovery.recoveries import StepFunctionsRecoveries
from incentives.aws.single_requests.backlog import SqsBacklog
from incentives.domain.operations import Operation
from incentives.domain.recovery.rules import Reissue
from incentives.domain.single_requests.record import Change, Intent, Lost, Record, Status
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.issue import Order, issue
from sandbox.report import report
from tests.support.fakes import (
    FakeAccounts,
    FakeClock,
    FakeKeptPages,
    FakeLedger,
    FakeNotifier,
    FakeRateLimiter,
    FakeTelemetry,
    FakeVault,
    account,
    usd,
)
from tests.support.ports import Ports
from tests.workflow.amazon import PARTNER_ID, SandboxClient, make_sandbox
from tests.workflow.engine import Engine, ProcessDied, Stage
from tests.workflow.histories import Execution, read_execution

SUPPORT: Final = "support@amazon.test"
CARD_NUMBER: Final = "6006491234567890123"
CUSTOMER: Final = "amz1.account.TESTCUSTOMER0001"
AMOUNT: Final = "25.00"

#: A function's time: as the template has it.
FUNCTION_SECONDS: Final = 25

#: The sweep's schedule.
SWEEP_EVERY: Final = timedelta(minutes=1)

_FUNCTIONS: Final = Path(__file__).parents[2] / "functions"

_MEMBERS: Final[dict[Operation, dict[str, Any]]] = {
    Operation.CREATE_GIFT_CARD: {},
    Operation.ACTIVATE_GIFT_CARD: {"cardNumber": CARD_NUMBER},
    Operation.LOAD_AMAZON_BALANCE: {"account": {"id": CUSTOMER, "type": "2"}},
}


def load(name: str) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A function's handler, as Lambda finds it."""
    spec = importlib.util.spec_from_file_location(f"workflow_test_of_{name}", _FUNCTIONS / name / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = module.handler
    return handler


RECOVER_REQUEST: Final = load("recover_request")
ISSUE_QUEUED: Final = load("issue_queued")
SWEEP_REQUESTS: Final = load("sweep_requests")


class Ledger(FakeLedger):
    """The ledger, which can be out of reach, and whose writes are moments at which a process may die."""

    def __init__(self, moment: Callable[[str], None]) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self._moment = moment

    def get(self, request_id: str) -> Record | None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return super().get(request_id)

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        result = super().apply(change, nonce)
        self._moment("written")
        return result

    def reissue(self, plan: Reissue, nonce: str) -> Record | Lost:
        # One transaction: no process dies in the middle of it.
        moment, self._moment = self._moment, lambda _: None
        result = super().reissue(plan, nonce)
        self._moment = moment
        self._moment("reissued")
        return result


class Notifier(FakeNotifier):
    """People, of whom a process may die right after it has told them."""

    moment: Callable[[str], None] = staticmethod(lambda _: None)

    def notify(self, subject: str, text: str) -> str | None:
        untold = super().notify(subject, text)
        self.moment("told")
        return untold


class Telemetry(FakeTelemetry):
    def flush(self) -> None:
        """Nothing is kept back."""


class Recoveries(StepFunctionsRecoveries):
    """The real adapter, which also remembers what was started, and can be out of order."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(lambda: engine.client, engine.state_machine_arn)
        self.started: list[tuple[str, int]] = []
        self.works = True

    def start(self, request_id: str, epoch: int) -> bool:
        if not self.works:
            return False
        self.started.append((request_id, epoch))
        return super().start(request_id, epoch)


class Queue:
    """What an SQS client is used for: messages live on the stage until they are due.

    Attributes:
        bodies: of all messages that were sent, in order.
        loses: how many of the next messages never come out.
    """

    def __init__(self, stage: Stage, take_up: Callable[[str], None]) -> None:
        self.bodies: list[str] = []
        self.loses = 0
        self._stage, self._take_up = stage, take_up

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl
        self.bodies.append(MessageBody)
        if self.loses:
            self.loses -= 1
            return {}

        def live() -> None:
            self._stage.sleep(DelaySeconds)
            self._take_up(MessageBody)

        self._stage.enter(live)
        return {}


@dataclass
class Scene:
    """Everything within a test's reach.

    Attributes:
        name: makes request ids that no other test has: a state machine keeps the names of its executions.
        deaths: moments at which the process of a task dies, each once, e.g. `Repeat 2 sent`.
        moments: those that there were while tasks ran, in order: task, number within its run, what had been done.
        tasks: that were run, in order.
        swept: request ids that sweeps have taken.
    """

    engine: Engine
    name: str
    clock: FakeClock = field(default_factory=FakeClock)
    deaths: list[str] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    _task: str | None = None
    _moments_of_task: int = 0

    def __post_init__(self) -> None:
        self.stage = Stage(self.clock)
        self.engine.stage, self.engine.function = self.stage, self._run_task
        self.sandbox = make_sandbox(self.clock)
        self.amazon = SandboxClient(self.sandbox, self.clock)
        self.amazon.on_arrival = lambda: self._moment("sent")
        self.ledger = Ledger(self._moment)
        self.notifier = Notifier()
        self.notifier.moment = self._moment
        self.telemetry = Telemetry()
        self.recoveries = Recoveries(self.engine)
        self.rate_limiter, self.kept_pages = FakeRateLimiter(self.clock), FakeKeptPages()
        self.queue = Queue(self.stage, self._take_up)
        self.settings = SimpleNamespace(support_address=SUPPORT)
        numbers = iter(range(1_000_000))
        self.dependencies = Ports(
            ledger=self.ledger,
            rate_limiter=self.rate_limiter,
            backlog=SqsBacklog(lambda: self.queue, "queue"),
            amazon=Amazon(self.amazon),
            kept_pages=self.kept_pages,
            accounts=FakeAccounts(account()),
            vault=FakeVault(),
            recoveries=self.recoveries,
            notifier=self.notifier,
            clock=self.clock,
            telemetry=self.telemetry,
            new_nonce=lambda: f"nonce-{next(numbers)}",
        )

    def plug_in(self, patch: pytest.MonkeyPatch) -> None:
        """Make the functions use this scene."""
        patch.setitem(vars(container), "dependencies", self.dependencies)
        patch.setitem(vars(container), "settings", self.settings)
        patch.setitem(vars(container), "telemetry", self.telemetry)

    # ---- what a test does -------------------------------------------------------------------------

    def request_id(self, operation: Operation = Operation.CREATE_GIFT_CARD, generation: int = 0) -> str:
        """The id that this scene's order has: known before it is placed."""
        return derive_request_id(PARTNER_ID, "default", operation, hash_key(self.name), generation)

    def fault(self, kind: str, operation: Operation | str = Operation.CREATE_GIFT_CARD, **members: Any) -> None:
        """Script a fault of Amazon's. `operation` may be a reversal's name."""
        name = operation.value if isinstance(operation, Operation) else operation
        self.sandbox.script.add({"operation": name, "kind": kind, **members})

    def place(
        self,
        operation: Operation = Operation.CREATE_GIFT_CARD,
        intent: Intent = Intent.RETRY,
        *,
        seconds: float = FUNCTION_SECONDS,
    ) -> str:
        """Place the order, as its function does within its time; the request id."""
        members = _MEMBERS[operation]
        issue(
            Order(
                key=self.name,
                operation=operation,
                account="default",
                value=usd(AMOUNT),
                on_unknown=intent,
                members=members,
                subject="*" * 4 if members else None,
            ),
            self.dependencies,
            self.budget(seconds),
        )
        return self.request_id(operation)

    def budget(self, seconds: float = FUNCTION_SECONDS) -> Budget:
        """The time of a function that starts now."""
        end = self.clock.now() + timedelta(seconds=seconds)
        return Budget(lambda: (end - self.clock.time).total_seconds())  # noqa: PLW0108 - read anew each time

    def after(self, delay: timedelta, action: Callable[[], object]) -> None:
        """Do something while executions sleep."""

        def live() -> None:
            self.stage.sleep(delay.total_seconds())
            action()

        self.stage.enter(live)

    def run(self, until: datetime | None = None) -> None:
        """Let executions live, without any sweep."""
        self.stage.run(until)

    def come_home(self) -> None:
        """Let executions and messages live, and sweep every minute, until all have ended and every request too."""
        while not self.stage.is_empty or any(record.status.is_open for record in self.ledger.records.values()):
            self.stage.run(self.clock.now() + SWEEP_EVERY)
            self.swept += SWEEP_REQUESTS({}, None)["taken"]

    def stop(self, request_id: str, epoch: int) -> None:
        """Stop an execution by hand."""
        self.engine.client.stop_execution(executionArn=self.engine.arn_of(request_id, epoch))

    # ---- what a test looks at ---------------------------------------------------------------------

    def record(self, generation: int = 0, operation: Operation = Operation.CREATE_GIFT_CARD) -> Record:
        """A generation of this scene's order."""
        return self.ledger.records[self.request_id(operation, generation)]

    @property
    def records(self) -> Iterable[Record]:
        """All generations, oldest first."""
        return sorted(self.ledger.records.values(), key=lambda each: each.generation)

    @property
    def statuses(self) -> list[Status]:
        """Of all generations, oldest first."""
        return [record.status for record in self.records]

    @property
    def executions(self) -> list[Execution]:
        """Every execution that was started, oldest first."""
        started = dict.fromkeys(self.recoveries.started)
        return [read_execution(self.engine, request_id, epoch) for request_id, epoch in started]

    @property
    def calls(self) -> list[tuple[str, str | None]]:
        """What Amazon was asked: operation and request id, in order."""
        return [(call.operation, call.request_id) for call in self.sandbox.calls]

    @property
    def charged(self) -> Decimal:
        """What Amazon holds against the account once all that is on its way has landed."""
        self.sandbox.settle(self.clock.now() + timedelta(hours=1))
        charges: Any = report(self.sandbox)["charges"]
        return Decimal(charges.get("USD", "0"))

    @property
    def succeeded(self) -> Decimal:
        """What the ledger says is charged."""
        return sum((r.value.amount for r in self.records if r.status is Status.SUCCEEDED), Decimal())

    @property
    def secrets(self) -> set[str]:
        """What must never be at rest: every claim code that there is, and what was encrypted."""
        cards: Any = report(self.sandbox)["cards"]
        return {card["claimCode"] for card in cards} | {CARD_NUMBER, CUSTOMER}

    # ---- the functions ----------------------------------------------------------------------------

    def _context(self) -> SimpleNamespace:
        budget = self.budget()
        return SimpleNamespace(get_remaining_time_in_millis=lambda: int(budget.seconds_left() * 1000))

    def _take_up(self, body: str) -> None:
        ISSUE_QUEUED({"Records": [{"body": body}]}, self._context())

    def _run_task(self, event: dict[str, Any]) -> dict[str, Any]:
        context = self._context()
        self._task, self._moments_of_task = event["task"], 0
        self.tasks.append(event["task"])
        try:
            self._moment("begun")
            response = RECOVER_REQUEST(event, context)
            self._moment("done")
        finally:
            self._task = None
        return response

    def _moment(self, name: str) -> None:
        if self._task is None:
            return
        self._moments_of_task += 1
        moment = f"{self._task} {self._moments_of_task} {name}"
        self.moments.append(moment)
        if moment in self.deaths:
            self.deaths.remove(moment)
            raise ProcessDied(moment)
