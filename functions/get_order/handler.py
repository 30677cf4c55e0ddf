"""GET /orders/{orderId}: how a bulk order stands."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import bulk
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.usecases.order_status import order_status


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Read one order: its state, its counts, what is wrong with its file, where its result is."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        return bulk.standing(order_status(bulk.read_order_id(call), bootstrap.order_tools()), call)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.order_tools)
