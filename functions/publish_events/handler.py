"""The ledger's stream: one event on the application's bus per state that a request comes to."""

from __future__ import annotations

from collections.abc import Iterator

from incentives.bootstrap import client, container, in_init
from incentives.domain.single_requests.writes import Write
from incentives.invocation import stream_function
from incentives.usecases.publish_events import publish_events


@stream_function
def handler(writes: Iterator[Write]) -> str | None:
    """Publish a batch; name the first write that must come again."""
    return publish_events(writes, container.bus, container.telemetry)


in_init(lambda: (container.bus, client("events")))
