"""An order that waits in the backlog, and its message."""

from __future__ import annotations

import json
from typing import Any

from incentives.domain.ledger import Record
from incentives.usecases.issue import issue
from incentives.usecases.issue_queued import issue_messages
from tests.support.fakes import START, World, world
from tests.unit.builders import SECOND, order


def waiting(*script: Any, seconds: float = 600.0) -> World:
    """An order that found no slot, and was told that it would be due in so long; now there are slots again."""
    w = world(*script)
    w.pacer.free_at = START + seconds * SECOND
    issue(order(), w.tools, w.budget())
    w.pacer.free_at = None
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
    issue_messages([message(w)], w.tools, w.budget(seconds))


def since(w: World) -> float:
    """Seconds that have gone by."""
    return (w.clock.now() - START).total_seconds()
