"""A month at an account, drawn from its seed: what the ledger writes, what Amazon shows and when, and what is planted.

Amazon's clock is up to five minutes from ours, its rows come up to six hours late, requests stay open across midnights
and the month's end. Whatever is not planted is in order in the end, however late.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from incentives.agcod.activity import ActivityPage, judge_activity  # noqa: F401
from incentives.domain.calls import Call  # noqa: F401
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.reconciliation.days import bounds, read_zone
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.single_requests.record import Cause, Record, Status
from tests.books.story import PARTNER, AmazonRow, Story, dollars

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

CLOCKS_APART: Final = 5 * MINUTE
LATEST: Final = 6 * HOUR

#: So long an index may lag behind the table.
INDEX_LAGS: Final = 5 * MINUTE

Teller = Callable[["Drawer", Story, datetime], object]


@dataclass
class Drawer:
    """Draws stories. Every moment is true time."""

    chance: random.Random
    start: datetime
    end: datetime
    skew: timedelta
    stories: list[Story] = field(default_factory=list)
    #: Marks of the stretch at which a story likes to begin: its midnights.
    midnights: Sequence[datetime] = ()

    def story(self, operation: Operation | None = None) -> Story:
        number = len(self.stories)
        drawn = (
            operation
            or self.chance.choices(
                [Operation.CREATE_GIFT_CARD, Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE], [8, 1, 1]
            )[0]
        )
        late = self.within(LATEST) if self.chance.random() < 0.2 else self.within(MINUTE)
        # In the month Amazon's clock drifts from one side to the other.
        story = Story(f"{PARTNER}R{number:08d}", drawn, dollars(self.chance.randint(100, 9999)), self.skew, late)
        self.stories.append(story)
        return story

    def within(self, most: timedelta, least: timedelta = timedelta()) -> timedelta:
        return least + (most - least) * self.chance.random()

    def moment(self) -> datetime:
        """When somebody comes: at any time, and often about midnight."""
        if self.chance.random() < 0.1:
            return self.chance.choice(self.midnights) + self.within(3 * MINUTE, -3 * MINUTE)
        return self.start + self.within(self.end - self.start)


# ---- what is in order --------------------------------------------------------------------------------------


def plain(draw: Drawer, story: Story, at: datetime) -> Story:
    """It succeeds at once."""
    return story.created(at).sent(at + SECOND / 5).charge(at + SECOND / 2).succeeded(at + SECOND)


def refused(draw: Drawer, story: Story, at: datetime) -> Story:
    story.created(at).sent(at + SECOND / 5).write(at + SECOND, status=Status.REFUSED)
    return story.noise(at + SECOND / 2, status="Failed", is_real=False, value=None, failure="InsufficientFunds")


def cancelled(draw: Drawer, story: Story, at: datetime) -> Story:
    """Within the quarter of an hour that Amazon allows."""
    plain(draw, story, at)
    undone = at + draw.within(14 * MINUTE, MINUTE)
    return (
        story.reversing(undone).refund(undone + SECOND / 2, bare=draw.chance.random() < 0.7).reversed(undone + SECOND)
    )


def recovered(draw: Drawer, story: Story, at: datetime) -> Story:
    """Its response was lost; it is sent again for hours, and Amazon marks the repeats as such."""
    story.created(at).sent(at + SECOND / 5).unknown(at + 8 * SECOND)
    again = at + draw.within(23 * HOUR, MINUTE)
    charged = draw.chance.choice([at + SECOND, at + draw.within(20 * MINUTE), again])
    story.charge(min(charged, again))
    if charged < again:
        story.noise(again, is_real=False)
    return story.sent(again).succeeded(again + SECOND)


def reversed_late(draw: Drawer, story: Story, at: datetime) -> Story:
    """Nobody knows what became of it; a day later it is certain that nothing is charged."""
    story.created(at).sent(at + SECOND / 5).unknown(at + 8 * SECOND)
    begun = at + draw.within(12 * HOUR, 20 * MINUTE)
    done = begun + draw.within(12 * HOUR)
    if draw.chance.random() < 0.6:
        story.charge(at + draw.within(20 * MINUTE))
        story.refund(draw.chance.choice([begun + SECOND, done]), bare=draw.chance.random() < 0.5)
    return story.reversing(begun, Cause.REVERSE).undo_sent(done).reversed(done + SECOND)


def taken_back(draw: Drawer, story: Story, at: datetime) -> Story:
    """A printed card or a load that is taken back days later."""
    story.operation = draw.chance.choice([Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE])
    plain(draw, story, at)
    undone = min(at + draw.within(9 * DAY, HOUR), draw.end + DAY)
    done = undone + draw.chance.choice([SECOND, draw.within(20 * HOUR)])
    story.reversing(undone).refund(draw.chance.choice([undone + SECOND / 2, done]))
    return story.undo_sent(done).reversed(done + SECOND)


def reissued(draw: Drawer, story: Story, at: datetime) -> Story:
    reversed_late(draw, story, at)
    when, last = story.states[-1]
    successor = draw.story(story.operation)
    successor.value = story.value
    plain(draw, successor, when)
    successor.states = [(moment, _replacing(record, last.request_id)) for moment, record in successor.states]
    return story.write(when, replaced_by=successor.request_id)


def _replacing(record: Record, request_id: str) -> Record:
    return replace(record, replaces=request_id, generation=1)


def escalated(draw: Drawer, story: Story, at: datetime) -> Story:
    """Nobody could tell for a day; days later an operator's round, or finance, ends it."""
    story.created(at).sent(at + SECOND / 5).unknown(at + 8 * SECOND)
    is_charged = draw.chance.random() < 0.6
    if is_charged:
        story.charge(at + SECOND)
    story.write(at + 24 * HOUR, status=Status.ESCALATED)
    later = at + 24 * HOUR + draw.within(4 * DAY, HOUR)
    match draw.chance.choice(["succeeds", "is reversed", "settled"]):
        case "succeeds":
            story.unknown(later)
            if not is_charged:
                story.charge(later + SECOND)
            return story.sent(later + SECOND).succeeded(later + 2 * SECOND)
        case "is reversed":
            story.reversing(later, Cause.REVERSE)
            if is_charged:
                story.refund(later + SECOND)
            return story.reversed(later + 2 * SECOND)
        case _:
            story.settles = (later, is_charged)
            return story


def never_sent(draw: Drawer, story: Story, at: datetime) -> Story:
    """It waits for money or for a permit, and is withdrawn."""
    return story.created(at).write(at + draw.within(3 * DAY), status=Status.REFUSED)


def sent_late(draw: Drawer, story: Story, at: datetime) -> Story:
    """It waits for money or for a permit, perhaps beyond midnight."""
    later = at + draw.within(2 * DAY)
    return story.created(at).sent(later).charge(later + SECOND / 2).succeeded(later + SECOND)


def reversed_another_amount(draw: Drawer, story: Story, at: datetime) -> Story:
    """Amazon charges another amount, and takes back without saying how much what it charged."""
    cancelled(draw, story, at)
    charge, refund = story.rows[0], story.rows[1]
    paid = dollars(int(story.value.amount * 100) + 700)
    story.rows = [
        replace(charge, activity=replace(charge.activity, value=paid), signed=charge.signed + 700),
        replace(refund, activity=replace(refund.activity, value=None), signed=refund.signed - 700),
    ]
    return story


def charged_days_later(draw: Drawer, story: Story, at: datetime) -> Story:
    """Amazon says that it succeeded, and books it days later."""
    plain(draw, story, at).rows.clear()
    return story.charge(at + draw.within(4 * DAY, 2 * DAY)).passes(Kind.MISSING_AT_AMAZON)


def mended(draw: Drawer, story: Story, at: datetime) -> Story:
    """Charged twice; days later Amazon gives one of them back."""
    plain(draw, story, at).charge(at + draw.within(2 * DAY))
    return story.refund(at + draw.within(6 * DAY, 3 * DAY)).passes(Kind.CHARGED_TWICE)


def mended_after_its_end(draw: Drawer, story: Story, at: datetime) -> Story:
    """Charged although it was reversed; days later Amazon gives it back."""
    charged_after_its_end(draw, story, at)
    story.planted.clear()
    return story.refund(story.rows[-1].at + draw.within(4 * DAY, DAY)).passes(Kind.CHARGED_UNEXPECTEDLY)


ORDERLY: Final[Mapping[Teller, int]] = {
    plain: 800,
    refused: 50,
    cancelled: 50,
    recovered: 40,
    reversed_late: 25,
    taken_back: 20,
    reissued: 8,
    escalated: 10,
    never_sent: 10,
    sent_late: 20,
    reversed_another_amount: 10,
    charged_days_later: 5,
    mended: 5,
    mended_after_its_end: 5,
}


# ---- what is planted ---------------------------------------------------------------------------------------


def unknown(draw: Drawer, story: Story, at: datetime) -> Story:
    """Somebody else has our key; or a backup was restored."""
    return story.charge(at).plant(Kind.UNKNOWN_TO_LEDGER)


def unknown_refunded_later(draw: Drawer, story: Story, at: datetime) -> Story:
    return story.charge(at).refund(at + draw.within(5 * DAY, DAY)).plant(Kind.UNKNOWN_TO_LEDGER)


def unknown_pair(draw: Drawer, story: Story, at: datetime) -> Story:
    return story.charge(at).refund(at + 5 * MINUTE, bare=False).plant(Kind.UNKNOWN_TO_LEDGER)


def missing(draw: Drawer, story: Story, at: datetime) -> Story:
    plain(draw, story, at).rows.clear()
    return story.plant(Kind.MISSING_AT_AMAZON)


def missing_recovered(draw: Drawer, story: Story, at: datetime) -> Story:
    recovered(draw, story, at).rows.clear()
    return story.plant(Kind.MISSING_AT_AMAZON)


def missing_sent_late(draw: Drawer, story: Story, at: datetime) -> Story:
    sent_late(draw, story, at).rows.clear()
    return story.plant(Kind.MISSING_AT_AMAZON)


def refunded_by_amazon(draw: Drawer, story: Story, at: datetime) -> Story:
    """Days later, and often without an amount."""
    later = draw.chance.choice([at + HOUR, at + draw.within(12 * DAY)])
    return plain(draw, story, at).refund(later, bare=draw.chance.random() < 0.7).plant(Kind.REFUNDED_UNEXPECTEDLY)


def charged_though_refused(draw: Drawer, story: Story, at: datetime) -> Story:
    refused(draw, story, at).rows.clear()
    return story.charge(at + SECOND / 2).plant(Kind.CHARGED_UNEXPECTEDLY)


def charged_though_reversed(draw: Drawer, story: Story, at: datetime) -> Story:
    cancelled(draw, story, at)
    story.rows = story.rows[:1]
    return story.plant(Kind.CHARGED_UNEXPECTEDLY)


def charged_after_its_end(draw: Drawer, story: Story, at: datetime) -> Story:
    """Days later Amazon charges again what was reversed."""
    reversed_late(draw, story, at)
    return story.charge(story.states[-1][0] + draw.within(6 * DAY)).plant(Kind.CHARGED_UNEXPECTEDLY)


def not_refunded_late(draw: Drawer, story: Story, at: datetime) -> Story:
    """A reversal that ended on a later day, and of which Amazon has no row."""
    taken_back(draw, story, at)
    story.rows = story.rows[:1]
    return story.plant(Kind.CHARGED_UNEXPECTEDLY)


def charged_twice(draw: Drawer, story: Story, at: datetime) -> Story:
    again = draw.chance.choice([at + SECOND, at + draw.within(3 * DAY)])
    return plain(draw, story, at).charge(again).plant(Kind.CHARGED_TWICE)


def another_amount(draw: Drawer, story: Story, at: datetime) -> Story:
    plain(draw, story, at).rows.clear()
    return story.charge(at + SECOND / 2, dollars(int(story.value.amount * 100) + 100)).plant(Kind.AMOUNT_DIFFERS)


def another_currency(draw: Drawer, story: Story, at: datetime) -> Story:
    plain(draw, story, at).rows.clear()
    return story.charge(at + SECOND / 2, Money(story.value.amount, "EUR")).plant(Kind.AMOUNT_DIFFERS)


def garbled(draw: Drawer, story: Story, at: datetime) -> Story:
    """A charge of ours whose row cannot be read: that is one difference, on whichever day the request is looked at."""
    plain(draw, story, at)
    shown: dict[str, Any] = draw.chance.choice([{"status": "Maybe"}, {"type": "GCFestival"}, {"value": None}])
    story.rows = [replace(row, activity=replace(row.activity, **shown), signed=0) for row in story.rows]
    return story.plant(Kind.UNREADABLE_ROW)


def unreadable(draw: Drawer, story: Story, at: datetime) -> Story:
    """A row of nobody's that says too little."""
    shown: dict[str, Any] = draw.chance.choice(
        [{"request_id": ""}, {"status": "Maybe"}, {"type": "GCFestival"}, {"value": None}, {"time": None}]
    )
    if "request_id" in shown:
        story.request_id = ""
    return story.noise(at, **shown).plant(Kind.UNREADABLE_ROW)


def refund_of_nothing(draw: Drawer, story: Story, at: datetime) -> Story:
    story.refund(at)
    story.rows = [AmazonRow(row.at, row.visible_at, row.activity, 0) for row in story.rows]
    return story.plant(Kind.UNREADABLE_ROW)


PLANTS: Final[tuple[Teller, ...]] = (
    unknown,
    unknown_pair,
    unknown_refunded_later,
    missing,
    missing_recovered,
    missing_sent_late,
    refunded_by_amazon,
    charged_though_refused,
    charged_though_reversed,
    charged_after_its_end,
    not_refunded_late,
    charged_twice,
    another_amount,
    another_currency,
    unreadable,
    garbled,
    refund_of_nothing,
)


@dataclass
class World:
    """The month.

    Attributes:
        first, last: booking days in which stories begin.
        quiet: the days after it, in which they end.
        inclusive: whether Amazon's page shows what is on the ends of its frame.
        rows: all of Amazon's, by its clock.
    """

    zone: ZoneInfo
    first: date
    last: date
    stories: Sequence[Story]
    inclusive: bool = False
    quiet: int = 15
    rows: list[AmazonRow] = field(init=False)
    by_id: dict[str, Story] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = sorted((row for story in self.stories for row in story.rows), key=lambda row: row.at)
        self.by_id = {story.request_id: story for story in self.stories if story.states}
        self._times = [row.at for row in self.rows]
        created = sorted((story.states[0][0], story.request_id) for story in self.by_id.values())
        self._created = [moment for moment, _ in created]
        self._ids = [request_id for _, request_id in created]

    @property
    def days(self) -> list[date]:
        last = self.last + timedelta(days=self.quiet)
        return [self.first + timedelta(days=n) for n in range((last - self.first).days + 1)]

    @property
    def planted(self) -> Counter[tuple[Kind, str]]:
        """What is to be found, by kind and request. What the ledger does not know is told on each day that shows it."""
        found: Counter[tuple[Kind, str]] = Counter()
        for story in self.stories:
            days = {row.at.astimezone(self.zone).date() for row in story.rows}
            for kind in story.planted:
                found[kind, story.request_id] += len(days) if kind is Kind.UNKNOWN_TO_LEDGER else 1
        return found

    def rows_within(self, start: datetime, end: datetime, now: datetime) -> list[AmazonRow]:
        """Visible rows of a frame."""
        first, last = (bisect_left, bisect_right) if self.inclusive else (bisect_right, bisect_left)
        found = self.rows[first(self._times, start) : last(self._times, end)]
        return [row for row in found if row.visible_at <= now]

    def created_within(self, start: datetime, end: datetime) -> list[str]:
        return self._ids[bisect_left(self._created, start) : bisect_left(self._created, end)]


def draw_world(
    seed: int,
    *,
    zone: str = "Europe/Berlin",
    first: date = date(2026, 10, 12),
    days: int = 31,
    requests: int = 8000,
    plants: int = 60,
    skew: timedelta | None = None,
) -> World:
    """Draw it; of the plants each kind comes about equally often."""
    chance = random.Random(f"books {seed}")
    where = read_zone(zone)
    last = first + timedelta(days=days - 1)
    start, end = bounds(first, where)[0], bounds(last, where)[1]
    # What begins before the books do is another test's.
    midnights = [bounds(first + timedelta(days=n), where)[0] for n in range(1, days)]
    drift = chance.choice([-1, 1]) * CLOCKS_APART
    draw = Drawer(chance, start + HOUR, end - MINUTE, timedelta(), midnights=midnights)
    tellers = chance.choices(list(ORDERLY), list(ORDERLY.values()), k=requests - plants)
    tellers += [PLANTS[number % len(PLANTS)] for number in range(plants)]
    for tell in tellers:
        at = draw.moment()
        draw.skew = skew if skew is not None else drift * (1 - 2 * ((at - start) / (end - start)))
        tell(draw, draw.story(), at)
    # Rows of the very second at which days change.
    for midnight in midnights[: len(midnights) if requests > 100 else 3]:
        for seconds in (-1, 0):
            draw.skew = timedelta()
            plain(draw, draw.story(), midnight + timedelta(seconds=seconds) - SECOND / 2)
    return World(where, first, last, draw.stories, inclusive=seed % 2 == 0)
