"""Tell the rest of the company what became of requests: at least once, in order per request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from incentives.domain.events import Event, NotPublished, event_of
from incentives.usecases.ports import EVENTS_MAX

if TYPE_CHECKING:
    from incentives.domain.single_requests.writes import Write
    from incentives.usecases.ports import Bus, Telemetry


def announce(event: Event, bus: Bus, telemetry: Telemetry) -> None:
    """Publish one event. One that does not get there is logged: people were told by other means."""
    try:
        bus.publish([event])
    except NotPublished as error:
        telemetry.log("eventsNotPublished", because=str(error))


def publish_events(writes: Iterable[Write], bus: Bus, telemetry: Telemetry) -> str | None:
    """Publish what a batch of the ledger's stream tells.

    Returns:
        Number of the first write that must come again. Those before it are done; those after it come again with it, and
        their events are told apart by `eventId`.
    """
    found: list[tuple[str, Event]] = []
    for write in writes:
        if write.unreadable:
            # It will not be readable the next time either: bisecting and bounded retries set it aside.
            telemetry.log("streamRecordUnreadable", exception=write.unreadable)
            earlier = _published(found, bus, telemetry)
            return write.number if earlier is None else earlier
        event = event_of(write.before, write.after) if write.after else None
        if event is not None:
            found.append((write.number, event))
    return _published(found, bus, telemetry)


def _published(found: Sequence[tuple[str, Event]], bus: Bus, telemetry: Telemetry) -> str | None:
    for start in range(0, len(found), EVENTS_MAX):
        batch = found[start : start + EVENTS_MAX]
        try:
            bus.publish([event for _, event in batch])
        except NotPublished as error:
            telemetry.log("eventsNotPublished", because=str(error))
            # A failure that names nothing may be any of them.
            return next((number for number, event in batch if event.event_id in error.event_ids), batch[0][0])
        for _, event in batch:
            telemetry.log("published", requestId=str(event.detail["requestId"]), status=str(event.detail["status"]))
    return None
