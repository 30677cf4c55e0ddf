"""Reconciliation over HTTP: how days are asked for and told, and what people say of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models import reconciliation as models
from incentives.api.models.base import parse
from incentives.api.models.closes import MONTH_PATTERN
from incentives.api.parameters import read_day
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import BooksNotFound, InvalidInput
from incentives.domain.money import CURRENCY_DECIMALS
from incentives.domain.reconciliation.balance import MovementPart, PartType
from incentives.domain.reconciliation.findings import SETTLED, Finding, Kind, Reason, Resolution

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.domain.bulk_orders.bulk_order import Upload
    from incentives.domain.reconciliation.balance import MovementName
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.domain.reconciliation.movements import Movement
    from incentives.domain.reconciliation.statements import Statement

#: A page is asked for once a minute.
RETRY_AFTER_SECONDS: Final = 60

Query = tuple[str | None, date | None, date | None, str | None]

# ---- what is asked -----------------------------------------------------------------------------------------------


def read_account(call: ApiCall) -> str:
    """The account of a route. Raises `BooksNotFound`: no account can have such a name."""
    account = call.path.get("account") or ""
    if not ACCOUNT_NAME.fullmatch(account):
        raise BooksNotFound("There are no books of such an account.")
    return account


def read_route_day(call: ApiCall) -> date:
    """The day of a route. Raises `BooksNotFound`: it is none."""
    try:
        day = read_day(call.path.get("day"), "day")
    except InvalidInput:
        day = None
    if day is None:
        raise BooksNotFound("A day is written as 2026-03-01, and is of the years 2000 to 2999.")
    return day


def read_month(text: str) -> str:
    """A month such as `2026-03`. Raises `BooksNotFound`: it is none."""
    if not re.fullmatch(MONTH_PATTERN, text):
        raise BooksNotFound("A month is written as 2026-03, and is of the years 2000 to 2999.")
    return text


def read_difference_id(call: ApiCall) -> str:
    """The difference of a route. Raises `BooksNotFound`: none can have such an id."""
    return _id(call, "differenceId", models.HASH_PATTERN)


def read_statement_id(call: ApiCall) -> str:
    """The statement of a route. Raises `BooksNotFound`: none can have such an id."""
    return _id(call, "statementId", models.STATEMENT_ID_PATTERN)


def _id(call: ApiCall, name: str, pattern: str) -> str:
    found = call.path.get(name) or ""
    if not re.fullmatch(pattern, found):
        raise BooksNotFound(f"The books have no such {name}.")
    return found


def caller(call: ApiCall) -> str:
    """Who has signed, as the books keep it."""
    return call.caller or "unknown"


def read_list(call: ApiCall) -> Query:
    """Account, first and last day, cursor of a `GET /reconciliations`. Raises `InvalidInput`: names the parameter."""
    query = call.query_of("account", "from", "to", "cursor")
    first, last = read_day(query.get("from"), "from"), read_day(query.get("to"), "to")
    return query.get("account"), first, last, query.get("cursor")


def read_detail(call: ApiCall) -> tuple[Kind | None, str | None]:
    """Kind and cursor of a `GET /reconciliations/{account}/{day}`. Raises `InvalidInput`: names the parameter."""
    query = call.query_of("kind", "cursor")
    kind = query.get("kind")
    known = [each.value for each in Kind if each not in SETTLED]
    if kind is not None and kind not in known:
        raise InvalidInput("kind", f"must be one of {', '.join(known)}")
    return Kind(kind) if kind else None, query.get("cursor")


def read_movements_month(call: ApiCall) -> str:
    """The month of a `GET .../movements`. Raises `InvalidInput`."""
    month = call.query_of("month").get("month")
    if not month:
        raise InvalidInput("month", "is required: a month such as 2026-03")
    if not re.fullmatch(MONTH_PATTERN, month):
        raise InvalidInput("month", "must be a month such as 2026-03, of the years 2000 to 2999")
    return month


def read_resolution(call: ApiCall) -> tuple[Reason, str]:
    """Reason and note. Raises `InvalidInput`: names the field."""
    body = parse(models.ResolveBody, call.json_object())
    return Reason(body.reason), body.note


def read_resolution_of_all(call: ApiCall) -> tuple[Kind, Reason, str]:
    """Kind, reason and note. Raises `InvalidInput`: names the field."""
    body = parse(models.ResolveAllBody, call.json_object())
    return Kind(body.kind), Reason(body.reason), body.note


def read_statement(call: ApiCall) -> tuple[date, date, str]:
    """First and last day, and the download's hash. Raises `InvalidInput`: names the field."""
    body = parse(models.StatementBody, call.json_object())
    return _day(body.first, "from"), _day(body.last, "to"), body.sha256


def read_naming(call: ApiCall) -> tuple[str, list[MovementPart]]:
    """A movement's id, and what it is said to be made of. Raises `InvalidInput`: names the field."""
    body = parse(models.NameMovementBody, call.json_object())
    return body.movement_id, [
        MovementPart(
            type=PartType(part.type),
            amount=Decimal(part.amount),
            on=_day(part.date, f"parts.{number}.date"),
            reference=part.reference,
        )
        for number, part in enumerate(body.parts)
    ]


def _day(text: str, field: str) -> date:
    day = read_day(text, field)
    if day is None:
        raise InvalidInput(field, "is required")
    return day


# ---- what is told ------------------------------------------------------------------------------------------------


def days(found: Sequence[BooksDay], cursor: str | None, now: datetime) -> ApiResponse:
    """200: days, oldest first."""
    return ApiResponse(200, models.DayList(days=[_told(each, now) for each in found], cursor=cursor).dump())


def detail(
    day: BooksDay, findings: Sequence[tuple[Finding, Resolution | None]], cursor: str | None, now: datetime
) -> ApiResponse:
    """200: a day with its differences and open items."""
    shown = [_difference(finding, resolution) for finding, resolution in findings]
    told = models.ReconciledDayDetail(**_fields(day, now), differences=shown, cursor=cursor)
    return ApiResponse(200, told.dump())


def started(day: BooksDay, call: ApiCall, now: datetime) -> ApiResponse:
    """202: a round is under way."""
    location = f"{call.base_path}/reconciliations/{day.account}/{day.day.isoformat()}"
    return ApiResponse(202, _told(day, now).dump(), _ask_again(location))


def resolved(number: int, left: int, day: BooksDay, now: datetime) -> ApiResponse:
    """200: how many findings were resolved, and the day as it now stands."""
    return ApiResponse(200, models.Resolved(resolved=number, left=left, day=_told(day, now)).dump())


def statement_opened(statement: Statement, upload: Upload) -> ApiResponse:
    """201: where a statement goes. Only this response tells."""
    told = models.OpenedStatement(
        statement_id=statement.statement_id, upload=models.StatementUpload.of(upload, method="PUT")
    )
    return ApiResponse(201, told.dump())


def statement_read(found: Sequence[BooksDay], call: ApiCall, now: datetime) -> ApiResponse:
    """202: the days of a statement, each with its round."""
    first, last = found[0], found[-1]
    query = f"account={first.account}&from={first.day.isoformat()}&to={last.day.isoformat()}"
    told = models.StatementDays(days=[_told(each, now) for each in found])
    return ApiResponse(202, told.dump(), _ask_again(f"{call.base_path}/reconciliations?{query}"))


def movements(found: Sequence[tuple[Movement, MovementName | None]]) -> ApiResponse:
    """200: movements, oldest first."""
    return ApiResponse(200, models.MovementList(movements=[_movement(*each) for each in found]).dump())


def movement(found: Movement, name: MovementName | None) -> ApiResponse:
    """200: one movement with its name."""
    return ApiResponse(200, _movement(found, name).dump())


def _ask_again(location: str) -> dict[str, str]:
    return {"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS)}


def _told(day: BooksDay, now: datetime) -> models.ReconciledDay:
    return models.ReconciledDay(**_fields(day, now), differences=day.judged.differences if day.judged else 0)


def _fields(day: BooksDay, now: datetime) -> dict[str, Any]:
    judged = day.judged
    under_way = day.is_held(now)
    reading = day.reading if under_way else ()
    fields: dict[str, Any] = {
        "account": day.account,
        "day": day.day.isoformat(),
        "status": day.status,
        "source": day.source,
        "round": day.round,
        "charges": None,
        "refunds": None,
        "currency_code": None,
        "open_items": 0,
        "unresolved": 0,
        "judged_at": None,
        "incomplete": day.incomplete,
        "under_way": under_way,
        "reading": models.Reading(windows=len(reading), read=sum(each.is_done for each in reading))
        if reading
        else None,
    }
    if judged is None:
        return fields
    return fields | {
        "charges": models.RowsSum(count=judged.charges, amount=_amount(judged.charged, judged.currency)),
        "refunds": models.RowsSum(count=judged.refunds, amount=_amount(judged.refunded, judged.currency)),
        "currency_code": judged.currency,
        "open_items": judged.open_items,
        "unresolved": judged.unresolved,
        "judged_at": judged.at,
    }


def _difference(finding: Finding, resolution: Resolution | None) -> models.Difference:
    ledger = finding.ledger
    return models.Difference(
        difference_id=finding.difference_id,
        kind=finding.kind.value,
        request_id=finding.request_id or None,
        ledger=models.LedgerSide(
            status=ledger.status, amount=_amount(ledger.amount, ledger.currency), currency_code=ledger.currency
        )
        if ledger
        else None,
        amazon=models.AmazonSide(
            charges=finding.amazon.charges,
            refunds=finding.amazon.refunds,
            nets=[
                models.Net(amount=_amount(net, currency), currency_code=currency)
                for currency, net in sorted(finding.amazon.nets.items())
            ],
            unreadable=finding.amazon.why,
        ),
        amount=_amount(finding.amount, finding.currency),
        currency_code=finding.currency,
        found_at=finding.found_at,
        found_on=finding.found_on.isoformat(),
        resolution=models.ResolutionTold.of(resolution.newest, corrections=len(resolution.decisions) - 1)
        if resolution
        else None,
    )


def _movement(found: Movement, name: MovementName | None) -> models.MovementTold:
    decimals = CURRENCY_DECIMALS[found.currency]
    return models.MovementTold(
        movement_id=found.movement_id,
        start=found.start,
        end=found.end,
        amount=None if found.amount is None else f"{found.amount:.{decimals}f}",
        currency_code=found.currency,
        parts=[
            models.MovementPart(
                type=part.type, amount=f"{part.amount:.{decimals}f}", date=part.on.isoformat(), reference=part.reference
            )
            for part in (name.parts if name else ())
        ],
        named_by=name.by if name else None,
        named_at=name.at if name else None,
    )


def _amount(minor: int, currency: str) -> str:
    return f"{Decimal(minor).scaleb(-CURRENCY_DECIMALS.get(currency, 2)):f}"
