"""Controls of the activity log: rows that no call made, totals that are wrong, and the statement."""

from __future__ import annotations

from typing import Annotated, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from sandbox.control.desk import ControlError, Csv, Currency, Desk, Moment, account_of, exact, read
from sandbox.control.models import Amount, Body, Count, Seconds, Text, one_of
from sandbox.model.activity import ROW_FIELDS
from sandbox.model.log import ACTIVITY_TYPES, Activity
from sandbox.model.plants import Plant, change, plant, remove, tell_wrong_total
from sandbox.model.statement import statement
from sandbox.model.values import Json


def _row_fields(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not value.keys() <= set(ROW_FIELDS):
        raise ValueError(f"is an object of {', '.join(ROW_FIELDS)}")
    return value


LoggedOperation = Annotated[str, one_of(ACTIVITY_TYPES)]
Positive = Annotated[Amount, Field(gt=0)]
Shown = Annotated[dict[str, JsonValue], AfterValidator(_row_fields)]
# What a night's batch of a large account is made of; planting them takes some seconds.
ROWS_MAX = 200_000


class _PlantBody(Body):
    """Rows that no call made, see `Plant`."""

    request_id: Text
    operation: LoggedOperation = "CreateGiftCard"
    amount: Positive
    currency_code: Currency | None = None
    at: Moment | None = None
    late_seconds: Seconds | None = None
    moves_balance: bool = True
    shown: Shown | None = None
    count: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 1
    every_seconds: Seconds = 0.0
    account: str | None = None


class _RowBody(Body):
    """Which row, and whether the balance goes with it."""

    request_id: Text
    operation: LoggedOperation = "CreateGiftCard"
    moves_balance: bool = True
    account: str | None = None


class _ChangeBody(_RowBody):
    amount: Positive | None = None
    currency_code: Currency | None = None
    late_seconds: Seconds | None = None
    shown: Shown | None = None


class _FrameBody(Body):
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    account: str | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> _FrameBody:
        if self.from_ > self.to:
            raise ValueError("from must not be after to")
        return self


class _TotalBody(_FrameBody):
    extra: Count = 1


def _zone(value: object) -> object:
    try:
        return ZoneInfo(value) if isinstance(value, str) else value
    except (KeyError, ValueError, OSError):
        raise ValueError("is the name of an IANA time zone") from None


class _StatementBody(_FrameBody):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = Field("America/Los_Angeles", validate_default=True)


def plant_rows(desk: Desk) -> object:
    """Write rows that no call made."""
    body, now = read(desk, _PlantBody), desk.clock.now()
    account = account_of(desk, body.account)
    at = body.at or now
    if at > now or (now - at).total_seconds() < body.every_seconds * (body.count - 1):
        raise ControlError("at: the last row must not be later than the sandbox's clock")
    wanted = Plant(
        operation=body.operation,
        request_id=body.request_id,
        value=exact(body.amount, body.currency_code or account.home_currency),
        at=at,
        late_seconds=body.late_seconds,
        moves_balance=body.moves_balance,
        shown=cast("dict[str, Json] | None", body.shown),
        count=body.count,
        every_seconds=body.every_seconds,
    )
    plant(desk.sandbox.world, account.partner_id, wanted)
    return {"account": account.partner_id, "rows": body.count}


def change_row(desk: Desk) -> object:
    """Change a row that is there."""
    body = read(desk, _ChangeBody)
    row = _row_of(desk, body)
    value = None
    if body.amount is not None or body.currency_code is not None:
        if row.value is None:
            raise ControlError("amount: the row has none to change")
        value = exact(body.amount or row.value.amount, body.currency_code or row.value.currency)
    elif body.late_seconds is None and not body.shown:
        raise ControlError("give amount, currencyCode, lateSeconds, shown")
    change(
        desk.sandbox.world,
        row,
        value=value,
        late_seconds=body.late_seconds,
        shown=cast("dict[str, Json] | None", body.shown),
        moves_balance=body.moves_balance,
    )
    return {"account": row.account, "rows": 1}


def remove_row(desk: Desk) -> object:
    """Take a row out."""
    body = read(desk, _RowBody)
    row = _row_of(desk, body)
    remove(desk.sandbox.world, row, moves_balance=body.moves_balance)
    return {"account": row.account, "rows": 1}


def _row_of(desk: Desk, body: _RowBody) -> Activity:
    account = account_of(desk, body.account)
    rows = desk.sandbox.world.activity.of_request(account.partner_id, body.request_id, body.operation)
    if not rows:
        raise ControlError(f"requestId: {body.operation} has no row of it")
    return rows[0]


def add_total(desk: Desk) -> object:
    """Tell a wrong total for a time frame."""
    body = read(desk, _TotalBody)
    account = account_of(desk, body.account)
    tell_wrong_total(desk.sandbox.world, account.partner_id, body.from_, body.to, body.extra)
    return {"account": account.partner_id, "extra": body.extra}


def clear_totals(desk: Desk) -> object:
    """Tell the true totals again."""
    desk.sandbox.world.wrong_totals.clear()
    return {"totals": []}


def read_statement(desk: Desk) -> object:
    """The download of the portal that there is not."""
    body = read(desk, _StatementBody)
    account = account_of(desk, body.account)
    world, now = desk.sandbox.world, desk.clock.now()
    return Csv(statement(world, account.partner_id, body.from_, body.to, now=now, zone=body.zone))
