"""What a recovery costs: states of its workflow and invocations, by how long Amazon is unwell."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest

from local.settings import ROOT
from tests.bench.report import Line
from tests.workflow.engine import FUNCTION_ARN, running
from tests.workflow.scene import Scene

_DEFINITION: Final = ROOT / "functions" / "recover_request" / "recovery.asl.json"

#: What Step Functions allows the history of one execution.
EVENTS_MAX: Final = 25_000

#: By when Amazon is well again, after the function has handed over.
CASES: Final[dict[str, timedelta | None]] = {
    "on the first retry": timedelta(),
    "after a minute": timedelta(minutes=1),
    "never: a case after 24 hours": None,
}


@dataclass(frozen=True)
class Recovered:
    """One recovery.

    Attributes:
        transitions: states that were entered, which is what Step Functions charges.
        invocations: of the task's function.
        calls: to Amazon, by the workflow alone.
        events: of the execution's history.
    """

    transitions: int
    invocations: int
    calls: int
    events: int


def recoveries() -> dict[str, Recovered]:
    """Each case, through the real definition and functions, on a virtual clock."""
    text = _DEFINITION.read_text(encoding="utf-8").replace("${RecoverRequestFunctionArn}", FUNCTION_ARN)
    found = {}
    with running(text) as engine, pytest.MonkeyPatch.context() as patch:
        # The engine logs what the workflow fails on purpose with.
        patch.setattr(logging.root.manager, "disable", logging.CRITICAL)
        for number, (name, unwell) in enumerate(CASES.items()):
            scene = Scene(engine, f"bench-{number}")
            scene.plug_in(patch)
            scene.fault("resend", when="before", calls={"every": True})
            scene.place()
            if unwell is not None:
                scene.after(unwell, scene.sandbox.script.clear)
            in_line = len(scene.calls)
            scene.come_home()
            (execution,) = scene.executions
            calls = len(scene.calls) - in_line
            found[name] = Recovered(len(execution.states), len(scene.tasks), calls, len(execution.events))
    return found


def cost_of_recoveries(found: Mapping[str, Recovered]) -> Iterable[Line]:
    """A line for each."""
    for name, each in found.items():
        yield Line(
            f"recovery, answered {name}",
            f"{each.transitions} transitions, {each.invocations} invocations, {each.events} events",
            f"<= {EVENTS_MAX:,} events",
            each.events <= EVENTS_MAX,
            baseline=f"{each.calls} calls to Amazon; a request that is answered at once: no workflow",
        )
