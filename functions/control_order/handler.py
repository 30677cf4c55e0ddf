"""POST /orders/{orderId}/start, /pause, /resume, /stop, /approve, /reject: have a bulk order worked on, or not."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.bulk_orders.control_order import Action, control_order
from incentives.usecases.bulk_orders.decide_order import Seen, approve_order, reject_order
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Do what the last part of the route says: 202 with the order while it is worked on, else 200."""
    call.query_of()
    order_id, orders, by = bulk_orders.read_order_id(call), container.order_dependencies, call.identity
    match call.route.rpartition("/")[2]:
        case "approve":
            seen = Seen(*bulk_orders.read_approval(call))
            view = approve_order(order_id, seen, by, orders, container.role_paths)
        case "reject":
            view = reject_order(order_id, bulk_orders.read_rejection(call), by, orders)
        case "start":
            dry_run, total = bulk_orders.read_start(call)
            view = control_order(order_id, Action.START, orders, dry_run=dry_run, seen=total, identity=by)
        case action:
            call.refuse_body()
            view = control_order(order_id, Action(action), orders, identity=by)
    return bulk_orders.standing(view, call, accepted=view.order.status.is_worked_on)


in_init(lambda: container.order_dependencies)
