"""Ask Amazon how much money an account has left."""

from __future__ import annotations

from incentives.domain.accounts import AccountFunds
from incentives.usecases.ask import ask
from incentives.usecases.tools import CALL_SECONDS, Budget, Tools


def available_funds(account_name: str, tools: Tools, budget: Budget) -> AccountFunds:
    """Ask for the balance.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no answer in time, or no slot.
        RefusedByAmazon: Amazon refuses the account.
    """
    answer = ask(
        account_name, "balance", lambda account: tools.amazon.funds(account, seconds=CALL_SECONDS), tools, budget
    )
    return AccountFunds(account_name, answer.value, answer.timestamp or tools.clock.now())
