"""What the protocol's histories are played with."""

from __future__ import annotations

from typing import Any

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status
from tests.support.fakes import World, world
from tests.unit.amazon_model import Fault
from tests.unit.ends import check
from tests.unit.lives import Life, Story

S, F = Status, Fault
CREATE, ACTIVATE, LOAD = Operation
ID = "Test1AAAA"
FOR_EVER = 1500


def lost(count: int = FOR_EVER) -> tuple[Fault, ...]:
    return (F.LOST_BEFORE,) * count


def begun(story: Story) -> Life:
    """A life after its first call."""
    life = Life(story, watched=False)
    life.stage = 1
    life.issue()
    return life


def ended(life: Life, *expected: Status) -> None:
    """Play a life to its end: the ledger must be right, and its word the expected one."""
    life.play()
    check(life)
    assert not expected or life.newest.status in expected, f"ended {life.newest.status}"


def holding(kept: Record, *script: Any) -> World:
    w = world(*script)
    w.ledger.records[kept.request_id] = kept
    return w
