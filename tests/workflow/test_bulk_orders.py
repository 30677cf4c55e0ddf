"""Bulk orders by their definition: moto reads it, the real function does its tasks, the sandbox is Amazon."""

from __future__ import annotations

import csv
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from incentives.bootstrap import container
from incentives.agcod.amazon import Amazon
from incentives.aws.bulk_orders.order_workflows import StepFunctionsOrderWorkflows
from incentives.domain.bulk_orders.bulk_order import Counts, OrderStatus
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import Task
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.issue_queued import issue_queued
from sandbox.report import report
from tests.support.bulk import Bulk, bulk, rows_of
from tests.support.fakes import FakeClock, FakeTelemetry, World, world
from tests.support.workflow import run_execution
from tests.workflow.amazon import SandboxClient, make_sandbox
from tests.workflow.engine import FUNCTION_ARN, Engine, ProcessDied, Stage, running
from tests.workflow.scene import load

S = OrderStatus
DEFINITION: Final = Path(__file__).parents[2] / "functions" / "process_order" / "process_order.asl.json"
PROCESS_ORDER: Final = load("process_order")
FUNCTION_SECONDS: Final = 60
#: Rows of the batches of an order of 120: whose child comes first is up to moto's threads.
ONE_BATCH_OF_120: Final = {50, 20}
_numbers = itertools.count()

#: What goes from state to state.
STATE_KEYS: Final = {"orderId", "round", "next", "waitSeconds", "batches", "done", "settled", "waited"}
#: To a map, and from it.
MAP_KEYS: Final = STATE_KEYS - {"next", "waitSeconds"} | {"sideBySide"}


#: What Lambda answers when every instance that the AWS account may have is at work.
NO_INSTANCE: Final = ClientError(
    {
        "Error": {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."},
        "ResponseMetadata": {
            "RequestId": "0", "HTTPStatusCode": 429, "HTTPHeaders": {}, "HostId": "", "RetryAttempts": 0,
        },
    },
    "Invoke",
)  # fmt: skip


class Telemetry(FakeTelemetry):
    def flush(self) -> None:
        """Nothing is kept back."""


class BulkEngine(Engine):
    """Children of the map run on moto's own threads: their functions run one at a time, and their waits pass at once.

    Attributes:
        most: functions that were under way at the same time, waiting for their turn included.
    """

    def __init__(self, definition: str) -> None:
        super().__init__(definition)
        self._turn = threading.RLock()
        self._counting = threading.Lock()
        self._under_way = self.most = 0

    def invoke(self, parameters: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        with self._counting:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            with self._turn:
                return super().invoke(parameters, **options)
        finally:
            with self._counting:
                self._under_way -= 1

    def sleep(self, seconds: float) -> None:
        if threading.current_thread().name == "execution":
            super().sleep(seconds)
            return
        assert self.stage is not None
        with self._turn:
            self.stage.clock.sleep(seconds)


@contextmanager
def _engine(definition: str) -> Iterator[BulkEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.workflow.engine.Engine", BulkEngine)
        with running(definition) as engine:
            assert isinstance(engine, BulkEngine)
            yield engine


@pytest.fixture(scope="module")
def engine() -> Iterator[BulkEngine]:
    text = DEFINITION.read_text(encoding="utf-8").replace("${ProcessOrderFunctionArn}", FUNCTION_ARN)
    text = text.replace("${BulkConcurrency}", "2")
    # moto takes this number for a share only if it has a point, and knows no children but Standard ones.
    text = text.replace('"ToleratedFailurePercentage": 100', '"ToleratedFailurePercentage": 100.0')
    text = text.replace('"EXPRESS"', '"STANDARD"')
    with _engine(text) as engine:
        yield engine


@dataclass
class Scene:
    """One test's orders.

    Attributes:
        deaths: tasks whose process dies right after it was begun, or before its response, each once: name and end.
        tasks: that were run, in order.
        meanwhile: called before every task.
    """

    engine: BulkEngine
    deaths: list[tuple[str, str]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    meanwhile: Callable[[dict[str, Any]], object] = lambda _: None

    def __post_init__(self) -> None:
        base = world()
        self.clock: FakeClock = base.clock
        self.stage = Stage(self.clock)
        self.engine.stage, self.engine.function = self.stage, self._run_task
        self.sandbox = make_sandbox(self.clock)
        self.telemetry = Telemetry()
        dependencies = replace(
            base.dependencies, amazon=Amazon(SandboxClient(self.sandbox, self.clock)), telemetry=self.telemetry
        )
        self.world: World = replace(base, dependencies=dependencies, telemetry=self.telemetry)
        here = bulk(self.world)
        machine = StepFunctionsOrderWorkflows(lambda: self.engine.client, self.engine.state_machine_arn)
        self.bulk: Bulk = replace(here, dependencies=replace(here.dependencies, workflows=machine))
        self.key = f"order-{next(_numbers)}"

    def plug_in(self, patch: pytest.MonkeyPatch) -> None:
        patch.setitem(vars(container), "dependencies", self.world.dependencies)
        patch.setitem(vars(container), "order_dependencies", self.bulk.dependencies)
        patch.setitem(vars(container), "telemetry", self.telemetry)

    def place(self, rows: int) -> str:
        """Make an order, put its file and start it."""
        return self.bulk.place(rows_of(rows), self.key)

    def come_home(self, until: timedelta = timedelta(hours=30)) -> None:
        """Let executions live, and everybody else do their part every minute, until all has ended."""
        end = self.clock.now() + until
        while not self.stage.is_empty:
            assert self.clock.now() < end, "the order does not end"
            self.stage.run(self.clock.now() + timedelta(minutes=1))
            sweep(self.world.dependencies)
            waiting, self.world.backlog.puts = self.world.backlog.puts, []
            for request_id, _ in waiting:
                issue_queued(request_id, self.world.dependencies, self.world.budget())
            while self.world.recoveries.started:
                run_execution(*self.world.recoveries.started.pop(), self.world.dependencies)

    def history(self, order_id: str, round_number: int = 1) -> list[Mapping[str, Any]]:
        execution = self.engine.executions[self.engine.arn_of(order_id, round_number)]
        return list(execution.exec_worker.env.event_manager._history_event_list)

    def status(self, order_id: str, round_number: int = 1) -> str:
        status: str = self.engine.executions[self.engine.arn_of(order_id, round_number)].status
        return status

    def states(self, order_id: str, round_number: int = 1) -> list[str]:
        events = self.history(order_id, round_number)
        return [each["stateEnteredEventDetails"]["name"] for each in events if "stateEnteredEventDetails" in each]

    @property
    def charged(self) -> Decimal:
        self.sandbox.settle(self.clock.now() + timedelta(hours=1))
        charges: Any = report(self.sandbox)["charges"]
        return Decimal(charges.get("USD", "0"))

    def check(self, order_id: str) -> None:
        """The result is what Amazon charges for, and nothing of a claim code is anywhere."""
        rows = list(csv.DictReader(io.StringIO(self.bulk.result(order_id))))
        issued = sum((Decimal(row["amount"]) for row in rows if row["outcome"] == "issued"), Decimal())
        assert issued == self.charged
        cards: Any = report(self.sandbox)["cards"]
        kept = repr([self.bulk.files.files, self.bulk.orders.__dict__, self.telemetry.lines])
        kept += "".join(json.dumps(self.history(order_id, n), default=str) for n in (1, 2) if self._has(order_id, n))
        for card in cards:
            assert card["claimCode"] not in kept

    def _has(self, order_id: str, round_number: int) -> bool:
        return self.engine.arn_of(order_id, round_number) in self.engine.executions

    def _run_task(self, event: dict[str, Any]) -> dict[str, Any]:
        self.tasks.append(event["task"])
        self.meanwhile(event)
        self._die(event["task"], "begun")
        end = self.clock.now() + timedelta(seconds=FUNCTION_SECONDS)
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((end - self.clock.now()).total_seconds() * 1000)
        )
        response = PROCESS_ORDER(event, context)
        self._die(event["task"], "done")
        return response

    def _die(self, task: str, moment: str) -> None:
        if (task, moment) in self.deaths:
            self.deaths.remove((task, moment))
            raise ProcessDied(task)


@pytest.fixture
def scene(engine: BulkEngine, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(engine)
    made.plug_in(monkeypatch)
    return made


def counts(scene: Scene, order_id: str) -> Counts:
    return scene.bulk.view(order_id).counts


def test_an_order_goes_through_all_states_to_its_result(scene: Scene) -> None:
    order_id = scene.place(120)

    scene.come_home()

    assert scene.bulk.order(order_id).status is S.FINISHED
    assert counts(scene, order_id) == Counts(issued=120)
    assert scene.status(order_id) == "SUCCEEDED"
    assert [state for state in scene.states(order_id) if state not in {"Next", "AfterWait"}] == [
        "Begin", "Check", "Validate", "Check", "SideBySide", "IssueBatches", "Check", "Settle", "Done",
    ]  # fmt: skip
    assert scene.engine.most > 1, "the batches were worked on one after the other"
    scene.check(order_id)


@pytest.mark.parametrize(
    ("task", "seconds", "children"), [(Task.CHECK, 600, 1), (Task.ISSUE, 80, 1), (Task.ISSUE, 240, 3)]
)
def test_a_task_waits_for_an_instance_while_all_are_at_work(
    scene: Scene, task: Task, seconds: int, children: int
) -> None:
    # given an AWS account all of whose instances are at work for as long, from a task's first call on
    free_at: list[datetime] = []

    def be_busy(event: dict[str, Any]) -> None:
        if event["task"] == task.value:
            free_at[:] = free_at or [scene.clock.now() + timedelta(seconds=seconds)]
            if scene.clock.now() < free_at[0]:
                raise NO_INSTANCE

    scene.meanwhile = be_busy
    order_id = scene.place(3)

    scene.come_home()

    # then nothing has failed but children, in whose stead others have begun
    assert scene.status(order_id) == "SUCCEEDED"
    assert counts(scene, order_id) == Counts(issued=3)
    assert scene.states(order_id).count("IssueBatches") == children
    assert scene.clock.now() >= free_at[0]
    scene.check(order_id)


def test_what_a_child_ends_with_fits_two_thousand_times_into_one_states_data(scene: Scene) -> None:
    order_id = scene.place(1)

    scene.come_home()

    (left,) = [each["stateExitedEventDetails"] for each in scene.history(order_id) if each["type"] == "MapStateExited"]
    child = json.loads(DEFINITION.read_text(encoding="utf-8"))["States"]["IssueBatches"]["ItemProcessor"]["States"]
    assert child["Issued"]["Output"] == "{% $states.input.batch %}"
    assert json.loads(left["output"]).keys() == MAP_KEYS


def test_only_ids_and_numbers_go_from_state_to_state(scene: Scene) -> None:
    order_id = scene.place(60)

    scene.come_home()

    entered = [
        each["stateEnteredEventDetails"] for each in scene.history(order_id) if "stateEnteredEventDetails" in each
    ]
    for details in entered[1:]:
        assert json.loads(details["input"]).keys() in (STATE_KEYS, MAP_KEYS), details["name"]
    assert json.loads(entered[0]["input"]) == {"orderId": order_id, "round": 1}


def test_an_invalid_file_ends_the_round_and_another_one_begins_with_a_start(scene: Scene) -> None:
    order_id = scene.bulk.place("nothing of use", scene.key)
    scene.come_home()
    assert scene.bulk.order(order_id).status is S.INVALID

    scene.bulk.files.put(order_id, rows_of(2).encode())
    scene.bulk.ask(order_id, Action.START)
    scene.come_home()

    assert (scene.status(order_id), scene.status(order_id, 2)) == ("SUCCEEDED", "SUCCEEDED")
    assert counts(scene, order_id) == Counts(issued=2)


@pytest.mark.parametrize("task", ["Check", "Validate", "Issue", "Settle"])
@pytest.mark.parametrize("moment", ["begun", "done"])
def test_a_process_that_dies_costs_nothing_but_time(scene: Scene, task: str, moment: str) -> None:
    scene.deaths = [(task, moment)]
    order_id = scene.place(70)

    scene.come_home()

    assert scene.deaths == []
    assert counts(scene, order_id) == Counts(issued=70)
    assert scene.charged == 700
    scene.check(order_id)


def test_children_that_fail_for_good_are_begun_again(scene: Scene) -> None:
    scene.deaths = [("Issue", "begun")] * 7
    order_id = scene.place(120)

    scene.come_home()

    assert scene.states(order_id).count("IssueBatches") > 1
    assert counts(scene, order_id) == Counts(issued=120)
    scene.check(order_id)


def test_a_task_that_always_fails_fails_the_execution_and_a_resume_begins_another(scene: Scene) -> None:
    scene.deaths = [("Check", "begun")] * 7
    order_id = scene.place(3)
    scene.come_home()
    assert scene.status(order_id) == "FAILED"
    assert scene.bulk.order(order_id).status is S.VALIDATING

    scene.bulk.ask(order_id, Action.RESUME)
    scene.come_home()

    assert scene.bulk.order(order_id).round == 2
    assert counts(scene, order_id) == Counts(issued=3)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "resend", "when": "after", "calls": {"first": 12}},
        {"kind": "drop", "when": "before", "calls": {"probability": 0.3, "seed": 7}},
        {"kind": "timeout", "when": "after", "calls": {"probability": 0.3, "seed": 8}},
        {"kind": "throttle", "calls": {"probability": 0.3, "seed": 9}},
    ],
    ids=lambda fault: fault["kind"],
)
def test_rows_that_are_not_known_at_once_are_issued_all_the_same(scene: Scene, fault: dict[str, Any]) -> None:
    scene.sandbox.script.add({"operation": "CreateGiftCard", **fault})
    order_id = scene.place(60)

    scene.come_home()

    assert len(scene.sandbox.calls) > 60
    assert counts(scene, order_id) == Counts(issued=60)
    scene.check(order_id)


def test_a_pause_ends_the_execution_and_a_resume_goes_on_in_another(scene: Scene) -> None:
    order_id = scene.place(120)
    looked = iter(range(1000))

    def pause(event: dict[str, Any]) -> None:
        if event["task"] == "Issue" and next(looked) == 1:
            scene.bulk.ask(order_id, Action.PAUSE)

    scene.meanwhile = pause
    scene.come_home()

    before = counts(scene, order_id)
    assert scene.bulk.order(order_id).status is S.PAUSED
    assert scene.status(order_id) == "SUCCEEDED"
    assert before.issued in ONE_BATCH_OF_120

    scene.bulk.ask(order_id, Action.RESUME)
    scene.come_home()

    assert scene.status(order_id, 2) == "SUCCEEDED"
    assert counts(scene, order_id) == Counts(issued=120)
    scene.check(order_id)


def test_a_stop_settles_what_was_issued(scene: Scene) -> None:
    order_id = scene.place(120)
    looked = iter(range(1000))

    def stop(event: dict[str, Any]) -> None:
        if event["task"] == "Issue" and next(looked) == 1:
            scene.bulk.ask(order_id, Action.STOP)

    scene.meanwhile = stop
    scene.come_home()

    issued = counts(scene, order_id).issued
    assert issued in ONE_BATCH_OF_120
    assert counts(scene, order_id) == Counts(issued=issued, not_issued=120 - issued)
    scene.check(order_id)


def test_a_round_that_was_superseded_leaves_the_order_alone(scene: Scene) -> None:
    order_id = scene.place(120)
    looked = iter(range(1000))

    def supersede(event: dict[str, Any]) -> None:
        if event["task"] == "Issue" and next(looked) == 0:
            scene.bulk.ask(order_id, Action.PAUSE)
            scene.bulk.ask(order_id, Action.RESUME)

    scene.meanwhile = supersede
    scene.come_home()

    assert (scene.status(order_id), scene.status(order_id, 2)) == ("SUCCEEDED", "SUCCEEDED")
    assert scene.states(order_id)[-1] == "Done"
    assert "Settle" not in scene.states(order_id)
    assert counts(scene, order_id) == Counts(issued=120)
    scene.check(order_id)


def test_a_child_goes_on_for_no_longer_than_an_express_execution_lasts(scene: Scene) -> None:
    order_id = scene.place(3)
    scene.world.rate_limiter.full_for = 30.0
    begun = scene.clock.now()
    times: list[datetime] = []

    def note(event: dict[str, Any]) -> None:
        if event["task"] == "Issue":
            times.append(scene.clock.now())
        if scene.clock.now() - begun > timedelta(minutes=20):
            scene.world.rate_limiter.full_for = None

    scene.meanwhile = note
    scene.come_home()

    assert counts(scene, order_id) == Counts(issued=3)
    lives = [0.0]
    for earlier, later in itertools.pairwise(times):
        # between two children there is a wait of 15 s
        lives.append(lives[-1] + (later - earlier).total_seconds() if (later - earlier).total_seconds() < 50 else 0.0)
    assert scene.states(order_id).count("IssueBatches") > 2
    assert max(lives) <= 240


def test_the_definition_and_the_function_speak_of_the_same() -> None:
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    states = definition["States"]
    child = states["IssueBatches"]["ItemProcessor"]["States"]

    assert {name for name in (*states, *child) if name in set(Task)} == set(Task)
    assert definition["TimeoutSeconds"] >= 7 * 24 * 3600
    for name, state in {**states, **child}.items():
        if state["Type"] == "Task":
            assert state["Arguments"]["Payload"]["task"] == name
            assert FUNCTION_SECONDS < state["TimeoutSeconds"] < 300
