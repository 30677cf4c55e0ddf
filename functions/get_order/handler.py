"""GET /orders/{orderId}: how a bulk order stands."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import bulk_orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.bulk_orders.order_status import order_status


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Read one order: its state, its counts, what is wrong with its file, where its result is."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        return bulk_orders.standing(order_status(bulk_orders.read_order_id(call), bootstrap.order_dependencies()), call)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.order_dependencies)
