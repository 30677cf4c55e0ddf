"""What comes between: processes that die, executions that are stopped, holders that have lost their record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from incentives.domain.ledger import Status
from tests.workflow.plots import (
    MORE_THAN_IN_LINE,
    to_be_escalated,
    to_be_looked_at_again,
    to_be_probed,
    to_be_reissued,
    to_be_repeated,
)
from tests.workflow.scene import Scene

MakeScene = Callable[[], Scene]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def waiting(scene: Scene) -> Scene:
    """Amazon has been silent for ten minutes; the execution waits for a minute at a time."""
    scene.fault("drop")
    scene.place()
    scene.run(scene.clock.now() + 10 * MINUTE)
    return scene


# ---- processes that die --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a scene ended.

    Attributes:
        executions: how each did. There may be one more if a sweep had to take the record over.
    """

    statuses: list[Status]
    charged: Decimal
    executions: set[tuple[str, str]]


def ended(scene: Scene) -> Ended:
    executions = {(execution.status, execution.states[-1]) for execution in scene.executions}
    return Ended(scene.statuses, scene.charged, executions)


@pytest.mark.parametrize("happens", [to_be_reissued, to_be_escalated, to_be_probed])
def test_wherever_the_process_of_a_task_dies_it_is_tried_again_and_ends_the_same(
    make_scene: MakeScene, happens: Callable[[Scene], None]
) -> None:
    # given every moment of a recovery in which nobody dies
    undisturbed = make_scene()
    happens(undisturbed)
    undisturbed.come_home()
    moments = list(dict.fromkeys(undisturbed.moments))

    for moment in moments:
        # when the process dies at one of them
        scene = make_scene()
        scene.deaths = [moment]
        happens(scene)
        scene.come_home()

        # then its execution has seen it, gone on, and come to the same end
        assert not scene.deaths, moment
        assert sum(execution.retries for execution in scene.executions) == 1, moment
        assert ended(scene) == ended(undisturbed), moment
        assert scene.charged >= scene.succeeded, moment


def test_a_task_that_dies_every_time_fails_its_execution_and_the_sweep_brings_the_record_home(scene: Scene) -> None:
    # given a task that dies, and dies at each of its three retries
    scene.fault("resend", calls={"first": MORE_THAN_IN_LINE})
    scene.deaths = ["Repeat 1 begun"] * 4
    request_id = scene.place()

    # when
    scene.come_home()

    # then
    first, second = scene.executions
    assert (first.status, first.error, first.retries) == ("FAILED", "Runtime.ExitError", 4)
    assert (second.status, second.epoch) == ("SUCCEEDED", first.epoch + 1)
    assert scene.swept == [request_id]
    assert scene.statuses == [Status.SUCCEEDED]
    assert scene.charged == scene.succeeded > 0


def test_a_handler_that_raises_is_tried_again(scene: Scene) -> None:
    # given a fault that no rule knows
    to_be_repeated(scene)
    scene.ledger.fault = RuntimeError("nobody thought of this")

    # when
    scene.come_home()

    # then
    (execution,) = scene.executions
    assert (execution.status, execution.retries) == ("SUCCEEDED", 1)
    assert scene.statuses == [Status.SUCCEEDED]


def test_a_ledger_out_of_reach_is_asked_again_without_failing_the_task(scene: Scene) -> None:
    # given
    to_be_looked_at_again(scene)

    # when
    scene.come_home()

    # then it looked twice, five seconds apart
    (execution,) = scene.executions
    assert (execution.status, execution.retries) == ("SUCCEEDED", 0)
    assert execution.states[:5] == ["Look", "Next", "WaitDoubling", "AfterWait", "Look"]
    assert execution.waits[0] == 5
    assert scene.statuses == [Status.SUCCEEDED]


# ---- executions that are stopped, or never start -------------------------------------------------


def test_a_recovery_that_was_aborted_is_started_again_by_the_sweep(waiting: Scene) -> None:
    # given
    request_id, epoch = waiting.recoveries.started[0]
    waiting.stop(request_id, epoch)
    waiting.sandbox.script.clear()

    # when
    waiting.come_home()

    # then
    first, second = waiting.executions
    assert (first.status, first.states[-1]) == ("ABORTED", "WaitAMinute")
    assert (second.status, second.epoch) == ("SUCCEEDED", epoch + 1)
    assert waiting.swept == [request_id]
    assert waiting.statuses == [Status.SUCCEEDED]
    assert waiting.charged == waiting.succeeded > 0


# ---- holders that have lost their record ---------------------------------------------------------


def test_starting_one_recovery_twice_is_harmless(waiting: Scene) -> None:
    # given
    (started,) = waiting.recoveries.started

    # when
    assert waiting.recoveries.start(*started)

    # then
    assert len(waiting.executions) == 1
    waiting.sandbox.script.clear()
    waiting.come_home()
    # ... also when it has ended.
    assert waiting.recoveries.start(*started)
    assert waiting.stage.is_empty


# ---- what an operator can do ---------------------------------------------------------------------


def test_a_case_whose_execution_was_stopped_before_its_mail_is_mailed_by_starting_it_once_more(scene: Scene) -> None:
    # given an escalated request, whose execution somebody stopped while the signature was still fresh
    to_be_escalated(scene)
    scene.run(scene.clock.now() + 5 * MINUTE)
    ((request_id, epoch),) = scene.recoveries.started
    scene.stop(request_id, epoch)
    scene.run()
    assert scene.statuses == [Status.ESCALATED]
    assert not scene.people.mails

    # when it is started again with the same input and another name, as the console does
    scene.engine.client.start_execution(
        stateMachineArn=scene.engine.state_machine_arn,
        name=f"{request_id}-once-more",
        input=json.dumps({"requestId": request_id, "epoch": epoch}),
    )
    scene.run()

    # then the case is mailed, complete, and Amazon was not asked anything more
    ((_, _, text),) = scene.people.mails
    assert json.loads(text)["lastRequest"]["signature"] != "withheld while it could still be used"
    assert len(scene.calls) == 1
