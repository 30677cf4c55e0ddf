"""What can happen to an order: each leaves it, in a scene, to a recovery that takes the way it is named after."""

from __future__ import annotations

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent
from incentives.usecases.single_requests.cancel import cancel
from tests.workflow.scene import Scene

#: More calls than a function makes within its time, so that it is the workflow that sees Amazon get well.
MORE_THAN_IN_LINE = 14

#: Time for one try, after which a function hands over.
ONE_TRY_SECONDS = 11


def to_be_repeated(scene: Scene) -> None:
    scene.fault("resend", calls={"first": MORE_THAN_IN_LINE})
    scene.place()


def to_be_repeated_for_24_hours(scene: Scene) -> None:
    """Amazon says RESEND for good, and takes no time to say it."""
    scene.amazon.seconds_per_call = 0
    scene.fault("resend")
    scene.place(seconds=ONE_TRY_SECONDS)


def to_be_reissued(scene: Scene) -> None:
    """The first request id is never answered, and its caller wants another."""
    scene.fault("resend", when="after", requestId=scene.request_id())
    scene.place(intent=Intent.REISSUE)


def to_be_escalated(scene: Scene) -> None:
    scene.fault("wrongAmount")
    scene.place()


def to_be_probed(scene: Scene) -> None:
    """Amazon says that the caller's cancel comes too late, and means it."""
    scene.fault("drop", when="after", calls={"first": MORE_THAN_IN_LINE})
    scene.fault("refuse", "CancelGiftCard", errorType="CancelRequestArrivedAfterTimeLimit", when="before")
    request_id = scene.place()
    cancel(request_id, Operation.CREATE_GIFT_CARD, "caller", scene.dependencies, scene.budget())


def to_be_looked_at_again(scene: Scene) -> None:
    """The ledger cannot be reached when the recovery begins."""
    to_be_repeated(scene)
    scene.ledger.fault = LedgerUnavailable("out of reach", in_doubt=False)
