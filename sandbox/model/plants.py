"""What happens at Amazon behind the gateway's back: rows that no call made, and rows that become other ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.model.log import REVERSALS, Activity
from sandbox.model.values import Json, Money
from sandbox.model.world import WrongTotal

if TYPE_CHECKING:
    from sandbox.model.world import World

#: Numbers behind the id of many rows have this many digits, so that they sort.
_DIGITS = 6
_CARDS_BY_CODE = frozenset({"CreateGiftCard", "CancelGiftCard"})


@dataclass(frozen=True)
class Plant:
    """Rows to write into the log.

    `value` is positive; a reversal gives it back. `late_seconds`: how long after its time a row is shown; None as the
    options say. `shown`: fields of the page's row that are shown as something else, such as a requestId of None.
    Of a `count` above 1 each row has the id with a number from 000000 behind it, `every_seconds` after the one before.
    """

    operation: str
    request_id: str
    value: Money
    at: datetime
    late_seconds: float | None = None
    moves_balance: bool = True
    shown: Mapping[str, Json] | None = None
    count: int = 1
    every_seconds: float = 0.0


def plant(world: World, partner_id: str, wanted: Plant) -> None:
    """Write the rows; each moves the balance at once, whatever its time, unless told not to."""
    rows: list[Activity] = []
    for number in range(wanted.count):
        request_id = wanted.request_id if wanted.count == 1 else f"{wanted.request_id}{number:0{_DIGITS}}"
        row = Activity(
            account=partner_id,
            at=wanted.at + timedelta(seconds=wanted.every_seconds * number),
            operation=wanted.operation,
            request_id=request_id,
            gc_id=world.gc_id(partner_id, request_id) if wanted.operation in _CARDS_BY_CODE else None,
            value=wanted.value,
            shown=wanted.shown,
        )
        rows.append(replace(row, visible_at=_visible_at(world, row, wanted.late_seconds)))
        if wanted.moves_balance:
            _charge(world, row)
    world.activity.extend(partner_id, rows)


def change(
    world: World,
    row: Activity,
    *,
    value: Money | None = None,
    late_seconds: float | None = None,
    shown: Mapping[str, Json] | None = None,
    moves_balance: bool = True,
) -> None:
    """Make another row of one that is there: its amount, when it is shown, what is shown. None leaves it."""
    new = replace(
        row,
        value=value or row.value,
        visible_at=row.visible_at if late_seconds is None else _visible_at(world, row, late_seconds),
        shown={**(row.shown or {}), **(shown or {})} or None,
    )
    world.activity.replace(row, new)
    if moves_balance and new.value != row.value:
        _charge(world, row, times=-1)
        _charge(world, new)


def remove(world: World, row: Activity, *, moves_balance: bool = True) -> None:
    """Take a row out, and back what it moved unless told not to."""
    world.activity.replace(row, None)
    if moves_balance:
        _charge(world, row, times=-1)


def tell_wrong_total(world: World, partner_id: str, start: datetime, end: datetime, extra: int = 1) -> None:
    """Tell `extra` rows more than there are in every page that touches the time frame, both ends included."""
    world.wrong_totals.append(WrongTotal(partner_id, start, end, extra))


def _visible_at(world: World, row: Activity, late_seconds: float | None) -> datetime | None:
    return world.visible_at(row) if late_seconds is None else row.at + timedelta(seconds=late_seconds)


def _charge(world: World, row: Activity, times: int = 1) -> None:
    if row.value is not None:
        sign = -times if row.operation in REVERSALS else times
        value = Money(row.value.amount * sign, row.value.currency)
        world.charge(row.account, row.at, row.request_id or "", row.operation, value)
