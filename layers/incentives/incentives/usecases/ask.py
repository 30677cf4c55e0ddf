"""Ask Amazon something that moves no money: a balance, a card's state, a page of activity."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from incentives.agcod.answers import Failure
from incentives.domain.accounts import Account
from incentives.domain.errors import AccountUnusable, AmazonUnavailable
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused, Unknown
from incentives.domain.pacing import Full
from incentives.usecases.answers import refusal
from incentives.usecases.tools import SLOT_WAIT_SECONDS_MAX, Budget, Tools

#: Amazon answers such questions once a second at most.
RETRY_SECONDS = 1.0

AnswerT = TypeVar("AnswerT")


def ask(
    account_name: str, what: str, question: Callable[[Account], AnswerT | Failure], tools: Tools, budget: Budget
) -> AnswerT:
    """Ask until there is an answer, once a second while the function's time allows.

    Args:
        account_name: who asks.
        what: what is asked for, for logs and errors, e.g. `balance`.
        question: one call to Amazon.
        tools: the ports.
        budget: the caller's time.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no answer in time, or no slot.
        RefusedByAmazon: Amazon refuses to say.
    """
    fresh = False
    while True:
        account = tools.accounts.get(account_name, fresh=fresh)
        slot = tools.pacer.reserve(account_name, wait_seconds_max=SLOT_WAIT_SECONDS_MAX)
        now = tools.clock.now()
        if isinstance(slot, Full):
            raise AmazonUnavailable("All of the account's request rate is in use. Ask again a little later.")
        tools.clock.sleep((slot.at - now).total_seconds())
        answer = question(account)
        tools.telemetry.log("asked", operation=what, account=account_name, outcome=type(answer).__name__)
        if not isinstance(answer, Refused | Unknown | NotExecuted):
            return answer
        if _is_key_refused(answer) and not fresh:
            fresh = True
        elif isinstance(answer, Refused) or _is_key_refused(answer) or not budget.allows_a_try(RETRY_SECONDS):
            _raise(account_name, what, answer)
        else:
            tools.clock.sleep(RETRY_SECONDS)


def _is_key_refused(answer: Failure) -> bool:
    return isinstance(answer, NotExecuted) and answer.because is NotExecutedBecause.CREDENTIALS


def _raise(account: str, what: str, answer: Failure) -> NoReturn:
    if _is_key_refused(answer):
        raise AccountUnusable(account, "has a key that Amazon refuses")
    if isinstance(answer, Refused):
        raise refusal(
            answer.error, request_id=None, prefix=f"Amazon refused to tell the {what} of account {account!r}."
        )
    if isinstance(answer, NotExecuted) and answer.because is NotExecutedBecause.THROTTLED:
        raise AmazonUnavailable(f"Amazon tells the {what} only so often. Ask again later.", retry_after_seconds=60)
    raise AmazonUnavailable(f"Amazon did not tell the {what}. Ask again a little later.")
