"""Pause a bulk order that cannot go on, and tell the operators why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.domain.bulk import BulkOrder, OrderMoved, OrderStatus, moved

if TYPE_CHECKING:
    from incentives.usecases.order_tools import OrderTools
    from incentives.usecases.tools import Tools


def pause_order(order: BulkOrder, why: str, tools: Tools, order_tools: OrderTools) -> None:
    """Pause an order as it was just read, unless it has moved on since.

    Args:
        order: ISSUING or SETTLING.
        why: what must be mended, for people.
        tools: the ports of issuing.
        order_tools: those of bulk orders.

    Raises:
        OrderUnavailable
    """
    now = tools.clock.now()
    after = moved(order, OrderStatus.PAUSED, now, why_paused=why, issuing_until=order.issuing_until or now)
    if isinstance(order_tools.orders.move(order, after, tools.new_nonce()), OrderMoved):
        return
    tools.telemetry.log("orderPaused", orderId=order.order_id, account=order.account, round=order.round)
    tools.telemetry.count("OrderPaused")
    untold = tools.people.notify(
        f"Bulk order {order.order_id} is paused",
        f"Bulk order {order.order_id} of account {order.account} was paused, with rows still to be issued: {why}\n"
        f"Once that is mended: POST /orders/{order.order_id}/resume\n",
    )
    if untold is not None:
        tools.telemetry.log("operatorsNotTold", orderId=order.order_id, because=untold)
