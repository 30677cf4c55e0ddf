"""Events on the application's bus."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from incentives.aws.clients import AWS_ERRORS, error_code
from incentives.domain.events import NotPublished

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from incentives.domain.events import Event

SOURCE: Final = "incentives-gateway"


class EventBridgeBus:
    """`Bus` on one EventBridge event bus."""

    def __init__(self, client: Callable[[], EventBridgeClient], bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, events: Sequence[Event]) -> None:
        """Put up to ten events on the bus.

        Raises:
            NotPublished: names the events that did not get there: a call can half succeed.
        """
        try:
            response = self._client().put_events(
                Entries=[
                    {
                        "Source": SOURCE,
                        "DetailType": event.type,
                        "Time": event.time,
                        "Resources": [event.event_id],
                        "Detail": json.dumps(event.detail, separators=(",", ":")),
                        "EventBusName": self._bus,
                    }
                    for event in events
                ]
            )
        except AWS_ERRORS as error:
            raise NotPublished([event.event_id for event in events], error_code(error)) from error
        if response.get("FailedEntryCount"):
            failed = [
                (event.event_id, entry["ErrorCode"])
                for event, entry in zip(events, response["Entries"], strict=True)
                if entry.get("ErrorCode")
            ]
            raise NotPublished([event_id for event_id, _ in failed], failed[0][1] if failed else "unknown")
