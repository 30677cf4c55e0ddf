"""What callers will ask for, and what will go wrong meanwhile: everything of a chaos run that one seed decides."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from local.outputs import Outputs


class What(StrEnum):
    ORDER = "order"
    REPEAT = "repeat"
    RACE = "race"
    CANCEL = "cancel"
    REVEAL = "reveal"
    READ = "read"
    SEARCH = "search"
    STATUS = "status check"
    FUNDS = "funds"


#: In hundredths of all visits, of which a race is `RACERS` calls.
_SHARES: Final[Mapping[What, int]] = {
    What.ORDER: 48,
    What.REPEAT: 11,
    What.RACE: 4,
    What.CANCEL: 12,
    What.REVEAL: 8,
    What.READ: 10,
    What.SEARCH: 3,
    What.STATUS: 2,
    What.FUNDS: 2,
}

#: Callers who send one key at the same moment.
RACERS: Final = 3

#: Most orders are gift cards, and most callers leave `onUnknown` as it is.
_OPERATIONS: Final = (*[Operation.CREATE_GIFT_CARD] * 6, Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE)
_INTENTS: Final = ("retry", "retry", "reverse", "reissue")

#: Half of what concerns an earlier order concerns one of the last few, which may well be under way.
_RECENT: Final = 6

COLLECTIONS: Final[Mapping[Operation, str]] = {
    Operation.CREATE_GIFT_CARD: "/gift-cards",
    Operation.ACTIVATE_GIFT_CARD: "/activations",
    Operation.LOAD_AMAZON_BALANCE: "/balance-loads",
}
REVERSALS: Final[Mapping[Operation, str]] = {
    Operation.CREATE_GIFT_CARD: "cancel",
    Operation.ACTIVATE_GIFT_CARD: "deactivate",
    Operation.LOAD_AMAZON_BALANCE: "void",
}


@dataclass(frozen=True)
class Order:
    """One order under a key of its own, of a card or customer of its own."""

    number: int
    operation: Operation
    intent: str
    cents: int
    key: str
    subject: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "amount": f"{self.cents / 100:.2f}",
            "currencyCode": "USD",
            "onUnknown": self.intent,
            "externalReference": f"chaos {self.number}",
        }
        match self.operation:
            case Operation.ACTIVATE_GIFT_CARD:
                body["cardNumber"] = self.subject
            case Operation.LOAD_AMAZON_BALANCE:
                body["customerAccount"] = {"id": self.subject, "type": "2"}
        return body

    def request_id(self, outputs: Outputs) -> str:
        return derive_request_id(outputs.partnerId, outputs.accountName, self.operation, hash_key(self.key), 0)


@dataclass(frozen=True)
class Visit:
    """One caller at one time, in seconds from the beginning; `order` is the number of what it is about, if anything."""

    at: float
    what: What
    order: int | None = None


@dataclass(frozen=True)
class Plan:
    orders: Sequence[Order]
    visits: Sequence[Visit]


def make_plan(seed: int, seconds: float, per_second: float) -> Plan:
    """A mixed load of so many API calls a second, as even as chance allows."""
    chance = random.Random(f"load {seed}")
    orders: list[Order] = []
    visits: list[Visit] = []
    at = 0.0
    while at < seconds:
        what = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
        if what in {What.ORDER, What.RACE} or not orders:
            what = what if what is What.RACE else What.ORDER
            orders.append(_order(len(orders), seed, chance))
            visits.append(Visit(at, what, len(orders) - 1))
        elif what in {What.SEARCH, What.FUNDS}:
            visits.append(Visit(at, what))
        else:
            visits.append(Visit(at, what, _earlier(what, orders, chance)))
        at += calls_of(visits[-1]) / per_second
    return Plan(orders, visits)


def calls_of(visit: Visit) -> int:
    return RACERS if visit.what is What.RACE else 1


def _order(number: int, seed: int, chance: random.Random) -> Order:
    operation = chance.choice(_OPERATIONS)
    digits = chance.randrange(10**15)
    return Order(
        number,
        operation,
        intent=chance.choice(_INTENTS),
        cents=chance.randrange(100, 10_000),
        key=f"chaos-{seed}-{number}",
        subject=f"6006{digits:015d}" if operation is Operation.ACTIVATE_GIFT_CARD else f"amzn1.account.{digits:015d}",
    )


def _earlier(what: What, orders: Sequence[Order], chance: random.Random) -> int:
    """The number of an earlier order; only gift cards are revealed, only printed cards have a status."""
    wanted = {What.REVEAL: Operation.CREATE_GIFT_CARD, What.STATUS: Operation.ACTIVATE_GIFT_CARD}.get(what)
    fitting = [order.number for order in orders if wanted in (None, order.operation)] or [orders[-1].number]
    return chance.choice(fitting[-_RECENT:] if chance.random() < 0.5 else fitting)


# ---- what goes wrong -----------------------------------------------------------------------------

_ISSUES: Final = ("CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance")
_MOVES_MONEY: Final = (*_ISSUES, "CancelGiftCard", "DeactivateGiftCard", "VoidAmazonBalanceLoad")

#: Faults of any call, each as likely as the next. None of them lies about money, hence every order can be settled.
_ANYWHERE: Final[Sequence[dict[str, object]]] = (
    {"kind": "resend", "when": "before"},
    {"kind": "resend", "when": "after"},
    {"kind": "drop", "when": "before"},
    {"kind": "drop", "when": "after"},
    {"kind": "timeout", "when": "before", "holdSeconds": 7},
    {"kind": "timeout", "when": "after", "holdSeconds": 7},
    {"kind": "error503", "when": "before"},
    {"kind": "error503", "when": "after"},
    {"kind": "error500html", "when": "after"},
    {"kind": "generalError", "when": "after", "errorCode": "F500"},
    {"kind": "xmlError", "when": "after", "errorCode": "F400", "errorType": "SystemTemporarilyUnavailable"},
    {"kind": "emptyBody", "when": "after"},
    {"kind": "truncatedJson"},
    {"kind": "garbledCode"},
    {"kind": "missingStatus"},
    {"kind": "xml"},
    {"kind": "connectionLost", "when": "before"},
    {"kind": "connectionLost", "when": "after"},
    {"kind": "connectionLost", "when": "after", "form": "wrapper"},
    {"kind": "internalFault", "when": "after", "errorType": "RequestTimeoutException"},
    {"kind": "page", "when": "before", "httpStatus": 403},
    {"kind": "page", "when": "after", "httpStatus": 400},
)
#: Of single operations: a card that is not live yet, and odd responses to queries.
_SOMEWHERE: Final = (
    ("CreateGiftCard", "created"),
    ("ActivateGiftCard", "created"),
    ("GetAvailableFunds", "fundsList"),
    ("GetAvailableFunds", "noisyAmount"),
    ("GetGiftCardActivityPage", "nullRow"),
)
_ODD: Final = 0.03
#: Rarer: what is too much halves the pace of the whole account, and a refusal ends its order.
_TOO_MUCH: Final[Sequence[dict[str, object]]] = (
    {"kind": "throttle"},
    {"kind": "throttle", "form": "wrapper", "httpStatus": 200},
    {"kind": "throttle", "errorType": "RequestThrottledException", "form": "body"},
    {"kind": "throttle", "message": "Too many requests.", "form": "message", "httpStatus": 429},
    {"kind": "capacity", "when": "after"},
)
_THROTTLED: Final = 0.001
_REFUSED: Final = 0.01
_LATE: Final = 0.04


def fault_rules(seed: int, share: float) -> list[dict[str, object]]:
    """Rules for the sandbox by which this share of all calls goes wrong. The oldest rule that hits wins."""
    chance = random.Random(f"faults {seed}")

    def calls(probability: float) -> dict[str, object]:
        return {"probability": probability, "seed": chance.randrange(10**6)}

    if share <= 0:
        return []
    scale = share / 0.3
    rules: list[dict[str, object]] = [{"calls": calls(_THROTTLED * scale), **fault} for fault in _TOO_MUCH]
    for operation in _MOVES_MONEY:
        late = {
            "kind": "lateEffect",
            "delaySeconds": chance.randrange(3, 20),
            "answer": chance.choice(["drop", "resend"]),
        }
        rules.append({"operation": operation, "calls": calls(_LATE * scale), **late})
    for operation in _ISSUES:
        refusal = {"kind": "refuse", "errorCode": "F300", "errorType": "InsufficientFunds"}
        rules.append({"operation": operation, "calls": calls(_REFUSED * scale), **refusal})
    rules += [{"operation": name, "kind": kind, "calls": calls(_ODD * scale)} for name, kind in _SOMEWHERE]
    # What of the share is left, given that each rule only sees what no earlier one took.
    taken = (*[_THROTTLED] * len(_TOO_MUCH), _LATE, _REFUSED, _ODD)
    rest = 1 - (1 - share) / math.prod(1 - each * scale for each in taken)
    each = 1 - (1 - rest) ** (1 / len(_ANYWHERE))
    rules += [{"calls": calls(each), **fault} for fault in _ANYWHERE]
    return rules


class Blow(StrEnum):
    KILL = "kill one process"
    KILL_ALL = "kill all processes"
    MISS_SCHEDULE = "switch the sweep's schedule off"
    KEEP_SCHEDULE = "switch the sweep's schedule on"
    RESTART = "restart the emulator"


#: Between two kills, in seconds.
_KILL_EVERY: Final = (3.0, 7.0)


def blows(seed: int, seconds: float) -> list[tuple[float, Blow]]:
    """Kills all the time; the schedule off for a fifth of it; all functions at once; the whole emulator."""
    chance = random.Random(f"blows {seed}")
    found = [
        (0.2 * seconds, Blow.MISS_SCHEDULE),
        (0.4 * seconds, Blow.KEEP_SCHEDULE),
        (0.55 * seconds, Blow.KILL_ALL),
        (0.75 * seconds, Blow.RESTART),
    ]
    at = chance.uniform(*_KILL_EVERY)
    while at < seconds:
        found.append((at, Blow.KILL))
        at += chance.uniform(*_KILL_EVERY)
    return sorted(found)
