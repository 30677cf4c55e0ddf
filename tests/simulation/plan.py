"""What happens in one simulated history, drawn from its seed: who comes when, and what goes wrong.

Nothing here depends on the code under test: a seed tells the same story to the gateway and to the baselines.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent
from tests.simulation.plan_control import HOUR, MINUTE, NOTHING, Control, draw_control, has_budgets, has_freezes

#: Seconds from which on a history is one of an outage that outlasts every deadline.
DAY_LONG: Final = 20 * HOUR

#: The number of a bulk order's first row: callers' orders have lower ones.
ROWS_FROM: Final = 1000


class What(StrEnum):
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
class Trial:
    """A new key that is put as pending, and rotated to.

    Attributes:
        rotated_at: when operators begin to; each of them repeats it until it is done.
        watch_seconds: how long the new key is on trial.
        known: whether Amazon knows it at all.
        spoiled_at: when Amazon takes it no more; None: it stays good.
    """

    put_at: float
    rotated_at: tuple[float, ...]
    watch_seconds: float
    known: bool
    spoiled_at: float | None


@dataclass(frozen=True)
class Bulk:
    """A bulk order; its rows are orders that nobody else asks for.

    Attributes:
        paused: seconds from which until which it is paused; None: it is not.
        stopped_at: None: nobody stops it.
    """

    at: float
    rows: tuple[Wanted, ...]
    intent: Intent
    paused: tuple[float, float] | None
    stopped_at: float | None


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
        streams: whether the ledger's stream is read while it all happens; otherwise its sum is only taken in the end.
        watches: when the account is watched.
        trial: a key that is proven, promoted and watched.
        parks: requests that the balance does not cover wait until it does.
        balances: what the account has at Amazon, in cents, from a second on; nothing: plenty.
        notifier: how often a mail or a notice does not get through.
        rounds: how often, once all is calm, operators start another round for everything that is ESCALATED.
        bulk: a bulk order.
        refunds: when Amazon takes back a card of its own accord.
        signature: the sandbox's name for how a key that Amazon does not take is told; None: as one that is unknown.
        stays_refunded: what was taken back stays so when its activation or load comes late; otherwise it is live again.
        control: budgets, freezes and approval.
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
    streams: bool = False
    watches: tuple[float, ...] = ()
    trial: Trial | None = None
    parks: bool = False
    balances: tuple[tuple[float, int], ...] = ()
    notifier: float = 0.0
    rounds: int = 0
    bulk: Bulk | None = None
    refunds: tuple[float, ...] = ()
    stays_refunded: bool = False
    signature: str | None = None
    control: Control = NOTHING

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Every order, also those that are rows of a bulk order."""
        return (*self.orders, *(self.bulk.rows if self.bulk else ()))


#: Ways to say that a call came too fast.
THROTTLES: Final[tuple[dict[str, Any], ...]] = (
    {"form": "wrapper"},
    {"form": "wrapper", "httpStatus": 200},
    {"errorType": "RequestThrottledException", "form": "body"},
    {"errorType": "ThrottleException", "form": "header"},
    {"errorType": "TooManyRequestsException", "form": "xml", "httpStatus": 429},
    {"errorType": "RequestLimitExceeded"},
    {"errorType": "SlowDown", "form": "xmlCode", "httpStatus": 503},
    {"message": "Rate exceeded.", "form": "message"},
    {"message": "Rate exceeded (Requests per second)", "form": "message"},
    {"message": "Too many requests, please wait before trying again.", "form": "message", "httpStatus": 429},
)

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
    # What a front end makes of a lost connection or of a fault behind it, mostly as 400.
    (2, {"kind": "connectionLost"}),
    (6, {"kind": "connectionLost", "when": "after"}),
    (2, {"kind": "connectionLost", "when": "after", "form": "wrapper"}),
    (1, {"kind": "connectionLost", "when": "after", "form": "header"}),
    (1, {"kind": "internalFault"}),
    (2, {"kind": "internalFault", "when": "after"}),
    (1, {"kind": "internalFault", "when": "after", "errorType": "RequestTimeoutException", "form": "body"}),
    (1, {"kind": "internalFault", "when": "after", "errorType": "ServiceUnavailable", "form": "xmlCode"}),
    (1, {"kind": "internalFault", "when": "after", "errorType": "NeverHeardOf", "form": "xml"}),
    (1, {"kind": "internalFault", "when": "after", "message": "Try later.", "form": "message"}),
    (1, {"kind": "capacity"}),
    (2, {"kind": "capacity", "when": "after"}),
    (1, {"kind": "page"}),
    *((1, {"kind": "page", "when": "after", "httpStatus": status}) for status in (200, 400, 403, 404, 502, 503)),
    *((1, {"kind": "throttle", **told}) for told in THROTTLES),
)

#: Likewise, of single operations: a card that is charged and not live yet, and odd responses to queries.
FAULTS_OF: Final[Mapping[str, tuple[tuple[int, dict[str, Any]], ...]]] = {
    Operation.CREATE_GIFT_CARD: ((6, {"kind": "created"}),),
    Operation.ACTIVATE_GIFT_CARD: ((6, {"kind": "created"}),),
    "GetAvailableFunds": ((20, {"kind": "fundsList"}), (20, {"kind": "noisyAmount"})),
    "GetGiftCardActivityPage": ((80, {"kind": "nullRow"}),),
}

#: Answers that tell of a card that nobody ordered. Rare: they are for people.
CONFLICTS: Final = ("wrongAmount", "wrongCurrency", "refunded", "expired")

_OUTAGE_KINDS: Final = ("drop", "timeout", "error503", "resend", "connectionLost")
_BLOCKS: Final = ("CustomerAccountBlocked", "AccountHasProblems", "OperationNotPermitted", "InsufficientFunds")


def draw(seed: int) -> Plan:
    return _controlled(_more(_common(seed)))


def _common(seed: int) -> Plan:
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


def _more(plan: Plan) -> Plan:
    """What only some histories have, so that most stay small; drawn apart, so that it leaves the others as they are."""
    chance = random.Random(f"more {plan.seed}")
    until = max(each.at for each in plan.visits)
    day_long = plan.calm_at > DAY_LONG
    parks = chance.random() < 0.6
    balances = tuple(_balances(plan, until, chance)) if chance.random() < 0.06 else ()
    trial = None if plan.rotations or day_long else _trial(until, chance)
    bulk = _bulk(until, chance) if not day_long and chance.random() < 0.04 else None
    streams = bool(balances) or chance.random() < 0.25
    watched = streams and chance.random() < 0.7
    return replace(
        plan,
        streams=streams,
        watches=tuple(_watches(plan, chance)) if watched else (),
        trial=trial,
        parks=parks and bool(balances or plan.blocks),
        balances=balances,
        notifier=chance.choice([0.0, 0.2, 0.6]) if plan.aws else 0.0,
        rounds=chance.choice([0, 1, 2]),
        bulk=bulk,
        refunds=tuple(chance.uniform(0, until + MINUTE) for _ in range(2)) if chance.random() < 0.05 else (),
        stays_refunded=chance.random() < 0.3,
        signature=chance.choice([None, "F200", "GeneralError"]),
        calm_at=max(
            plan.calm_at,
            balances[-1][0] if balances else 0,
            bulk.at + 10 * MINUTE if bulk else 0,
            _over(trial) if trial else 0,
        ),
        rotations=tuple(_revoked_earlier(plan.rotations, chance)),
    )


def _controlled(plan: Plan) -> Plan:
    """With budgets, freezes and approval, where there are any."""
    until, day_long = max(each.at for each in plan.visits), plan.calm_at > DAY_LONG
    chance, bulk = random.Random(f"controlled {plan.seed}"), plan.bulk
    is_controlled = has_budgets(plan.seed) or has_freezes(plan.seed)
    if bulk is None and not day_long and is_controlled and chance.random() < 0.35:
        # Few orders have a bulk order beside them, and budgets and freezes are for both.
        bulk = _bulk(until, chance, (1, 3, 8))
    if is_controlled:
        # Much is to go wrong with AWS, and some requests are refused without Amazon having looked at them.
        refused = not plan.rotations and not plan.trial and not day_long and chance.random() < 0.2
        plan = replace(
            plan,
            aws=chance.choice([plan.aws, plan.aws, 0.05, 0.1]),
            crashes=chance.choice([plan.crashes, plan.crashes, 0.01, 0.03]),
            rotations=tuple(_outdated(until, chance)) if refused else plan.rotations,
        )
    cents = {each.number: each.cents for each in plan.orders}
    control = draw_control(plan.seed, cents, sum(row.cents for row in bulk.rows) if bulk else 0, until)
    if day_long:
        control = replace(control, freezes=())
    return replace(
        plan,
        bulk=bulk,
        control=control,
        # Only whoever reads the stream gives back.
        streams=plan.streams or bool(control.campaigns),
        calm_at=max(plan.calm_at, bulk.at + 10 * MINUTE if bulk else 0, control.over_at),
    )


def _outdated(until: float, chance: random.Random) -> Iterator[Rotation]:
    """For some minutes the secret holds a key that Amazon no longer knows."""
    revoked_at = chance.uniform(0, until)
    yield Rotation(revoked_at, revoked_at + chance.uniform(MINUTE, 10 * MINUTE), revoked_at)


def _revoked_earlier(rotations: tuple[Rotation, ...], chance: random.Random) -> Iterator[Rotation]:
    """Sometimes the old key is gone long before the new one is stored: nothing can be ordered meanwhile."""
    for each in rotations:
        yield replace(each, revoked_at=max(0.0, each.revoked_at - chance.choice([0.0, 0.0, 10 * MINUTE])))


def _balances(plan: Plan, until: float, chance: random.Random) -> Iterator[tuple[float, int]]:
    """Too little from the beginning or from some time on; then somebody pays in, sometimes a day too late."""
    ordered = sum(each.cents for each in plan.orders)
    begins = chance.choice([0.0, chance.uniform(0, until)])
    yield begins, chance.randint(0, ordered)
    paid_in_after = chance.choice([MINUTE, 10 * MINUTE, HOUR]) if chance.random() < 0.9 else 25 * HOUR
    yield begins + paid_in_after, 2 * ordered + 1_000_000


def _trial(until: float, chance: random.Random) -> Trial | None:
    if chance.random() < 0.08:
        put_at = chance.uniform(0, until)
        first = put_at + chance.uniform(0, MINUTE)
        another = (first + chance.uniform(0, MINUTE),) if chance.random() < 0.2 else ()
        watch_seconds = chance.choice([30.0, 120.0, 600.0])
        spoiled = first + chance.uniform(0, watch_seconds) if chance.random() < 0.4 else None
        return Trial(put_at, (first, *another), watch_seconds, chance.random() < 0.9, spoiled)
    return None


def _over(trial: Trial) -> float:
    return max(trial.rotated_at) + trial.watch_seconds + MINUTE


def _watches(plan: Plan, chance: random.Random) -> Iterator[float]:
    """Every hour; sometimes the schedule misses one, and sometimes it comes twice at once."""
    at = chance.uniform(0, min(HOUR, plan.calm_at))
    while at < min(plan.calm_at, 30 * HOUR):
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            yield at
        at += HOUR


def _bulk(until: float, chance: random.Random, counts: Sequence[int] = (1, 3, 3, 8, 60)) -> Bulk:
    at = chance.uniform(0, until)
    count = chance.choice(counts)
    intent = chance.choice(list(Intent))
    rows = tuple(
        Wanted(ROWS_FROM + number, Operation.CREATE_GIFT_CARD, intent, chance.randint(100, 9999))
        for number in range(count)
    )
    pause = at + chance.uniform(0, 20)
    return Bulk(
        at,
        rows,
        intent,
        (pause, pause + chance.uniform(0, 5 * MINUTE)) if chance.random() < 0.3 else None,
        at + chance.uniform(0, 30) if chance.random() < 0.2 else None,
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
