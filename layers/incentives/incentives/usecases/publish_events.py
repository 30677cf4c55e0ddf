"""Tell the rest of the company what became of requests, days and months, and who decided what.

Each event at least once, those of one item in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from incentives.domain.events import DECISION_MADE, EVENTS_MAX, Event, NotPublished, event_of
from incentives.domain.single_requests.writes import Write

if TYPE_CHECKING:
    from incentives.domain.decisions import Told
    from incentives.domain.reconciliation.writes import BooksWrite
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.ports import Bus, Telemetry


#: Of an event's detail.
_LOGGED: Final = ("requestId", "orderId", "day", "status")


def announce(event: Event, bus: Bus, telemetry: Telemetry) -> None:
    """Publish one event. One that does not get there is logged: people were told by other means."""
    try:
        bus.publish([event])
    except NotPublished as error:
        telemetry.log("eventsNotPublished", because=str(error))


def publish_events(writes: Iterable[Write | BooksWrite | Told], bus: Bus, telemetry: Telemetry) -> str | None:
    """Publish what a batch of the ledger's stream, or of the books', tells.

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
        found += [(write.number, event) for event in _events_of(write)]
    return _published(found, bus, telemetry)


def _events_of(write: Write | BooksWrite | Told) -> Iterable[Event]:
    if isinstance(write, Write):
        return _of_record(write.before, write.after) if write.after is not None else ()
    # The ledger's own writes load none of what the others need.
    from incentives.domain.decisions import Told  # noqa: PLC0415

    if isinstance(write, Told):
        return write.events
    from incentives.domain.reconciliation.events import books_events  # noqa: PLC0415

    return books_events(write)


def _of_record(before: Record | None, after: Record) -> Iterator[Event]:
    if after.decided_at is not None:
        from incentives.domain.decisions import recovery_event  # noqa: PLC0415 - few requests need a person

        decided = recovery_event(before, after)
        if decided is not None:
            yield decided
    event = event_of(before, after)
    if event is not None:
        yield event


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
            if event.type == DECISION_MADE:
                _log_decision(event, telemetry)
                continue
            named = {name: str(event.detail[name]) for name in _LOGGED if name in event.detail}
            telemetry.log("published", **named)
    return None


def _log_decision(event: Event, telemetry: Telemetry) -> None:
    """The audit trail's line, once the bus has the event: while the bus is out of order none is written twice."""
    from incentives.domain.decisions import facts_of  # noqa: PLC0415 - few batches hold one

    telemetry.log("decision", **facts_of(event.detail))
