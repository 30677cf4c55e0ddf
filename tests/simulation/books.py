"""The books of a history's days, once it is over: they find what Amazon and the ledger differ in, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.money import parse_money
from incentives.domain.reconciliation.days import day_of, read_zone
from incentives.domain.reconciliation.entries import entry_of
from incentives.domain.reconciliation.findings import Finding, Kind
from incentives.domain.reconciliation.judging import DayInputs, judge
from incentives.domain.reconciliation.rows import SUCCESS, Row, read_activity_types
from incentives.domain.single_requests.record import Status
from sandbox.model.log import ACTIVITY_TYPES, REVERSALS
from tests.support.fakes import START
from tests.workflow.amazon import PARTNER_ID

if TYPE_CHECKING:
    from tests.simulation.life import Life

UTC_ZONE: Final = read_zone("UTC")
TYPES: Final = read_activity_types(
    ",".join(f"{name}={'refund' if operation in REVERSALS else 'charge'}" for operation, name in ACTIVITY_TYPES.items())
)
#: Amazon takes a card back of its own accord.
BY_FAULT: Final = "RefundedByFault"

_ENDED: Final = {Status.SUCCEEDED: 1, Status.REVERSED: 0, Status.REFUSED: 0}


def check_books(life: Life) -> Iterator[str]:
    """Every difference that the books find wrongly, or miss."""
    found, differing = Counter(_found(life)), Counter(_differing(life))
    yield from (f"I11 the books say {kind} of {request_id}, and are wrong" for kind, request_id in found - differing)
    yield from (f"I11 the books do not say {kind} of {request_id}" for kind, request_id in differing - found)


def _found(life: Life) -> Iterator[tuple[Kind, str]]:
    rows, now = _rows(life), life.stage.time
    entries = {record.request_id: entry_of(record) for record in life.ledger.records.values()}
    carried: list[Finding] = []
    day, last = day_of(START, UTC_ZONE) - timedelta(days=1), day_of(now, UTC_ZONE)
    while day <= last:
        done = judge(
            DayInputs(
                account="default",
                day=day,
                zone=UTC_ZONE,
                types=TYPES,
                currency="USD",
                rows=[row for row in rows if row.time and row.time.date() == day],
                others=[row for row in rows if row.time and row.time.date() != day],
                entries=entries,
                looked_at=frozenset(entries),
                carried=carried,
                decided={},
                has_reached=lambda _: True,
                begins_at=START - timedelta(days=1),
                now=now,
            )
        )
        carried = done.carry
        yield from ((finding.kind, finding.request_id) for finding in done.findings)
        day += timedelta(days=1)


def _rows(life: Life) -> list[Row]:
    world, now = life.shore.sandbox.world, life.stage.time
    shown = world.activity.within(PARTNER_ID, START - timedelta(days=1), now, now)
    rows = [
        Row(
            request_id=row.request_id or "",
            time=row.at.astimezone(UTC).replace(microsecond=0),
            type=ACTIVITY_TYPES[row.operation],
            status=SUCCESS,
            # Amazon names no amount of what it takes back.
            value=None
            if row.value is None or row.operation in REVERSALS
            else parse_money(f"{row.value.amount}", row.value.currency),
        )
        for row in shown
        if row.real and row.request_id
    ]
    taken_back = [charge for charge in world.charges if charge.operation == BY_FAULT]
    return rows + [
        Row(each.request_id, each.at.replace(microsecond=0), "GCCancellation", SUCCESS) for each in taken_back
    ]


def _differing(life: Life) -> Iterator[tuple[Kind, str]]:
    """By Amazon's charges, which no row of activity is needed for."""
    charges, refunds, net = Counter[str](), Counter[str](), Counter[str]()
    for charge in life.shore.sandbox.world.charges:
        (charges if charge.value.amount > 0 else refunds)[charge.request_id] += 1
        net[charge.request_id] += int(charge.value.amount * 100)
    for request_id in charges.keys() - life.ledger.records.keys():
        yield Kind.UNKNOWN_TO_LEDGER, request_id
    for record in life.ledger.records.values():
        times = _ENDED.get(record.status)
        if times is None:
            continue
        off = net[record.request_id] - times * int(record.value.amount * 100)
        if off > 0:
            yield (Kind.CHARGED_TWICE if times else Kind.CHARGED_UNEXPECTEDLY), record.request_id
        elif off < 0:
            refunded = Kind.REFUNDED_UNEXPECTEDLY if refunds[record.request_id] else Kind.MISSING_AT_AMAZON
            yield refunded, record.request_id
