"""The tables' streams: one event on the application's bus per state, judged day, closed month and decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from incentives.bootstrap import client, container, in_init
from incentives.domain.single_requests.writes import Write
from incentives.invocation import streams_function
from incentives.usecases.publish_events import publish_events

if TYPE_CHECKING:
    from incentives.domain.decisions import Told
    from incentives.domain.reconciliation.writes import BooksWrite


@streams_function
def handler(writes: Iterator[Write | BooksWrite | Told]) -> str | None:
    """Publish a batch; name the first write that must come again."""
    return publish_events(writes, container.bus, container.telemetry)


in_init(lambda: (container.bus, client("events")))
