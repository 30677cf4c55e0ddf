"""What is written of an execution: its states in order, their data, and how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.workflow.engine import Engine

#: What an execution begins with.
INPUT_KEYS: Final = frozenset({"requestId", "epoch"})

#: What goes from state to state: ids, counters, and what comes next.
STATE_KEYS: Final = INPUT_KEYS | {"next", "pause", "waitSeconds", "status", "attempts", "reversalAttempts"}

#: What a task's function is called with.
TASK_KEYS: Final = INPUT_KEYS | {"task"}

#: The shape of Amazon's claim codes.
_CLAIM_CODE: Final = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}")


@dataclass(frozen=True)
class Execution:
    request_id: str
    epoch: int
    status: str
    error: str | None
    events: tuple[Mapping[str, Any], ...]

    @cached_property
    def states(self) -> list[str]:
        """Names of the states that were entered, in order."""
        return [event["stateEnteredEventDetails"]["name"] for event in self.events if _is_entry(event)]

    @property
    def edges(self) -> set[tuple[str, str]]:
        return set(pairwise(self.states))

    @property
    def waits(self) -> list[int]:
        return [
            json.loads(event["stateEnteredEventDetails"]["input"])["waitSeconds"]
            for event in self.events
            if event["type"] == "WaitStateEntered"
        ]

    @property
    def lasted(self) -> timedelta:
        first, last = (datetime.fromisoformat(self.events[at]["timestamp"]) for at in (0, -1))
        return last - first

    @cached_property
    def text(self) -> str:
        return json.dumps(self.events, default=str)

    def data(self) -> Iterator[Mapping[str, Any]]:
        """The data of every state, as it was entered and as it was left, but for what the execution began with."""
        for event in self.events:
            for details, member in (("stateEnteredEventDetails", "input"), ("stateExitedEventDetails", "output")):
                if details in event:
                    yield json.loads(event[details][member])

    def calls(self) -> Iterator[Mapping[str, Any]]:
        for event in self.events:
            if event["type"] == "TaskScheduled":
                payload: Mapping[str, Any] = json.loads(event["taskScheduledEventDetails"]["parameters"])["Payload"]
                yield payload


def read_execution(engine: Engine, request_id: str, epoch: int) -> Execution:
    execution = engine.executions[engine.arn_of(request_id, epoch)]
    events = execution.exec_worker.env.event_manager._history_event_list
    return Execution(request_id, epoch, execution.status, execution.error, tuple(events))


def check_history(execution: Execution, secrets: Iterable[str]) -> None:
    """Ids and counters only: no claim code, no card number, no member that nobody has asked for.

    Raises:
        AssertionError: names what is too much.
    """
    leaked = [secret for secret in secrets if secret in execution.text] + _CLAIM_CODE.findall(execution.text)
    if leaked:
        raise AssertionError(f"the history of an execution holds {leaked}")
    first, *others = execution.data()
    for told, keys in [(first, INPUT_KEYS), *((each, STATE_KEYS) for each in others)]:
        if told.keys() != keys:
            raise AssertionError(f"state data has {sorted(told.keys() ^ keys)} too much or too little")
    for call in execution.calls():
        if call.keys() != TASK_KEYS:
            raise AssertionError(f"a task was called with {sorted(call)}")


def _is_entry(event: Mapping[str, Any]) -> bool:
    return "stateEnteredEventDetails" in event
