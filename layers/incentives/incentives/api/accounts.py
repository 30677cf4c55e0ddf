"""Accounts over HTTP: which there are, freezing them; balances, card states and activity, which move no money."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models import accounts as models
from incentives.api.models.base import parse
from incentives.api.parameters import read_day
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import AccountNotFound, InvalidInput

if TYPE_CHECKING:
    from incentives.domain.accounts.account import AccountFunds, Activity, CardState
    from incentives.domain.accounts.freezing import Freeze
    from incentives.domain.accounts.funds import Outlook
    from incentives.domain.accounts.standing import AccountPage

#: Pages of a thousand rows: no account has as many.
PAGE_MAX: Final = 999_999


def funds(outlook: Outlook) -> ApiResponse:
    """200: what the account has left at Amazon, and how long it lasts."""
    days = outlook.days_remaining
    told = models.Funds.of(
        outlook.funds,
        average_daily_spend=outlook.average_daily_spend,
        days_remaining=None if days is None else f"{days:f}",
    )
    return ApiResponse(200, told.dump())


def card_state(account: str, masked_card_number: str, state: CardState) -> ApiResponse:
    """200: a physical card's state."""
    return ApiResponse(200, models.CardState.of(state, account=account, card_number=masked_card_number).dump())


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
    return (
        query.get("account"),
        datetime.combine(first, time(0, tzinfo=UTC)),
        datetime.combine(last, time(23, 59, 59, tzinfo=UTC)),
        int(page),
    )


def activity(account: str, page: int, rows: tuple[Activity, ...], total: int | None, left_out: int = 0) -> ApiResponse:
    """200: a page of what the account did, in Amazon's words."""
    told = models.ActivityPage(
        account=account,
        page=page,
        total=total,
        rows_left_out=left_out,
        activities=[models.Activity.of(row) for row in rows],
    )
    return ApiResponse(200, told.dump())


def read_account(call: ApiCall) -> str:
    """The account of a route.

    Raises:
        AccountNotFound: no account can have such a name.
    """
    account = call.path.get("account") or ""
    if not ACCOUNT_NAME.fullmatch(account):
        raise AccountNotFound(account)
    return account


def read_reason(call: ApiCall) -> str:
    """Why an account is frozen. Raises `InvalidInput`: names the field."""
    return parse(models.FreezeAccountBody, call.json_object()).reason


def freeze(account: str, known: Freeze) -> ApiResponse:
    """200: whether an account is frozen."""
    return ApiResponse(200, models.AccountFreeze(account=account, frozen=_frozen(known)).dump())


def listed(page: AccountPage) -> ApiResponse:
    """200: a page of accounts."""
    accounts = [
        models.AccountStanding.of(each, frozen=_frozen(each.freeze), balance=_balance(each.funds))
        for each in page.accounts
    ]
    return ApiResponse(200, models.AccountList(accounts=accounts, cursor=page.cursor).dump())


def _frozen(known: Freeze | None) -> models.FrozenBy | None:
    return models.FrozenBy.of(known) if known is not None and known.frozen else None


def _balance(funds: AccountFunds | None) -> models.Balance | None:
    return models.Balance.of(funds.available, as_of=funds.as_of) if funds is not None else None
