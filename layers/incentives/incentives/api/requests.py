"""Requests over HTTP, whatever their operation: how a record is told, and the responses around it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.caller_fields import shown
from incentives.domain.errors import NotFound
from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.domain.single_requests.transitions import cancellable_until

if TYPE_CHECKING:
    from incentives.domain.outcomes import Card
    from incentives.domain.single_requests.record import Record

#: Where the requests of an operation are found.
ROUTES: Final = {
    Operation.CREATE_GIFT_CARD: "/gift-cards",
    Operation.ACTIVATE_GIFT_CARD: "/activations",
    Operation.LOAD_AMAZON_BALANCE: "/balance-loads",
}


def read_request_id(call: ApiCall) -> str:
    """The request id of a route.

    Raises:
        NotFound: no request can have such an id.
    """
    request_id = call.path.get("requestId") or ""
    if not (request_id.isascii() and request_id.isalnum() and len(request_id) <= REQUEST_ID_LENGTH_MAX):
        raise NotFound(request_id[:REQUEST_ID_LENGTH_MAX])
    return request_id


def issued(record: Record, card: Card | None, *, replayed: bool) -> ApiResponse:
    """201 for a new success, 200 for a repeat. Of all responses, only this one may hold a claim code."""
    code = card.claim_code.reveal() if card and card.claim_code else None
    return ApiResponse(
        200 if replayed else 201,
        request(record) | ({"gcClaimCode": code} if code else {}),
        _replayed(replayed=replayed),
    )


def revealed(record: Record, card: Card | None) -> ApiResponse:
    """200 with the claim code."""
    code = card.claim_code.reveal() if card and card.claim_code else None
    return ApiResponse(200, request(record) | {"gcClaimCode": code})


def standing(record: Record, *, replayed: bool = False) -> ApiResponse:
    """200: how a record stands, never with its claim code."""
    return ApiResponse(200, request(record), _replayed(replayed=replayed))


def accepted(record: Record, retry_after_seconds: int, call: ApiCall, *, preferred: bool = False) -> ApiResponse:
    """202: not known yet; where and when to ask.

    Args:
        record: how it stands.
        retry_after_seconds: when asking makes sense.
        call: whose response this is.
        preferred: its caller asked for a 202 by `Prefer: respond-async`.
    """
    headers = {
        "Location": f"{call.base_path}{ROUTES[record.operation]}/{record.request_id}",
        "Retry-After": str(retry_after_seconds),
    }
    return ApiResponse(202, request(record), headers | ({"Preference-Applied": "respond-async"} if preferred else {}))


def case(case_file: str) -> ApiResponse:
    """200: the case of an escalated request."""
    return ApiResponse(200, json.loads(case_file))


def request(record: Record) -> dict[str, Any]:
    """A record in the words of the API: times RFC 3339 UTC, amounts decimal strings, no claim code."""
    error = record.refusal or record.error
    told: dict[str, Any] = {
        "requestId": record.request_id,
        "operation": record.operation.value,
        "status": record.status.value,
        "account": record.account,
        "amount": record.value.amount_text,
        "currencyCode": record.value.currency,
        **shown(record.details),
        "createdAt": format_time(record.created_at),
        "updatedAt": format_time(record.updated_at),
        "dueAt": format_time(record.due_at) if record.waits_for_permit else None,
        "replaces": record.replaces,
        "replacedBy": record.replaced_by,
        "errorCode": error.code if error else None,
        "errorType": error.type if error else None,
    }
    match record.operation:
        case Operation.CREATE_GIFT_CARD:
            told["gcId"] = record.gc_id
            told["gcExpirationDate"] = format_time(record.expires_at)
            told["cancellableUntil"] = format_time(cancellable_until(record))
        case Operation.ACTIVATE_GIFT_CARD:
            told["cardNumber"] = record.subject
            told["gcExpirationDate"] = format_time(record.expires_at)
        case Operation.LOAD_AMAZON_BALANCE:
            told["customerAccountId"] = record.subject
    return told


def format_time(moment: datetime | None) -> str | None:
    """RFC 3339 UTC in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _replayed(*, replayed: bool) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if replayed else {}
