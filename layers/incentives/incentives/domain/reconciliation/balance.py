"""Balances beside the rows: a level that stays the same for as long as rows explain every change of the balance.

    level = balance + charges - refunds, up to the time that Amazon gives with the balance

Rows have whole seconds, and Amazon's clocks are not one: whether a row within three seconds of a balance is in it,
nobody knows. Such rows make the level a band. A snapshot without any is quiet, and its level exact.

Amounts are whole minor units (cents, yen). A charge moves the balance down, a refund up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incentives.domain.accounts.spend import minor_units, money_of

if TYPE_CHECKING:
    from incentives.domain.money import Money

#: A row this near to a balance, or nearer, may be in it or not.
NEAR: Final = timedelta(seconds=3)

#: How many UTC days of counted charges stand with each balance: today and two before it.
COUNTED_DAYS: Final = 3

#: Longest time between two snapshots in a row of which a decrease is judged. Within it what was sent is counted, at
#: risk or refused; a request that was sent and escalated in between would be none of them.
APART_MAX: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSnapshot:
    """A balance as Amazon told it, and what we knew of the charges at that moment.

    Attributes:
        taken_at: by our clock, when the response had been read; aware UTC.
        as_of: Amazon's own time of it, aware UTC.
        available: may be zero, or below.
        counted_before, counted_after: charges counted per UTC day, in minor units of the balance's currency, for the
            last three UTC days; read just before, and some time after, Amazon was asked. What was reversed again is
            not taken out of them: they only grow.
        at_risk: minor units: amounts of the requests that may have been sent and were still open when Amazon had
            answered; None if they could not be read.
    """

    account: str
    partner_id: str
    taken_at: datetime
    as_of: datetime
    available: Money
    counted_before: Mapping[date, int] = field(default_factory=dict)
    counted_after: Mapping[date, int] = field(default_factory=dict)
    at_risk: int | None = None


class Move(NamedTuple):
    """What one row does to the balance.

    Attributes:
        time: the row's activityTime, aware UTC.
        minor: negative for a charge, positive for a refund.
    """

    time: datetime
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one snapshot says of its day's level, in minor units.

    Attributes:
        as_of: Amazon's time of the balance, aware UTC.
        balance: as told.
        settled: refunds less charges, from the day's start to three seconds before `as_of`.
        low, high: what the rows within three seconds of it may add to that, `low` at least (0 or less) and `high` at
            most (0 or more).
        partner_id: whose balance it is.
    """

    as_of: datetime
    balance: int
    settled: int
    low: int = 0
    high: int = 0
    partner_id: str = ""

    @property
    def is_quiet(self) -> bool:
        """Whether no row is ambiguous, so that the level is exact."""
        return self.low == self.high


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
    """What finance says that a movement is. What was said before of the same movement is kept beside it.

    Attributes:
        by: the person.
        at: aware UTC.
        revision: raised by every write.
    """

    account: str
    movement_id: str
    parts: tuple[MovementPart, ...]
    by: str
    at: datetime
    revision: int = 1


def encode_level(level: Level) -> dict[str, Any]:
    """A level as it stands in what was judged of a day."""
    return {
        "asOf": level.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "balance": level.balance,
        "settled": level.settled,
        "low": level.low,
        "high": level.high,
        "partnerId": level.partner_id,
    }


def decode_level(kept: Mapping[str, Any]) -> Level:
    """The inverse of `encode_level`."""
    return Level(
        as_of=datetime.fromisoformat(kept["asOf"]),
        balance=kept["balance"],
        settled=kept["settled"],
        low=kept["low"],
        high=kept["high"],
        partner_id=kept["partnerId"],
    )


def levels_of_day(
    snapshots: Sequence[BalanceSnapshot],
    moves: Sequence[Move],
    *,
    currency: str,
    start: datetime,
    end: datetime,
    before: Sequence[Move] | None = None,
    after: Sequence[Move] | None = None,
    until: datetime | None = None,
) -> list[Level]:
    """The levels of one booking day, by Amazon's times.

    Left out are snapshots of other days and currencies, and those whose ambiguous rows are not all known: in the day's
    first and last three seconds where the rows of the neighbouring day are not, and everything later than three seconds
    before `until`.

    Args:
        snapshots: in any order.
        moves: all of the day's rows in the currency, in any order.
        currency: of the account.
        start: when the day begins, included; aware UTC.
        end: when it ends, excluded.
        before: those of the three seconds before the day, at least; None: not known.
        after: those of the three seconds after the day, at least; None: not known.
        until: up to when the rows have been read, excluded; None: all of the day.
    """
    ordered = sorted(move for move in moves if start <= move.time < end)
    times = [move.time for move in ordered]
    sums = [0, *accumulate(move.minor for move in ordered)]
    levels = []
    for each in sorted(snapshots, key=lambda snapshot: snapshot.as_of):
        at = each.as_of
        if not start <= at < end or each.available.currency != currency:
            continue
        if (before is None and at - NEAR < start) or (after is None and at + NEAR >= end):
            continue
        if until is not None and at + NEAR >= until:
            continue
        first, last = bisect_left(times, at - NEAR), bisect_right(times, at + NEAR)
        near = [move.minor for move in ordered[first:last]]
        near += [move.minor for move in after or () if end <= move.time <= at + NEAR]
        # Those of the day before are in its own total: here they may have to be taken out again.
        near += [-move.minor for move in before or () if at - NEAR <= move.time < start]
        levels.append(
            Level(
                as_of=at,
                balance=minor_units(each.available),
                settled=sums[first],
                low=sum(minor for minor in near if minor < 0),
                high=sum(minor for minor in near if minor > 0),
                partner_id=each.partner_id,
            )
        )
    return levels


def has_balance(account: str, without_balance: frozenset[str], balances: Sequence[int], charges: int) -> bool:
    """Whether an account's balance can be held against its rows.

    Args:
        account: its name.
        without_balance: accounts that Amazon invoices, as the deployment sets them.
        balances: all that were told in the days looked at, minor units.
        charges: sum of the rows' charges in those days, minor units.

    Returns:
        False too if Amazon told 0 each time though it charged: its sandbox does.
    """
    if account in without_balance:
        return False
    return not (balances and charges and not any(balances))


@dataclass(frozen=True, slots=True)
class Decrease:
    """What left an account although nothing that we sent explains it.

    Attributes:
        amount: at least this much.
        since: Amazon's time of the last balance that was explained, aware UTC.
        until: Amazon's time of the newest balance.
    """

    amount: Money
    since: datetime
    until: datetime


def can_be_judged(base: BalanceSnapshot, middle: BalanceSnapshot, newest: BalanceSnapshot) -> bool:
    """Whether three snapshots in a row say anything of a decrease.

    They do not where partner or currency changed, where amounts at risk are not known, and where they are out of order
    or too far apart.
    """
    balances = {(each.account, each.partner_id, each.available.currency) for each in (base, middle, newest)}
    in_a_row = all(timedelta() < b.as_of - a.as_of <= APART_MAX for a, b in ((base, middle), (middle, newest)))
    return len(balances) == 1 and in_a_row and middle.at_risk is not None and newest.at_risk is not None


def unexplained_decrease(
    base: BalanceSnapshot, middle: BalanceSnapshot, newest: BalanceSnapshot, *, answered: int = 0
) -> Decrease | None:
    """A decrease that two snapshots in a row show and that neither counted charges nor amounts at risk explain.

    Every doubt makes it smaller, so that it is real if there is one: charges that were under way when `base` was taken
    are explained even where `base` has them already, and refunds, which raise the balance, are not added to what should
    be there. A deposit hides what left in the same half hour at most: `base` moves on.

    Args:
        base: the last one that was explained.
        middle: the one after it.
        newest: the one after that.
        answered: what Amazon answered since `base`, in minor units, as far as the ledger was asked for it: it explains
            what has not been counted yet.

    Returns:
        None: there is none, or it cannot be judged.
    """
    if not can_be_judged(base, middle, newest):
        return None
    not_counted = max(0, answered - counted_since(base, newest))
    least = min(_unexplained(base, middle), _unexplained(base, newest) - not_counted)
    if least <= 0:
        return None
    return Decrease(money_of(least, newest.available.currency), base.as_of, newest.as_of)


def counted_since(base: BalanceSnapshot, later: BalanceSnapshot) -> int:
    """What was counted between two balances, in minor units."""
    # A day that only the later one knows began after the base; one that only the base knows has no later figure.
    return sum(minor - base.counted_before.get(day, 0) for day, minor in later.counted_after.items())


def _unexplained(base: BalanceSnapshot, later: BalanceSnapshot) -> int:
    fell = minor_units(base.available) - minor_units(later.available)
    return fell - counted_since(base, later) - (later.at_risk or 0)
