"""A refusal of Amazon's, as the error that its caller gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.agcod.errors import NOT_READ, Kind, describe
from incentives.domain.errors import RefusedByAmazon

if TYPE_CHECKING:
    from incentives.domain.outcomes import AmazonError

_REFUSED: Final = 422


def refusal(error: AmazonError, *, request_id: str | None, prefix: str = "") -> RefusedByAmazon:
    """A refusal as an error, with the status, the sentence and the advice of the taxonomy.

    Args:
        error: as Amazon named it.
        request_id: what was refused.
        prefix: what was refused, as a sentence; empty for the request itself.
    """
    error_spec = NOT_READ if error.code is None and error.type is None else describe(error)
    http_status, retryable, advice = error_spec.http_status, error_spec.retryable, error_spec.advice
    if error_spec.kind is not Kind.REFUSED:
        # It was read as a refusal, with more of the response at hand than is kept.
        http_status, retryable, advice = _REFUSED, False, "Amazon refused the request."
    return RefusedByAmazon(
        " ".join(part for part in (prefix, advice, error.message) if part),
        request_id=request_id,
        http_status=http_status,
        retryable=retryable,
        error_code=error.code,
        error_type=error.type,
    )
