"""Make a bulk order, or tell a repeat of it how it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incentives.domain.bulk_orders.bulk_order import (
    BulkOrder,
    FileFormat,
    OrderMoved,
    OrderStatus,
    OrderView,
    derive_order_id,
)
from incentives.domain.errors import KeyReused, OrderUnavailable
from incentives.usecases.bulk_orders.order_status import view_of

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Intent
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.ports import Accounts


def create_order(
    *,
    key: str,
    account: str,
    file_format: FileFormat,
    on_unknown: Intent,
    allow_same_rows: bool = False,
    caller: str | None,
    dependencies: OrderDependencies,
    accounts: Accounts,
) -> OrderView:
    """Make an order that awaits its file, and say where to put it.

    The order's id follows from account and key, so a repeat cannot make a second one.

    Raises:
        InvalidInput, AccountUnusable: nothing was written.
        KeyReused: the key belongs to an order with another format, onUnknown or allowSameRows.
        OrderUnavailable: it may have been made; the same call says.
    """
    now = dependencies.clock.now()
    order = BulkOrder(
        order_id=derive_order_id(account, key),
        account=account,
        partner_id=accounts.get(account).partner_id,
        format=file_format,
        on_unknown=on_unknown,
        status=OrderStatus.AWAITING_FILE,
        created_at=now,
        updated_at=now,
        caller=caller,
        allow_same_rows=allow_same_rows,
    )
    made = dependencies.orders.create(order, dependencies.new_nonce())
    replayed = isinstance(made, OrderMoved)
    if isinstance(made, OrderMoved):
        if made.current is None:
            raise OrderUnavailable("the order could not be made")
        made = made.current
        differing = [
            name
            for name, ours, theirs in (
                ("format", file_format, made.format),
                ("onUnknown", on_unknown, made.on_unknown),
                ("allowSameRows", allow_same_rows, made.allow_same_rows),
            )
            if ours is not theirs
        ]
        if differing:
            raise KeyReused(differing, request_id=made.order_id)
    else:
        dependencies.telemetry.log("orderMade", orderId=made.order_id, account=account, caller=caller)
        dependencies.telemetry.count("OrderMade")
    view = replace(view_of(made, dependencies), replayed=replayed)
    if made.status.takes_file:
        view = replace(view, upload=dependencies.files.upload(made.order_id, made.format))
    return view
