"""The workflows' definitions, interpreted: the states, waits and retries that go to production."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FUNCTIONS: Final = Path(__file__).parents[2] / "functions"


def _read(*path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FUNCTIONS.joinpath(*path).read_text(encoding="utf-8"))
    return found


RECOVERY: Final = _read("recover_request", "recovery.asl.json")
RECONCILIATION: Final = _read("reconcile_account", "reconcile_account.asl.json")
BULK_ORDER: Final = _read("process_order", "process_order.asl.json")

_MEMBER: Final = re.compile(r"^\{% \$states\.input\.(\w+) %\}$")
_EQUALS: Final = re.compile(r"^\{% \$states\.input\.(\w+) = '(\w*)' %\}$")
_NUMBER: Final = re.compile(r"^\{% \$number\('\$\{(\w+)\}'\) %\}$")
_ABOVE: Final = re.compile(r"^\{% \$states\.input\.(\w+) > (\d+) %\}$")

#: What the deployment fills in: more children than by default meet more often.
_PARAMETERS: Final = {"BulkConcurrency": 8}

Input = Mapping[str, Any]


class TaskDied(Exception):  # noqa: N818 - it says what happened
    """The process that ran a task is gone."""


@dataclass(frozen=True)
class Machine:
    """Step Functions.

    Attributes:
        task: the function behind every Task; raises `TaskDied`.
        sleep: lets seconds pass.
        now: seconds.
        together: runs actions side by side, so many at a time, until all have ended.
    """

    task: Callable[[dict[str, Any]], dict[str, Any]]
    sleep: Callable[[float], None]
    now: Callable[[], float]
    together: Callable[[list[Callable[[], None]], int], None]

    def run(self, definition: Mapping[str, Any], given: Input) -> str:
        """Run one execution.

        Args:
            definition: in Amazon States Language.
            given: its input.

        Returns:
            The state in which it ended, or why it did not come to one.
        """
        states: Mapping[str, Mapping[str, Any]] = definition["States"]
        ends_by = self.now() + definition.get("TimeoutSeconds", float("inf"))
        name, at_hand = definition["StartAt"], dict(given)
        while self.now() < ends_by:
            state = states[name]
            match state["Type"]:
                case "Task":
                    payload = {key: _value(text, at_hand) for key, text in state["Arguments"]["Payload"].items()}
                    result = self._with_retries(state, payload)
                    if result is None:
                        return "died"
                    assert state["Output"] == "{% $states.result.Payload %}"
                    at_hand = result
                case "Pass":
                    at_hand = {key: _value(value, at_hand) for key, value in state["Output"].items()}
                case "Choice":
                    rules = (each["Next"] for each in state["Choices"] if _holds(each["Condition"], at_hand))
                    name = next(rules, state["Default"])
                    continue
                case "Wait":
                    self.sleep(_value(state["Seconds"], at_hand))
                case "Map":
                    self._map(state, at_hand)
                case _:
                    return str(name)
            name = state["Next"]
        return "timed out"

    def _map(self, state: Mapping[str, Any], at_hand: Input) -> None:
        """Whatever becomes of the children: the definition tolerates all of them to fail, and drops what they say."""
        assert (state["ToleratedFailurePercentage"], state["ResultPath"]) == (100, None)
        items = at_hand[state["ItemsPath"].removeprefix("$.")]
        given = [{**dict(_selected(state["ItemSelector"], at_hand, item))} for item in items]
        children = [lambda each=each: self.run(state["ItemProcessor"], each) for each in given]
        self.together(children, at_hand[state["MaxConcurrencyPath"].removeprefix("$.")])  # type: ignore[arg-type] # what they return is dropped

    def _with_retries(self, state: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Any] | None:
        # There is always an instance here: only the entry for all other faults is needed.
        *_, rule = state["Retry"]
        assert rule["ErrorEquals"] == ["States.ALL"]
        pause = float(rule["IntervalSeconds"])
        for left in range(rule["MaxAttempts"], -1, -1):
            try:
                return self.task(payload)
            except TaskDied:
                if left:
                    self.sleep(pause)
                    pause *= rule["BackoffRate"]
        return None


def _selected(selector: Mapping[str, Any], at_hand: Input, item: Any) -> dict[str, Any]:
    found = {}
    for key, value in selector.items():
        if value == "$$.Map.Item.Value":
            value = item  # noqa: PLW2901 - what it stands for
        elif key.endswith(".$"):
            value = at_hand[value.removeprefix("$.")]  # noqa: PLW2901 - as above
        found[key.removesuffix(".$")] = value
    return found


def _value(value: Any, given: Input) -> Any:
    if isinstance(value, str) and (number := _NUMBER.match(value)):
        return _PARAMETERS[number[1]]
    member = _MEMBER.match(value) if isinstance(value, str) else None
    return given[member[1]] if member else value


def _holds(text: str, given: Input) -> bool:
    if above := _ABOVE.match(text):
        return bool(given[above[1]] > int(above[2]))
    condition = _EQUALS.match(text)
    assert condition is not None, f"not understood: {text}"
    return bool(given[condition[1]] == condition[2])
