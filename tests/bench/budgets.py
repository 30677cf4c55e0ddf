"""What a budget costs a card, and how many at once one budget serves.

Calls and write units are counted through the real function. By rate, the real `DynamoDbHolds` of one process takes from
a budget on a clock that only moves as calls and waits take their time, while all other processes take from it at
random: what they have written in between makes the version stale that it has seen, and a transaction of theirs that is
under way makes a conflict, which no emulator knows of.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from incentives.aws.budgets.budget_items import encode_budget, encode_period, period_key
from incentives.aws.budgets.holds import Asked, DynamoDbHolds, Hold, NotHeldError
from incentives.domain.budgets.budget import Budget, Period, PeriodKind
from incentives.domain.errors import BudgetBusy
from incentives.domain.money import parse_money
from tests.bench.dollars import units
from tests.bench.events import create, of_budget
from tests.bench.report import Line
from tests.bench.stand import Stand, know_account, standing

#: Of requests a second that all take from one budget. An account sends eight.
RATES: Final = (1, 5, 10, 25, 50)
#: Up to which no caller may be told that the budget is busy, and none waits for long: three times what an account
#: sends. Beyond, some are told 429, and nothing worse.
SERVED: Final = 25
REQUESTS: Final = 5_000

#: A function is busy with a card for so long, most of it Amazon's: so many processes share the rate.
CARD_SECONDS: Final = 0.35
#: A transaction takes so long there and back, and so long of it stands in the way of others.
TRANSACTION_SECONDS: Final = 0.015
CONFLICT_SECONDS: Final = 0.006

P99_SECONDS_MAX: Final = 1.0


@dataclass
class World:
    """One budget, a clock, and everybody else: the part of a DynamoDB client that holds ask for."""

    per_second: float
    chance: random.Random
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    looked: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    period: Period = field(
        default_factory=lambda: Period(
            budget="one", period="total", limit=10**12, remaining=10**12, currency="USD", active=True, version=1
        )
    )

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def get_item(self, *, Key: Mapping[str, Any], **_: object) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self._pass_time()
        if Key == period_key("one", "total"):
            return {"Item": encode_period(self.period)}
        made = Budget(
            name="one", limit=10**12, currency="USD", kind=PeriodKind.TOTAL, active=True, version=1,
            created_at=self.now, changed_at=self.now,
        )  # fmt: skip
        return {"Item": encode_budget(made)}

    def write(self, hold: Hold) -> bool:
        """Carry out a try, unless others are in its way."""
        self._pass_time()
        if self.chance.random() < 1 - math.exp(-self.per_second * CONFLICT_SECONDS):
            raise NotHeldError([], passing=True)
        if hold.after.version != self.period.version + 1:
            raise NotHeldError([encode_period(self.period)], passing=False)
        self.period = hold.after
        return True

    def _pass_time(self) -> None:
        """A call is on its way, and all that others have written since the last one is there."""
        self.sleep(TRANSACTION_SECONDS)
        written = _drawn(self.chance, self.per_second * (self.now - self.looked).total_seconds())
        self.looked = self.now
        self.period = replace(
            self.period, version=self.period.version + written, remaining=self.period.remaining - 25_00 * written
        )


@dataclass(frozen=True)
class Served:
    """What became of the requests of one process.

    Attributes:
        stale: how many found another version than the one seen, or a conflict, at their first try.
        tries: transactions sent, by request.
        seconds: that each took more than one transaction takes.
        busy: told that the budget is busy: 429.
    """

    stale: int
    tries: list[int]
    seconds: list[float]
    busy: int


def cost_of_budgets() -> Iterable[Line]:
    """A card with a budget beside one without; then by rate."""
    with standing() as stand:
        plain, with_one = _counted(stand, create()), _counted(stand, of_budget(stand))
    yield Line(
        "POST /gift-cards with a budget, version current",
        f"{with_one[0]} calls, {with_one[1]} write units in the transaction that opens it",
        f"{plain[0]} calls",
        with_one[0] == plain[0],
        baseline=f"without: {plain[0]} calls, {plain[1]} units",
    )
    for rate in RATES:
        found = _serve(rate)
        p99 = statistics.quantiles(found.seconds, n=100)[98]
        yield Line(
            f"{rate} a second on one budget",
            f"{found.stale / REQUESTS:.0%} at first stale or in conflict, {statistics.mean(found.tries):.2f} tries, "
            f"{statistics.mean(found.tries) * with_one[1]:.1f} units; p99 {p99 * 1000:.0f} ms more; 429: {found.busy}",
            f"p99 <= {P99_SECONDS_MAX:.0f} s more, no 429, no 5xx" if rate <= SERVED else "no 5xx",
            rate > SERVED or (p99 <= P99_SECONDS_MAX and not found.busy),
            baseline=f"{_processes(rate)} processes; most tries: {max(found.tries)}",
        )


def _counted(stand: Stand, event: dict[str, Any]) -> tuple[int, int]:
    """The calls of a create, and the units of its first write, each action of which counts twice."""
    know_account()
    calls = stand.fresh_count()
    stand.call("create_gift_card", event)
    held = 1 if "budget" in event["body"] else 0
    return calls.aws.total() + len(calls.amazon), 2 * (sum(map(units, calls.puts)) + held)


def _processes(rate: int) -> int:
    return max(2, math.ceil(rate * CARD_SECONDS))


def _serve(rate: int) -> Served:
    """Requests of one process among others, as often as its share of the rate lets it take one."""
    share = 1 / _processes(rate)
    chance = random.Random(rate)
    world = World(rate * (1 - share), chance)
    holds = DynamoDbHolds(
        world, "budgets", zone=lambda: ZoneInfo("UTC"), required=False,  # type: ignore[arg-type] # it asks for items only
        now=lambda: world.now, sleep=world.sleep, random=chance.random,
    )  # fmt: skip
    asked = Asked("one", parse_money("25.00", "USD"), world.now)
    holds.take(asked, world.write, lambda: None)
    tries, seconds, busy = [], [], 0
    for _ in range(REQUESTS):
        world.sleep(chance.expovariate(rate * share))
        begun, made = world.now, list[Hold]()

        def write(hold: Hold, made: list[Hold] = made) -> bool:
            made.append(hold)
            return world.write(hold)

        try:
            # Whatever else it raised would be a 5xx, and ends the bench.
            holds.take(asked, write, lambda: None)
        except BudgetBusy:
            busy += 1
        tries.append(len(made))
        seconds.append(max(0.0, (world.now - begun).total_seconds() - TRANSACTION_SECONDS))
    return Served(sum(each > 1 for each in tries), tries, seconds, busy)


def _drawn(chance: random.Random, mean: float) -> int:
    """How many of what comes at random, by a Poisson distribution; many at once by the normal one that it nears."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    least, product, number = math.exp(-mean), chance.random(), 0
    while product > least:
        number, product = number + 1, product * chance.random()
    return number
