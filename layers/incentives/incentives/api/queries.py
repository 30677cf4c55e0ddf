"""Balances, card states and activity over HTTP: queries that move no money."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.requests import format_time
from incentives.api.search import read_day
from incentives.domain.errors import InvalidInput

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Activity, CardState
    from incentives.domain.accounts.funds import Outlook
    from incentives.domain.money import Money

#: Pages of a thousand rows: no account has as many.
PAGE_MAX: Final = 999_999


def funds(outlook: Outlook) -> ApiResponse:
    """200: what the account has left at Amazon, and how long it lasts."""
    days = outlook.days_remaining
    return ApiResponse(
        200,
        {
            "account": outlook.funds.account,
            "availableFunds": money(outlook.funds.available),
            "asOf": format_time(outlook.funds.as_of),
            "averageDailySpend": money(outlook.average_daily_spend),
            "daysRemaining": None if days is None else f"{days:f}",
        },
    )


def card_state(account: str, masked_card_number: str, state: CardState) -> ApiResponse:
    """200: a physical card's state."""
    return ApiResponse(
        200,
        {
            "account": account,
            "cardNumber": masked_card_number,
            "cardStatus": state.status,
            "value": money(state.value),
            "gcExpirationDate": format_time(state.expires_at),
        },
    )


def read_activity(call: ApiCall) -> tuple[str | None, datetime, datetime, int]:
    """Account, first moment, last moment and page of a `GET /activity`.

    Raises:
        InvalidInput: names the parameter.
    """
    query = call.query_of("account", "from", "to", "page")
    first, last = read_day(query.get("from"), "from"), read_day(query.get("to"), "to")
    if first is None or last is None:
        raise InvalidInput("from" if first is None else "to", "is required: a day such as 2026-03-01")
    if first > last:
        raise InvalidInput("from", "must not be after to")
    page = query.get("page", "0")
    if not (page.isascii() and page.isdigit() and len(page) <= len(str(PAGE_MAX))):
        raise InvalidInput("page", f"must be a number from 0 to {PAGE_MAX}")
    last_second = time(23, 59, 59, tzinfo=UTC)
    return (
        query.get("account"),
        datetime.combine(first, time(0, tzinfo=UTC)),
        datetime.combine(last, last_second),
        int(page),
    )


def activity(account: str, page: int, rows: tuple[Activity, ...], total: int | None, left_out: int = 0) -> ApiResponse:
    """200: a page of what the account did, in Amazon's words."""
    return ApiResponse(
        200,
        {
            "account": account,
            "page": page,
            "total": total,
            "rowsLeftOut": left_out,
            "activities": [
                {
                    "requestId": row.request_id,
                    "activityType": row.type,
                    "activityStatus": row.status,
                    "activityTime": format_time(row.time),
                    "value": money(row.value),
                    "gcId": row.gc_id,
                    "failureCode": row.failure,
                    "isRealOp": row.is_real,
                }
                for row in rows
            ],
        },
    )


def money(value: Money | None) -> dict[str, str] | None:
    """An amount as a decimal string, with its currency."""
    return {"amount": value.amount_text, "currencyCode": value.currency} if value else None
