"""Bulk orders over HTTP: how an order is asked for, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models import CreateOrderBody, StartOrderBody, parse
from incentives.api.orders import read_key
from incentives.api.requests import format_time
from incentives.domain.bulk_orders.bulk_order import ORDER_ID_LENGTH, BulkOrder, OrderView
from incentives.domain.errors import OrderNotFound
from incentives.domain.money import CURRENCY_DECIMALS

#: Base32 of a hash.
ORDER_ID: Final = re.compile(f"[A-Z2-7]{{{ORDER_ID_LENGTH}}}")

#: An order takes minutes to hours; its counts are written down every few rows.
RETRY_AFTER_SECONDS: Final = 5


def read_order(call: ApiCall) -> tuple[str, CreateOrderBody]:
    """The idempotency key and the body of a `POST /orders`.

    Raises:
        InvalidInput: names the field.
    """
    key = read_key(call)
    return key, parse(CreateOrderBody, call.json_object())


def read_order_id(call: ApiCall) -> str:
    """The order id of a route.

    Raises:
        OrderNotFound: no order can have such an id.
    """
    order_id = call.path.get("orderId") or ""
    if not ORDER_ID.fullmatch(order_id):
        raise OrderNotFound(order_id)
    return order_id


def read_start(call: ApiCall) -> bool:
    """Whether a `POST /orders/{orderId}/start` is a dry run. Its body may be left out.

    Raises:
        InvalidInput: names the field.
    """
    return parse(StartOrderBody, call.json_object() if call.body.strip() else {}).dryRun


def created(view: OrderView, call: ApiCall) -> ApiResponse:
    """201 for a new order, 200 for a repeat, with the place for its file. Only this response tells where that is."""
    upload = view.upload
    body = order(view) | {
        "upload": {
            "url": upload.url,
            "method": upload.method,
            "headers": dict(upload.headers),
            "expiresAt": format_time(upload.expires_at),
        }
        if upload
        else None
    }
    replayed = {"Idempotent-Replayed": "true"} if view.replayed else {}
    return ApiResponse(200 if view.replayed else 201, body, {"Location": _location(view.order, call)} | replayed)


def standing(view: OrderView, call: ApiCall, *, accepted: bool = False) -> ApiResponse:
    """200: how an order stands; 202, with where and when to ask again, if it was told to go on."""
    if not accepted:
        return ApiResponse(200, order(view))
    headers = {"Location": _location(view.order, call), "Retry-After": str(RETRY_AFTER_SECONDS)}
    return ApiResponse(202, order(view), headers)


def order(view: OrderView) -> dict[str, Any]:
    """An order in the words of the API: times RFC 3339 UTC, amounts decimal strings."""
    kept = view.order
    counts = view.counts
    rate = view.requests_per_second
    return {
        "orderId": kept.order_id,
        "status": kept.status.value,
        "dryRun": kept.dry_run,
        "stopped": kept.stopped_at is not None,
        "pauseReason": kept.why_paused,
        "account": kept.account,
        "format": kept.format.value,
        "onUnknown": kept.on_unknown.value,
        "allowSameRows": kept.allow_same_rows,
        "createdAt": format_time(kept.created_at),
        "updatedAt": format_time(kept.updated_at),
        "finishedAt": format_time(kept.finished_at),
        "rows": kept.rows or None,
        "totals": _totals(kept.totals),
        "leftOut": {"blankRows": kept.blank_rows, "emptyColumns": kept.empty_columns},
        "issuedTotals": _totals(view.issued_value),
        "counts": {
            "issued": counts.issued,
            "refused": counts.refused,
            "open": counts.open,
            "waiting": counts.waiting,
            "reversed": counts.reversed,
            "escalated": counts.escalated,
            "notIssued": counts.not_issued,
        },
        "requestsPerSecond": None if rate is None else round(rate, 2),
        "estimatedEndAt": format_time(view.estimated_end_at),
        "errors": [{"line": each.line, "field": each.field, "problem": each.problem} for each in kept.errors],
        "errorCount": kept.error_count,
        "sameRowsAs": kept.same_rows_as,
        "result": {"url": view.result.url, "expiresAt": format_time(view.result.expires_at)} if view.result else None,
    }


def _totals(sums: Mapping[str, Decimal]) -> list[dict[str, str]]:
    return [
        {"amount": f"{amount.quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency])):f}", "currencyCode": currency}
        for currency, amount in sorted(sums.items())
    ]


def _location(kept: BulkOrder, call: ApiCall) -> str:
    return f"{call.base_path}/orders/{kept.order_id}"
