"""Make a bulk order, or tell a repeat of it how it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incentives.domain.bulk_orders.approval import NOBODY, as_of, makers_with
from incentives.domain.bulk_orders.bulk_order import (
    BulkOrder,
    FileFormat,
    OrderMoved,
    OrderStatus,
    OrderView,
    derive_order_id,
    next_round,
)
from incentives.domain.errors import BudgetUnusable, KeyReused, OrderUnavailable
from incentives.usecases.bulk_orders.control_order import LOOKS_MAX
from incentives.usecases.bulk_orders.order_status import view_of

if TYPE_CHECKING:
    from incentives.domain.persons import Identity
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
    budget: str | None = None,
    caller: str | None,
    identity: Identity = NOBODY,
    dependencies: OrderDependencies,
    accounts: Accounts,
) -> OrderView:
    """Make an order that awaits its file, and say where to put it.

    The order's id follows from account and key, so a repeat cannot make a second one. Whoever is told where to put the
    file is one of the order's makers before they are told.

    Raises:
        InvalidInput, AccountUnusable, BudgetUnusable: nothing was written.
        KeyReused: the key belongs to an order with another format, onUnknown, allowSameRows or budget.
        OrderUnavailable, LedgerUnavailable: it may have been made; the same call says.
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
        makers=makers_with((), identity)[-1:],
        allow_same_rows=allow_same_rows,
        budget=budget,
    )
    about_budgets = budget is not None or dependencies.budgets.required
    if about_budgets and dependencies.orders.get(order.order_id) is None:
        # A repeat finds its order, whatever has become of the budget.
        _check_budget(budget, dependencies)
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
                ("budget", budget, made.budget),
            )
            if ours != theirs
        ]
        if differing:
            raise KeyReused(differing, request_id=made.order_id)
        made = _with_maker(made, identity, dependencies)
    else:
        dependencies.telemetry.log("orderMade", orderId=made.order_id, account=account, caller=caller)
        dependencies.telemetry.count("OrderMade")
    view = replace(view_of(made, dependencies), replayed=replayed)
    if view.order.status.takes_file:
        view = replace(view, upload=dependencies.files.upload(made.order_id, made.format))
    return view


def _check_budget(budget: str | None, dependencies: OrderDependencies) -> None:
    if budget is None and dependencies.budgets.required:
        raise BudgetUnusable("is required: each request and each order has to name one")
    if budget is not None and dependencies.definitions.get(budget) is None:
        raise BudgetUnusable("is not known to this gateway")


def _with_maker(stored: BulkOrder, identity: Identity, dependencies: OrderDependencies) -> BulkOrder:
    """An order as it stands now; if its file may be put, with whoever is to be told where among its makers.

    In another round: whoever has read the order without this maker, to start it perhaps, reads it again.
    """
    for _ in range(LOOKS_MAX):
        now = dependencies.clock.now()
        order = as_of(stored, now)
        makers = makers_with(order.makers, identity)
        if not order.status.takes_file or makers == order.makers:
            return order
        after = next_round(order, order.status, now, makers=makers)
        made = dependencies.orders.move(stored, after, dependencies.new_nonce())
        if not isinstance(made, OrderMoved):
            return made
        if made.current is None:
            break
        stored = made.current
    raise OrderUnavailable("The order changes all the time. Repeat the call.")
