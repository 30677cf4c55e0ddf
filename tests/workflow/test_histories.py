"""The watch over histories, which every test of this folder ends with, notices what it is there for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workflow.histories import INPUT_KEYS, STATE_KEYS, TASK_KEYS, Execution, check_history


def entered(keys: frozenset[str], **more: Any) -> dict[str, Any]:
    return {"stateEnteredEventDetails": {"name": "Look", "input": json.dumps(dict.fromkeys(keys, "x") | more)}}


def called(keys: frozenset[str]) -> dict[str, Any]:
    parameters = json.dumps({"Payload": dict.fromkeys(keys, "x")})
    return {"type": "TaskScheduled", "taskScheduledEventDetails": {"parameters": parameters}}


def history(*events: dict[str, Any]) -> Execution:
    told = (entered(INPUT_KEYS), called(TASK_KEYS), entered(STATE_KEYS), *events)
    return Execution("Test1", 1, "SUCCEEDED", None, tuple({"type": "TaskStateEntered"} | each for each in told))


def test_ids_and_counters_are_let_through() -> None:
    check_history(history(), ["TEST-CANARY-CODE"])


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (entered(STATE_KEYS, status="TEST-CANARY-CODE"), "holds"),
        (entered(STATE_KEYS, status="ABCD-EFGHIJ-KLMN"), "holds"),
        ({"type": "TaskFailed", "taskFailedEventDetails": {"cause": "of TEST-CANARY-CODE"}}, "holds"),
        (entered(STATE_KEYS, gcId="GC1"), "gcId"),
        (entered(STATE_KEYS - {"epoch"}), "epoch"),
        (called(TASK_KEYS | {"amount"}), "amount"),
    ],
)
def test_anything_else_is_not(event: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_history(history(event), ["TEST-CANARY-CODE"])
