"""A refusal of Amazon's, as the error that its caller gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.agcod.errors import NOT_READ, Kind, describe
from incentives.domain.errors import RefusedByAmazon, RefusedFor

if TYPE_CHECKING:
    from incentives.domain.outcomes import AmazonError


def refusal(error: AmazonError, *, request_id: str | None, prefix: str = "") -> RefusedByAmazon:
    """A refusal as an error, with what the table of Amazon's errors says of it.

    Args:
        error: as Amazon named it.
        request_id: what was refused.
        prefix: what was refused, as a sentence; empty for the request itself.
    """
    error_spec = NOT_READ if error.code is None and error.type is None else describe(error)
    refused_for, advice = error_spec.refused_for, error_spec.advice
    if error_spec.kind is not Kind.REFUSED or refused_for is None:
        # It was read as a refusal, with more of the response at hand than is kept.
        refused_for, advice = RefusedFor.REQUEST, "Amazon refused the request."
    return RefusedByAmazon(
        " ".join(part for part in (prefix, advice, error.message) if part),
        request_id=request_id,
        refused_for=refused_for,
        retryable=False,
        error_code=error.code,
        error_type=error.type,
    )
