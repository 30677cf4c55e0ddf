"""What an account spends: each request counted on one day, and the average of the days.

A request counts from Amazon's first SUCCESS until it is reversed. Counting goes by the newest version of its record, so
that records that come twice, or in the wrong order, change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Final

from incentives.domain.money import CURRENCY_DECIMALS, Money
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status

#: Of the average, as Amazon's own portal shows it.
AVERAGE_DAYS: Final = 14

#: How long it is remembered what was counted for a request. The ledger's stream repeats itself for a day at most.
COUNTED_FOR: Final = timedelta(days=60)

#: The same for a request with a budget: longer than any batch of the stream is kept that could not be counted, so that
#: none which is counted later gives back a second time.
COUNTED_WITH_BUDGET_FOR: Final = timedelta(days=400)

#: How long a day's totals are kept: a year, and a month to look at it.
TOTALS_FOR: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request costs, and on which UTC day it counts."""

    day: date
    operation: Operation
    value: Money


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one currency and operation on one day.

    Attributes:
        minor: the sum in the currency's minor units (cents, yen): whole numbers add up exactly.
        count: of requests.
        undone: minor units that were counted once and have been taken out of the sum again; it never shrinks.
    """

    minor: int = 0
    count: int = 0
    undone: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.minor + other.minor, self.count + other.count, self.undone + other.undone)

    def taken_out(self) -> Tally:
        """What takes it out of a day's totals."""
        return Tally(-self.minor, -self.count, self.minor)


#: Currency and operation.
Kind = tuple[str, Operation]
Days = Mapping[date, Mapping[Kind, Tally]]


def charge_of(record: Record) -> Charge | None:
    """What a record, as it stands, costs.

    An outcome that is unknown costs nothing yet. A card whose reversal is under way costs its amount until it is
    reversed, and one that nobody could reverse costs it for good.
    """
    if record.answered_at is None or record.status in {Status.REVERSED, Status.REFUSED}:
        return None
    return Charge(record.answered_at.astimezone(UTC).date(), record.operation, record.value)


def counted_for(record: Record) -> timedelta:
    """For how long what a request was counted as is remembered."""
    return COUNTED_FOR if record.budget is None else COUNTED_WITH_BUDGET_FOR


def is_to_be_given_back(record: Record) -> bool:
    """Whether a request has ended without a charge, and no other follows it that would take over what it holds.

    It does not matter whether it was charged before. ESCALATED gives nothing back: it may have been charged.
    """
    is_over = record.replaced_by is None and record.status in {Status.REFUSED, Status.REVERSED}
    return record.budget is not None and record.budget_period is not None and is_over


def may_be_forgotten(refused: Record, successor: Record) -> bool:
    """Whether the note that a refused request gave back its hold may be gone by the time that another follows it.

    Then it has given back, or never will: giving back needs the version of its record, which the other changes. One day
    is left for clocks that differ.
    """
    return successor.created_at - refused.updated_at > COUNTED_WITH_BUDGET_FOR - timedelta(days=1)


def ends_with_budget(record: Record) -> bool:
    """Whether a request with a budget has ended: every such write is counted, also one that costs nothing."""
    return record.budget is not None and not record.status.is_open


def forgotten(was: Charge | None, today: date, remembered_for: timedelta = COUNTED_FOR) -> Charge | None:
    """What had been counted for a request of which nothing is remembered any more.

    A card can be deactivated months after it was activated. Nothing remembered means that it was never counted, unless
    it cost something on a day so long ago that the memory of it has expired.
    """
    return was if was is not None and was.day < today - remembered_for else None


def difference(counted: Charge | None, now: Charge | None) -> dict[date, dict[Kind, Tally]]:
    """What has to be added to the days' totals for a request that counts otherwise now."""
    found: dict[date, dict[Kind, Tally]] = {}
    if counted == now:
        return found
    for charge, sign in ((counted, -1), (now, 1)):
        if charge is not None:
            tally = Tally(minor_units(charge.value), 1)
            kind = (charge.value.currency, charge.operation)
            day = found.setdefault(charge.day, {})
            day[kind] = day.get(kind, Tally()) + (tally if sign > 0 else tally.taken_out())
    return found


def spent_on(days: Days, day: date, currency: str) -> Money:
    """All that was spent in a currency on a day."""
    minor = sum(tally.minor for (code, _), tally in days.get(day, {}).items() if code == currency)
    return money_of(minor, currency)


def charged_on(days: Days, day: date, currency: str) -> int:
    """All that was ever counted in a currency on a day, in minor units: what was reversed since is not taken out."""
    return sum(tally.minor + tally.undone for (code, _), tally in days.get(day, {}).items() if code == currency)


def average_daily_spend(days: Days, currency: str, today: date, known_since: date) -> Money | None:
    """The average of the last 14 whole days; of fewer, if the account has not been known for that long.

    Today is not over, and would pull the average down every night.

    Args:
        days: totals by UTC day.
        currency: of the account.
        today: the UTC day.
        known_since: the first day on which anything could have been counted.

    Returns:
        None on the account's first day.
    """
    first = max(today - timedelta(days=AVERAGE_DAYS), min([known_since, *days]))
    whole = (today - first).days
    if whole <= 0:
        return None
    minor = sum(minor_units(spent_on(days, first + timedelta(days=n), currency)) for n in range(whole))
    return money_of(round(Decimal(minor) / whole), currency)


def minor_units(value: Money) -> int:
    """An amount in its currency's smallest unit."""
    return int(value.amount.scaleb(CURRENCY_DECIMALS[value.currency]))


def money_of(minor: int, currency: str) -> Money:
    """The inverse of `minor_units`."""
    return Money(Decimal(minor).scaleb(-CURRENCY_DECIMALS[currency]), currency)
