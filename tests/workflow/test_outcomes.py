"""Every way in which a response can be lost, by intent and operation: how it ends, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Status
from incentives.usecases.single_requests.cancel import cancel
from tests.support.fakes import START
from tests.workflow.plots import MORE_THAN_IN_LINE, to_be_cancelled_too_late
from tests.workflow.scene import AMOUNT, Scene

#: Faults of the sandbox. A late effect's own call is not answered either.
FAULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "RESEND before": ("resend", {"when": "before"}),
    "RESEND after": ("resend", {"when": "after"}),
    "time-out after": ("timeout", {"when": "after"}),
    "dropped after": ("drop", {"when": "after"}),
    "late by 1 minute": ("lateEffect", {"delaySeconds": 60}),
    "late by 5 minutes": ("lateEffect", {"delaySeconds": 5 * 60}),
    "late by 14 minutes": ("lateEffect", {"delaySeconds": 14 * 60}),
}

ENDS: Mapping[Intent, list[Status]] = {
    Intent.RETRY: [Status.SUCCEEDED],
    Intent.REVERSE: [Status.REVERSED],
    Intent.REISSUE: [Status.REVERSED, Status.SUCCEEDED],
}


def assert_no_id_is_used_after_its_reversal(scene: Scene) -> None:
    reversals = {operation.reversal for operation in Operation}
    reversed_ids: set[str | None] = set()
    for name, request_id in scene.calls:
        if name in reversals:
            reversed_ids.add(request_id)
        else:
            assert request_id not in reversed_ids


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_response_comes_to_its_right_end(scene: Scene, fault: str, intent: Intent, operation: Operation) -> None:
    # given an Amazon that is unwell for a while, or for good where the request is to be given up
    kind, members = FAULTS[fault]
    calls = {"first": MORE_THAN_IN_LINE} if intent is Intent.RETRY else {"every": True}
    scene.fault(kind, operation, requestId=scene.request_id(operation), calls=calls, **members)

    # when
    scene.place(operation, intent)
    assert scene.recoveries.started
    scene.come_home()

    # then
    assert scene.statuses == ENDS[intent]
    assert scene.charged == scene.succeeded == Decimal(AMOUNT) * ENDS[intent].count(Status.SUCCEEDED)
    assert_no_id_is_used_after_its_reversal(scene)
    # ... in one execution, which no sweep has mistaken for dead.
    (execution,) = scene.executions
    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Done")
    assert scene.swept == []
    assert not scene.notifier.mails


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("minutes", [1, 5, 14])
def test_what_lands_after_a_reversal_found_nothing_is_found_and_reversed(
    scene: Scene, minutes: int, operation: Operation
) -> None:
    # given an operation that is on its way, and whose caller does not want it any more
    scene.fault("lateEffect", operation, calls={"first": 1}, delaySeconds=60 * minutes)
    scene.fault("drop", operation, when="before")
    request_id = scene.place(operation)
    scene.run(START + timedelta(seconds=25))
    cancel(request_id, operation, "caller", scene.dependencies, scene.budget())

    # when
    scene.come_home()

    # then nothing was there at first; it landed, was charged, and is given back
    first = next(call for call in scene.sandbox.calls if call.operation == operation.reversal)
    (landed,) = scene.sandbox.landings
    assert first.outcome in {"F300 OperationNotPermitted", "F200 NonExistingActivationRequestId"}
    assert first.at < landed.at
    assert (landed.operation, landed.outcome) == (operation.value, "SUCCESS")
    assert scene.statuses == [Status.REVERSED]
    assert scene.charged == 0
    assert_no_id_is_used_after_its_reversal(scene)


@pytest.mark.parametrize(
    ("intent", "end"),
    [
        # A caller's cancel that came too late changes nothing; what nobody knows of is for people.
        (Intent.RETRY, Status.SUCCEEDED),
        (Intent.REVERSE, Status.ESCALATED),
        (Intent.REISSUE, Status.SUCCEEDED),
    ],
)
def test_a_card_that_can_no_longer_be_cancelled_is_read_before_anything_is_said_of_it(
    scene: Scene, intent: Intent, end: Status
) -> None:
    # given
    to_be_cancelled_too_late(scene, intent)

    # when
    scene.come_home()

    # then it was read between two reversals that came too late, and is alive
    assert [name for name, _ in scene.calls][-3:] == ["CancelGiftCard", "CreateGiftCard", "CancelGiftCard"]
    assert "Probe" in scene.tasks
    assert scene.statuses == [end]
    assert scene.charged == Decimal(AMOUNT)


def test_a_card_that_was_cancelled_although_amazon_says_too_late_is_reversed(scene: Scene) -> None:
    # given a cancel that has its effect and is answered as too late
    scene.fault("drop", when="after", calls={"first": MORE_THAN_IN_LINE})
    scene.fault("refuse", "CancelGiftCard", errorType="CancelRequestArrivedAfterTimeLimit", when="after")
    request_id = scene.place()
    cancel(request_id, Operation.CREATE_GIFT_CARD, "caller", scene.dependencies, scene.budget())

    # when
    scene.come_home()

    # then
    assert "Probe" in scene.tasks
    assert scene.statuses == [Status.REVERSED]
    assert scene.charged == 0


def test_a_card_that_is_refused_after_an_unknown_is_not_said_to_be_refused(scene: Scene) -> None:
    # given an order that took effect, and whose repeats Amazon refuses before it looks the id up
    scene.fault("drop", when="after", calls={"first": MORE_THAN_IN_LINE})
    scene.fault("refuse", errorType="MaxAmountExceeded", when="before")
    scene.place()

    # when
    scene.come_home()

    # then its card was found, and given back
    assert scene.statuses == [Status.REVERSED]
    assert scene.charged == 0


# ---- orders for which there is no permit ----------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("intent", Intent)
def test_an_order_that_waited_for_its_permit_and_is_not_answered_comes_to_its_right_end(
    scene: Scene, intent: Intent, operation: Operation
) -> None:
    # given an order that finds no permit for a minute, and an Amazon that then takes effect and does not answer
    calls = {"first": MORE_THAN_IN_LINE} if intent is Intent.RETRY else {"every": True}
    scene.fault("drop", operation, requestId=scene.request_id(operation), calls=calls, when="after")
    scene.rate_limiter.free_at = scene.clock.now() + timedelta(minutes=1)

    # when
    request_id = scene.place(operation, intent)
    assert (scene.statuses, scene.calls) == ([Status.PENDING], [])
    scene.come_home()

    # then
    assert scene.statuses == ENDS[intent]
    assert scene.charged == scene.succeeded == Decimal(AMOUNT) * ENDS[intent].count(Status.SUCCEEDED)
    assert_no_id_is_used_after_its_reversal(scene)
    # ... in one execution, which the backlog's worker has started.
    (execution,) = scene.executions
    assert (execution.request_id, execution.status, execution.states[-1]) == (request_id, "SUCCEEDED", "Done")
    assert scene.swept == []
    # ... and the backlog holds ids, and nothing of what was ordered.
    assert set(scene.queue.bodies) == {json.dumps({"requestId": request_id})}


def test_an_order_that_the_backlog_has_lost_is_swept_into_it_again(scene: Scene) -> None:
    # given
    scene.rate_limiter.free_at = scene.clock.now() + timedelta(minutes=1)
    scene.queue.loses = 1
    request_id = scene.place()

    # when
    scene.come_home()

    # then
    assert scene.swept == [request_id]
    assert len(scene.queue.bodies) == 2
    assert scene.statuses == [Status.SUCCEEDED]
    assert scene.calls == [("CreateGiftCard", request_id)]
    assert scene.executions == []
