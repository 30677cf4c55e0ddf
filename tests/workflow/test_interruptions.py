"""What comes between: processes that die, executions that are stopped, holders that have lost their record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Status
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.cancel import cancel
from tests.workflow.plots import (
    MORE_THAN_IN_LINE,
    to_be_escalated,
    to_be_looked_at_again,
    to_be_probed,
    to_be_reissued,
    to_be_repeated,
    to_be_repeated_for_24_hours,
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


def test_the_scenes_in_which_processes_die_come_through_every_task(make_scene: MakeScene) -> None:
    tasks: set[str] = set()
    for happens in (to_be_reissued, to_be_escalated, to_be_probed):
        scene = make_scene()
        happens(scene)
        scene.come_home()
        tasks |= set(scene.tasks)

    assert tasks == {"Look", "Repeat", "Reverse", "Probe", "Settle", "Reissue", "Escalate", "Mail"}


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


def test_a_recovery_that_was_aborted_can_be_started_again_at_once_by_an_operator(waiting: Scene) -> None:
    # given
    request_id, epoch = waiting.recoveries.started[0]
    waiting.stop(request_id, epoch)
    waiting.sandbox.script.clear()

    # when
    start_recovery(request_id, "operator", waiting.dependencies)
    waiting.come_home()

    # then
    first, second = waiting.executions
    assert [first.status, second.status] == ["ABORTED", "SUCCEEDED"]
    assert waiting.swept == []
    assert waiting.statuses == [Status.SUCCEEDED]


def test_a_recovery_that_could_not_be_started_is_started_by_the_sweep(scene: Scene) -> None:
    # given Step Functions that refuses the start
    scene.fault("resend", calls={"first": MORE_THAN_IN_LINE})
    scene.recoveries.works = False
    request_id = scene.place()
    assert scene.recoveries.started == []

    # when it is well again
    scene.recoveries.works = True
    scene.come_home()

    # then
    assert scene.swept == [request_id]
    assert scene.statuses == [Status.SUCCEEDED]


# ---- holders that have lost their record ---------------------------------------------------------


def test_an_execution_with_a_stale_epoch_ends_without_touching_anything(waiting: Scene) -> None:
    # given an execution whose record somebody else has brought home while it slept
    waiting.sandbox.script.clear()
    request_id, epoch = waiting.recoveries.started[0]
    start_recovery(request_id, "operator", waiting.dependencies)
    while waiting.record().status.is_open:
        waiting.run(waiting.clock.now() + timedelta(seconds=1))
    writes, calls = waiting.ledger.writes, len(waiting.calls)

    # when it wakes
    waiting.run()

    # then
    stale, _ = waiting.executions
    assert (stale.epoch, stale.status, stale.states[-1]) == (epoch, "SUCCEEDED", "Done")
    assert (waiting.ledger.writes, len(waiting.calls)) == (writes, calls)


@pytest.mark.parametrize("epoch", [0, 7])
def test_an_execution_with_an_epoch_that_is_not_the_records_does_nothing(waiting: Scene, epoch: int) -> None:
    # given
    request_id, _ = waiting.recoveries.started[0]
    now, writes, calls = waiting.clock.now(), waiting.ledger.writes, len(waiting.calls)

    # when
    waiting.recoveries.start(request_id, epoch)
    waiting.run(now)

    # then it has looked, and gone
    other = waiting.executions[-1]
    assert (other.status, other.states) == ("SUCCEEDED", ["Look", "Next", "AfterWait", "Done"])
    assert (waiting.ledger.writes, len(waiting.calls)) == (writes, calls)
    waiting.sandbox.script.clear()
    waiting.come_home()


def test_an_execution_of_an_unknown_request_ends(scene: Scene) -> None:
    # when
    scene.recoveries.start("Test1NOBODYKNOWSTHISONE", 1)
    scene.run()

    # then
    (execution,) = scene.executions
    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Done")
    assert scene.calls == []
    assert scene.ledger.writes == 0


def test_two_recoveries_of_one_record_send_no_more_than_one(waiting: Scene) -> None:
    # given a second recovery, started by hand while the first one sleeps
    start_recovery(waiting.request_id(), "operator", waiting.dependencies)
    begun = waiting.clock.now()

    # when five more minutes go by
    waiting.run(begun + 5 * MINUTE)
    first, second = waiting.executions
    sent = [call.at for call in waiting.sandbox.calls if call.at > begun - MINUTE]
    waiting.sandbox.script.clear()
    waiting.come_home()

    # then the first has gone, and the other has sent once a minute
    assert (first.status, second.status) == ("SUCCEEDED", "RUNNING")
    assert len(sent) >= 5
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(sent))
    assert waiting.statuses == [Status.SUCCEEDED]


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


@pytest.mark.parametrize("operation", Operation)
def test_a_cancel_takes_over_from_a_recovery(scene: Scene, operation: Operation) -> None:
    # given an order that took effect, and that its recovery would repeat
    scene.fault("drop", operation, when="after")
    request_id = scene.place(operation)
    scene.run(scene.clock.now() + 5 * MINUTE)

    # when
    cancel(request_id, operation, "caller", scene.dependencies, scene.budget())
    sent = scene.calls.count((operation.value, request_id))
    scene.come_home()

    # then the recovery of before has gone, and the one of the cancel has reversed it
    before, after = scene.executions
    assert (before.status, before.states[-1]) == ("SUCCEEDED", "Done")
    assert (after.status, after.states[-1]) == ("SUCCEEDED", "Done")
    assert scene.calls.count((operation.value, request_id)) == sent
    assert scene.statuses == [Status.REVERSED]
    assert scene.charged == 0


# ---- what an operator can do ---------------------------------------------------------------------


def test_a_case_whose_execution_was_stopped_before_its_mail_is_mailed_by_starting_it_once_more(scene: Scene) -> None:
    # given an escalated request, whose execution somebody stopped while the signature was still fresh
    to_be_escalated(scene)
    scene.run(scene.clock.now() + 5 * MINUTE)
    ((request_id, epoch),) = scene.recoveries.started
    scene.stop(request_id, epoch)
    scene.run()
    assert scene.statuses == [Status.ESCALATED]
    assert not scene.notifier.mails

    # when it is started again with the same input and another name, as the console does
    scene.engine.client.start_execution(
        stateMachineArn=scene.engine.state_machine_arn,
        name=f"{request_id}-once-more",
        input=json.dumps({"requestId": request_id, "epoch": epoch}),
    )
    scene.run()

    # then the case is mailed, complete, and Amazon was not asked anything more
    ((_, _, text),) = scene.notifier.mails
    assert json.loads(text)["lastRequest"]["signature"] != "withheld while it could still be used"
    assert len(scene.calls) == 1


def test_an_escalated_order_that_nobody_wants_any_more_is_reopened_and_cancelled(scene: Scene) -> None:
    # given
    to_be_repeated_for_24_hours(scene)
    scene.run()
    request_id = scene.request_id()
    sent = scene.calls.count(("CreateGiftCard", request_id))
    scene.sandbox.script.clear()

    # when
    start_recovery(request_id, "operator", scene.dependencies)
    cancel(request_id, Operation.CREATE_GIFT_CARD, "operator", scene.dependencies, scene.budget())
    scene.come_home()

    # then it was not ordered once more
    assert scene.statuses == [Status.REVERSED]
    assert scene.calls.count(("CreateGiftCard", request_id)) == sent
    assert scene.charged == 0
