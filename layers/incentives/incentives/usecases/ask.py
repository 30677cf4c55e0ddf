"""Ask Amazon something that moves no money: a balance, a card's state, a page of activity."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, assert_never

from incentives.domain.errors import (
    AccountUnusable,
    AmazonThrottled,
    AmazonUnavailable,
    AmazonUnreadable,
    RateInUse,
)
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused, Unknown, UnknownBecause, blames_key
from incentives.domain.pacing import WAIT_SECONDS_MAX, Allowance, Full, Lane, Slot
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
        AmazonUnavailable: no answer in time, or no slot; its subclasses say which.
        RefusedByAmazon: Amazon refuses to say.
    """
    fresh = False
    failure: Failure | None = None
    while True:
        account = tools.accounts.get(account_name, fresh=fresh)
        full = _wait_for_slot(account_name, tools, allowance)
        if failure is not None and (full is not None or not budget.allows_a_try()):
            # No other slot, or one that took the time of another question. The cause is what the first one met with.
            _raise(account_name, what, failure)
        if full is not None:
            raise _rate_in_use(account_name, what, full, tools, allowance)
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


def _wait_for_slot(account_name: str, tools: Tools, allowance: Allowance | None) -> Full | None:
    patient_until = tools.clock.now() + timedelta(seconds=WAIT_SECONDS_MAX)
    while not isinstance(slot := take_slot(account_name, Lane.CALLER, tools, allowance=allowance), Slot):
        now = tools.clock.now()
        again_at = max(slot.again_at, now + _AGAIN)
        if again_at > patient_until:
            return slot
        tools.clock.sleep((again_at - now).total_seconds())
    return None


def _rate_in_use(account: str, what: str, full: Full, tools: Tools, allowance: Allowance | None) -> RateInUse:
    seconds = max(1, math.ceil((full.next_at - tools.clock.now()).total_seconds()))
    also = f", or of the {what}'s own," if allowance is not None else ""
    return RateInUse(
        f"All of account {account!r}'s request rate{also} is in use: nothing was asked. Ask again in {seconds} s.",
        retry_after_seconds=seconds,
    )


def _is_key_refused(answer: Failure) -> bool:
    return isinstance(answer, NotExecuted) and answer.because is NotExecutedBecause.CREDENTIALS


def _raise(account: str, what: str, answer: Failure) -> NoReturn:
    """Tell the cause, and no other."""
    asked = f"Asked for the {what} of account {account!r}, Amazon"
    if isinstance(answer, Refused):
        raise refusal(
            answer.error, request_id=None, prefix=f"Amazon refused to tell the {what} of account {account!r}."
        )
    match answer.because:
        case NotExecutedBecause.CREDENTIALS if blames_key(answer.error):
            raise AccountUnusable(account, "has a key that Amazon refuses")
        case NotExecutedBecause.CREDENTIALS:
            raise AmazonUnavailable(f"{asked} found the signature's time wrong: this gateway's clock may be.")
        case NotExecutedBecause.THROTTLED:
            raise AmazonThrottled(f"{asked} says that it is asked too often. Ask again later.", retry_after_seconds=60)
        case NotExecutedBecause.NOT_SENT:
            raise AmazonUnavailable(f"Amazon cannot be reached: the {what} of account {account!r} was not asked for.")
        case UnknownBecause.UNREADABLE | UnknownBecause.NOT_READY:
            raise AmazonUnreadable(f"{asked} gave an answer that cannot be read. Ask again a little later.")
        case UnknownBecause.AMAZON_FAULT | UnknownBecause.RESEND | UnknownBecause.OVERLOADED:
            named = " ".join(part for part in (answer.error.code, answer.error.type) if part)
            raise AmazonUnavailable(
                f"{asked} had a fault of its own{named and f' ({named})'}. Ask again a little later."
            )
        case UnknownBecause.TIMED_OUT | UnknownBecause.CONNECTION_LOST | UnknownBecause.NO_ANSWER_RECORDED:
            raise AmazonUnavailable(f"{asked} did not answer in time. Ask again a little later.")
        case _:
            assert_never(answer.because)
