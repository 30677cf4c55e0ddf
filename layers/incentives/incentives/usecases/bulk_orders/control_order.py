"""Have a bulk order worked on, or not: start, pause, resume, stop.

A repeat of any of them finds the order as the first call left it. If the workflow of an order that should be worked on
has died, a repeat of `start` or `resume` starts another one, in a new round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.bulk_orders.approval import NOBODY, as_of, makers_with, shown
from incentives.domain.bulk_orders.bulk_order import (
    NO_ROWS,
    SAME_ROWS_FOR,
    BulkOrder,
    OrderMoved,
    OrderStatus,
    OrderView,
    Started,
    moved,
    next_round,
    sum_of,
)
from incentives.domain.errors import OrderConflict, OrderNotFound, OrderUnavailable
from incentives.usecases.bulk_orders.order_status import tried, view_of

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.persons import Identity
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies

S = OrderStatus


class Action(StrEnum):
    """What may be asked for; the last part of its route."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


#: Of a file that is yet to be checked, and of an order that nobody has decided on.
NOTHING_FOUND: Final[Mapping[str, Any]] = {
    "rows": 0,
    "totals": {},
    "errors": (),
    "error_count": 0,
    "blank_rows": 0,
    "empty_columns": 0,
    "same_rows_as": None,
    "approval_digest": None,
    "approval_until": None,
    "told_at": None,
    "decision": None,
    "decided_by": None,
    "decided_at": None,
    "rejected_because": None,
    "why_not_started": None,
}

#: An order is resumed only while no other order can have the same rows: see `SAME_ROWS_FOR`, less a day to issue them.
RESUMABLE_FOR: Final = SAME_ROWS_FOR - timedelta(days=1)

#: Looks at an order that changes while one decides: its own workflow changes it a few times in all.
LOOKS_MAX = 5


def control_order(
    order_id: str,
    action: Action,
    dependencies: OrderDependencies,
    *,
    dry_run: bool = False,
    seen: Money | None = None,
    identity: Identity = NOBODY,
) -> OrderView:
    """Do what is asked for, if the order's state allows it.

    Args:
        order_id: which.
        action: what.
        dependencies: the ports.
        dry_run: of a start: only validate.
        seen: of a start: the sum that whoever starts it has seen; a file of another one is not issued.
        identity: who asks; whoever starts an order is one of its makers.

    Raises:
        OrderNotFound
        OrderConflict: its state does not allow it.
        OrderUnavailable: it may have been done; the same call says, and does what is left to do.
    """
    for _ in range(LOOKS_MAX):
        stored = dependencies.orders.get(order_id)
        if stored is None:
            raise OrderNotFound(order_id)
        order = as_of(stored, dependencies.clock.now())
        wanted = _wanted(order, action, dependencies, dry_run=dry_run, seen=seen, identity=identity)
        if wanted is not order:
            made = dependencies.orders.move(stored, wanted, dependencies.new_nonce())
            if isinstance(made, OrderMoved):
                continue
            log_move(order, made, identity, dependencies)
            order = made
        if not order.status.is_worked_on:
            return replace(view_of(order, dependencies), replayed=wanted is order)
        view = work_on(order, dependencies, identity=identity)
        if view is not None:
            return view
    raise OrderUnavailable("The order changes all the time. Repeat the call.")


def work_on(order: BulkOrder, dependencies: OrderDependencies, *, identity: Identity = NOBODY) -> OrderView | None:
    """Have the workflow of an order's round run; None: the order is to be looked at again.

    Raises:
        OrderUnavailable: it may run all the same.
    """
    match dependencies.workflows.start(order.order_id, order.round):
        case Started.RUNNING:
            return view_of(order, dependencies)
        case Started.FAILED:
            raise OrderUnavailable("The order's work could not be started now. Repeat the call.")
        case Started.ENDED:
            # It died, or has just come to its end: then the order has moved on, and this write is lost.
            makers = makers_with(order.makers, identity) if order.status is S.VALIDATING else order.makers
            again = next_round(order, order.status, dependencies.clock.now(), makers=makers)
            dependencies.orders.move(order, again, dependencies.new_nonce())
    return None


def log_move(before: BulkOrder, after: BulkOrder, by: Identity, dependencies: OrderDependencies) -> None:
    """Log that somebody has moved an order, and who."""
    dependencies.telemetry.log(
        "orderMoved",
        orderId=after.order_id,
        was=before.status.value,
        status=after.status.value,
        round=after.round,
        caller=shown(by),
    )


def _wanted(  # noqa: C901, PLR0911 - one case per edge
    order: BulkOrder,
    action: Action,
    dependencies: OrderDependencies,
    *,
    dry_run: bool,
    seen: Money | None,
    identity: Identity,
) -> BulkOrder:
    """The order as it should be; itself if there is nothing to change."""
    now = dependencies.clock.now()
    match action, order.status:
        case Action.START, S.AWAITING_FILE | S.INVALID | S.VALIDATED:
            makers = makers_with(order.makers, identity)
            by = {"makers": makers, "started_by": shown(identity)}
            of = {"dry_run": dry_run, "totals_seen": {seen.currency: seen.amount} if seen else {}}
            return next_round(order, S.VALIDATING, now, **of, **by, **NOTHING_FOUND)
        case Action.START, S.VALIDATING if order.dry_run is dry_run:
            return order
        case Action.START, S.ISSUING | S.AWAITING_APPROVAL if not dry_run:
            return order
        case Action.PAUSE, S.ISSUING:
            return moved(order, S.PAUSED, now, why_paused=None, issuing_until=now)
        case Action.PAUSE, S.PAUSED:
            return order
        case Action.RESUME, S.PAUSED:
            return _resumed(order, now, dependencies)
        case Action.RESUME, S.VALIDATING | S.ISSUING | S.STOPPING | S.SETTLING:
            return order
        case Action.STOP, S.VALIDATING | S.ISSUING:
            return moved(order, S.STOPPING, now, stopped_at=now, issuing_until=order.issuing_until or now)
        case Action.STOP, S.PAUSED:
            # Nothing runs for it.
            return next_round(order, S.STOPPING, now, stopped_at=now)
        case Action.STOP, S.AWAITING_FILE | S.INVALID | S.VALIDATED | S.AWAITING_APPROVAL:
            return moved(order, S.FINISHED, now, stopped_at=now, finished_at=now, **NO_ROWS)
        case Action.STOP, S.STOPPING | S.SETTLING | S.FINISHED if order.stopped_at is not None:
            return order
        case _:
            raise OrderConflict(
                f"An order that is {order.status.value} cannot be asked to {action.value}.",
                order_id=order.order_id,
                status=order.status.value,
            )


def _resumed(order: BulkOrder, now: datetime, dependencies: OrderDependencies) -> BulkOrder:
    if now >= order.created_at + RESUMABLE_FOR:
        raise OrderConflict(
            "This order was made too long ago to be resumed: its rows are hardly held for it any more. Stop it, and "
            "order in another file the rows that its result shows neither as issued nor as escalated.",
            order_id=order.order_id,
            status=order.status.value,
        )
    done = tried(sum_of(batch.counts for batch in dependencies.orders.batches(order.order_id)))
    return next_round(order, S.ISSUING, now, why_paused=None, issuing_since=now, issuing_until=None, done_before=done)
