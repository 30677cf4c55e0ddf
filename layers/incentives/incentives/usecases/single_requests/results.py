"""What a use case hands back to be told to its caller. Everything else is an error of the tree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from incentives.domain.errors import RefusedByAmazon, RefusedFor, StateConflict
from incentives.domain.outcomes import AmazonError, Card
from incentives.domain.single_requests.record import Record, Status
from incentives.domain.single_requests.renewal import OWN_REFUSALS
from incentives.usecases.refusals import refusal

#: A caller need not ask more often than this, whatever the next try's time.
RETRY_AFTER_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Delivered:
    """A live card, code and all, found SUCCEEDED in the ledger after Amazon's response.

    Attributes:
        card: None for a repeat of an operation whose success has no code.
        replayed: the request had been issued before.
    """

    record: Record
    card: Card | None = field(repr=False)
    replayed: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome is not known yet, or the rate limit does not allow the call yet: ask again."""

    record: Record
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A record as it stands.

    Attributes:
        replayed: it stood so before this call.
    """

    record: Record
    replayed: bool = False


def accepted(record: Record, now: datetime, *, due_at: datetime | None = None) -> Accepted:
    """A 202 that names when asking again makes sense."""
    due = due_at or record.due_at or record.wake_at or now
    seconds = math.ceil((due - now).total_seconds())
    return Accepted(record, min(max(seconds, 1), RETRY_AFTER_SECONDS_MAX))


def raise_ended(record: Record) -> NoReturn:
    """Raise what became of a request that ended without a card."""
    if record.status is Status.REFUSED:
        raise refusal_of(record)
    raise StateConflict(_ENDED[record.status], request_id=record.request_id, status=record.status)


def refusal_of(record: Record) -> RefusedByAmazon:
    """The stored refusal as an error."""
    error = record.refusal or record.error or AmazonError()
    if error.type in OWN_REFUSALS:
        return RefusedByAmazon(
            " ".join(part for part in (error.message, _SAME_KEY) if part),
            request_id=record.request_id,
            refused_for=RefusedFor.UNSEEN,
            retryable=True,
            error_code=error.code,
            error_type=error.type,
            retry_after_seconds=RETRY_AFTER_SECONDS_MAX,
        )
    return refusal(error, request_id=record.request_id)


_SAME_KEY: Final = "Nothing was charged. Repeat the order with the same Idempotency-Key once the cause is mended."


_ENDED = {
    Status.REVERSED: "This request was reversed: nothing is charged for it and its card is void. A new order needs a "
    "new Idempotency-Key.",
    Status.ESCALATED: "What became of this request at Amazon could not be found out. People are on it; do not order "
    "again.",
}
