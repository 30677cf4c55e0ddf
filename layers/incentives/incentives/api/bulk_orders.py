"""Bulk orders over HTTP: how an order is asked for, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models.base import parse
from incentives.api.models.bulk_orders import (
    ORDER_ID_PATTERN,
    ApproveOrderBody,
    CreateOrderBody,
    LeftOut,
    NewOrder,
    Order,
    OrderPage,
    OrderSummary,
    RejectOrderBody,
    SeenTotalBody,
    StartOrderBody,
    Total,
)
from incentives.api.parameters import account_or_default, read_key
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.errors import InvalidInput, OrderNotFound
from incentives.domain.money import CURRENCY_DECIMALS, SUM_MAX, Money, parse_money
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX, check_words

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderView

#: An order takes minutes to hours; its counts are written down every few rows.
RETRY_AFTER_SECONDS: Final = 5

#: Orders on a page of the list, unless its caller says otherwise, and at most.
PAGE_SIZE: Final = 20
PAGE_SIZE_MAX: Final = 100

OrderT = TypeVar("OrderT", bound=OrderSummary)


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


def read_start(call: ApiCall) -> tuple[bool, Money | None]:
    """Whether a `POST /orders/{orderId}/start` is a dry run, and the total that was seen. Its body may be left out.

    Raises:
        InvalidInput: names the field.
    """
    body = parse(StartOrderBody, call.json_object() if call.body.strip() else {})
    if body.total is not None and body.dry_run:
        raise InvalidInput("total", "must not be given with dryRun, which issues nothing")
    return body.dry_run, _seen(body.total) if body.total is not None else None


def read_approval(call: ApiCall) -> tuple[str, Money]:
    """Digest and total of a `POST /orders/{orderId}/approve`.

    Raises:
        InvalidInput: names the field.
    """
    body = parse(ApproveOrderBody, call.json_object())
    return body.digest, _seen(body.total)


def _seen(total: SeenTotalBody) -> Money:
    return parse_money(
        total.amount,
        total.currency_code,
        amount_field="total.amount",
        currency_field="total.currencyCode",
        most=SUM_MAX,
    )


def read_rejection(call: ApiCall) -> str:
    """Why an order is rejected, of a `POST /orders/{orderId}/reject`.

    Raises:
        InvalidInput: names the field and quotes nothing of it.
    """
    reason = parse(RejectOrderBody, call.json_object()).reason
    check_words("reason", reason, NOTE_LENGTH_MAX)
    return reason


def read_list(call: ApiCall) -> tuple[str | None, OrderStatus | None, str | None, int]:
    """Account, status, cursor and page size of a `GET /orders`. Without an account all are meant.

    Raises:
        InvalidInput: names the parameter.
    """
    query = call.query_of("status", "account", "cursor", "limit")
    account = account_or_default(query["account"], None) if "account" in query else None
    status = None
    if "status" in query:
        if query["status"] not in set(OrderStatus):
            raise InvalidInput("status", f"must be one of {', '.join(OrderStatus)}")
        status = OrderStatus(query["status"])
    limit = query.get("limit", str(PAGE_SIZE))
    if not re.fullmatch("[0-9]{1,3}", limit) or not 1 <= int(limit) <= PAGE_SIZE_MAX:
        raise InvalidInput("limit", f"must be a whole number from 1 to {PAGE_SIZE_MAX}")
    return account, status, query.get("cursor"), int(limit)


def listed(orders: Sequence[BulkOrder], cursor: str | None) -> ApiResponse:
    """200: a page of orders, and the cursor of the next one."""
    page = OrderPage(orders=[OrderSummary.of(order, **_of_order(order)) for order in orders], cursor=cursor)
    return ApiResponse(200, page.dump())


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
        **_of_order(order),
        totals=_totals(order.totals),
        left_out=LeftOut.of(order),
        issued_totals=_totals(view.issued_value),
        counts=view.counts,
        requests_per_second=None if rate is None else round(rate, 2),
        estimated_end_at=view.estimated_end_at,
        result=view.result,
        **others,
    )


def _of_order(order: BulkOrder) -> dict[str, object]:
    """What is not told as it stands. An account has one currency, and so has an order."""
    totals = _totals(order.totals)
    return {
        "stopped": order.stopped_at is not None,
        "rows": order.rows or None,
        "total": totals[0] if len(totals) == 1 else None,
    }


def _totals(sums: Mapping[str, Decimal]) -> list[Total]:
    return [
        Total.of(Money(amount.quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency])), currency))
        for currency, amount in sorted(sums.items())
    ]


def _location(order: BulkOrder, call: ApiCall) -> str:
    return f"{call.base_path}/orders/{order.order_id}"
