"""Tell the operators that a bulk order waits for a second person's approval, and note with the order that they know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incentives.domain.money import Money

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import BulkOrder
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.dependencies import Dependencies


def ask_approval(order: BulkOrder, dependencies: Dependencies, order_dependencies: OrderDependencies) -> bool:
    """Tell it, unless it was told. A process that dies before the note has it told twice; it is always told.

    Args:
        order: AWAITING_APPROVAL, as it was just read.
        dependencies: the ports of issuing.
        order_dependencies: those of bulk orders.

    Returns:
        Whether nothing is left to do; else nobody could be told.

    Raises:
        OrderUnavailable
    """
    now = order_dependencies.clock.now()
    if order.told_at is not None or order.approval_until is None or now >= order.approval_until:
        return True
    total = ", ".join(str(Money(amount, currency)) for currency, amount in order.totals.items())
    budget = f" from budget {order.budget}" if order.budget else ""
    untold = dependencies.notifier.notify(
        f"Bulk order {order.order_id} awaits approval",
        f"Bulk order {order.order_id} of account {order.account}, with {order.rows} rows for {total}{budget}, "
        f"was made by {order.caller or 'somebody who cannot be named'}. It waits for a second person until "
        f"{order.approval_until:%Y-%m-%d %H:%M} UTC; nothing is issued before.\n\n"
        f"Somebody who neither made nor started it: make approve ORDER={order.order_id}, or make reject. "
        f"docs/bulk-orders.md says how over HTTP.\n",
    )
    if untold is not None:
        dependencies.telemetry.log("operatorsNotTold", orderId=order.order_id, because=untold)
        # The alarm on this goes another way.
        dependencies.telemetry.count("AlertNotTold")
        return False
    order_dependencies.orders.move(order, replace(order, told_at=now), dependencies.new_nonce())
    return True
