"""Read all that a month's close is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from incentives.domain.errors import BooksConflict, BooksNotFound
from incentives.domain.reconciliation import balance
from incentives.domain.reconciliation.close_files import sha256
from incentives.domain.reconciliation.close_plan import (
    CloseInputs,
    DayToClose,
    JudgedObject,
    MonthBalance,
    PreviousMonth,
)
from incentives.domain.reconciliation.closing import CloseStatus, Opening
from incentives.domain.reconciliation.days import days_of, previous_month
from incentives.domain.reconciliation.findings import carry_digest
from incentives.domain.reconciliation.judged_objects import decode_judged
from incentives.domain.reconciliation.movements import DayLevels, exact_at, movements_of
from incentives.usecases.reconciliation.get_books import MARGIN_DAYS, sums_of
from incentives.usecases.reconciliation.sources import content_of
from incentives.usecases.reconciliation.start_round import begin_of

if TYPE_CHECKING:
    from incentives.domain.reconciliation.balance import MovementName
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.domain.reconciliation.findings import Judged
    from incentives.usecases.reconciliation.dependencies import BooksDependencies


@dataclass(frozen=True, slots=True)
class Month:
    """A month as the books hold it.

    Attributes:
        days: the items of its days.
        takes_opening: whether finance has to name the balance that it begins with.
    """

    inputs: CloseInputs
    days: Sequence[BooksDay]
    takes_opening: bool


def read_month(account: str, month: str, opening: Opening | None, here: BooksDependencies) -> Month:
    """Read what a close is made of.

    Raises:
        BooksNotFound: no day of the month was begun.
        BooksConflict: the books begin after it.
        BooksUnavailable
    """
    whole = days_of(month)
    margin = timedelta(days=MARGIN_DAYS)
    around = {each.day: each for each in here.books.days(account, whole[0] - margin, whole[-1] + margin)}
    objects = {
        day: _needed(found, day, whole) for day, item in around.items() if (found := _judged(item, here)) is not None
    }
    first = _first_day(account, whole, around, here)
    items = [around[day] for day in whole if day >= first and day in around]
    if not items:
        raise BooksNotFound(f"The books of {account} have no day of {month}.")
    previous = None if first > whole[0] or _begins(account, first, around, here) else _previous(account, month, here)
    days = [_day(day, around.get(day), objects.get(day)) for day in whole if day >= first]
    inputs = CloseInputs(
        account=account,
        month=month,
        zone=here.settings.zone.key,
        days=days,
        resolutions={},
        balance=_balance(account, [day.day for day in days], around, objects, here),
        opening=opening,
        previous=previous,
    )
    found_ids = [each.difference_id for each in (*inputs.findings, *inputs.cleared)]
    if found_ids:
        inputs = replace(inputs, resolutions=here.books.resolutions(account, found_ids))
    its = inputs.previous_month
    return Month(inputs, items, previous is None or (its is not None and its.closing is None))


def _first_day(account: str, whole: Sequence[date], around: Mapping[date, BooksDay], here: BooksDependencies) -> date:
    """The first booking day of the month: the day that the books begin with, if that is one of it."""
    if whole[0] - timedelta(days=1) in around:
        return whole[0]
    # Balances are forgotten after 400 days, and a begin that goes by the first of them moves on: days stay.
    known = [day for day in whole if day in around]
    begin = begin_of(account, here)
    if begin is None and not known:
        raise BooksConflict(f"The books of {account} have not begun: no balance of it has been kept yet.")
    if begin is not None and begin > whole[-1] and not known:
        raise BooksConflict(f"The books of {account} begin on {begin}.")
    return max(whole[0], min(day for day in (begin, *known) if day is not None))


def _begins(account: str, first: date, around: Mapping[date, BooksDay], here: BooksDependencies) -> bool:
    """Whether the books begin with this day, which is the first of a month."""
    if first - timedelta(days=1) in around or here.books.close(account, previous_month(first.isoformat()[:7])):
        return False
    begin = begin_of(account, here)
    return begin is None or begin >= first


def _day(day: date, item: BooksDay | None, judged: JudgedObject | None) -> DayToClose:
    if item is None:
        return DayToClose(day=day)
    return DayToClose(
        day=day,
        is_current=bool(item.windows) and not item.to_judge,
        final=item.final,
        page_off=item.page_off and not item.windows,
        incomplete=item.incomplete,
        judged=judged,
    )


def _judged(item: BooksDay, here: BooksDependencies) -> JudgedObject | None:
    if item.judged is None:
        return None
    return _object(item.judged.name, content_of(item.judged.name, here))


def _object(name: str, content: bytes) -> JudgedObject:
    judged = decode_judged(content)
    carry = carry_digest(judged.carry, judged.later)
    return JudgedObject(name=name, sha256=sha256(content), judged=replace(judged, carry=(), later=()), carry=carry)


def _needed(found: JudgedObject, day: date, whole: Sequence[date]) -> JudgedObject:
    """Of the days around the month only the sums and the balances, of its own their findings, of its last all."""
    if day == whole[-1]:
        return found
    is_its = whole[0] <= day <= whole[-1]
    return replace(found, judged=replace(found.judged, open_items=()) if is_its else sums_of(found.judged))


def _previous(account: str, month: str, here: BooksDependencies) -> PreviousMonth | str:
    before = previous_month(month)
    close = here.books.close(account, before)
    if close is None or close.status is not CloseStatus.CLOSED or close.manifest is None:
        return f"{before} is not closed. Close it first."
    content = here.files.get(close.manifest.name)
    if content is None or sha256(content) != close.manifest.sha256:
        return f"the manifest of {before} is not as it was written. Verify the books: {close.manifest.name}."
    manifest = json.loads(content)
    pinned = manifest["judged"][-1]
    last = here.files.get(pinned["name"])
    if last is None or sha256(last) != pinned["sha256"]:
        return f"the last day of {before} is not as it was written. Verify the books: {pinned['name']}."
    closing = manifest["figures"].get("closing")
    return PreviousMonth(
        month=before,
        manifest=close.manifest,
        closing=None if closing is None else Decimal(closing),
        last_day=_object(pinned["name"], last),
    )


def _balance(
    account: str,
    days: Sequence[date],
    around: Mapping[date, BooksDay],
    objects: Mapping[date, JudgedObject],
    here: BooksDependencies,
) -> MonthBalance | None:
    """The balance beside the rows; None where it says nothing."""
    its: list[Judged] = [objects[day].judged for day in days if day in objects]
    told = [level.balance for judged in its for level in judged.levels]
    charges = sum(judged.charges.amount for judged in its)
    if not balance.has_balance(account, here.settings.without_balance, told, charges):
        return None
    levels = list(_levels(around, objects))
    names: Mapping[str, MovementName] = here.books.movement_names(account)
    after = days[-1] + timedelta(days=1)
    movements = tuple(
        each for each in movements_of(account, levels) if each.first_day <= days[-1] and each.last_day >= days[0]
    )
    return MonthBalance(
        opening=exact_at(account, days[0], levels, names),
        closing=exact_at(account, after, levels, names),
        is_day_after_known=any(each.day == after for each in levels),
        movements=movements,
        names={each.movement_id: names[each.movement_id] for each in movements if each.movement_id in names},
    )


def _levels(around: Mapping[date, BooksDay], objects: Mapping[date, JudgedObject]) -> Iterable[DayLevels]:
    for day, found in sorted(objects.items()):
        # What is missing of a day's rows would look like a movement.
        if around[day].incomplete is None:
            judged = found.judged
            yield DayLevels(day=day, levels=judged.levels, net=judged.net, currency=judged.currency)
