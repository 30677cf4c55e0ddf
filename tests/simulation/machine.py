"""The recovery workflow's definition, interpreted: the states, waits and retries that go to production."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

DEFINITION: Final = json.loads(
    (Path(__file__).parents[2] / "functions" / "recover_request" / "recovery.asl.json").read_text(encoding="utf-8")
)

_MEMBER: Final = re.compile(r"^\{% \$states\.input\.(\w+) %\}$")
_EQUALS: Final = re.compile(r"^\{% \$states\.input\.(\w+) = '(\w*)' %\}$")

Input = Mapping[str, Any]


class TaskDied(Exception):  # noqa: N818 - it says what happened
    """The process that ran a task is gone."""


def run_definition(
    given: Input,
    task: Callable[[dict[str, Any]], dict[str, Any]],
    sleep: Callable[[float], None],
    now: Callable[[], float],
) -> str:
    """Run one execution.

    Args:
        given: its input.
        task: the function behind every Task; raises `TaskDied`.
        sleep: lets seconds pass.
        now: seconds.

    Returns:
        The state in which it ended, or why it did not come to one.
    """
    states: Mapping[str, Mapping[str, Any]] = DEFINITION["States"]
    ends_by = now() + DEFINITION["TimeoutSeconds"]
    name, at_hand = DEFINITION["StartAt"], dict(given)
    while now() < ends_by:
        state = states[name]
        match state["Type"]:
            case "Task":
                payload = {key: _value(text, at_hand) for key, text in state["Arguments"]["Payload"].items()}
                result = _with_retries(state, payload, task, sleep)
                if result is None:
                    return "died"
                assert state["Output"] == "{% $states.result.Payload %}"
                at_hand = result
            case "Choice":
                rules = (each["Next"] for each in state["Choices"] if _holds(each["Condition"], at_hand))
                name = next(rules, state["Default"])
                continue
            case "Wait":
                sleep(_value(state["Seconds"], at_hand))
            case _:
                return str(name)
        name = state["Next"]
    return "timed out"


def _with_retries(
    state: Mapping[str, Any],
    payload: dict[str, Any],
    task: Callable[[dict[str, Any]], dict[str, Any]],
    sleep: Callable[[float], None],
) -> dict[str, Any] | None:
    (rule,) = state["Retry"]
    assert rule["ErrorEquals"] == ["States.ALL"]
    pause = float(rule["IntervalSeconds"])
    for left in range(rule["MaxAttempts"], -1, -1):
        try:
            return task(payload)
        except TaskDied:
            if left:
                sleep(pause)
                pause *= rule["BackoffRate"]
    return None


def _value(text: str, given: Input) -> Any:
    member = _MEMBER.match(text)
    return given[member[1]] if member else text


def _holds(text: str, given: Input) -> bool:
    condition = _EQUALS.match(text)
    assert condition is not None, f"not understood: {text}"
    return bool(given[condition[1]] == condition[2])
