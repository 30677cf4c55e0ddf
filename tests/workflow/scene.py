"""One test's world: the gateway's tools on a virtual clock, the sandbox as Amazon, the real functions, the workflow."""

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
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from sandbox.control.report import report
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
from tests.workflow.engine import Engine, Stage
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
    spec = importlib.util.spec_from_file_location(f"workflow_test_of_{name}", _FUNCTIONS / name / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = module.handler
    return handler


RECOVER_REQUEST: Final = load("recover_request")
SWEEP_REQUESTS: Final = load("sweep_requests")


class Ledger(FakeLedger):
    """The ledger, which can be out of reach once."""

    fault: Exception | None = None

    def get(self, request_id: str) -> Record | None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return super().get(request_id)


class Telemetry(FakeTelemetry):
    def flush(self) -> None:
        """Nothing is kept back."""


class Recoveries(StepFunctionsRecoveries):
    """The real adapter, which also remembers what was started."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(lambda: engine.client, engine.state_machine_arn)
        self.started: list[tuple[str, int]] = []

    def start(self, request_id: str, epoch: int) -> bool:
        self.started.append((request_id, epoch))
        return super().start(request_id, epoch)


@dataclass(frozen=True)
class Backlog:
    """`Backlog` that hands each message to its function when it is due."""

    stage: Stage
    take_up: Callable[[str], object]

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        def live() -> None:
            self.stage.sleep(delay_seconds)
            self.take_up(request_id)

        self.stage.enter(live)
        return True


@dataclass
class Scene:
    """Everything within a test's reach.

    Attributes:
        name: makes request ids that no other test has: a state machine keeps the names of its executions.
        tasks: that were run, in order.
        swept: request ids that sweeps have taken.
    """

    engine: Engine
    name: str
    clock: FakeClock = field(default_factory=FakeClock)
    tasks: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = Stage(self.clock)
        self.engine.stage, self.engine.function = self.stage, self._run_task
        self.sandbox = make_sandbox(self.clock)
        self.amazon = SandboxClient(self.sandbox, self.clock)
        self.ledger = Ledger()
        self.notifier = FakeNotifier()
        self.telemetry = Telemetry()
        self.recoveries = Recoveries(self.engine)
        self.settings = SimpleNamespace(support_address=SUPPORT)
        numbers = iter(range(1_000_000))
        self.dependencies = Ports(
            ledger=self.ledger,
            budgets=self.ledger.budgets,
            rate_limiter=FakeRateLimiter(self.clock),
            backlog=Backlog(self.stage, lambda request_id: issue_queued(request_id, self.dependencies, self.budget())),
            amazon=Amazon(self.amazon),
            kept_pages=FakeKeptPages(),
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
            NewRequest(
                key=self.name,
                operation=operation,
                account="default",
                value=usd(AMOUNT),
                on_unknown=intent,
                given=members,
            ),
            self.dependencies,
            self.budget(seconds),
        )
        return self.request_id(operation)

    def budget(self, seconds: float = FUNCTION_SECONDS) -> Budget:
        end = self.clock.now() + timedelta(seconds=seconds)
        return Budget(lambda: (end - self.clock.time).total_seconds())  # noqa: PLW0108 - read anew each time

    def after(self, delay: timedelta, action: Callable[[], object]) -> None:
        def live() -> None:
            self.stage.sleep(delay.total_seconds())
            action()

        self.stage.enter(live)

    def run(self, until: datetime | None = None) -> None:
        self.stage.run(until)

    def come_home(self) -> None:
        """Let executions live, and sweep every minute, until all have ended and every request too."""
        while not self.stage.is_empty or any(record.status.is_open for record in self.ledger.records.values()):
            self.stage.run(self.clock.now() + SWEEP_EVERY)
            self.swept += SWEEP_REQUESTS({}, None)["taken"]

    # ---- what a test looks at ---------------------------------------------------------------------

    def record(self, generation: int = 0, operation: Operation = Operation.CREATE_GIFT_CARD) -> Record:
        return self.ledger.records[self.request_id(operation, generation)]

    @property
    def records(self) -> Iterable[Record]:
        return sorted(self.ledger.records.values(), key=lambda each: each.generation)

    @property
    def statuses(self) -> list[Status]:
        return [record.status for record in self.records]

    @property
    def executions(self) -> list[Execution]:
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

    def _run_task(self, event: dict[str, Any]) -> dict[str, Any]:
        self.tasks.append(event["task"])
        return RECOVER_REQUEST(event, self._context())
