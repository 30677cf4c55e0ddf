"""POST /orders/{orderId}/start, /pause, /resume, /stop: have a bulk order worked on, or not."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.bulk_orders.control_order import Action, control_order
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Do what the last part of the route says: 202 with the order while it is worked on, else 200."""
    call.query_of()
    order_id = bulk_orders.read_order_id(call)
    action = Action(call.route.rpartition("/")[2])
    dry_run = False
    if action is Action.START:
        dry_run = bulk_orders.read_start(call)
    else:
        call.refuse_body()
    view = control_order(order_id, action, container.order_dependencies, dry_run=dry_run)
    return bulk_orders.standing(view, call, accepted=view.order.status.is_worked_on)


in_init(lambda: container.order_dependencies)
