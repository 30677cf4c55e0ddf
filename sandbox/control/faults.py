"""Scripted faults: which calls go wrong, and how.

Deciding is pure; performing (closing sockets, waiting) is left to the server.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sandbox.control.models import Body, Count, Seconds, one_of
from sandbox.http.wire import FORMS
from sandbox.model.amazon import OPERATIONS

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


def _as_list(value: object) -> object:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


class Calls(Body):
    """Which of the matching calls, counted from 1, are hit: exactly one of these; `seed` is for `probability`."""

    first: Count = 1
    nth: Annotated[list[Count], BeforeValidator(_as_list)] = Field(default_factory=list, min_length=1)
    every: Literal[True] = True
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 0

    @model_validator(mode="after")
    def _is_one(self) -> Calls:
        named = self.model_fields_set - {"seed"}
        if len(named) != 1 or (named != {"probability"} and "seed" in self.model_fields_set):
            raise ValueError('is {"first": n}, {"nth": [n, ...]}, {"every": true} or {"probability": p, "seed": n}')
        return self

    def hit(self, number: int) -> bool:
        """Whether the matching call with that number is one of them."""
        if "first" in self.model_fields_set:
            return number <= self.first
        if "nth" in self.model_fields_set:
            return number in self.nth
        # Repeatable on purpose: a failure must replay from its seed.
        return self.every if "every" in self.model_fields_set else self._chance(number)

    def _chance(self, number: int) -> bool:
        return random.Random(f"{self.seed}|{number}").random() < self.probability  # noqa: S311


_EXCEPTION = frozenset({"errorType", "message", "httpStatus", "form"})
_PARAMETERS = {
    "timeout": {"holdSeconds"},
    LATE: {"delaySeconds", "answer", "holdSeconds"},
    "slowDrip": {"dripSeconds"},
    "garbledCode": {"variant"},
    "generalError": {"errorCode"},
    "xmlError": {"errorCode", "errorType", "message", "httpStatus"},
    "refuse": {"errorCode", "errorType", "message", "httpStatus"},
    "emptyBody": {"httpStatus"},
    "message": {"message", "httpStatus"},
    "page": {"httpStatus"},
    "wrongSignature": {"errorType", "message", "httpStatus"},
    **dict.fromkeys(("connectionLost", "internalFault", "capacity", "throttle"), _EXCEPTION),
}
_REQUIRED = {LATE: {"delaySeconds"}, "refuse": {"errorType"}}
_COMMON = {"kind", "operation", "calls", "when", "requestId"}
# What can stand in a header and be the name of an XML element.
_EXCEPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")


class Fault(Body):
    """A fault as the control API takes it: what all have, and every parameter that some kind has."""

    kind: Annotated[str, one_of(sorted(KINDS))]
    operation: Annotated[str, one_of(("*", *OPERATIONS))] = "*"
    calls: Calls = Calls(every=True)
    when: Literal["before", "after"] | None = None
    request_id: str | None = None
    hold_seconds: Seconds = 0.0
    delay_seconds: Seconds = 0.0
    drip_seconds: Seconds = 0.0
    answer: Annotated[str, one_of(LATE_RESPONSES)] = "drop"
    variant: Annotated[int, Field(ge=0)] = 0
    error_code: str = ""
    error_type: str = ""
    message: str = ""
    http_status: Annotated[int, Field(ge=200, le=599)] = 400
    form: Annotated[str, one_of(FORMS)] = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """Those that were given, by their names in JSON."""
        return {name: value for name, value in self.given_as_json().items() if name not in _COMMON}

    @property
    def comes(self) -> str:
        """Before or after the effect."""
        return "after" if self.kind in AFTER_ONLY or self.kind == LATE else self.when or "before"

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Fault:
        allowed: Collection[str] = _PARAMETERS.get(self.kind, ())
        for name in self.parameters:
            if name not in allowed:
                raise ValueError(f"{self.kind} has no parameter {name}")
        if missing := _REQUIRED.get(self.kind, set()) - self.parameters.keys():
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        if self.kind == "generalError" and self.error_code not in {"", "F100", "F500"}:
            raise ValueError("errorCode of generalError is F100 or F500")
        if "form" in allowed and self.error_type and not _EXCEPTION_NAME.fullmatch(self.error_type):
            raise ValueError(f"errorType of {self.kind} is a name of letters and digits")
        if self.when not in {None, self.comes} or (self.when == "after" and self.kind in BEFORE_ONLY):
            raise ValueError(f"{self.kind} cannot come {self.when} the effect")
        return self


def parse_rule(number: int, description: Mapping[str, object]) -> Rule:
    """The rule that a JSON object describes; raises pydantic's ValidationError, which names what is wrong."""
    fault = Fault.model_validate(dict(description), by_alias=True, by_name=False)
    return Rule(
        number, fault.operation, fault.calls, fault.kind, fault.comes, fault.request_id, parameters=fault.parameters
    )


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
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, operation: str, request_id: str | None) -> bool:
        """Whether the call counts for this rule at all."""
        return self.operation in {"*", operation} and self.request_id in {None, request_id}

    def seconds(self, name: str, default: float) -> float:
        """A parameter in seconds."""
        return float(self.parameters.get(name, default))

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text parameter."""
        value: str | None = self.parameters.get(name, default)
        return value


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
            if chosen is None and rule.calls.hit(counts[rule.number]):
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
        """Add the rule that the control API's JSON describes; raises as `parse_rule`."""
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
                "calls": rule.calls.given_as_json(),
                "seen": self.seen.get(rule.number, 0),
                "hits": self.hit.get(rule.number, 0),
            }
            for rule in self.rules
        ]
