"""Freezing an account: until it is unfrozen no request leaves that Amazon has never seen, and no claim code is read.

What has been sent goes on: recoveries, cancels, queries, and the rotation of keys, since a leaked one must be
replaceable. The truth is kept with the account. The rate limiter's item has a copy, which each permit looks at without
a call of its own; the copy is written only over an older version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from incentives.domain.calls import LEAVES_WITHIN_SECONDS
from incentives.domain.outcomes import AmazonError
from incentives.domain.rate_limit import LATE_SECONDS, WAIT_SECONDS_MAX

#: A request that waits for the account to be unfrozen is looked at again after this, the longest delay of a message.
FROZEN_AGAIN_AFTER: Final = timedelta(minutes=15)

#: Whoever has a permit from before the freeze leaves with it: after the longest wait for a permit, a quarter of a
#: second later if it was held up, as much again if its clock was new to the account, and once it is connected. It is a
#: wait, not a point in time, so that it depends on nobody's clock.
LAST_CALL_LEAVES_AFTER: Final = timedelta(seconds=WAIT_SECONDS_MAX + 2 * LATE_SECONDS + LEAVES_WITHIN_SECONDS + 0.1)

#: Noted on a request that waits for the account to be unfrozen.
FROZEN: Final = AmazonError(
    type="AccountFrozen", message="The account is frozen: the request has not been sent to Amazon."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Whether an account is frozen, and who made it so. Kept once it has ever been frozen.

    Attributes:
        frozen: False: it was, and has been unfrozen.
        reason: why it was frozen; None: unfrozen.
        by: who froze or unfroze it, as people are shown; None: nobody can tell.
        caller: ARN of the same.
        since: when.
        version: rises with every change.
        nonce: of the attempt at the last change, so that a repeated write recognises itself.
        told_at: when the operators were told; None: not yet.
    """

    account: str
    frozen: bool
    since: datetime
    version: int
    reason: str | None = None
    by: str | None = None
    caller: str | None = None
    nonce: str = ""
    told_at: datetime | None = None


def next_version(before: Freeze | None, now: datetime) -> int:
    """The version of the next change: above the last, and above whatever a lost or restored table once had.

    A copy is only ever overwritten by a newer version. Counted from 1, an account whose truth is gone could never be
    unfrozen again.
    """
    return max(int(now.timestamp() * 1000), before.version + 1 if before else 0)


def shown_caller(arn: str | None) -> str:
    """Who asks, as people are shown: `assumed-role/ROLE/SESSION` or `user/NAME`."""
    return arn.split(":", 5)[-1] if arn else "unknown"


def notice_of(freeze: Freeze) -> tuple[str, str]:
    """Subject and text of what the operators are told.

    Returns:
        A subject of plain ASCII, as SNS wants it, and a text of short paragraphs.
    """
    at = f"{freeze.since:%Y-%m-%d %H:%M:%S} UTC"
    if not freeze.frozen:
        what = (
            f"{freeze.by} unfroze the account at {at}. What has waited goes on within a quarter of an hour. Bulk "
            "orders that were paused have to be resumed; make orders lists them."
        )
        return f"Unfrozen: Incentives account {freeze.account}", f"Account: {freeze.account}\n\nWhat happened: {what}\n"
    means = (
        "no request is sent that Amazon has never seen, and no claim code is read again. New orders are answered 503 "
        "AccountFrozen. Requests whose outcome is unknown are still settled, and cards can be cancelled. What waits "
        "unsent is refused 24 hours after it was ordered; its callers repeat it with the same Idempotency-Key."
    )
    how = (
        f"see docs/operate.md, then make unfreeze ACCOUNT={freeze.account}, or POST "
        f"/accounts/{freeze.account}/unfreeze."
    )
    text = "\n\n".join(
        (
            f"Account: {freeze.account}",
            f"What happened: {freeze.by} froze the account at {at}.",
            f"Why: {freeze.reason}",
            f"What it means: {means}",
            f"How to unfreeze it: {how}",
        )
    )
    return f"Frozen: Incentives account {freeze.account}", f"{text}\n"
