"""An account's balance beside its rows: what they do not explain is a movement that finance has to name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSnapshot:
    """A balance as Amazon told it, and what we knew of the account's spend around it.

    Attributes:
        taken_at: by our clock, aware UTC.
        as_of: Amazon's own time of it.
        counted_before, counted_after: spend counted on each of the last three UTC days, in minor units, just before and
            just after Amazon was asked.
        at_risk: of requests that are open and may have been sent, in minor units.
    """

    account: str
    partner_id: str
    taken_at: datetime
    as_of: datetime
    available: Money
    counted_before: Mapping[date, int] = field(default_factory=dict)
    counted_after: Mapping[date, int] = field(default_factory=dict)
    at_risk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A balance of a booking day beside the day's rows, all in minor units.

    Attributes:
        as_of: Amazon's time of the balance.
        balance: as Amazon told it.
        settled: refunds less charges, from the day's start to three seconds before `as_of`.
        low, high: what the rows within three seconds of it may add to that; both 0: none is.
    """

    as_of: datetime
    balance: int
    settled: int
    low: int = 0
    high: int = 0


class PartType(StrEnum):
    """What moved a balance without a row."""

    DEPOSIT = "deposit"
    FEE = "fee"
    TAX = "tax"
    REBATE = "rebate"
    CORRECTION = "correction"
    REFUND_BY_HAND = "refundByHand"
    CREDIT_LIMIT = "creditLimit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementPart:
    """One thing that a movement is made of.

    Attributes:
        amount: signed: what it added to the balance.
        on: the booking day that it belongs to.
        reference: the person's own, such as a transfer's number.
    """

    type: PartType
    amount: Decimal
    on: date
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementName:
    """What finance says that a movement is.

    Attributes:
        before: how many namings of the same movement came before this one.
        revision: raised by every write.
    """

    account: str
    movement_id: str
    parts: tuple[MovementPart, ...]
    by: str
    at: datetime
    revision: int = 1
