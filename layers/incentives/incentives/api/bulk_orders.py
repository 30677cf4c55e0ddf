"""Bulk orders over HTTP: how an order is asked for, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models.base import parse
from incentives.api.models.bulk_orders import (
    ORDER_ID_PATTERN,
    CreateOrderBody,
    LeftOut,
    NewOrder,
    Order,
    StartOrderBody,
    Total,
)
from incentives.api.parameters import read_key
from incentives.domain.errors import OrderNotFound
from incentives.domain.money import CURRENCY_DECIMALS, Money

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderView

#: An order takes minutes to hours; its counts are written down every few rows.
RETRY_AFTER_SECONDS: Final = 5

OrderT = TypeVar("OrderT", bound=Order)


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
    if not re.fullmatch(ORDER_ID_PATTERN, order_id):
        raise OrderNotFound(order_id)
    return order_id


def read_start(call: ApiCall) -> bool:
    """Whether a `POST /orders/{orderId}/start` is a dry run. Its body may be left out.

    Raises:
        InvalidInput: names the field.
    """
    return parse(StartOrderBody, call.json_object() if call.body.strip() else {}).dry_run


def created(view: OrderView, call: ApiCall) -> ApiResponse:
    """201 for a new order, 200 for a repeat, with the place for its file. Only this response tells where that is."""
    replayed = {"Idempotent-Replayed": "true"} if view.replayed else {}
    body = _told(NewOrder, view, upload=view.upload).dump()
    return ApiResponse(200 if view.replayed else 201, body, {"Location": _location(view.order, call)} | replayed)


def standing(view: OrderView, call: ApiCall, *, accepted: bool = False) -> ApiResponse:
    """200: how an order stands; 202, with where and when to ask again, if it was told to go on."""
    body = _told(Order, view).dump()
    if not accepted:
        return ApiResponse(200, body)
    headers = {"Location": _location(view.order, call), "Retry-After": str(RETRY_AFTER_SECONDS)}
    return ApiResponse(202, body, headers)


def _told(model: type[OrderT], view: OrderView, **others: object) -> OrderT:
    order, rate = view.order, view.requests_per_second
    return model.of(
        order,
        stopped=order.stopped_at is not None,
        rows=order.rows or None,
        totals=_totals(order.totals),
        left_out=LeftOut.of(order),
        issued_totals=_totals(view.issued_value),
        counts=view.counts,
        requests_per_second=None if rate is None else round(rate, 2),
        estimated_end_at=view.estimated_end_at,
        result=view.result,
        **others,
    )


def _totals(sums: Mapping[str, Decimal]) -> list[Total]:
    return [
        Total.of(Money(amount.quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency])), currency))
        for currency, amount in sorted(sums.items())
    ]


def _location(order: BulkOrder, call: ApiCall) -> str:
    return f"{call.base_path}/orders/{order.order_id}"
