"""Requests that their account's balance does not cover, and that wait until it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.domain.single_requests.record import Record, Status

if TYPE_CHECKING:
    from incentives.domain.outcomes import AmazonError

#: Amazon's errorType for a request that the account's balance does not cover.
INSUFFICIENT_FUNDS: Final = "InsufficientFunds"

#: A balance is topped up by people: there is no point in asking every few seconds.
PARKED_SECONDS_FIRST: Final = 300


def is_unfunded(error: AmazonError | None) -> bool:
    """Whether an error says that there is not enough money."""
    return error is not None and error.type == INSUFFICIENT_FUNDS


def is_parked(record: Record) -> bool:
    """Whether a request waits for its account's balance to cover it."""
    return record.status is Status.PENDING and not record.may_have_executed and is_unfunded(record.error)
