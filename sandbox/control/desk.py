"""What every control works on, and reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator

from sandbox.control.models import Body, one_of
from sandbox.http.gateway import Sandbox
from sandbox.model.clock import Clock
from sandbox.model.values import CURRENCIES, Money, has_too_many_decimals, parse_iso, quantised
from sandbox.model.world import Account


@dataclass(frozen=True)
class Desk:
    """What a control works on: the sandbox, its clock, and the request's JSON."""

    sandbox: Sandbox
    clock: Clock
    body: Mapping[str, object]


@dataclass(frozen=True)
class Csv:
    """A response that is a file, not JSON."""

    text: str


Handler: TypeAlias = Callable[[Desk], object]
B = TypeVar("B", bound=Body)


class ControlError(ValueError):
    """A control request that cannot be followed; the text says why. Answered with 400."""


def _moment(value: object) -> object:
    return parse_iso(value) or value if isinstance(value, str) else value


Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
Currency = Annotated[str, one_of(CURRENCIES)]


def read(desk: Desk, body: type[B]) -> B:
    """The request's JSON as `body`; pydantic's ValidationError names what is wrong."""
    return body.model_validate(dict(desk.body), by_alias=True, by_name=False)


def account_of(desk: Desk, name: str | None) -> Account:
    """The account of that partner id, or the first one."""
    accounts = desk.sandbox.world.accounts
    name = next(iter(accounts)) if name is None else name
    if name not in accounts:
        raise ControlError(f"account is one of {', '.join(accounts)}")
    return accounts[name]


def exact(amount: Decimal, currency: str) -> Money:
    """The amount in whole smallest units of a known currency."""
    if has_too_many_decimals(amount, currency):
        raise ControlError(f"amount: has more decimals than {currency}")
    return Money(quantised(amount, currency), currency)
