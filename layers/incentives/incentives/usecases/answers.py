"""What a use case hands back to be told to its caller. Everything else is an error of the tree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from incentives.agcod.errors import describe
from incentives.domain.errors import RefusedByAmazon, StateConflict
from incentives.domain.ledger import Record, Status
from incentives.domain.outcomes import Card

#: A caller need not ask more often than this, whatever the next try's time.
RETRY_AFTER_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Delivered:
    """A live card, code and all, found SUCCEEDED in the ledger after Amazon's answer.

    Attributes:
        replayed: the order had been issued before.
    """

    record: Record
    card: Card = field(repr=False)
    replayed: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome is not known yet, or the pace does not allow the call yet: ask again."""

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
    """Raise what a repeat of a request that ended without a card gets, each time the same."""
    if record.status is Status.REFUSED:
        raise refusal_of(record)
    raise StateConflict(_ENDED[record.status], request_id=record.request_id, status=record.status)


def refusal_of(record: Record) -> RefusedByAmazon:
    """The stored refusal as an error."""
    error = record.refusal or record.error
    taxon = describe(error, None) if error else None
    return RefusedByAmazon(
        " ".join(part for part in (taxon and taxon.advice, error and error.message) if part)
        or "Amazon refused the request.",
        request_id=record.request_id,
        http_status=taxon.http_status if taxon else 422,
        retryable=taxon.retryable if taxon else False,
        error_code=error.code if error else None,
        error_type=error.type if error else None,
    )


_ENDED = {
    Status.REVERSED: "This request was reversed: nothing is charged for it and its card is void. A new order needs a new Idempotency-Key.",
    Status.ESCALATED: "Amazon has not said within 24 hours what became of this request. People are on it; do not order again.",
}
