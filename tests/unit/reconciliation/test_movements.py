"""Balances beside rows: what the rows do not explain is found, exactly, and nothing else is."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incentives.domain.accounts.spend import money_of
from incentives.domain.errors import InvalidInput
from incentives.domain.reconciliation.balance import (
    NEAR,
    BalanceSnapshot,
    Level,
    Move,
    MovementName,
    MovementPart,
    PartType,
    decode_level,
    encode_level,
    has_balance,
    levels_of_day,
)
from incentives.domain.reconciliation.days import bounds, day_of, read_zone
from incentives.domain.reconciliation.movements import (
    DayLevels,
    Movement,
    booked_on,
    check_parts,
    exact_at,
    movements_of,
)

START = datetime(2026, 11, 29, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
DECEMBER = date(2026, 12, 1)


class Sums:
    """What had moved by then."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self.moves = sorted(moves)
        self.sums = [0, *accumulate(move.minor for move in self.moves)]

    def up_to(self, moment: datetime) -> int:
        return self.sums[bisect_right(self.moves, moment, key=lambda move: move.time)]


@dataclass
class Account:
    """An account at Amazon, three days of it: rows, what else moves its balance, and when it is looked at.

    Attributes:
        rows: time and amount of each; negative for a charge.
        others: of what has no row.
        unlike: how far from its time a row took effect, and a balance was told, in seconds.
    """

    opening: int = 1_000_000
    rows: list[Move] = field(default_factory=list)
    others: list[Move] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=lambda: [START + n * QUARTER for n in range(3 * 96)])
    unlike: random.Random | None = None
    partner_changes: datetime | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        skews = self.unlike
        effects = [
            *(Move(row.time + skews.uniform(-1, 1) * SECOND if skews else row.time, row.minor) for row in self.rows),
            *self.others,
        ]
        self._effects = Sums(effects)
        self._booked = Sums([*self.rows, *self.others])

    def balance(self, moment: datetime) -> int:
        return self.opening + self._effects.up_to(moment)

    def booked(self, moment: datetime) -> int:
        """What it is at a moment by the times that rows say."""
        return self.opening + self._booked.up_to(moment - SECOND)

    def snapshots(self) -> list[BalanceSnapshot]:
        found = []
        for look in self.looks:
            at = look + self.unlike.uniform(-1.9, 1.9) * SECOND if self.unlike else look
            has_changed = self.partner_changes is not None and look >= self.partner_changes
            found.append(
                BalanceSnapshot(
                    account="default",
                    partner_id="New11" if has_changed else "Test1",
                    taken_at=look,
                    as_of=look,
                    available=money_of(self.balance(at), "USD"),
                )
            )
        return found

    def days(self, *, without: Sequence[date] = ()) -> list[DayLevels]:
        """As they are judged: each by itself."""
        zone, snapshots, found = read_zone(self.zone), self.snapshots(), []
        first = day_of(START, zone)
        for day in (first + n * DAY for n in range(4)):
            start, end = bounds(day, zone)
            its = [row for row in self.rows if start <= row.time < end]
            levels = levels_of_day(
                snapshots,
                its,
                currency="USD",
                start=start,
                end=end,
                before=[row for row in self.rows if start - NEAR <= row.time < start],
                after=[row for row in self.rows if end <= row.time <= end + NEAR],
            )
            levels = [decode_level(json.loads(json.dumps(encode_level(level)))) for level in levels]
            if day not in without:
                found.append(DayLevels(day=day, levels=levels, net=-sum(row.minor for row in its), currency="USD"))
        return found

    @property
    def movements(self) -> list[Movement]:
        return movements_of("default", self.days())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}+00:00")


def named(movement: Movement, *parts: tuple[str, int]) -> dict[str, MovementName]:
    """A movement's parts: date and minor units of each."""
    made = tuple(
        MovementPart(type=PartType.CORRECTION, amount=Decimal(minor) / 100, on=date.fromisoformat(on), reference="r")
        for on, minor in parts
    )
    check_parts(movement, made)
    name = MovementName(account="default", movement_id=movement.movement_id, parts=made, by="someone", at=START)
    return {movement.movement_id: name}


# ---- whatever happens ---------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([0, 3, 60, 300]), st.sampled_from(["UTC", "Asia/Kolkata"]))
def test_rows_alone_are_no_movement_however_near_to_a_balance_they_are(seed: int, an_hour: int, zone: str) -> None:
    draw = random.Random(seed)
    a = Account(rows=drawn_rows(draw, an_hour), unlike=draw, zone=zone)
    days = a.days()
    assert movements_of("default", days) == []
    # and an exact figure is the true one
    for day in days:
        start, _ = bounds(day.day, read_zone(zone))
        found = exact_at("default", day.day, days, {})
        assert found in {None, Decimal(a.booked(start)) / 100}
        assert found is not None or an_hour >= 60


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([0, 3, 60]), st.integers(1, 6))
@example(seed=2390505886, an_hour=60, number=4)  # two within an hour, and no quiet balance between them
def test_what_moved_without_a_row_is_told_to_the_cent_and_the_books_add_up(
    seed: int, an_hour: int, number: int
) -> None:
    draw = random.Random(seed)
    others = [Move(drawn_time(draw), draw.choice([-1, 1]) * draw.randint(1, 90_000)) for _ in range(number)]
    a = Account(rows=drawn_rows(draw, an_hour), others=others, unlike=draw)
    days = a.days()
    movements = movements_of("default", days)
    exact = [each for each in movements if each.amount is not None]
    # then each is where it happened, and all together are as much as moved
    for other in others:
        near = [m for m in movements if m.start - 2 * SECOND <= other.time <= m.end + 2 * SECOND]
        assert near or sum(o.minor for o in others if abs(o.time - other.time) <= QUARTER) == 0
    if exact == movements:
        assert sum(int((m.amount or 0) * 100) for m in movements) == sum(other.minor for other in others)
    # and when finance names what it was with its dates, the books add up at each day's begin
    names: dict[str, MovementName] = {}
    for m in exact:
        its = [o for o in others if m.start - 2 * SECOND <= o.time <= m.end + 2 * SECOND]
        if sum(o.minor for o in its) == int((m.amount or 0) * 100):
            names |= named(m, *((o.time.date().isoformat(), o.minor) for o in its))
    for day in days[1:]:
        found = exact_at("default", day.day, days, names)
        assert found in {None, Decimal(a.booked(bounds(day.day, read_zone("UTC"))[0])) / 100}


def drawn_time(draw: random.Random) -> datetime:
    # Not in the first and last quarter of an hour, where no balance stands on both sides.
    return START + draw.randint(900, 3 * 86_400 - 1_800) * SECOND


def drawn_rows(draw: random.Random, an_hour: int) -> list[Move]:
    """More of them near the times at which balances are taken."""
    found = []
    for _ in range(an_hour * 72):
        time = START + draw.randrange(3 * 86_400) * SECOND
        if draw.random() < 0.3:
            time = max(START, START + round((time - START) / QUARTER) * QUARTER + draw.randint(-8, 8) * SECOND)
        found.append(Move(time, draw.choice([-2500, -2500, -2500, -10_000, 2500])))
    return [row for row in found if row.time < START + 3 * DAY]


# ---- one by one ---------------------------------------------------------------------------------


def test_a_movement_is_between_two_balances_and_its_id_is_its_facts() -> None:
    a = Account(rows=[Move(at("29T10:01"), -2500)], others=[Move(at("29T10:07"), 50_000)])
    (found,) = a.movements
    assert (found.start, found.end, found.amount) == (at("29T10:00"), at("29T10:15"), Decimal("500.00"))
    assert (found.first_day, found.last_day, found.currency) == (date(2026, 11, 29), date(2026, 11, 29), "USD")
    assert (found.low, found.high) == (found.amount, found.amount)
    # and with a charge in the same quarter, of which the row is late, it is another one until the row is there
    both = [*a.others, Move(at("29T10:08"), -2500)]
    assert Account(rows=a.rows, others=both).movements[0].movement_id != found.movement_id
    assert Account(rows=[*a.rows, both[1]], others=a.others).movements == [found]
    # and so it is in another account
    assert movements_of("another", a.days())[0].movement_id != found.movement_id


def test_two_in_an_hour_are_two_and_two_between_two_balances_are_one() -> None:
    a = Account(others=[Move(at("29T10:07"), 50_000), Move(at("29T10:50"), 70_000)])
    assert [m.amount for m in a.movements] == [Decimal("500.00"), Decimal("700.00")]
    a = Account(others=[Move(at("29T10:07"), 50_000), Move(at("29T10:08"), -500)])
    assert [m.amount for m in a.movements] == [Decimal("495.00")]


def test_a_fee_that_hides_in_a_band_is_looked_for_in_all_of_it() -> None:
    # given a balance with a row next to it, and a fee before it that is smaller than the row
    a = Account(rows=[Move(at("29T10:15:02"), -2500)], others=[Move(at("29T10:05"), -100)])
    # then it may have come on either side
    (found,) = a.movements
    assert (found.start, found.end, found.amount) == (at("29T10:00"), at("29T10:30"), Decimal("-1.00"))


def test_a_level_without_a_quiet_balance_joins_what_moved_on_both_sides() -> None:
    # given two movements, and between them only a balance with a row next to it
    a = Account(
        rows=[Move(at("29T10:15:02"), -2500)], others=[Move(at("29T10:05"), 50_000), Move(at("29T10:25"), 70_000)]
    )
    (found,) = a.movements
    assert (found.start, found.end, found.amount) == (at("29T10:00"), at("29T10:30"), Decimal("1200.00"))
    # when there is none after it either, the amount has bounds only, and nobody can name it or close with it
    a.looks = [look for look in a.looks if look <= at("29T10:15")]
    (found,) = a.movements
    assert (found.amount, found.low, found.high) == (None, Decimal("500.00"), Decimal("525.00"))
    assert exact_at("default", date(2026, 11, 30), a.days(), {}) is None
    with pytest.raises(InvalidInput, match="movementId"):
        check_parts(found, ())


def test_another_partner_has_another_balance() -> None:
    a = Account(others=[Move(at("29T10:15"), -300_000)], partner_changes=at("29T10:15"))
    (found,) = a.movements
    assert found.amount == Decimal("-3000.00")
    # also where a row next to the first one makes a band that both could be in
    row = Move(at("29T10:15:02"), -2500)
    (found,) = Account(rows=[row], others=[Move(at("29T10:15"), -100)], partner_changes=at("29T10:15")).movements
    assert (found.end, found.amount) == (at("29T10:15"), Decimal("-1.00"))
    # if it has the same, the books go on
    assert Account(partner_changes=at("29T10:15")).movements == []


def test_a_day_that_is_missing_explains_nothing() -> None:
    a = Account(rows=[Move(at("30T10:01"), -2500)])
    days = a.days(without=[date(2026, 11, 30)])
    assert movements_of("default", days) == []
    assert exact_at("default", DECEMBER, days, {}) == Decimal("9975.00")
    assert exact_at("default", date(2026, 11, 30), days, {}) is None


# ---- the figure at a boundary -------------------------------------------------------------------


def across_midnight() -> Account:
    """A deposit and a fee between the last balance of November and the first of December."""
    a = Account(rows=[Move(at("30T23:50"), -2500)], others=[Move(at("30T23:55"), 50_000), Move(at("30T23:56"), -500)])
    a.looks.remove(datetime(2026, 12, 1, tzinfo=UTC))
    return a


@pytest.mark.parametrize(
    ("parts", "balance"),
    [
        ([("2026-11-30", 49_500)], "10470.00"),
        ([("2026-12-01", 49_500)], "9975.00"),
        ([("2026-11-30", 50_000), ("2026-12-01", -500)], "10475.00"),
        ([("2026-11-29", 49_500)], "10470.00"),
        ([("2026-12-02", 49_500)], "9975.00"),
    ],
)
def test_across_a_boundary_the_date_decides(parts: list[tuple[str, int]], balance: str) -> None:
    a = across_midnight()
    (found,) = a.movements
    names = named(found, *parts)
    assert exact_at("default", DECEMBER, a.days(), names) == Decimal(balance)
    # and the books add up on both sides of it
    days, charged = [date(2026, 11, 30), DECEMBER, date(2026, 12, 2)], [Decimal(25), Decimal(0)]
    balances = [exact_at("default", day, a.days(), names) or Decimal(0) for day in days]
    for n, (first, last) in enumerate(pairwise(days)):
        its = [p.amount for p in names[found.movement_id].parts if first <= booked_on(found, p) < last]
        assert balances[n] - charged[n] + sum(its) == balances[n + 1]


def test_unnamed_across_a_boundary_there_is_no_figure() -> None:
    a = across_midnight()
    assert exact_at("default", DECEMBER, a.days(), {}) is None


def test_within_a_month_a_part_counts_where_the_balance_moved_whatever_its_date() -> None:
    # given a deposit in the morning of the last day, which the bank has on the next
    a = Account(others=[Move(at("30T10:05"), 50_000)])
    (found,) = a.movements
    names = named(found, ("2026-12-01", 50_000))
    assert booked_on(found, names[found.movement_id].parts[0]) == date(2026, 11, 30)
    assert exact_at("default", DECEMBER, a.days(), names) == Decimal("10500.00")


def test_what_moves_later_or_was_settled_before_needs_no_name_at_a_boundary() -> None:
    a = Account(others=[Move(at("29T10:05"), 50_000), Move(at("30T10:05"), -700)])
    assert exact_at("default", date(2026, 11, 30), a.days(), {}) == Decimal("10500.00")


def test_a_figure_needs_the_day_that_begins() -> None:
    # given no balance at midnight: what moved after the last one is seen by the day after only
    a = Account(others=[Move(at("30T23:50"), 50_000)])
    days = a.days()[:2]
    assert exact_at("default", DECEMBER, days, {}) is None
    assert exact_at("default", date(2026, 11, 30), days, {}) == Decimal("10000.00")


# ---- the edges of a day -------------------------------------------------------------------------


def snapshot_at(moment: datetime, currency: str = "USD") -> BalanceSnapshot:
    return BalanceSnapshot(
        account="default", partner_id="Test1", taken_at=moment, as_of=moment, available=money_of(0, currency)
    )


def levels(moment: datetime, moves: Sequence[Move] = (), *, currency: str = "USD", **known: object) -> list[Level]:
    return levels_of_day(
        [snapshot_at(moment, currency)],
        moves,
        currency="USD",
        start=START,
        end=START + DAY,
        **known,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("moment", "known", "is_left_out"),
    [
        (START, {}, True),
        (START, {"before": []}, False),
        (START + NEAR, {}, False),
        (START + NEAR - SECOND, {}, True),
        (START + DAY - NEAR, {}, True),
        (START + DAY - NEAR, {"after": []}, False),
        (START + DAY - NEAR - SECOND, {}, False),
        (START + DAY, {"after": []}, True),
        (START + HOUR, {"until": START + HOUR + NEAR}, True),
        (START + HOUR, {"until": START + HOUR + NEAR + SECOND}, False),
    ],
)
def test_a_balance_counts_where_all_rows_next_to_it_are_known(
    moment: datetime, known: dict[str, object], is_left_out: bool
) -> None:
    assert (levels(moment, **known) == []) is is_left_out
    assert levels(moment, currency="EUR", **known) == []


def test_rows_within_three_seconds_make_a_band_on_either_side_of_midnight_too() -> None:
    moves = [Move(START + n * SECOND, -(10**n)) for n in range(1, 8)]
    (level,) = levels(START + 5 * SECOND, moves)
    assert (level.settled, level.low, level.high) == (-10, -11_111_100, 0)
    (level,) = levels(START + SECOND, [Move(START + 2 * SECOND, 700)], before=[Move(START - SECOND, -2500)])
    # the day before has booked it, and the balance may not have it yet
    assert (level.settled, level.low, level.high) == (0, 0, 3200)
    (level,) = levels(START + DAY - SECOND, [Move(START + HOUR, -100)], after=[Move(START + DAY + SECOND, -2500)])
    assert (level.settled, level.low, level.high) == (-100, -2500, 0)


def test_where_amazon_tells_nothing_of_a_balance_there_is_none() -> None:
    assert has_balance("default", frozenset(), [0, 0, 5], 2500)
    assert has_balance("default", frozenset(), [0, 0], 0)
    assert has_balance("default", frozenset(), [], 2500)
    assert not has_balance("default", frozenset(), [0, 0], 2500)
    assert not has_balance("invoiced", frozenset({"invoiced"}), [5], 2500)


# ---- what finance may say -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("updates", "says"),
    [
        ({"amount": Decimal("499.99")}, "parts must sum to 500.00, and sum to 499.99"),
        ({"amount": Decimal("500.001")}, r"parts.0.amount has more decimals than USD"),
        ({"amount": Decimal(0)}, r"parts.0.amount must be an amount other than zero"),
        ({"amount": Decimal("NaN")}, r"parts.0.amount must be an amount other than zero"),
        ({"on": date(2026, 11, 27)}, r"parts.0.date must be from 2026-11-28 to 2026-11-30"),
        ({"on": DECEMBER}, r"parts.0.date"),
    ],
)
def test_what_a_movement_cannot_have_been_is_named(updates: dict[str, object], says: str) -> None:
    (found,) = Account(others=[Move(at("29T10:07"), 50_000)]).movements
    part = MovementPart(type=PartType.DEPOSIT, amount=Decimal("500.00"), on=date(2026, 11, 29), reference="wire 7")
    check_parts(found, [part])
    with pytest.raises(InvalidInput, match=says):
        check_parts(found, [replace(part, **updates)])  # type: ignore[arg-type]
