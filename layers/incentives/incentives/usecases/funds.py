"""Ask Amazon how much money an account has left."""

from __future__ import annotations

from typing import NoReturn

from incentives.agcod.answers import Failure, Funds
from incentives.domain.accounts import AccountFunds
from incentives.domain.errors import AccountUnusable, AmazonUnavailable
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused
from incentives.domain.pacing import Full
from incentives.usecases.answers import refusal
from incentives.usecases.tools import CALL_SECONDS, SLOT_WAIT_SECONDS_MAX, Budget, Tools

#: Amazon answers this question once a second.
RETRY_SECONDS = 1.0


def available_funds(account_name: str, tools: Tools, budget: Budget) -> AccountFunds:
    """Ask for the balance, again once a second while the function's time allows.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no answer in time, or no slot.
        RefusedByAmazon: Amazon refuses the account.
    """
    fresh = False
    while True:
        account = tools.accounts.get(account_name, fresh=fresh)
        slot = tools.pacer.reserve(account_name, wait_seconds_max=SLOT_WAIT_SECONDS_MAX)
        now = tools.clock.now()
        if isinstance(slot, Full):
            raise AmazonUnavailable("All of the account's request rate is in use. Ask again a little later.")
        tools.clock.sleep((slot.at - now).total_seconds())
        answer = tools.amazon.funds(account, seconds=CALL_SECONDS)
        tools.telemetry.log("funds", account=account_name, outcome=type(answer).__name__)
        if isinstance(answer, Funds):
            return AccountFunds(account_name, answer.value, answer.timestamp or tools.clock.now())
        if _is_key_refused(answer) and not fresh and budget.allows_a_try():
            fresh = True
        elif isinstance(answer, Refused) or _is_key_refused(answer) or not budget.allows_a_try(RETRY_SECONDS):
            _raise(account_name, answer)
        else:
            tools.clock.sleep(RETRY_SECONDS)


def _is_key_refused(answer: Failure) -> bool:
    return isinstance(answer, NotExecuted) and answer.because is NotExecutedBecause.CREDENTIALS


def _raise(account: str, answer: Failure) -> NoReturn:
    if _is_key_refused(answer):
        raise AccountUnusable(account, "has a key that Amazon refuses")
    if isinstance(answer, Refused):
        raise refusal(answer.error, request_id=None, prefix=f"Amazon refused to say what is in account {account!r}.")
    raise AmazonUnavailable("Amazon did not say how much money the account has. Ask again a little later.")
