"""Every way in which a response can be lost, by intent and operation: how it ends, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Status
from tests.workflow.plots import MORE_THAN_IN_LINE
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


# ---- orders for which there is no permit ----------------------------------------------------------
