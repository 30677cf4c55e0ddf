"""Step Functions in this process, under a virtual clock: moto reads the definition, this module keeps its time.

moto interprets the states, their retries and their history as AWS does. Put in its way, each at one seam:

- JSONata, for which moto has no engine of its own;
- `lambda:invoke`, which calls the function that a test names;
- every wait of an execution, which ends when the virtual clock has come to its end.

Executions live on threads of their own, but one at a time: whoever sleeps gives way to whoever is due next, and the
clock moves only when all of them sleep.
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest
from jsonata import Jsonata  # type: ignore[import-untyped] # no types are published for it
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.jsonata import jsonata, validations
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from tests.support.fakes import FakeClock

#: Real seconds after which a thread that has neither slept nor ended is taken for stuck.
STUCK_AFTER_SECONDS: Final = 120.0

REGION: Final = "us-east-1"
FUNCTION_ARN: Final = f"arn:aws:lambda:{REGION}:123456789012:function:recover-request"
_ROLE_ARN: Final = "arn:aws:iam::123456789012:role/workflow"

Function = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(order=True)
class _Sleeper:
    """An execution that waits.

    Attributes:
        due: when it goes on.
        number: keeps those that are due at once in the order in which they went to sleep.
    """

    due: datetime
    number: int
    woken: threading.Event = field(compare=False, default_factory=threading.Event)


class Stage:
    """Where executions take turns.

    Attributes:
        clock: virtual; shared with everything that the functions use.
        waits: every wait of an execution, in seconds, in the order in which they began.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.waits: list[int] = []
        self._new: deque[Callable[[], None]] = deque()
        self._asleep: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._turn_over = threading.Semaphore(0)

    def enter(self, execution: Callable[[], None]) -> None:
        """Take in an execution; it begins at its next turn."""
        self._new.append(execution)

    def sleep(self, seconds: float) -> None:
        """Called by an execution: give way until the time has passed."""
        sleeper = _Sleeper(self.clock.now() + timedelta(seconds=seconds), next(self._numbers))
        heapq.heappush(self._asleep, sleeper)
        self._turn_over.release()
        assert sleeper.woken.wait(STUCK_AFTER_SECONDS), "the test left an execution asleep"

    def run(self, until: datetime | None = None) -> None:
        """Let executions live, to the end of all of them or until a moment."""
        while True:
            if self._new:
                self._begin(self._new.popleft())
                continue
            if not self._asleep or (until is not None and self._asleep[0].due > until):
                break
            due = heapq.heappop(self._asleep)
            self.clock.time = max(self.clock.time, due.due)
            due.woken.set()
            self._wait_for_turn()
        if until is not None:
            self.clock.time = max(self.clock.time, until)

    @property
    def is_empty(self) -> bool:
        return not self._new and not self._asleep

    def _begin(self, execution: Callable[[], None]) -> None:
        def live() -> None:
            try:
                execution()
            finally:
                self._turn_over.release()

        threading.Thread(target=live, name="execution", daemon=True).start()
        self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        assert self._turn_over.acquire(timeout=STUCK_AFTER_SECONDS), "an execution neither sleeps nor ends"


class Engine:
    """One state machine of moto's.

    Attributes:
        client: Step Functions, for tests and for the adapter that starts recoveries.
        stage, function: of the test that runs; set before an execution starts.
        executions: moto's own, by ARN. Read here, because its API takes seconds to write a long history as JSON.
    """

    def __init__(self, definition: str) -> None:
        self.stage: Stage | None = None
        self.function: Function | None = None
        self.executions: dict[str, Any] = {}
        make: Any = boto3
        self.client = make.client(
            "stepfunctions", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        made = self.client.create_state_machine(name="recovery", definition=definition, roleArn=_ROLE_ARN)
        self.state_machine_arn: str = made["stateMachineArn"]

    def arn_of(self, request_id: str, epoch: int) -> str:
        """Of the execution that recovers one epoch of a request."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{request_id}-{epoch}"

    def now(self) -> datetime:
        assert self.stage is not None
        return self.stage.clock.now()

    def begin(self, worker: ExecutionWorker) -> None:
        assert self.stage is not None
        execution: Any = getattr(worker._execution_communication, "execution")  # noqa: B009 - the base class has none
        self.executions[execution.exec_arn] = execution
        self.stage.enter(worker._execution_logic)

    def wait(self, seconds: int) -> None:
        assert self.stage is not None
        self.stage.waits.append(seconds)
        self.stage.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        assert self.stage is not None
        self.stage.sleep(seconds)

    def invoke(self, parameters: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """`lambda:invoke`: JSON in, JSON out; an error as Lambda reports it."""
        assert self.function is not None
        assert parameters["FunctionName"] == FUNCTION_ARN
        try:
            payload = self.function(json.loads(parameters["Payload"]))
        except Exception as error:  # noqa: BLE001 - as Lambda's runtime does
            return _failed(type(error).__name__, str(error))
        return {"StatusCode": 200, "ExecutedVersion": "1", "Payload": json.loads(json.dumps(payload))}


def _failed(error_type: str, message: str) -> dict[str, Any]:
    payload = {"errorType": error_type, "errorMessage": message}
    return {"StatusCode": 200, "FunctionError": "Unhandled", "ExecutedVersion": "1", "Payload": payload}


@contextmanager
def running(definition: str) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch, mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        _plug_in_jsonata(patch)
        patch.setattr(AmazonStateLanguageParser, "parse", staticmethod(cache(AmazonStateLanguageParser.parse)))
        engine = Engine(definition)
        _plug_in(engine, patch)
        yield engine


def _plug_in(engine: Engine, patch: pytest.MonkeyPatch) -> None:
    def wait(_: WaitFunction, env: Any, wait_seconds: int) -> None:
        engine.wait(wait_seconds)

    def start(worker: ExecutionWorker) -> None:
        engine.begin(worker)

    patch.setattr(ExecutionWorker, "start", start)
    patch.setattr(WaitFunction, "_wait_interval", wait)
    patch.setattr(result_path, "parse", cache(vars(result_path)["parse"]))
    patch.setattr(retrier_decl, "time", SimpleNamespace(sleep=engine.sleep))
    patch.setattr(EventManager, "_get_current_timestamp", staticmethod(engine.now))
    patch.setattr(lambda_eval_utils, "_invoke_lambda_function", engine.invoke)


def _plug_in_jsonata(patch: pytest.MonkeyPatch) -> None:
    """Expressions are compiled once and given their variables, where moto would write the variables into the text."""
    here = threading.local()
    compose = jsonata.compose_jsonata_expression

    def remember(final_jsonata_expression: str, variable_declarations_list: list[str]) -> str:
        here.expression = final_jsonata_expression
        here.states = _states_of("".join(variable_declarations_list))
        here.text = compose(final_jsonata_expression, variable_declarations_list)
        text: str = here.text
        return text

    def evaluate(text: str) -> Any:
        asked = {here.text: "{}", f"$type({here.text})": "$type({})", f"$exists({here.text})": "$exists({})"}
        expression = _compiled(asked[text].format(here.expression))
        frame = expression.create_frame()
        frame.bind("states", here.states)
        return _plain(expression.evaluate(None, frame))

    references = cache(jsonata.extract_jsonata_variable_references)
    patch.setattr(string_expression, "extract_jsonata_variable_references", references)
    patch.setattr(string_expression, "compose_jsonata_expression", remember)
    patch.setattr(string_expression, "eval_jsonata_expression", evaluate)
    patch.setattr(validations, "eval_jsonata_expression", evaluate)


@lru_cache(maxsize=8)
def _states_of(declarations: str) -> Any:
    head, tail = "$states:=", ";"
    assert declarations.startswith(head)
    assert declarations.endswith(tail)
    return json.loads(declarations[len(head) : -len(tail)])


def _plain(value: Any) -> Any:
    """As JSON has it: the engine has lists and numbers of its own."""
    return value if isinstance(value, bool | str) else json.loads(json.dumps(value))


@cache
def _compiled(expression: str) -> Jsonata:
    return Jsonata(expression)
