"""POST /orders/{orderId}/start, /pause, /resume, /stop: have a bulk order worked on, or not."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.bulk_orders.control_order import Action, control_order


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Do what the last part of the route says: 202 with the order while it is worked on, else 200."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        order_id = bulk_orders.read_order_id(call)
        action = Action(str(event["resource"]).rpartition("/")[2])
        dry_run = False
        if action is Action.START:
            dry_run = bulk_orders.read_start(call)
        else:
            call.refuse_body()
        view = control_order(order_id, action, bootstrap.order_dependencies(), dry_run=dry_run)
        return bulk_orders.standing(view, call, accepted=view.order.status.is_worked_on)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.order_dependencies)
