"""What a budget ought to have left and have spent, by the ledger and the bulk orders, beside what it says.

All goes on while it is counted. So a budget is looked at several times, and of each look it is said how much its
figures are off *at least* and *at most*, since of what happened at that very moment nobody can say whether it was
before or after:

    taken        a request took its amount between its time of creation and its next write, a minute at most
    given back   between the request's end and the time at which it was counted
    spent        likewise

A figure that is off is off by the same at every look. One that only looks so, because it was looked at in between, is
not off at the next look: what all looks have in common holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.single_requests.record import Status

if TYPE_CHECKING:
    from incentives.domain.budgets.figures import BudgetFigures

#: No function takes longer from reading its clock to the write that the time is for.
WRITTEN_WITHIN: Final = timedelta(seconds=60)

#: How far the clocks of two functions may be apart.
CLOCKS_APART: Final = timedelta(seconds=2)

#: By then what ended is counted, or lies with the failed events: the stream's reader gives up after six hours.
COUNTED_WITHIN: Final = timedelta(hours=7)

#: What a request was counted as is forgotten some time after it.
REMEMBERED_FOR: Final = timedelta(days=380)

#: Of a difference, requests that are named.
NAMED_MAX: Final = 10

_ENDED: Final = frozenset({Status.REFUSED, Status.REVERSED})

#: Name and period.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRequest:
    """A request that names a budget.

    Attributes:
        amount: in minor units.
        updated_at: of its last write; as `created_at` until there is another than the first.
    """

    request_id: str
    account: str
    budget: str
    period: str
    amount: int
    status: Status
    created_at: datetime
    updated_at: datetime
    answered_at: datetime | None = None
    generation: int = 0
    replaces: str | None = None
    replaced_by: str | None = None
    order_id: str | None = None

    @property
    def key(self) -> Key:
        """Of which budget and period."""
        return self.budget, self.period

    @property
    def has_ended(self) -> bool:
        """Whether it costs nothing, and never will."""
        return self.status in _ENDED

    @property
    def is_charged(self) -> bool:
        """Whether it costs its amount, see `spend.charge_of`."""
        return self.answered_at is not None and not self.has_ended

    @property
    def is_row(self) -> bool:
        """Whether it took its amount over from its bulk order."""
        return self.order_id is not None and self.generation == 0

    def was_taken(self) -> tuple[datetime, datetime]:
        """Between which times its amount was taken."""
        ends = [self.created_at + WRITTEN_WITHIN]
        if self.updated_at > self.created_at:
            ends.append(self.updated_at)
        if self.answered_at is not None:
            ends.append(self.answered_at)
        return self.created_at - CLOCKS_APART, min(ends) + CLOCKS_APART


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOrder:
    """A bulk order that names a budget.

    Attributes:
        held: in minor units; 0: nothing yet, or nothing any more.
        created_at: when it was made; its file is no older.
        began_at: when it last began to issue.
        finished_at: when what it had not opened was given back.
    """

    order_id: str
    budget: str
    period: str
    held: int
    created_at: datetime | None = None
    began_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def holds(self) -> bool:
        """Whether it holds anything now."""
        return self.held > 0 and self.finished_at is None


@dataclass(frozen=True, slots=True)
class Counted:
    """What a request was counted as.

    Attributes:
        amount: that it was counted as spent, in minor units.
        given_back: its amount was given back to the budget.
        at: when it was last counted; None: nobody wrote it down.
    """

    amount: int = 0
    given_back: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A budget in one period at a moment between two times."""

    since: datetime
    until: datetime
    figures: BudgetFigures


@dataclass(frozen=True, slots=True)
class Off:
    """By how much a figure is off, at least and at most; both 0: it is right."""

    low: int
    high: int

    @property
    def is_certain(self) -> bool:
        """Whether it is off at all."""
        return self.low > 0 or self.high < 0

    @property
    def least(self) -> int:
        """By how much it is off for sure."""
        return self.low if self.low > 0 else min(0, self.high)

    def shared(self, other: Off) -> Off | None:
        """What two looks have in common; None: nothing, so one of them was at a bad moment."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Off(low, high) if low <= high else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A budget whose figures are not what the ledger and the orders say.

    Attributes:
        remaining, spent: as the budget says, in minor units; the others as they ought to be.
        not_counted: requests that have ended, or been charged, and were not counted: the first few.
    """

    budget: str
    period: str
    currency: str
    remaining: int
    expected_remaining: int
    spent: int
    expected_spent: int
    not_counted: tuple[str, ...] = ()


@dataclass(slots=True)
class Found:
    """What looks at one budget and period have in common.

    Attributes:
        remaining, spent: None: the looks have nothing in common.
        last: the newest look.
    """

    last: BudgetFigures
    remaining: Off | None
    spent: Off | None
    not_counted: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether a figure is off for sure."""
        return any(off is not None and off.is_certain for off in (self.remaining, self.spent))

    def confirmed_by(self, later: Found) -> Difference | None:
        """The difference that looks some minutes later have found, too."""
        remaining, spent = _both(self.remaining, later.remaining), _both(self.spent, later.spent)
        if not remaining and not spent:
            return None
        last = later.last
        return Difference(
            budget=last.budget.name,
            period=last.period,
            currency=last.budget.currency,
            remaining=last.remaining,
            expected_remaining=last.remaining - remaining,
            spent=last.spent,
            expected_spent=last.spent - spent,
            not_counted=tuple(later.not_counted[:NAMED_MAX]),
        )


def _both(first: Off | None, second: Off | None) -> int:
    if first is None or second is None or not (first.is_certain and second.is_certain):
        return 0
    shared = first.shared(second)
    return shared.least if shared is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What there is of one budget and period.

    Attributes:
        requests: that name it.
        counted: what they, and those that they follow, were counted as, by request id; who is not here was not counted.
        asked: request ids of which `counted` was read.
        orders: by their ids, as they stood before the looks, and after.
        now: when it was read.
    """

    requests: Sequence[HeldRequest]
    counted: Mapping[str, Counted]
    asked: frozenset[str]
    orders: Mapping[str, tuple[HeldOrder | None, HeldOrder | None]]
    now: datetime


def compare(looks: Iterable[Look], ledger: Ledger) -> Found | None:
    """Compare what a budget says with what there is; None: it could not be looked at."""
    found: Found | None = None
    for look in looks:
        remaining, spent = _remaining(look, ledger), _spent(look, ledger)
        if found is None:
            found = Found(look.figures, remaining, spent)
        else:
            # A look at a bad moment says nothing: it is left out.
            found.remaining = _narrowed(found.remaining, remaining)
            found.spent = _narrowed(found.spent, spent)
            found.last = look.figures
    if found is not None:
        found.not_counted = sorted(_not_counted(ledger))
    return found


_ANY: Final = Off(-(10**18), 10**18)


def _narrowed(known: Off | None, more: Off | None) -> Off | None:
    # None stays None: two looks that exclude each other say that something is not as it is taken to be.
    return known.shared(more) if known is not None and more is not None else None


@dataclass(slots=True)
class _Range:
    low: int = 0
    high: int = 0

    def add(self, amount: int, was: tuple[datetime, datetime], look: Look) -> None:
        """Add what came about between two times, as of a look."""
        earliest, latest = was
        if latest < look.since:
            self.low += amount
            self.high += amount
        elif earliest <= look.until:
            self.low += min(0, amount)
            self.high += max(0, amount)


def _remaining(look: Look, ledger: Ledger) -> Off | None:
    taken = _Range()
    holding: dict[str, bool] = {}
    for order_id, (before, after) in ledger.orders.items():
        held = _held(before, after, look)
        if held is None:
            return _ANY
        holding[order_id] = held > 0
        taken.low += held
        taken.high += held
    for request in ledger.requests:
        # What a row took is in what its order holds, until that is over.
        if _begins(request, ledger) and not (request.is_row and holding.get(request.order_id or "", False)):
            taken.add(request.amount, request.was_taken(), look)
        back = _given_back(request, ledger)
        if back is not None:
            taken.add(-request.amount, back, look)
    limit, says = look.figures.limit, look.figures.remaining
    return Off(says - (limit - taken.low), says - (limit - taken.high))


def _held(before: HeldOrder | None, after: HeldOrder | None, look: Look) -> int | None:
    """What an order held at a look; None: nobody can say."""
    if after is None:
        return None
    had_begun = True if before is not None and before.holds else _was_written(after.began_at, look)
    had_finished = _was_written(after.finished_at, look)
    if had_begun is False or had_finished:
        return 0
    held = max(after.held, before.held if before is not None else 0)
    # What one that has finished once held may be written nowhere.
    is_known = held > 0 or after.finished_at is None
    return held if had_begun and had_finished is False and is_known else None


def _was_written(at: datetime | None, look: Look) -> bool | None:
    """Whether what a time was read for was written by the look; None: nobody can say."""
    if at is None or at - CLOCKS_APART > look.until:
        return False
    return True if at + WRITTEN_WITHIN < look.since else None


def _begins(request: HeldRequest, ledger: Ledger) -> bool:
    """Whether it took an amount itself: it is the first of its key, or the one before it had given its own back."""
    if request.replaces is None:
        return True
    return ledger.counted.get(request.replaces, _NOT_COUNTED).given_back


def _given_back(request: HeldRequest, ledger: Ledger) -> tuple[datetime, datetime] | None:
    """Between which times its amount was given back; None: it was not, and ought not to have been by now."""
    if not request.has_ended:
        return None
    counted = ledger.counted.get(request.request_id, _NOT_COUNTED)
    # One that was followed has been written once more since it ended.
    earliest = request.created_at if request.replaced_by is not None else request.updated_at - CLOCKS_APART
    if counted.given_back:
        latest = counted.at + WRITTEN_WITHIN if counted.at is not None else ledger.now
        return earliest, latest
    if request.replaced_by is not None or not _is_late(request, ledger):
        return None
    return earliest, request.updated_at


def _is_late(request: HeldRequest, ledger: Ledger) -> bool:
    return request.updated_at < ledger.now - COUNTED_WITHIN


def _spent(look: Look, ledger: Ledger) -> Off:
    spent = _Range()
    for request in ledger.requests:
        counted = ledger.counted.get(request.request_id)
        if request.request_id not in ledger.asked or _is_late(request, ledger):
            # Whatever it was counted as, by now it ought to be this.
            spent.low += request.amount if request.is_charged else 0
            spent.high += request.amount if request.is_charged else 0
        elif counted is not None and counted.at is not None and counted.at + WRITTEN_WITHIN < look.since:
            spent.low += counted.amount
            spent.high += counted.amount
        elif counted is not None:
            spent.high += request.amount
    says = look.figures.spent
    return Off(says - spent.high, says - spent.low)


def _not_counted(ledger: Ledger) -> Iterable[str]:
    for request in ledger.requests:
        if request.request_id not in ledger.asked or not _is_late(request, ledger):
            continue
        if request.updated_at < ledger.now - REMEMBERED_FOR:
            continue
        counted = ledger.counted.get(request.request_id, _NOT_COUNTED)
        ought_back = request.has_ended and request.replaced_by is None
        if (ought_back and not counted.given_back) or (request.is_charged and counted.amount == 0):
            yield request.request_id


_NOT_COUNTED: Final = Counted()


def by_key(requests: Iterable[HeldRequest]) -> Mapping[Key, Sequence[HeldRequest]]:
    """Requests by budget and period."""
    found: defaultdict[Key, list[HeldRequest]] = defaultdict(list)
    for request in requests:
        found[request.key].append(request)
    return found
