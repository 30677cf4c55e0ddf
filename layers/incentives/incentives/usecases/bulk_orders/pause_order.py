"""Pause a bulk order that cannot go on, and tell the operators why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderMoved, OrderStatus, moved

if TYPE_CHECKING:
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Dependencies


def pause_order(order: BulkOrder, why: str, dependencies: Dependencies, order_dependencies: OrderDependencies) -> None:
    """Pause an order as it was just read, unless it has moved on since.

    Args:
        order: ISSUING or SETTLING.
        why: what must be mended, for people.
        dependencies: the ports of issuing.
        order_dependencies: those of bulk orders.

    Raises:
        OrderUnavailable
    """
    now = dependencies.clock.now()
    after = moved(order, OrderStatus.PAUSED, now, why_paused=why, issuing_until=order.issuing_until or now)
    if isinstance(order_dependencies.orders.move(order, after, dependencies.new_nonce()), OrderMoved):
        return
    dependencies.telemetry.log("orderPaused", orderId=order.order_id, account=order.account, round=order.round)
    dependencies.telemetry.count("OrderPaused")
    untold = dependencies.notifier.notify(
        f"Bulk order {order.order_id} is paused",
        f"Bulk order {order.order_id} of account {order.account} was paused, with rows still to be issued: {why}\n"
        f"Once that is mended: POST /orders/{order.order_id}/resume\n",
    )
    if untold is not None:
        dependencies.telemetry.log("operatorsNotTold", orderId=order.order_id, because=untold)
        # The alarm on this goes another way.
        dependencies.telemetry.count("AlertNotTold")
