"""Scripted faults: which calls go wrong, and how.

Deciding is pure; performing (closing sockets, waiting) is left to the server.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from sandbox.amazon import OPERATIONS
from sandbox.wire import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The response, or its absence, does not depend on the effect: may be scripted before or after it.
REPLACING = frozenset(
    {
        "resend",
        "timeout",
        "drop",
        "error500html",
        "error503",
        "page",
        "connectionLost",
        "internalFault",
        "capacity",
        "xmlError",
        "generalError",
        "message",
        "emptyBody",
        "refuse",
    }
)
# Amazon did not execute the call: only before.
BEFORE_ONLY = frozenset({"throttle", "wrongSignature"})
# The true response, spoiled: only after.
AFTER_ONLY = frozenset(
    {
        "truncatedJson",
        "garbledCode",
        "xml",
        "wrongAmount",
        "wrongCurrency",
        "refunded",
        "expired",
        "created",
        "missingStatus",
        "fundsList",
        "noisyAmount",
        "nullRow",
        "slowDrip",
    }
)
LATE = "lateEffect"
KINDS = REPLACING | BEFORE_ONLY | AFTER_ONLY | {LATE}
LATE_RESPONSES = ("drop", "resend", "timeout", "connectionLost", "page")


class FaultError(ValueError):
    """A fault that cannot be scripted; the text says which field is wrong."""


@dataclass(frozen=True)
class First:
    """The first `count` matching calls."""

    count: int


@dataclass(frozen=True)
class Nth:
    """The matching calls with these numbers, counted from 1."""

    numbers: frozenset[int]


@dataclass(frozen=True)
class Every:
    """Every matching call."""


@dataclass(frozen=True)
class Sometimes:
    """Each matching call with `probability`, decided by `seed` and the call's number alone."""

    probability: float
    seed: int


Calls: TypeAlias = First | Nth | Every | Sometimes


def hits(calls: Calls, number: int) -> bool:
    """Whether the matching call with that number (from 1) is one of `calls`."""
    match calls:
        case First(count=count):
            return number <= count
        case Nth(numbers=numbers):
            return number in numbers
        case Every():
            return True
        case Sometimes(probability=probability, seed=seed):
            # Repeatable on purpose: a failure must replay from its seed.
            return random.Random(f"{seed}|{number}").random() < probability  # noqa: S311


@dataclass(frozen=True)
class Rule:
    """One scripted fault.

    `operation` may be "*"; `request_id` narrows it to one request; `parameters` depend on `kind`.
    """

    number: int
    operation: str
    calls: Calls
    kind: str
    when: str
    request_id: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)

    def matches(self, operation: str, request_id: str | None) -> bool:
        """Whether the call counts for this rule at all."""
        return self.operation in {"*", operation} and self.request_id in {None, request_id}

    def seconds(self, name: str, default: float) -> float:
        """A parameter in seconds."""
        value = self.parameters.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text parameter."""
        value = self.parameters.get(name, default)
        return value if isinstance(value, str) else default


def decide(
    rules: Sequence[Rule], seen: Mapping[int, int], operation: str, request_id: str | None
) -> tuple[Rule | None, dict[int, int]]:
    """The rule that spoils this call, if any, and the new count of matching calls by rule.

    The oldest rule that hits wins.
    """
    counts = dict(seen)
    chosen: Rule | None = None
    for rule in rules:
        if rule.matches(operation, request_id):
            counts[rule.number] = counts.get(rule.number, 0) + 1
            if chosen is None and hits(rule.calls, counts[rule.number]):
                chosen = rule
    return chosen, counts


@dataclass
class Script:
    """The rules in force with their counts."""

    rules: list[Rule] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    hit: dict[int, int] = field(default_factory=dict)
    next_number: int = 1

    def add(self, description: Mapping[str, object]) -> Rule:
        """Add the rule that the control API's JSON describes. Raises FaultError."""
        rule = parse_rule(self.next_number, description)
        self.rules.append(rule)
        self.next_number += 1
        return rule

    def decide(self, operation: str, request_id: str | None) -> Rule | None:
        """Count the call and say which rule spoils it."""
        rule, self.seen = decide(self.rules, self.seen, operation, request_id)
        if rule is not None:
            self.hit[rule.number] = self.hit.get(rule.number, 0) + 1
        return rule

    def clear(self) -> None:
        """Forget every rule."""
        self.rules.clear()
        self.seen.clear()
        self.hit.clear()

    def as_json(self) -> list[dict[str, object]]:
        """The rules as they were given, each with its number, matching calls and hits."""
        return [
            {
                **rule.parameters,
                "number": rule.number,
                "operation": rule.operation,
                "kind": rule.kind,
                "when": rule.when,
                "requestId": rule.request_id,
                "calls": _calls_json(rule.calls),
                "seen": self.seen.get(rule.number, 0),
                "hits": self.hit.get(rule.number, 0),
            }
            for rule in self.rules
        ]


# Parameters by kind, each with the types it may have.
_NUMBER: tuple[type, ...] = (int, float)
_EXCEPTION: dict[str, tuple[type, ...]] = {
    "errorType": (str,),
    "message": (str,),
    "httpStatus": (int,),
    "form": (str,),
}
_PARAMETERS: dict[str, dict[str, tuple[type, ...]]] = {
    "timeout": {"holdSeconds": _NUMBER},
    "lateEffect": {"delaySeconds": _NUMBER, "answer": (str,), "holdSeconds": _NUMBER},
    "slowDrip": {"dripSeconds": _NUMBER},
    "garbledCode": {"variant": (int,)},
    "generalError": {"errorCode": (str,)},
    "xmlError": {"errorCode": (str,), "errorType": (str,), "message": (str,), "httpStatus": (int,)},
    "refuse": {"errorCode": (str,), "errorType": (str,), "message": (str,), "httpStatus": (int,)},
    "emptyBody": {"httpStatus": (int,)},
    "message": {"message": (str,), "httpStatus": (int,)},
    "page": {"httpStatus": (int,)},
    "wrongSignature": {"errorType": (str,), "message": (str,), "httpStatus": (int,)},
    **dict.fromkeys(("connectionLost", "internalFault", "capacity", "throttle"), _EXCEPTION),
}
_REQUIRED = {"lateEffect": frozenset({"delaySeconds"}), "refuse": frozenset({"errorType"})}
_PARAMETER_CHOICES = {
    ("lateEffect", "answer"): LATE_RESPONSES,
    ("generalError", "errorCode"): ("F100", "F500"),
    **{(kind, "form"): FORMS for kind, allowed in _PARAMETERS.items() if "form" in allowed},
}
# What can stand in a header and be the name of an XML element.
_EXCEPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")
_HTTP_STATUSES = range(200, 600)
# The longest time in seconds that a parameter may name: about four months.
_NUMBER_MAX = 10_000_000
_COMMON = {"operation", "calls", "kind", "when", "requestId"}


def parse_rule(number: int, description: Mapping[str, object]) -> Rule:
    """The rule that a JSON object describes. Raises FaultError, naming the field that is wrong."""
    kind = description.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultError(f"kind is one of {', '.join(sorted(KINDS))}")
    operation = description.get("operation", "*")
    if not isinstance(operation, str) or (operation != "*" and operation not in OPERATIONS):
        raise FaultError(f"operation is * or one of {', '.join(OPERATIONS)}")
    request_id = description.get("requestId")
    if request_id is not None and not isinstance(request_id, str):
        raise FaultError("requestId is a text")
    parameters = {name: value for name, value in description.items() if name not in _COMMON}
    for name, value in parameters.items():
        _check_parameter(kind, name, value)
    missing = _REQUIRED.get(kind, frozenset()) - set(parameters)
    if missing:
        raise FaultError(f"{kind} needs {', '.join(sorted(missing))}")
    calls = _parse_calls(description.get("calls", {"every": True}))
    return Rule(number, operation, calls, kind, _when(kind, description), request_id, parameters)


def _check_parameter(kind: str, name: str, value: object) -> None:
    allowed = _PARAMETERS.get(kind, {})
    if name not in allowed:
        raise FaultError(f"{kind} has no parameter {name!r}")
    choices = _PARAMETER_CHOICES.get((kind, name))
    fits = isinstance(value, allowed[name]) and not isinstance(value, bool)
    fits = fits and (choices is None or value in choices)
    if name == "errorType" and "form" in allowed:
        fits = fits and isinstance(value, str) and _EXCEPTION_NAME.fullmatch(value) is not None
    # A bound keeps not-a-number and infinity out as well.
    fits = fits and (not isinstance(value, int | float) or 0 <= value <= _NUMBER_MAX)
    if not fits or (name == "httpStatus" and value not in _HTTP_STATUSES):
        raise FaultError(f"{name} of {kind} cannot be {value!r}")


def _when(kind: str, description: Mapping[str, object]) -> str:
    when = description.get("when")
    if when not in {None, "before", "after"}:
        raise FaultError("when is before or after")
    if kind in AFTER_ONLY or kind == LATE:
        if when == "before":
            raise FaultError(f"{kind} cannot come before the effect")
        return "after"
    if kind in BEFORE_ONLY and when == "after":
        raise FaultError(f"{kind} cannot come after the effect")
    return "after" if when == "after" else "before"


def _parse_calls(value: object) -> Calls:
    if not isinstance(value, dict):
        raise FaultError("calls is an object")
    match value:
        case {"first": int(count), **rest} if not rest and not isinstance(count, bool) and count > 0:
            return First(count)
        case {"nth": list(numbers), **rest} if not rest and numbers and all(_is_count(each) for each in numbers):
            return Nth(frozenset(numbers))
        case {"nth": int(single), **rest} if not rest and _is_count(single):
            return Nth(frozenset({single}))
        case {"every": True, **rest} if not rest:
            return Every()
        case {"probability": int() | float() as probability, **rest} if 0 <= probability <= 1 and set(rest) <= {"seed"}:
            seed = rest.get("seed", 0)
            if isinstance(seed, int):
                return Sometimes(float(probability), seed)
    raise FaultError('calls is {"first": n}, {"nth": [n, ...]}, {"every": true} or {"probability": p, "seed": n}')


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _calls_json(calls: Calls) -> dict[str, object]:
    match calls:
        case First(count=count):
            return {"first": count}
        case Nth(numbers=numbers):
            return {"nth": sorted(numbers)}
        case Every():
            return {"every": True}
        case Sometimes(probability=probability, seed=seed):
            return {"probability": probability, "seed": seed}
