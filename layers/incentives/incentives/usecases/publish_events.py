"""Tell the rest of the company what became of requests: at least once, in order per request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from incentives.aws.events import ENTRIES_MAX, NotPublished
from incentives.aws.stream import read_stream_record
from incentives.domain.events import Event, event_of

if TYPE_CHECKING:
    from incentives.usecases.ports import Bus, Telemetry


def announce(event: Event, bus: Bus, telemetry: Telemetry) -> None:
    """Publish one event. One that does not get there is logged: people were told by other means."""
    try:
        bus.publish([event])
    except NotPublished as error:
        telemetry.log("eventsNotPublished", because=str(error))


def publish_events(stream_records: Sequence[Mapping[str, Any]], bus: Bus, telemetry: Telemetry) -> dict[str, Any]:
    """Publish what a batch of the ledger's stream tells.

    Returns:
        Lambda's response for partial failures: the first record that must come again. Those before it are done; those
        after it come again with it, and their events are told apart by `eventId`.
    """
    found: list[tuple[str, Event]] = []
    for stream_record in stream_records:
        number = str((stream_record.get("dynamodb") or {}).get("SequenceNumber", ""))
        try:
            images = read_stream_record(stream_record)
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            # It will not be readable the next time either: bisecting and bounded retries set it aside.
            telemetry.log("streamRecordUnreadable", exception=type(error).__name__)
            return _failed(found, bus, telemetry, number)
        event = event_of(*images) if images else None
        if event is not None:
            found.append((number, event))
    return _published(found, bus, telemetry)


def _failed(found: Sequence[tuple[str, Event]], bus: Bus, telemetry: Telemetry, number: str) -> dict[str, Any]:
    earlier = _published(found, bus, telemetry)
    return earlier if earlier["batchItemFailures"] else {"batchItemFailures": [{"itemIdentifier": number}]}


def _published(found: Sequence[tuple[str, Event]], bus: Bus, telemetry: Telemetry) -> dict[str, Any]:
    for start in range(0, len(found), ENTRIES_MAX):
        batch = found[start : start + ENTRIES_MAX]
        try:
            bus.publish([event for _, event in batch])
        except NotPublished as error:
            telemetry.log("eventsNotPublished", because=str(error))
            # A failure that names nothing may be any of them.
            first = next((number for number, event in batch if event.event_id in error.event_ids), batch[0][0])
            return {"batchItemFailures": [{"itemIdentifier": first}]}
        for _, event in batch:
            telemetry.log("published", requestId=str(event.detail["requestId"]), status=str(event.detail["status"]))
    return {"batchItemFailures": []}
