"""Errors as RFC 9457 `application/problem+json`, and the HTTP status of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from incentives.api.models.problems import FieldError, Problem
from incentives.domain import errors
from incentives.domain.errors import GatewayError, OrderConflict, RefusedByAmazon, RefusedFor, StateConflict

MEDIA_TYPE = "application/problem+json"


class Unexpected(GatewayError):  # noqa: N818 - named like its siblings
    """Something that this gateway did not foresee. What it was is in the log, by class only."""

    code = "Unexpected"
    title = "The gateway failed"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "Something unforeseen happened. Repeat the request with the same Idempotency-Key: it will not be issued "
            "twice."
        )


#: By class; one that is not named has its base's.
STATUSES: Final[Mapping[type[Exception], int]] = MappingProxyType(
    {
        GatewayError: 500,
        errors.InvalidInput: 400,
        errors.BodyTooLarge: 413,
        errors.NotFound: 404,
        errors.OrderNotFound: 404,
        errors.KeyReused: 422,
        errors.StateConflict: 409,
        errors.OrderConflict: 409,
        errors.AccountUnusable: 503,
        errors.LedgerUnavailable: 503,
        errors.AmazonUnavailable: 503,
        errors.VaultUnavailable: 503,
        errors.OrderUnavailable: 503,
        errors.IdentityUnavailable: 503,
        errors.BooksNotFound: 404,
        errors.BooksConflict: 409,
        errors.BooksUnavailable: 503,
        errors.StatementRefused: 422,
        errors.NotThisPerson: 403,
        errors.BudgetUnusable: 422,
        errors.BudgetExceeded: 402,
        errors.BudgetBusy: 429,
        errors.BudgetNotFound: 404,
        errors.BudgetConflict: 409,
        errors.AccountFrozen: 503,
        errors.OrderClosed: 409,
        errors.AccountNotFound: 404,
    }
)

#: Of Amazon's refusals.
REFUSED_STATUSES: Final[Mapping[RefusedFor, int]] = MappingProxyType(
    {
        RefusedFor.REQUEST: 422,
        RefusedFor.STATE: 409,
        RefusedFor.FUNDS: 402,
        RefusedFor.ACCOUNT: 403,
        RefusedFor.UNSEEN: 503,
    }
)


def status_of(error: GatewayError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, RefusedByAmazon):
        return REFUSED_STATUSES[error.refused_for]
    return next(STATUSES[each] for each in type(error).__mro__ if each in STATUSES)


def problem(error: GatewayError) -> dict[str, Any]:
    """The body of an error: always the same fields, null where they do not apply."""
    more: dict[str, Any] = {}
    if error.fields:
        more["errors"] = [FieldError(field=field, message=message) for field, message in error.fields]
    if isinstance(error, StateConflict):
        more["request_status"] = error.request_status
    if isinstance(error, OrderConflict):
        more["order_status"] = error.order_status
    of_amazon = error if isinstance(error, RefusedByAmazon) else None
    return Problem(
        type=f"urn:incentives-gateway:problem:{error.code}",
        title=error.title,
        status=status_of(error),
        detail=error.detail,
        request_id=error.request_id,
        error_code=of_amazon and of_amazon.error_code,
        error_type=(of_amazon and of_amazon.error_type) or error.code,
        retryable=error.retryable,
        **more,
    ).dump()
