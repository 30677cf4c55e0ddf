"""Ask Amazon something that moves no money: a balance, a card's state, a page of activity."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, assert_never

from incentives.domain.errors import AccountUnusable, AmazonThrottled, AmazonUnavailable, AmazonUnreadable, RateInUse
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused, Unknown, UnknownBecause, blames_key
from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Allowance, Full, Permit, Priority
from incentives.usecases.permits import on_throttled, take_permit
from incentives.usecases.refusals import refusal

if TYPE_CHECKING:
    from incentives.agcod.reading.responses import Failure
    from incentives.domain.accounts.account import Account
    from incentives.usecases.dependencies import Budget, Dependencies

#: Amazon responds to such queries once a second at most.
RETRY_SECONDS = 1.0

#: Between two looks for a permit, at least.
_AGAIN: Final = timedelta(milliseconds=50)

ResponseT = TypeVar("ResponseT")


def ask(
    account_name: str,
    what: str,
    query: Callable[[Account], ResponseT | Failure],
    dependencies: Dependencies,
    budget: Budget,
    *,
    allowance: Allowance | None = None,
) -> ResponseT:
    """Ask until there is a response, once a second while the function's time allows.

    Args:
        account_name: who asks.
        what: what is asked for, for logs and errors, e.g. `balance`.
        query: one call to Amazon.
        dependencies: the ports.
        budget: the caller's time.
        allowance: the rate that Amazon gives this query beside the account's.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no response in time, or no permit; its subclasses say which.
        RefusedByAmazon: Amazon refuses to say.
    """
    fresh = False
    failure: Failure | None = None
    while True:
        account = dependencies.accounts.get(account_name, fresh=fresh)
        full = _wait_for_permit(account_name, dependencies, allowance)
        if failure is not None and (full is not None or not budget.allows_a_try()):
            # No other permit, or one that took the time of another query. The cause is what the first one met with.
            _raise(account_name, what, failure)
        if full is not None:
            raise _rate_in_use(account_name, what, full, dependencies, allowance)
        response = query(account)
        if allowance is None:
            # Throttled for its own allowance's sake, a query says nothing about the account's pace.
            on_throttled(account_name, response, dependencies)
        dependencies.telemetry.log("asked", operation=what, account=account_name, outcome=type(response).__name__)
        if not isinstance(response, Refused | Unknown | NotExecuted):
            return response
        failure = response
        if _is_key_refused(response) and not fresh:
            fresh = True
        elif isinstance(response, Refused) or _is_key_refused(response) or not budget.allows_a_try(RETRY_SECONDS):
            _raise(account_name, what, response)
        else:
            dependencies.clock.sleep(RETRY_SECONDS)


def _wait_for_permit(account_name: str, dependencies: Dependencies, allowance: Allowance | None) -> Full | None:
    patient_until = dependencies.clock.now() + timedelta(seconds=WAIT_SECONDS_MAX)
    while not isinstance(
        permit := take_permit(account_name, Priority.CALLER, dependencies, allowance=allowance), Permit
    ):
        now = dependencies.clock.now()
        again_at = max(permit.again_at, now + _AGAIN)
        if again_at > patient_until:
            return permit
        dependencies.clock.sleep((again_at - now).total_seconds())
    return None


def _rate_in_use(
    account: str, what: str, full: Full, dependencies: Dependencies, allowance: Allowance | None
) -> RateInUse:
    seconds = max(1, math.ceil((full.next_at - dependencies.clock.now()).total_seconds()))
    also = f", or of the {what}'s own," if allowance is not None else ""
    return RateInUse(
        f"All of account {account!r}'s request rate{also} is in use: nothing was asked. Ask again in {seconds} s.",
        retry_after_seconds=seconds,
    )


def _is_key_refused(response: Failure) -> bool:
    return isinstance(response, NotExecuted) and response.because is NotExecutedBecause.CREDENTIALS


def _raise(account: str, what: str, response: Failure) -> NoReturn:
    """Tell the cause, and no other."""
    asked = f"Asked for the {what} of account {account!r}, Amazon"
    if isinstance(response, Refused):
        raise refusal(
            response.error, request_id=None, prefix=f"Amazon refused to tell the {what} of account {account!r}."
        )
    match response.because:
        case NotExecutedBecause.CREDENTIALS if blames_key(response.error):
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
            named = " ".join(part for part in (response.error.code, response.error.type) if part)
            raise AmazonUnavailable(
                f"{asked} had a fault of its own{named and f' ({named})'}. Ask again a little later."
            )
        case UnknownBecause.TIMED_OUT | UnknownBecause.CONNECTION_LOST | UnknownBecause.NO_RESPONSE_RECORDED:
            raise AmazonUnavailable(f"{asked} did not answer in time. Ask again a little later.")
        case _:
            assert_never(response.because)
