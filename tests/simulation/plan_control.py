"""What control there is in a simulated history: budgets, freezes of the account, and approval of a bulk order.

Drawn apart from all else, so that histories without it stay as they are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


@dataclass(frozen=True)
class Limit:
    """A budget's definition, from a second on."""

    at: float
    cents: int
    active: bool = True


@dataclass(frozen=True)
class Campaign:
    """A budget.

    Attributes:
        limits: the first is there from the beginning.
        orders: numbers of the orders that name it; rows of a bulk order are not among them.
        has_bulk: whether the bulk order names it.
    """

    name: str
    limits: tuple[Limit, ...]
    orders: frozenset[int]
    has_bulk: bool = False


@dataclass(frozen=True)
class Freezing:
    """The account is frozen, and unfrozen later."""

    at: float
    until: float


@dataclass(frozen=True)
class Approving:
    """Bulk orders above a sum need somebody else's word.

    Attributes:
        above: cents.
        after: seconds that whoever decides takes each time.
        maker_tries: whoever made the order tries to approve it himself.
        rejects: so often it is rejected before it is approved.
        swaps: whoever made it puts other rows into it once somebody has looked at it.
        races: what was looked at is approved at the same time.
    """

    above: int
    after: float
    maker_tries: bool = False
    rejects: int = 0
    swaps: bool = False
    races: bool = False


@dataclass(frozen=True)
class Control:
    """All of it.

    Attributes:
        month_ends_at: budgets are per month, and a month ends at this second; None: they are in total.
        required: whether each order has to name a budget.
        recounts: when budgets are counted again.
        set_aside: how often a batch of the stream is given up by its reader, and fed again by hand much later.
    """

    campaigns: tuple[Campaign, ...] = ()
    month_ends_at: float | None = None
    required: bool = False
    set_aside: float = 0.0
    recounts: tuple[float, ...] = ()
    freezes: tuple[Freezing, ...] = ()
    approving: Approving | None = None

    def budget_of(self, order: int) -> str | None:
        """The budget that an order names."""
        return next((each.name for each in self.campaigns if order in each.orders), None)

    @property
    def bulk_budget(self) -> str | None:
        return next((each.name for each in self.campaigns if each.has_bulk), None)

    @property
    def over_at(self) -> float:
        """Seconds from which on nothing of it changes any more."""
        changes = [limit.at for each in self.campaigns for limit in each.limits]
        return max([0.0, *changes, *(each.until for each in self.freezes)])


NOTHING: Final = Control()

#: Of all histories: so many have budgets, and so many a freeze.
BUDGETS_SHARE: Final = 0.2
FREEZES_SHARE: Final = 0.06


def has_budgets(seed: int) -> bool:
    return random.Random(f"budgets {seed}").random() < BUDGETS_SHARE


def has_freezes(seed: int) -> bool:
    return random.Random(f"freezes {seed}").random() < FREEZES_SHARE


def draw_control(seed: int, cents: Mapping[int, int], bulk_cents: int, until: float) -> Control:
    """What control there is.

    Args:
        seed: of the history.
        cents: of each order, by its number.
        bulk_cents: of all rows of the bulk order; 0: there is none.
        until: seconds until which callers come.
    """
    chance = random.Random(f"control {seed}")
    freezes = tuple(_freezes(until, chance)) if has_freezes(seed) else ()
    approving = _approving(bulk_cents, chance) if bulk_cents and chance.random() < 0.5 else None
    if not has_budgets(seed):
        return Control(freezes=freezes, approving=approving)
    names = ["spring", "summer"][: chance.choice([1, 1, 2])]
    of = {number: chance.choice([*names, *names, *names, None]) for number in cents}
    required = chance.random() < 0.15
    bulk_of = chance.choice([*names, *names, *([] if required else [None])]) if bulk_cents else None
    return Control(
        campaigns=tuple(
            _campaign(name, {number: cents[number] for number in cents if of[number] == name},
                      bulk_cents if bulk_of == name else 0, until, chance)
            for name in names
        ),
        month_ends_at=chance.uniform(0, min(until + 25 * MINUTE, 11 * HOUR)) if chance.random() < 0.6 else None,
        required=required,
        set_aside=chance.choice([0.0, 0.1, 0.4]),
        recounts=tuple(_recounts(seed, until)),
        freezes=freezes,
        approving=approving,
    )  # fmt: skip


def _campaign(name: str, cents: Mapping[int, int], bulk_cents: int, until: float, chance: random.Random) -> Campaign:
    asked = sum(cents.values()) + bulk_cents
    limit = 1 + round(asked * chance.choice([0.3, 0.7, 1.0, 1.0, 1.5, 10.0]))
    limits = [Limit(0.0, limit)]
    for _ in range(chance.choice([0, 0, 1, 2, 3])):
        limit = 1 + round(limit * chance.choice([0.5, 0.9, 1.1, 2.0]))
        # Sometimes two people change it at once.
        at = limits[-1].at + 0.01 if chance.random() < 0.3 else chance.uniform(0, until + MINUTE)
        limits.append(Limit(at, limit, active=chance.random() < 0.85))
    limits.sort(key=lambda each: each.at)
    return Campaign(name, tuple(limits), frozenset(cents), bulk_cents > 0)


def _recounts(seed: int, until: float) -> Iterator[float]:
    """While all goes on; mostly it is then over, and they are counted once more when it is."""
    chance = random.Random(f"recounts {seed}")
    for _ in range(chance.choice([0, 0, 1, 2])):
        yield chance.uniform(0, until + 10 * MINUTE)


def _freezes(until: float, chance: random.Random) -> Iterator[Freezing]:
    at = chance.uniform(0, until)
    for _ in range(chance.choice([1, 1, 2])):
        # Seldom for so long that what waits is given up.
        lasts = chance.choice([5.0, MINUTE, 20 * MINUTE]) if chance.random() < 0.95 else 25 * HOUR
        yield Freezing(at, at + lasts)
        at += lasts + chance.uniform(0, 2 * MINUTE)


def _approving(bulk_cents: int, chance: random.Random) -> Approving:
    return Approving(
        above=round(bulk_cents * chance.choice([0.0, 0.5, 0.9, 2.0])),
        after=chance.uniform(1, 10 * MINUTE),
        maker_tries=chance.random() < 0.3,
        rejects=chance.choice([0, 0, 0, 1]),
        swaps=chance.random() < 0.2,
        races=chance.random() < 0.5,
    )
