"""What the application tells the rest of the company: one event per end state, and one when recovery starts.

Ids and amounts only. At least once, in order per request but for redeliveries: `eventId` is the request id and the
record's version, so that a consumer can tell a repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from incentives.domain.caller_fields import shown
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status

#: Of the shape of `detail`; raised when a field changes its meaning or goes away.
SCHEMA_VERSION: Final = 1

#: Of events that the bus takes at once.
EVENTS_MAX: Final = 10

#: See `domain.decisions`: the one kind of event that is an audit trail as well.
DECISION_MADE: Final = "DecisionMade"

_SUCCEEDED: Final = {
    Operation.CREATE_GIFT_CARD: "GiftCardIssued",
    Operation.ACTIVATE_GIFT_CARD: "GiftCardActivated",
    Operation.LOAD_AMAZON_BALANCE: "BalanceLoaded",
}

_OTHERS: Final = {
    Status.REFUSED: "RequestRefused",
    Status.REVERSED: "RequestReversed",
    Status.RECOVERING: "RecoveryStarted",
    Status.REVERSING: "ReversalStarted",
    Status.ESCALATED: "RequestEscalated",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        type: its kind, which consumers choose by.
        event_id: the same for every delivery of this event.
        detail: what happened, in plain values.
    """

    type: str
    event_id: str
    time: datetime
    detail: dict[str, Any]


class NotPublished(Exception):  # noqa: N818 - says what happened
    """Some events of a call did not reach the bus.

    Attributes:
        event_ids: of those that did not.
    """

    def __init__(self, event_ids: Sequence[str], why: str) -> None:
        super().__init__(why)
        self.event_ids = tuple(event_ids)


def event_of(before: Record | None, after: Record) -> Event | None:
    """The event of one write, or None: most writes only note an attempt."""
    if before is not None and before.status is after.status:
        return None
    name = _SUCCEEDED[after.operation] if after.status is Status.SUCCEEDED else _OTHERS.get(after.status)
    if name is None:
        return None
    event_id = f"{after.request_id}#{after.version}"
    error = after.refusal or after.error
    return Event(
        name,
        event_id,
        after.updated_at,
        {
            "schemaVersion": SCHEMA_VERSION,
            "eventId": event_id,
            "requestId": after.request_id,
            "operation": after.operation.value,
            "status": after.status.value,
            "previousStatus": before.status.value if before else None,
            "cause": after.cause.value if after.cause else None,
            "account": after.account,
            "amount": after.value.amount_text,
            "currencyCode": after.value.currency,
            "gcId": after.gc_id,
            **shown(after.details),
            "budget": after.budget,
            "replaces": after.replaces,
            "replacedBy": after.replaced_by,
            "errorCode": error.code if error else None,
            "errorType": error.type if error else None,
        },
    )
