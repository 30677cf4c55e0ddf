"""An order that waits in the backlog, and its message."""

from __future__ import annotations

import json
from typing import Any

from incentives.domain.single_requests.record import Record
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from tests.support.fakes import START, World, world
from tests.unit.builders import SECOND, order


def waiting(*script: Any, seconds: float = 600.0) -> World:
    """An order that found no permit, and was told that it would be due in so long; now there are permits again."""
    w = world(*script)
    w.rate_limiter.free_at = START + seconds * SECOND
    issue(order(), w.dependencies, w.budget())
    w.rate_limiter.free_at = None
    w.ledger.writes = 0
    w.backlog.puts.clear()
    return w


def only(w: World) -> Record:
    (kept,) = w.ledger.records.values()
    return kept


def message(w: World) -> dict[str, str]:
    return {"body": json.dumps({"requestId": only(w).request_id})}


def take_up(w: World, seconds: float = 25.0) -> None:
    """The order's message comes out."""
    issue_queued(only(w).request_id, w.dependencies, w.budget(seconds))


def since(w: World) -> float:
    """Seconds that have gone by."""
    return (w.clock.now() - START).total_seconds()
