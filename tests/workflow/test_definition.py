"""The definition itself: all of it is needed, and it says what the policy says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from incentives.usecases.bulk_orders import process_order
from incentives.usecases.recovery.recover import Pause, RecoveryTask
from tests.workflow.definition import START, Definition
from tests.workflow.plots import (
    to_be_looked_at_again,
    to_be_probed,
    to_be_reissued,
    to_be_repeated,
    to_be_repeated_for_24_hours,
)
from tests.workflow.scene import Scene

BULK_ORDER: Final = Path(__file__).parents[2] / "functions" / "process_order" / "process_order.asl.json"

#: Between them they come through every state by every way.
PLOTS: Final = (to_be_repeated, to_be_repeated_for_24_hours, to_be_reissued, to_be_probed, to_be_looked_at_again)


def test_every_state_and_every_edge_is_visited(make_scene: Callable[[], Scene], definition: Definition) -> None:
    visited: set[tuple[str, str]] = set()

    for happens in PLOTS:
        scene = make_scene()
        happens(scene)
        scene.come_home()
        for execution in scene.executions:
            visited |= execution.edges | {(START, execution.states[0])}

    assert visited == definition.edges
    assert {state for edge in visited for state in edge} - {START} == definition.states.keys()


def test_states_are_what_the_tasks_and_pauses_of_the_policy_are_called(definition: Definition) -> None:
    named = {each.value for each in (*RecoveryTask, *Pause)} - {Pause.NONE.value}

    assert definition.states.keys() == named | {"Next", "AfterWait"}


def test_every_task_has_a_time_out_and_a_retry_and_hides_no_fault(definition: Definition) -> None:
    tasks = [state for state in definition.states.values() if state["Type"] == "Task"]

    assert len(tasks) == len(RecoveryTask) - len((RecoveryTask.DONE, RecoveryTask.ESCALATED))
    for state in tasks:
        assert state["TimeoutSeconds"] > 0
        assert state["Retry"]
        assert "Catch" not in state


def test_the_operators_page_explains_every_state(definition: Definition) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text(encoding="utf-8")

    assert not [name for name in definition.states if f"`{name}`" not in page]


def test_bulk_orders_and_their_function_speak_of_the_same_and_a_child_ends_with_its_number_alone() -> None:
    states = json.loads(BULK_ORDER.read_text(encoding="utf-8"))["States"]
    child = states["IssueBatches"]["ItemProcessor"]["States"]

    assert {name for name in (*states, *child) if name in set(process_order.OrderTask)} == set(process_order.OrderTask)
    for name, state in {**states, **child}.items():
        assert state["Type"] != "Task" or state["Arguments"]["Payload"]["task"] == name
    # Two thousand of them have to fit into one state's data.
    assert child["Issued"]["Output"] == "{% $states.input.batch %}"
    assert states["IssueBatches"]["ResultPath"] is None
