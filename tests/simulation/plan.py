"""What happens in one simulated history, drawn from its seed: who comes when, and what goes wrong.

Nothing here depends on the code under test: a seed tells the same story to the gateway and to the baselines.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from incentives.domain.ledger import Intent
from incentives.domain.operations import Operation

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


class What(StrEnum):
    """What somebody does about an order."""

    ORDER = "order"
    LATER = "order, and not wait"
    OTHER_BODY = "order with another amount under the same key"
    CANCEL = "cancel"
    REVEAL = "reveal"
    RECOVER = "recover by hand"


@dataclass(frozen=True)
class Wanted:
    """One order as its caller means it; its number makes its idempotency key."""

    number: int
    operation: Operation
    intent: Intent
    cents: int


@dataclass(frozen=True)
class Visit:
    """Somebody comes, so many seconds after the beginning."""

    at: float
    what: What
    order: int


@dataclass(frozen=True)
class Trouble:
    """Something that lasts.

    Attributes:
        kind: of an outage: the sandbox's kind of fault; of a block: the errorType that refuses everything.
    """

    begins: float
    ends: float
    kind: str


@dataclass(frozen=True)
class Rotation:
    """A new key at Amazon, then in the secret, then no old key at Amazon; the last two in either order."""

    made_at: float
    stored_at: float
    revoked_at: float


@dataclass(frozen=True)
class Plan:
    """One history.

    Attributes:
        skews: seconds by which each process's clock is ahead of the true time.
        amazon, aws: how often a call to either goes wrong.
        crashes: how often a process dies at a step.
        late: of Amazon's faults, how many let a call arrive late.
        calm_at: seconds from which on nothing goes wrong any more.
        limits: Amazon's calls a second, from a second on.
    """

    seed: int
    orders: tuple[Wanted, ...]
    visits: tuple[Visit, ...]
    skews: tuple[float, ...]
    amazon: float
    aws: float
    crashes: float
    late: float
    calm_at: float
    outages: tuple[Trouble, ...]
    blocks: tuple[Trouble, ...]
    rotations: tuple[Rotation, ...]
    limits: tuple[tuple[float, int], ...]


#: What may become of one call at Amazon: the sandbox's kinds, with how often each is drawn.
FAULTS: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (6, {"kind": "drop"}),
    (6, {"kind": "drop", "when": "after"}),
    (6, {"kind": "resend"}),
    (6, {"kind": "resend", "when": "after"}),
    (3, {"kind": "timeout"}),
    (3, {"kind": "timeout", "when": "after"}),
    (2, {"kind": "error500html"}),
    (2, {"kind": "error500html", "when": "after"}),
    (2, {"kind": "error503"}),
    (2, {"kind": "error503", "when": "after"}),
    (1, {"kind": "generalError", "errorCode": "F100", "when": "after"}),
    (1, {"kind": "generalError", "errorCode": "F500"}),
    (2, {"kind": "emptyBody", "when": "after"}),
    (1, {"kind": "message"}),
    (4, {"kind": "throttle"}),
    (2, {"kind": "truncatedJson"}),
    (2, {"kind": "garbledCode"}),
    (2, {"kind": "missingStatus"}),
    (1, {"kind": "xml"}),
    (1, {"kind": "slowDrip"}),
    (2, {"kind": "refuse", "errorType": "OperationNotPermitted"}),
    (2, {"kind": "refuse", "errorType": "GeneralError"}),
)

#: Answers that tell of a card that nobody ordered. Rare: they are for people.
CONFLICTS: Final = ("wrongAmount", "wrongCurrency", "refunded", "expired")

_OUTAGE_KINDS: Final = ("drop", "timeout", "error503", "resend")
_BLOCKS: Final = ("CustomerAccountBlocked", "AccountHasProblems", "OperationNotPermitted", "InsufficientFunds")


def draw(seed: int) -> Plan:
    """The history of a seed."""
    chance = random.Random(f"plan {seed}")
    day_long = chance.random() < 0.015
    burst = not day_long and chance.random() < 0.06
    count = chance.randint(1, 2) if day_long else chance.randint(15, 30) if burst else chance.randint(1, 5)
    until = chance.choice([2, 10, 20]) * MINUTE
    orders = tuple(_wanted(number, chance) for number in range(count))
    begins = [chance.uniform(0, 2.0 if burst else until) for _ in orders]
    visits = [visit for order in orders for visit in _visits(order, begins[order.number], chance, quiet=burst)]
    calm_at = max(until + chance.choice([5, 30]) * MINUTE, max(each.at for each in visits) + 1)
    outages = tuple(_outages(chance, until, day_long=day_long))
    if day_long:
        calm_at = outages[0].ends
        visits += [Visit(calm_at + HOUR, What.RECOVER, each.number) for each in orders if chance.random() < 0.5]
    return Plan(
        seed=seed,
        orders=orders,
        visits=tuple(sorted(visits, key=lambda each: each.at)),
        skews=_skews(chance),
        amazon=chance.choice([0.0, 0.05, 0.2, 0.5]),
        aws=chance.choice([0.0, 0.0, 0.02, 0.06]),
        crashes=chance.choice([0.0, 0.0, 0.005, 0.02]),
        late=chance.choice([0.05, 0.1, 0.5]),
        calm_at=calm_at,
        outages=outages,
        blocks=tuple(_blocks(chance, until)),
        rotations=tuple(_rotations(chance, until)),
        limits=((0.0, chance.choice([2, 4])), (calm_at, 10)) if chance.random() < 0.05 else (),
    )


def _wanted(number: int, chance: random.Random) -> Wanted:
    create = chance.random() < 0.7
    others = [Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE]
    return Wanted(
        number=number,
        operation=Operation.CREATE_GIFT_CARD if create else chance.choice(others),
        intent=chance.choice(list(Intent)),
        cents=chance.randint(100, 9999),
    )


def _visits(order: Wanted, at: float, chance: random.Random, *, quiet: bool) -> Iterator[Visit]:
    number = order.number
    yield Visit(at, What.LATER if chance.random() < 0.1 else What.ORDER, number)
    if quiet:
        return
    if chance.random() < 0.15:
        # A race of one caller with himself.
        yield Visit(at + chance.choice([0.0, 0.01]), What.ORDER, number)
    for _ in range(chance.choice([0, 0, 1, 2])):
        yield Visit(at + _some_time(chance), What.ORDER, number)
    if chance.random() < 0.1:
        yield Visit(at + chance.choice([0.0, 1.0, MINUTE]), What.OTHER_BODY, number)
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2])):
        yield Visit(at + _some_time(chance), What.CANCEL, number)
    if order.operation is Operation.CREATE_GIFT_CARD and chance.random() < 0.3:
        yield Visit(at + _some_time(chance), What.REVEAL, number)
    if chance.random() < 0.1:
        yield Visit(at + _some_time(chance), What.RECOVER, number)


def _some_time(chance: random.Random) -> float:
    """From the middle of the first call to past the cancel window."""
    return chance.uniform(0, chance.choice([0.3, 3.0, 30.0, 5 * MINUTE, 25 * MINUTE]))


def _skews(chance: random.Random) -> tuple[float, ...]:
    most = chance.choice([0.0, 0.5, 2.0, 10 * MINUTE])
    return tuple(chance.uniform(-most, most) for _ in range(3))


def _outages(chance: random.Random, until: float, *, day_long: bool) -> Iterator[Trouble]:
    begins = chance.uniform(0, until)
    if day_long:
        yield Trouble(begins / 4, begins / 4 + 25 * HOUR, chance.choice(_OUTAGE_KINDS))
    elif chance.random() < 0.12:
        yield Trouble(begins, begins + 17 * MINUTE, chance.choice(_OUTAGE_KINDS))


def _blocks(chance: random.Random, until: float) -> Iterator[Trouble]:
    if chance.random() < 0.15:
        begins = chance.uniform(0, until)
        yield Trouble(begins, begins + chance.choice([0.2, 2, 30]) * MINUTE, chance.choice(_BLOCKS))


def _rotations(chance: random.Random, until: float) -> Iterator[Rotation]:
    if chance.random() < 0.15:
        made_at = chance.uniform(0, until)
        stored_at = made_at + chance.uniform(0, MINUTE)
        # Sometimes by mistake: for a moment the secret holds a key that Amazon no longer knows.
        yield Rotation(made_at, stored_at, stored_at + chance.choice([-5.0, 1.0, 5 * MINUTE]))
