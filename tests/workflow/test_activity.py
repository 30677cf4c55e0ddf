"""Amazon's activity in whole workflows: many requests that nobody knows of, and one page for them all."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Status
from tests.workflow.scene import Scene

PAGE: Final = "GetGiftCardActivityPage"


def orders_that_never_arrive(scene: Scene, count: int) -> None:
    """An outage: Amazon hears of none of them, and none of them is to be repeated for ever."""
    scene.fault("drop", Operation.CREATE_GIFT_CARD, when="before", calls={"every": True})
    name = scene.name
    for number in range(count):
        scene.name = f"{name}-{number}"
        scene.place(intent=Intent.REVERSE, seconds=12)


def pages_shown(scene: Scene) -> int:
    """Amazon shows one a minute."""
    return [(call.operation, call.outcome) for call in scene.sandbox.calls].count((PAGE, "SUCCESS"))


def test_one_page_ends_all_that_an_outage_has_left_open(scene: Scene) -> None:
    # given
    orders_that_never_arrive(scene, 5)
    # when
    scene.come_home()
    # then
    assert scene.statuses == [Status.REVERSED] * 5
    assert scene.charged == Decimal(0)
    assert pages_shown(scene) == 1


def test_a_activity_that_cannot_be_kept_is_read_by_each(scene: Scene) -> None:
    # given
    orders_that_never_arrive(scene, 3)
    scene.kept_pages.fails = {"kept", "keep"}
    # when
    scene.come_home()
    # then
    assert scene.statuses == [Status.REVERSED] * 3
    assert pages_shown(scene) == 3
