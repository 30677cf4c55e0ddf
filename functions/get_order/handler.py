"""GET /orders/{orderId}: how a bulk order stands. GET /orders: which there are."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.bulk_orders.list_orders import OrdersQuery, list_orders
from incentives.usecases.bulk_orders.order_status import order_status
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Read one order: its state, its counts, what is wrong with its file, where its result is; or list orders."""
    if call.route == "/orders":
        account, status, cursor, limit = bulk_orders.read_list(call)
        query = OrdersQuery(account=account, status=status, cursor=cursor, limit=limit)
        page = list_orders(query, container.order_dependencies)
        return bulk_orders.listed(page.orders, page.cursor)
    call.query_of()
    return bulk_orders.standing(order_status(bulk_orders.read_order_id(call), container.order_dependencies), call)


in_init(lambda: container.order_dependencies)
