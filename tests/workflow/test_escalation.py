"""24 hours without a response that settles anything: the waits, the end, and what people are told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from incentives.domain.single_requests.record import Status
from tests.workflow.plots import to_be_escalated, to_be_repeated_for_24_hours
from tests.workflow.scene import SUPPORT, Scene

# What the protocol asks for, counted from the first unknown response with calls that take no time.
WAITS = [
    *[1] * 10,  # until 10 s
    *[2, 4, 8, 16, 32],  # until 1 min 12 s
    *[60] * 18,  # until 19 min 12 s
    49,  # to the in-flight window: 20 min and the second in which Amazon's clock is past it
    *[60] * 15,  # until 15 min past the in-flight window, 35 min 1 s
    *[120, 240, 480],  # until 49 min 1 s
    *[900] * 92,  # until 23 h 49 min 1 s
    659,  # to the deadline
]

#: After the last try, until its signature is of no use to anybody.
UNTIL_STALE = 26 * 60

PAUSES = {1: "WaitASecond", 60: "WaitAMinute"}


@pytest.fixture(scope="module")
def escalated(shared_scene: Scene) -> Scene:
    """A scene whose order was answered with nothing but RESEND; to be looked at only."""
    to_be_repeated_for_24_hours(shared_scene)
    shared_scene.run()
    return shared_scene


@pytest.fixture
def disputed(scene: Scene) -> Scene:
    """A scene whose order was answered with another amount, and is escalated at once."""
    to_be_escalated(scene)
    scene.run()
    return scene


def case_of(scene: Scene) -> dict[str, Any]:
    ((to, _, text),) = scene.notifier.mails
    assert to == SUPPORT
    case: dict[str, Any] = json.loads(text)
    return case


def test_24_hours_of_resend_end_escalated_with_exactly_the_waits_of_the_protocol(escalated: Scene) -> None:
    (execution,) = escalated.executions

    assert escalated.statuses == [Status.ESCALATED]
    assert escalated.calls == [("CreateGiftCard", escalated.request_id())] * (1 + len(WAITS))
    assert escalated.record().attempts == 146
    assert execution.waits == escalated.stage.waits == [*WAITS, UNTIL_STALE]
    assert execution.lasted == timedelta(hours=24, seconds=UNTIL_STALE)


def test_the_console_shows_each_wait_under_its_name(escalated: Scene) -> None:
    (execution,) = escalated.executions

    named = zip([state for state in execution.states if state.startswith("Wait")], execution.waits, strict=True)

    for name, seconds in named:
        assert name == PAUSES.get(seconds, "WaitDoubling" if seconds < 60 else "WaitLonger")


def test_the_execution_of_an_escalated_request_fails(escalated: Scene) -> None:
    (execution,) = escalated.executions

    assert (execution.status, execution.error) == ("FAILED", "Escalated")
    end = ["Escalate", "Next", "WaitLonger", "AfterWait", "Mail", "Next", "AfterWait", "Escalated"]
    assert execution.states[-len(end) :] == end


def test_a_request_with_another_amount_is_escalated_at_once(disputed: Scene) -> None:
    # then nobody waits for 24 hours, only for the signature
    (execution,) = disputed.executions
    assert disputed.statuses == [Status.ESCALATED]
    assert len(execution.waits) == 1
    assert execution.waits[0] <= UNTIL_STALE
    assert case_of(disputed)["conflict"] == "value"
