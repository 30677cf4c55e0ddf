"""GET /orders/{orderId}: how a bulk order stands."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.bulk_orders.order_status import order_status
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Read one order: its state, its counts, what is wrong with its file, where its result is."""
    call.query_of()
    return bulk_orders.standing(order_status(bulk_orders.read_order_id(call), container.order_dependencies), call)


in_init(lambda: container.order_dependencies)
