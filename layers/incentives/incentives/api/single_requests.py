"""Requests over HTTP, whatever their operation: how one is asked for, how a record is told, and the search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic.alias_generators import to_snake

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models.base import parse
from incentives.api.models.single_requests import (
    Activation,
    BalanceLoad,
    CheckActivationStatusBody,
    GiftCard,
    GiftCardWithCode,
    IssueBody,
    RequestPage,
)
from incentives.api.parameters import read_day, read_key
from incentives.domain.caller_fields import shown
from incentives.domain.errors import InvalidInput, NotFound
from incentives.domain.money import Money, parse_money
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.domain.single_requests.transitions import cancellable_until

if TYPE_CHECKING:
    from incentives.domain.outcomes import Card

IssueBodyT = TypeVar("IssueBodyT", bound=IssueBody)

#: Where the requests of an operation are found.
ROUTES: Final = {
    Operation.CREATE_GIFT_CARD: "/gift-cards",
    Operation.ACTIVATE_GIFT_CARD: "/activations",
    Operation.LOAD_AMAZON_BALANCE: "/balance-loads",
}

#: A search without `from` goes a week back from `to`.
DAYS_DEFAULT: Final = 7


def read_issue(call: ApiCall, model: type[IssueBodyT]) -> tuple[str, Money, IssueBodyT]:
    """The idempotency key, the amount and the body of a call that issues.

    Raises:
        InvalidInput: names the field.
    """
    key = read_key(call)
    body = parse(model, call.json_object())
    return key, parse_money(body.amount, body.currency_code), body


def read_status_check(call: ApiCall) -> CheckActivationStatusBody:
    """The body of a `POST /activations/status-check`."""
    return parse(CheckActivationStatusBody, call.json_object())


def read_request_id(call: ApiCall) -> str:
    """The request id of a route.

    Raises:
        NotFound: no request can have such an id.
    """
    request_id = call.path.get("requestId") or ""
    if not (request_id.isascii() and request_id.isalnum() and len(request_id) <= REQUEST_ID_LENGTH_MAX):
        raise NotFound(request_id[:REQUEST_ID_LENGTH_MAX])
    return request_id


def read_key_sought(call: ApiCall) -> str | None:
    """The idempotency key whose request is looked for; None without the header.

    Raises:
        InvalidInput: names the header, or a parameter beside it: a search is another query.
    """
    if "idempotency-key" not in call.headers:
        return None
    for name in call.query:
        raise InvalidInput(name, "must not be given beside an Idempotency-Key, which alone names the request")
    return read_key(call)


def read_search(call: ApiCall, now: datetime) -> tuple[str | None, Status | None, date, date, str | None]:
    """The query: account, status, first and last day (UTC, both included), cursor.

    Raises:
        InvalidInput: names the parameter.
    """
    query = call.query_of("account", "status", "from", "to", "cursor")
    last = read_day(query.get("to"), "to") or now.astimezone(UTC).date()
    first = read_day(query.get("from"), "from") or last - timedelta(days=DAYS_DEFAULT - 1)
    status = query.get("status")
    if status is not None and status not in Status.__members__:
        raise InvalidInput("status", f"must be one of {', '.join(Status)}")
    return query.get("account"), Status(status) if status else None, first, last, query.get("cursor")


def issued(record: Record, card: Card | None, *, replayed: bool) -> ApiResponse:
    """201 for a new success, 200 for a repeat. Besides `revealed`, only this response may hold a claim code."""
    return ApiResponse(200 if replayed else 201, _with_code(record, card).dump(), _replayed(replayed=replayed))


def revealed(record: Record, card: Card | None) -> ApiResponse:
    """200 with the claim code."""
    return ApiResponse(200, _with_code(record, card).dump())


def standing(record: Record, *, replayed: bool = False) -> ApiResponse:
    """200: how a record stands, never with its claim code."""
    return ApiResponse(200, told(record).dump(), _replayed(replayed=replayed))


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
    applied = {"Preference-Applied": "respond-async"} if preferred else {}
    return ApiResponse(202, told(record).dump(), headers | applied)


def found(records: Sequence[Record], cursor: str | None) -> ApiResponse:
    """200: a page of requests, newest first, and the cursor of the next page."""
    return ApiResponse(200, RequestPage(requests=[told(record) for record in records], cursor=cursor).dump())


def case(case_file: str) -> ApiResponse:
    """200: the case of an escalated request, as it was written."""
    return ApiResponse(200, json.loads(case_file))


def told(record: Record) -> GiftCard | Activation | BalanceLoad:
    """A record in the words of the API."""
    error = record.refusal or record.error
    common: dict[str, object] = {
        "amount": record.value.amount_text,
        "currency_code": record.value.currency,
        "due_at": record.due_at if record.waits_for_permit else None,
        "error_code": error.code if error else None,
        "error_type": error.type if error else None,
        **{to_snake(name): value for name, value in shown(record.details).items()},
    }
    match record.operation:
        case Operation.CREATE_GIFT_CARD:
            return GiftCard.of(record, cancellable_until=cancellable_until(record), **common)
        case Operation.ACTIVATE_GIFT_CARD:
            return Activation.of(record, subject=record.subject or "", **common)
        case Operation.LOAD_AMAZON_BALANCE:
            return BalanceLoad.of(record, subject=record.subject or "", **common)


def _with_code(record: Record, card: Card | None) -> GiftCard | Activation | BalanceLoad:
    without = told(record)
    if card is None or card.claim_code is None or not isinstance(without, GiftCard):
        return without
    return GiftCardWithCode(**dict(without), gc_claim_code=card.claim_code.reveal())


def _replayed(*, replayed: bool) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if replayed else {}
