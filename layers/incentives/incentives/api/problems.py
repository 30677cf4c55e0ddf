"""Errors as RFC 9457 `application/problem+json`."""

from __future__ import annotations

from typing import Any

from incentives.domain.errors import GatewayError, OrderConflict, RefusedByAmazon, StateConflict

MEDIA_TYPE = "application/problem+json"


def problem(error: GatewayError) -> dict[str, Any]:
    """The body of an error: always the same members, null where they do not apply."""
    body: dict[str, Any] = {
        "type": f"urn:incentives-gateway:problem:{error.code}",
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "requestId": error.request_id,
        "errorCode": error.error_code if isinstance(error, RefusedByAmazon) else None,
        "errorType": (error.error_type if isinstance(error, RefusedByAmazon) else None) or error.code,
        "retryable": error.retryable,
    }
    if error.fields:
        body["errors"] = [{"field": field, "message": message} for field, message in error.fields]
    if isinstance(error, StateConflict):
        body["requestStatus"] = error.request_status
    if isinstance(error, OrderConflict):
        body["orderStatus"] = error.order_status
    return body


class Unexpected(GatewayError):  # noqa: N818 - named like its siblings
    """Something that this gateway did not foresee. What it was is in the log, by class only."""

    code = "Unexpected"
    title = "The gateway failed"
    http_status = 500
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "Something unforeseen happened. Repeat the request with the same Idempotency-Key: it will not be issued "
            "twice."
        )
