"""An account's balance over HTTP."""

from __future__ import annotations

from incentives.api.gateway import ApiAnswer
from incentives.api.gift_cards import format_time
from incentives.domain.accounts import AccountFunds


def funds(balance: AccountFunds) -> ApiAnswer:
    """200: what the account has left at Amazon."""
    money = {"amount": balance.available.amount_text, "currencyCode": balance.available.currency}
    return ApiAnswer(200, {"account": balance.account, "availableFunds": money, "asOf": format_time(balance.as_of)})
