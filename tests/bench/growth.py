"""How the cost of an operation grows with the ledger: 100, 10,000 and 1,000,000 records before it.

What is judged is what is asked of DynamoDB: calls, items and bytes. Its own time no emulator could show: by its
documentation a keyed call and a page of an index do not depend on the table's size. CPU of our own code is only told.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from local.settings import PARTNER_ID
from tests.bench.events import Event, create, issued, item_of, request, streamed
from tests.bench.ground import Base, lay_under, like
from tests.bench.report import Line
from tests.bench.stand import Stand, know_account, standing

SIZES: Final = (100, 10_000, 1_000_000)
ROUNDS: Final = 3

GROWTH_MAX: Final = 1.10

#: What one call of a search may look at, whatever the ledger holds.
LOOKED_AT_MAX: Final = 500

#: Records lie on so many days, today among them, but no day has fewer than a page's.
_DAYS: Final = 90
_DAY_LEAST: Final = 100

_PREFIX: Final = f"{PARTNER_ID}BASE"
_COUNTED: Final = "counted#"


@dataclass(frozen=True)
class Cost:
    """Of one operation, the median of a few.

    Attributes:
        calls: to AWS and Amazon.
        items, bytes_read: in DynamoDB's responses.
        cpu: milliseconds of our own code, without AWS's client and the emulator.
    """

    calls: float
    items: float
    bytes_read: float
    cpu: float

    def __str__(self) -> str:
        read = f"{self.bytes_read / 1000:.1f} KB"
        return f"{self.calls:.0f} calls, {self.items:.0f} items, {read}, {self.cpu:.1f} ms"


def _known(number: int) -> str:
    return f"{_PREFIX}{number:031d}"


def _a_day(stand: Stand, **more: str) -> Event:
    today = stand.clock.now().date().isoformat()
    return request("/requests") | {"queryStringParameters": {"from": today, "to": today, **more}}


#: Bounded by what one call may look at, rather than by the ledger.
_BOUNDED: Final = "search for a rare status, a call"

#: By name: the function, and the event of one more such operation.
OPERATIONS: Final[dict[str, tuple[str, Callable[[Stand], Event]]]] = {
    "create": ("create_gift_card", lambda _: create()),
    "read one": ("get_gift_card", lambda _: request("/gift-cards/{requestId}", requestId=_known(7))),
    "search, a page of a day": ("search_requests", _a_day),
    "watch": ("watch_account", lambda _: {}),
    "sweep": ("sweep_requests", lambda _: {}),
    "count spend": ("count_spend", streamed),
    _BOUNDED: ("search_requests", lambda stand: _a_day(stand, status="ESCALATED")),
}


def cost_of_growth() -> Iterable[Line]:
    """Each operation at each size."""
    found = {size: _at(size) for size in SIZES}
    for name in OPERATIONS:
        first, second, last = (found[size][name] for size in SIZES)
        grown = max(
            now / before
            for now, before in zip(
                (last.calls, last.items, last.bytes_read), (first.calls, first.items, first.bytes_read), strict=True
            )
            if before
        )
        is_bounded = name == _BOUNDED
        yield Line(
            f"{name}, at {SIZES[-1]:,} records",
            str(last),
            f"<= {LOOKED_AT_MAX} items" if is_bounded else f"grows <= {GROWTH_MAX - 1:.0%}",
            last.items <= LOOKED_AT_MAX if is_bounded else grown <= GROWTH_MAX,
            baseline=f"at {SIZES[0]}: {first}; at {SIZES[1]:,}: {second}",
        )


def _at(size: int) -> dict[str, Cost]:
    with standing() as stand:
        _fill(stand, size)
        return {name: _measure(stand, function, make) for name, (function, make) in OPERATIONS.items()}


def _measure(stand: Stand, function: str, make: Callable[[Stand], Event]) -> Cost:
    costs = []
    for _ in range(ROUNDS):
        event = make(stand)
        # The secret is cached, and no balance is asked for but by the watch.
        know_account()
        calls = stand.fresh_count()
        begun = time.process_time()
        stand.run(function, event)
        cpu = (time.process_time() - begun - calls.cpu) * 1000
        costs.append((sum(calls.aws.values()) + len(calls.amazon), calls.items, calls.bytes_read, cpu))
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def _fill(stand: Stand, size: int) -> None:
    """So many records of cards that were issued before, each counted as spent."""
    record = item_of(stand, issued(stand))
    stand.run("count_spend", streamed(stand))
    stand.run("watch_account", {})
    a_day = max(_DAY_LEAST, size // _DAYS)
    first = stand.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)

    def key(number: int) -> tuple[str, str]:
        at = (first - timedelta(days=number // a_day)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return f"default#{at[:10]}", f"{at}#{_known(number)}"

    def a_record(partition: str, sort: str) -> dict[str, Any]:
        at, _, known = sort.partition("#")
        return like(record, id=known, accountDay=partition, createdKey=sort, createdAt=at, updatedAt=at)

    def number_of(known: str) -> int | None:
        return int(known.removeprefix(_PREFIX)) if known.startswith(_PREFIX) else None

    ledger, accounts = stand.environment["LEDGER_TABLE"], stand.environment["ACCOUNT_TABLE"]
    lay_under(ledger, Base(map(key, range(size)), a_record, lambda known, _: number_of(known), "by-account-day"))

    (counted, *_) = stand.client().query(
        TableName=accounts,
        KeyConditionExpression="account = :account AND begins_with(part, :counted)",
        ExpressionAttributeValues={":account": {"S": "default"}, ":counted": {"S": _COUNTED}},
    )["Items"]
    every = (("default", f"{_COUNTED}{_known(number)}") for number in range(size))
    lay_under(
        accounts,
        Base(
            every,
            lambda account, part: like(counted, account=account, part=part),
            lambda _, part: number_of((part or "").removeprefix(_COUNTED)),
            None,
        ),
    )
