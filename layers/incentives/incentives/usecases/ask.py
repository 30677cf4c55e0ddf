"""Ask Amazon something that moves no money: a balance, a card's state, a page of activity."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from incentives.domain.errors import AccountUnusable, AmazonUnavailable
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused, Unknown
from incentives.domain.pacing import WAIT_SECONDS_MAX, Allowance, Lane, Slot
from incentives.usecases.pace import heed, take_slot
from incentives.usecases.refusals import refusal

if TYPE_CHECKING:
    from incentives.agcod.answers import Failure
    from incentives.domain.accounts import Account
    from incentives.usecases.tools import Budget, Tools

#: Amazon answers such questions once a second at most.
RETRY_SECONDS = 1.0

#: Between two looks for a slot, at least.
_AGAIN: Final = timedelta(milliseconds=50)

AnswerT = TypeVar("AnswerT")


def ask(
    account_name: str,
    what: str,
    question: Callable[[Account], AnswerT | Failure],
    tools: Tools,
    budget: Budget,
    *,
    allowance: Allowance | None = None,
) -> AnswerT:
    """Ask until there is an answer, once a second while the function's time allows.

    Args:
        account_name: who asks.
        what: what is asked for, for logs and errors, e.g. `balance`.
        question: one call to Amazon.
        tools: the ports.
        budget: the caller's time.
        allowance: the rate that Amazon gives this question beside the account's.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no answer in time, or no slot.
        RefusedByAmazon: Amazon refuses to say.
    """
    fresh = False
    failure: Failure | None = None
    while True:
        account = tools.accounts.get(account_name, fresh=fresh)
        _take_slot(account_name, tools, allowance)
        if failure is not None and not budget.allows_a_try():
            # The wait for another slot took the time of another question.
            _raise(account_name, what, failure)
        answer = question(account)
        if allowance is None:
            # Throttled for its own allowance's sake, a question says nothing about the account's pace.
            heed(account_name, answer, tools)
        tools.telemetry.log("asked", operation=what, account=account_name, outcome=type(answer).__name__)
        if not isinstance(answer, Refused | Unknown | NotExecuted):
            return answer
        failure = answer
        if _is_key_refused(answer) and not fresh:
            fresh = True
        elif isinstance(answer, Refused) or _is_key_refused(answer) or not budget.allows_a_try(RETRY_SECONDS):
            _raise(account_name, what, answer)
        else:
            tools.clock.sleep(RETRY_SECONDS)


def _take_slot(account_name: str, tools: Tools, allowance: Allowance | None) -> None:
    patient_until = tools.clock.now() + timedelta(seconds=WAIT_SECONDS_MAX)
    while not isinstance(slot := take_slot(account_name, Lane.CALLER, tools, allowance=allowance), Slot):
        now = tools.clock.now()
        again_at = max(slot.again_at, now + _AGAIN)
        if again_at > patient_until:
            raise AmazonUnavailable(
                "All of the request rate that Amazon allows is in use. Ask again a little later.",
                retry_after_seconds=max(1, math.ceil((slot.next_at - now).total_seconds())),
            )
        tools.clock.sleep((again_at - now).total_seconds())


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
