"""Gift cards over HTTP: reading an order, writing what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.api.models import CreateGiftCardBody, parse
from incentives.domain.errors import NotFound
from incentives.domain.ledger import Record
from incentives.domain.money import Money, parse_money
from incentives.domain.outcomes import Card
from incentives.domain.request_ids import REQUEST_ID_LENGTH_MAX, parse_idempotency_key
from incentives.domain.transitions import cancellable_until

ROUTE = "/gift-cards"


def read_create(call: ApiCall) -> tuple[str, Money, CreateGiftCardBody]:
    """The idempotency key, the amount and the rest of a `POST /gift-cards`.

    Raises:
        InvalidInput: names the field.
    """
    key = parse_idempotency_key(call.headers.get("idempotency-key"))
    body = parse(CreateGiftCardBody, call.json_object())
    return key, parse_money(body.amount, body.currencyCode), body


def read_request_id(call: ApiCall) -> str:
    """The request id of a route.

    Raises:
        NotFound: no request can have such an id.
    """
    request_id = call.path.get("requestId") or ""
    if not (request_id.isascii() and request_id.isalnum() and len(request_id) <= REQUEST_ID_LENGTH_MAX):
        raise NotFound(request_id[:REQUEST_ID_LENGTH_MAX])
    return request_id


def standing(record: Record, *, replayed: bool = False) -> ApiAnswer:
    """200: how a record stands, never with its claim code."""
    return ApiAnswer(200, gift_card(record), {"Idempotent-Replayed": "true"} if replayed else {})


def delivered(record: Record, card: Card, *, status: int, replayed: bool) -> ApiAnswer:
    """The one answer that holds a claim code."""
    code = card.claim_code.reveal() if card.claim_code else None
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return ApiAnswer(status, gift_card(record) | {"gcClaimCode": code}, headers)


def accepted(record: Record, retry_after_seconds: int, call: ApiCall) -> ApiAnswer:
    """202: not known yet; where and when to ask."""
    headers = {
        "Location": f"{call.base_path}{ROUTE}/{record.request_id}",
        "Retry-After": str(retry_after_seconds),
    }
    return ApiAnswer(202, gift_card(record), headers)


def gift_card(record: Record) -> dict[str, Any]:
    """A record in the words of the API: times RFC 3339 UTC, amounts decimal strings."""
    error = record.refusal or record.error
    return {
        "requestId": record.request_id,
        "operation": record.operation.value,
        "status": record.status.value,
        "account": record.account,
        "amount": record.value.amount_text,
        "currencyCode": record.value.currency,
        "gcId": record.gc_id,
        "gcExpirationDate": format_time(record.expires_at),
        "externalReference": record.options.get("externalReference"),
        "cancellableUntil": format_time(cancellable_until(record)),
        "createdAt": format_time(record.created_at),
        "updatedAt": format_time(record.updated_at),
        "replaces": record.replaces,
        "replacedBy": record.replaced_by,
        "errorCode": error.code if error else None,
        "errorType": error.type if error else None,
    }


def format_time(moment: datetime | None) -> str | None:
    """RFC 3339 UTC in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
