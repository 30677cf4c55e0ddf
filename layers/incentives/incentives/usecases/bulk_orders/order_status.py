"""How a bulk order stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from incentives.domain.bulk_orders.approval import as_of
from incentives.domain.bulk_orders.bulk_order import BulkOrder, Counts, OrderStatus, OrderView, sum_of
from incentives.domain.errors import OrderNotFound

if TYPE_CHECKING:
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies


def order_status(order_id: str, dependencies: OrderDependencies) -> OrderView:
    """Read an order.

    Raises:
        OrderNotFound, OrderUnavailable
    """
    order = dependencies.orders.get(order_id)
    if order is None:
        raise OrderNotFound(order_id)
    return view_of(order, dependencies)


def view_of(order: BulkOrder, dependencies: OrderDependencies) -> OrderView:
    """An order as its callers see it now.

    Raises:
        OrderUnavailable
    """
    order = as_of(order, dependencies.clock.now())
    batches = dependencies.orders.batches(order.order_id) if order.rows_name else ()
    counts = sum_of(batch.counts for batch in batches)
    issued_value: dict[str, Decimal] = {}
    for batch in batches:
        for currency, amount in batch.issued_value.items():
            issued_value[currency] = issued_value.get(currency, Decimal()) + amount
    view = OrderView(
        order=order, counts=replace(counts, waiting=max(0, order.rows - counts.done)), issued_value=issued_value
    )
    if order.status is OrderStatus.FINISHED and order.rows_name:
        view = replace(view, result=dependencies.files.result(order.order_id))
    return _with_rate(view, dependencies)


def tried(counts: Counts) -> int:
    """Rows that were tried."""
    return counts.done - counts.not_issued


def _with_rate(view: OrderView, dependencies: OrderDependencies) -> OrderView:
    order, now = view.order, dependencies.clock.now()
    if order.issuing_since is None:
        return view
    is_issuing = order.status is OrderStatus.ISSUING
    until = now if is_issuing or order.issuing_until is None else order.issuing_until
    seconds = (until - order.issuing_since).total_seconds()
    rows = tried(view.counts) - order.done_before
    if seconds <= 0 or rows <= 0:
        return view
    rate = rows / seconds
    ends = now + timedelta(seconds=view.counts.waiting / rate) if is_issuing else None
    return replace(view, requests_per_second=rate, estimated_end_at=ends)
