"""How the cost of an operation grows with the ledger: 100, 10,000 and 1,000,000 records before it.

What is measured is our side: calls, items and bytes read, and CPU in the function without that of the emulator. A real
DynamoDB's own cost of a keyed call or of a page of an index does not depend on the size of the table; no emulator
could show that. What could grow is what we ask of it, and that is what is seen here.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from incentives.bootstrap import container
from local.settings import PARTNER_ID
from tests.bench.events import Event, create, issued, item_of, request, streamed
from tests.bench.ground import Base, lay_under, like
from tests.bench.report import Line
from tests.bench.stand import Stand, standing

SIZES: Final = (100, 10_000, 1_000_000)
ROUNDS: Final = 7

#: Of an operation within a round; a page of fifty records keeps the emulator busy for long.
TIMES: Final = 4
_TIMES_SLOW: Final = 2

GROWTH_MAX: Final = 1.10

#: Records lie on so many days, today among them, but no day has fewer than a page's.
_DAYS: Final = 90
_DAY_LEAST: Final = 100

_PREFIX: Final = f"{PARTNER_ID}BASE"
_COUNTED: Final = "counted#"

_RESPONSE_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True)
class Cost:
    """Of one operation, the median of a few.

    Attributes:
        calls: to AWS and Amazon.
        items, bytes_read: in DynamoDB's responses.
        cpu: milliseconds of ours, the least of the few.
    """

    calls: float
    items: float
    bytes_read: float
    cpu: float


def _known(number: int) -> str:
    return f"{_PREFIX}{number:031d}"


def _a_day(stand: Stand, **more: str) -> Event:
    today = stand.clock.now().date().isoformat()
    return request("/requests") | {"queryStringParameters": {"from": today, "to": today, **more}}


#: By name: the function, and the event of one more such operation.
OPERATIONS: Final[dict[str, tuple[str, Callable[[Stand], Event]]]] = {
    "create": ("create_gift_card", lambda _: create()),
    "read one": ("get_gift_card", lambda _: request("/gift-cards/{requestId}", requestId=_known(7))),
    "search, a page of a day": ("search_requests", _a_day),
    "watch": ("watch_account", lambda _: {}),
    "sweep": ("sweep_requests", lambda _: {}),
    "count spend": ("count_spend", streamed),
}

#: Bounded by what one call may look at, rather than by the ledger.
BOUNDED: Final = "search for a rare status, a call"


def cost_of_growth() -> Iterable[Line]:
    """Each operation at each size, the sizes taken in turns."""
    spawn = multiprocessing.get_context("spawn")
    ends: dict[int, Connection] = {}
    children = []
    for size in SIZES:
        ours, theirs = spawn.Pipe()
        child = spawn.Process(target=_live, args=(size, theirs), daemon=True)
        child.start()
        children.append(child)
        ends[size] = ours
    try:
        for end in ends.values():
            _hear(end)
        names = [*OPERATIONS, BOUNDED]
        measured: dict[tuple[str, int], list[Cost]] = {(name, size): [] for name in names for size in SIZES}
        for number in range(-1, ROUNDS):
            # The last one is not about time.
            for name in names if number == 0 else OPERATIONS:
                for size, end in ends.items():
                    end.send(name)
                    cost = _hear(end)
                    if number >= 0:
                        measured[name, size].append(cost)
    finally:
        for child in children:
            child.terminate()
            child.join()
    for name in OPERATIONS:
        yield _line(name, [measured[name, size] for size in SIZES])
    looked_at = [statistics.median(each.items for each in measured[BOUNDED, size]) for size in SIZES]
    yield Line(
        f"{BOUNDED}: items read",
        f"{looked_at[-1]:.0f}",
        "<= 500",
        looked_at[-1] <= 500,
        baseline=" / ".join(f"{size:,}: {items:.0f}" for size, items in zip(SIZES[:-1], looked_at[:-1], strict=True)),
    )


def _line(name: str, costs: list[list[Cost]]) -> Line:
    def middle(which: Callable[[Cost], float]) -> list[float]:
        return [statistics.median(which(each) for each in runs) for runs in costs]

    calls, items, read, cpu = (
        middle(which) for which in (lambda c: c.calls, lambda c: c.items, lambda c: c.bytes_read, lambda c: c.cpu)
    )
    # Round by round: a machine that was busy for a while was so for all sizes. From the second size on: among a hundred
    # records the emulator leaves the processor's caches to us, among ten thousand and a million it does not.
    grown = statistics.median(big.cpu / small.cpu for small, big in zip(costs[1], costs[-1], strict=True))
    most = max(grown, *(each[-1] / each[0] for each in (calls, items, read) if each[0]))
    return Line(
        f"{name}, at {SIZES[-1]:,} records",
        f"{calls[-1]:.0f} calls, {items[-1]:.0f} items, {read[-1] / 1000:.1f} KB, {cpu[-1]:.1f} ms",
        f"grows <= {GROWTH_MAX - 1:.0%}",
        most <= GROWTH_MAX,
        baseline=f"at 100: {calls[0]:.0f}, {items[0]:.0f}, {read[0] / 1000:.1f} KB, {cpu[0]:.1f} ms; "
        f"at 10,000: {cpu[1]:.1f} ms: {most:.2f}",
    )


def _hear(end: Connection) -> Any:
    if not end.poll(_RESPONSE_SECONDS_MAX):
        raise TimeoutError("a process of the growth bench is silent")
    return end.recv()


def _live(size: int, parent: Connection) -> None:
    """A process: a ledger of this size, and operations on it."""
    with tempfile.TemporaryDirectory() as folder, standing() as stand, emulator_watched() as emulator:
        _fill(stand, size, Path(folder))
        gc.freeze()
        parent.send("ready")
        while True:
            name = parent.recv()
            function, make = OPERATIONS.get(name, ("search_requests", lambda stand: _a_day(stand, status="ESCALATED")))
            times = _TIMES_SLOW if function == "search_requests" else TIMES
            parent.send(_measure(stand, function, make, emulator, times))


def _measure(stand: Stand, function: str, make: Callable[[Stand], Event], emulator: list[float], times: int) -> Cost:
    costs = []
    for _ in range(times):
        event = make(stand)
        # The secret is cached, and no balance is asked for but by the watch.
        container.accounts.get("default")
        calls = stand.fresh_count()
        emulator.clear()
        # What the emulator leaves behind would be looked for whenever enough of it has come together.
        gc.collect()
        gc.disable()
        begun = time.process_time()
        stand.run(function, event)
        cpu = (time.process_time() - begun - sum(emulator)) * 1000
        gc.enable()
        costs.append(Cost(sum(calls.aws.values()) + len(calls.amazon), calls.items, calls.bytes_read, cpu))
    middle = Cost(*(statistics.median(each) for each in zip(*map(astuple, costs), strict=True)))
    # Whatever else a machine does only ever adds to it: the least of a round is the operation's own.
    return replace(middle, cpu=min(each.cpu for each in costs))


def measured_cpu(
    stand: Stand, function: str, make: Callable[[Stand], Event], emulator: list[float], *, times: int
) -> float:
    """Milliseconds of our CPU for an operation of a warm process, the least of a few."""
    _measure(stand, function, make, emulator, 1)
    return _measure(stand, function, make, emulator, times).cpu


@contextlib.contextmanager
def emulator_watched() -> Iterator[list[float]]:
    """Seconds of CPU of each call that moto answers."""
    spent: list[float] = []
    response = BotocoreStubber.__call__

    def watched(stubber: BotocoreStubber, event_name: str, request: Any, **more: Any) -> Any:
        begun = time.process_time()
        try:
            return response(stubber, event_name, request, **more)
        finally:
            spent.append(time.process_time() - begun)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", watched)
        yield spent


def _fill(stand: Stand, size: int, folder: Path) -> None:
    """So many records of cards that were issued before, each counted as spent."""
    request_id = issued(stand)
    record = item_of(stand, request_id)
    stand.run("count_spend", streamed(stand))
    stand.run("watch_account", {})
    a_day = max(_DAY_LEAST, size // _DAYS)
    now = stand.clock.now()
    first = now.replace(hour=0, minute=0, second=0, microsecond=0)

    def keys() -> Iterator[tuple[str, str]]:
        for number in range(size):
            # Within the day's first second, so that whatever comes today is newer.
            at = first - timedelta(days=number // a_day) + timedelta(microseconds=number % a_day)
            text = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            yield f"default#{text[:10]}", f"{text}#{_known(number)}"

    def a_record(partition: str, sort: str) -> dict[str, Any]:
        at, _, known = sort.partition("#")
        return like(record, id=known, accountDay=partition, createdKey=sort, createdAt=at, updatedAt=at)

    def number_of(partition: str, _sort: str | None) -> int | None:
        return int(partition.removeprefix(_PREFIX)) if partition.startswith(_PREFIX) else None

    ledger, accounts = stand.environment["LEDGER_TABLE"], stand.environment["ACCOUNT_TABLE"]
    lay_under(ledger, Base(folder / "ledger", keys(), a_record, number_of, "by-account-day"))

    counted = next(
        item
        for item in stand.client().query(
            TableName=accounts,
            KeyConditionExpression="account = :account AND begins_with(part, :counted)",
            ExpressionAttributeValues={":account": {"S": "default"}, ":counted": {"S": _COUNTED}},
        )["Items"]
    )

    def a_count(partition: str, sort: str) -> dict[str, Any]:
        return like(counted, account=partition, part=sort)

    def count_of(_partition: str, sort: str | None) -> int | None:
        known = (sort or "").removeprefix(_COUNTED)
        return number_of(known, None)

    every = (("default", f"{_COUNTED}{_known(number)}") for number in range(size))
    lay_under(accounts, Base(folder / "accounts", every, a_count, count_of, None))
