"""Movements: what changed a balance although no row says so. Deposits and fees mostly; finance names their parts.

    balance at a moment = level - charges + refunds, up to then

The levels of some days, one after the other, agree until something else moves the balance. Two bands that cannot be one
level are a movement: it happened between the last quiet snapshot of the old level and the first of the new one, which
also make its amount exact. Where a level has none, there are only bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import InvalidInput
from incentives.domain.money import CURRENCY_DECIMALS

if TYPE_CHECKING:
    from incentives.domain.reconciliation.balance import Level, MovementName, MovementPart

#: Of one movement. Two top-ups and a handful of fees within one quarter of an hour are few.
PARTS_MAX: Final = 20

#: Of a part's reference: a bank's end-to-end id has 35 characters.
REFERENCE_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLevels:
    """What is known of one booking day.

    Attributes:
        levels: by Amazon's times.
        net: charges less refunds of all rows of the day, minor units.
        currency: of both.
    """

    day: date
    levels: Sequence[Level]
    net: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A change of the balance that no row explains.

    Attributes:
        movement_id: of account, interval and amount: changed facts are another movement, which nobody has named yet.
        start, end: Amazon's times of the snapshots before and after it, aware UTC.
        first_day, last_day: their booking days.
        amount: signed, positive when the balance rose; None where it is not exact, so that it cannot be named.
        low, high: the bounds of the amount.
    """

    movement_id: str
    start: datetime
    end: datetime
    first_day: date
    last_day: date
    amount: Decimal | None
    low: Decimal
    high: Decimal
    currency: str


def check_parts(movement: Movement, parts: Sequence[MovementPart]) -> None:
    """Check what finance says that a movement was, but for what needs no movement: how many parts, their references.

    A part's date is one of the movement's booking days, or the day before or after them, since banks have days of their
    own. See `booked_on` for where it counts.

    Raises:
        InvalidInput: names the field.
    """
    if movement.amount is None:
        raise InvalidInput("movementId", "is of a movement whose amount is not exact yet")
    decimals = CURRENCY_DECIMALS[movement.currency]
    first, last = movement.first_day - timedelta(days=1), movement.last_day + timedelta(days=1)
    for number, part in enumerate(parts):
        if not part.amount.is_finite() or part.amount == 0:
            raise InvalidInput(f"parts.{number}.amount", "must be an amount other than zero")
        if part.amount % Decimal(1).scaleb(-decimals):
            raise InvalidInput(f"parts.{number}.amount", f"has more decimals than {movement.currency}")
        if not first <= part.on <= last:
            raise InvalidInput(f"parts.{number}.date", f"must be from {first} to {last}")
    total = sum(part.amount for part in parts)
    if total != movement.amount:
        raise InvalidInput("parts", f"must sum to {movement.amount}, and sum to {total}")


def booked_on(movement: Movement, part: MovementPart) -> date:
    """The booking day on which a part counts: its own, or the nearest on which it can have moved the balance.

    That is what makes the date decide across the end of a month, and only there: what a balance at the boundary holds
    already cannot be booked after it.
    """
    return min(max(part.on, movement.first_day), movement.last_day)


def movements_of(account: str, days: Sequence[DayLevels]) -> list[Movement]:
    """The movements of some days, oldest first.

    A level that never had a quiet snapshot joins the movements on both of its sides into one, whose amount is exact.
    Where a day is missing, or the currency changed, levels start anew, and nothing is said of what moved in between.

    Args:
        account: whose days.
        days: ascending. A level is exact only with a quiet snapshot, which a busy account has seldom: give a few days
            more on both sides of a month, and of what is found take that whose `first_day` to `last_day` touch it.
    """
    return [step.movement for run in _runs(account, days) for step in run.steps if step.movement]


def exact_at(account: str, day: date, days: Sequence[DayLevels], names: Mapping[str, MovementName]) -> Decimal | None:
    """The exact balance at the moment at which a booking day begins.

    It is rolled from the quiet snapshots of the level that the moment is in, by the rows in between. If the moment lies
    in a movement's interval, the dates of its named parts say on which side of it each of them is. So between two
    boundaries: the later balance = the earlier - charges + refunds + all parts that are `booked_on` days in between.

    Args:
        account: whose balance.
        day: the day that begins: the first of a month for its opening, of the next month for its closing. It must
            be one of `days` itself: without it nothing is known of what moved between the last snapshot and its begin.
        days: ascending, with the day before if there is one, and a few more on both sides, as for `movements_of`. Both
            have to be given the same ones.
        names: of movements, by id.

    Returns:
        None: no quiet snapshot, a movement across the boundary that is not named, or days that are missing.
    """
    for run in _runs(account, days):
        if day in run.moved_before:
            minor = _minor_at(run, day, names)
            return None if minor is None else _decimal(minor, run.currency)
    return None


@dataclass(frozen=True, slots=True)
class _Point:
    """One snapshot's band: the level lies from `low` to `high`, both included."""

    day: date
    as_of: datetime
    low: int
    high: int
    partner_id: str


@dataclass(slots=True)
class _Stretch:
    """Snapshots that may all be of one level, which lies from `low` to `high`."""

    low: int
    high: int
    points: list[_Point]
    is_quiet: bool

    def takes(self, point: _Point) -> bool:
        same_balance = point.partner_id == self.points[-1].partner_id
        return same_balance and point.low <= self.high and self.low <= point.high

    def add(self, point: _Point) -> None:
        self.low, self.high = max(self.low, point.low), min(self.high, point.high)
        self.points.append(point)
        self.is_quiet = self.is_quiet or point.low == point.high


@dataclass(frozen=True, slots=True)
class _Step:
    """From one level to the next; without a movement if both turned out to be the same."""

    first_day: date
    last_day: date
    movement: Movement | None


@dataclass(frozen=True, slots=True)
class _Run:
    """Days without a gap: `steps[n]` leads from `stretches[n]` to the next.

    Attributes:
        moved_before: by day, what the rows of all days before it had moved.
    """

    currency: str
    moved_before: Mapping[date, int]
    stretches: Sequence[_Stretch]
    steps: Sequence[_Step]


def _minor_at(run: _Run, day: date, names: Mapping[str, MovementName]) -> int | None:
    place, parts = 0, Decimal(0)
    for number, step in enumerate(run.steps):
        if step.last_day < day:
            place = number + 1
        elif step.first_day < day and step.movement is not None:
            movement = step.movement
            name = names.get(movement.movement_id)
            if name is None or movement.amount is None:
                return None
            parts += sum(part.amount for part in name.parts if booked_on(movement, part) < day)
    if not run.stretches or not run.stretches[place].is_quiet:
        return None
    return run.stretches[place].low + run.moved_before[day] + int(parts.scaleb(CURRENCY_DECIMALS[run.currency]))


def _runs(account: str, days: Sequence[DayLevels]) -> Iterator[_Run]:
    parts: list[list[DayLevels]] = []
    for each in days:
        last = parts[-1][-1] if parts else None
        if last is not None and each.day == last.day + timedelta(days=1) and each.currency == last.currency:
            parts[-1].append(each)
        else:
            parts.append([each])
    for part in parts:
        yield _run(account, part)


def _run(account: str, days: Sequence[DayLevels]) -> _Run:
    moved, moved_before, found = 0, dict[date, int](), list[_Stretch]()
    for each in days:
        moved_before[each.day] = moved
        for level in each.levels:
            value = level.balance - moved - level.settled
            point = _Point(each.day, level.as_of, value - level.high, value - level.low, level.partner_id)
            if found and found[-1].takes(point):
                found[-1].add(point)
            else:
                found.append(_Stretch(point.low, point.high, [point], point.low == point.high))
        moved -= each.net
    # One in the middle that was never quiet says only that something moved before it, and something after it.
    kept = [n for n, stretch in enumerate(found) if stretch.is_quiet or n in {0, len(found) - 1}]
    steps = [_step(account, days[0].currency, found[a], found[a + 1], found[b]) for a, b in pairwise(kept)]
    return _Run(days[0].currency, moved_before, [found[n] for n in kept], steps)


def _step(account: str, currency: str, old: _Stretch, following: _Stretch, new: _Stretch) -> _Step:
    """From a level to the next that is kept; `following` comes right after the old one and may not be kept."""
    # The old level's last snapshots may be in both bands: then the movement may have come before them.
    sure = (each for each in reversed(old.points) if each.high < following.low or following.high < each.low)
    end = new.points[0]
    # Another partner id has another balance: then the snapshots themselves say where the old one ended.
    new_partner = old.points[-1].partner_id != end.partner_id
    start = old.points[-1] if new_partner else next(sure, old.points[-1])
    is_exact = old.is_quiet and new.is_quiet
    if is_exact and not new_partner:
        # What moved in between may have moved in two steps: only a quiet balance is sure to be of its level.
        start = next(each for each in reversed(old.points) if each.low == each.high)
        end = next(each for each in new.points if each.low == each.high)
    if is_exact and old.low == new.low:
        return _Step(start.day, end.day, None)
    low, high = (_decimal(minor, currency) for minor in (new.low - old.high, new.high - old.low))
    amount = low if is_exact else None
    movement = Movement(
        movement_id=_movement_id(account, start.as_of, end.as_of, amount),
        start=start.as_of,
        end=end.as_of,
        first_day=start.day,
        last_day=end.day,
        amount=amount,
        low=low,
        high=high,
        currency=currency,
    )
    return _Step(start.day, end.day, movement)


def _movement_id(account: str, start: datetime, end: datetime, amount: Decimal | None) -> str:
    facts = (account, start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat(), amount)
    return hashlib.sha256("|".join(map(str, facts)).encode()).hexdigest()[:24]


def _decimal(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-CURRENCY_DECIMALS[currency])
