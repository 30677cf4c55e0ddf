"""Approve or reject a bulk order whose sum needs a second person.

A decision is written with the order, on condition that it is still in the round that was looked at: of two decisions
one counts. A repeat of one finds it done, and starts what a process that died in between has left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incentives.domain.bulk_orders.approval import NOBODY, as_of, shown
from incentives.domain.bulk_orders.bulk_order import (
    BulkOrder,
    Decision,
    OrderMoved,
    OrderStatus,
    OrderView,
    next_round,
    not_started,
)
from incentives.domain.errors import NotThisPerson, OrderConflict, OrderNotFound, OrderUnavailable
from incentives.usecases.bulk_orders.begin_order import begin_order, to_hold
from incentives.usecases.bulk_orders.control_order import LOOKS_MAX, log_move, work_on
from incentives.usecases.bulk_orders.order_status import view_of
from incentives.usecases.persons import person_of

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.domain.money import Money
    from incentives.domain.persons import Identity
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.ports import RolePaths

S = OrderStatus


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody approves, as they have seen it.

    Attributes:
        digest: of account, budget and rows.
        total: the order's sum.
    """

    digest: str
    total: Money


def approve_order(
    order_id: str, seen: Seen, by: Identity, dependencies: OrderDependencies, role_paths: RolePaths
) -> OrderView:
    """Have an order issued whose sum needs a second person's word, and take the sum from its budget.

    Where the budget does not allow it, the order is VALIDATED afterwards and says why.

    Args:
        order_id: which.
        seen: what is approved.
        by: who approves.
        dependencies: the ports.
        role_paths: where roles are.

    Raises:
        OrderNotFound
        OrderConflict: it awaits no approval, or not that of what was seen.
        NotThisPerson: the approver is one of its makers, or nobody can tell.
        BudgetBusy: it still awaits its approval.
        IdentityUnavailable, OrderUnavailable: it may be done all the same; the same call says, and does what is left.
    """
    for _ in range(LOOKS_MAX):
        stored, now = _read(order_id, dependencies), dependencies.clock.now()
        order = as_of(stored, now)
        is_repeat = order.decision is Decision.APPROVE
        if order.status is not S.AWAITING_APPROVAL and not is_repeat:
            raise _conflict(order, "approved")
        _check_seen(order, seen)
        _check_person(order, by, role_paths)
        if not is_repeat:
            if order.budget is None and dependencies.budgets.required:
                raise _conflict(order, "approved: RequireBudget asks for one that names a budget by now. Reject it")
            made = begin_order(stored, _approved(order, now, by), dependencies)
            if isinstance(made, OrderMoved):
                continue
            log_move(stored, made, by, dependencies)
            if made.same_rows_as is not None:
                raise _conflict(made, f"approved: order {made.same_rows_as} issues the same rows")
            order = made
        if not order.status.is_worked_on:
            # Its budget did not allow it; or it has come further since the first call.
            return replace(view_of(order, dependencies), replayed=is_repeat)
        view = work_on(order, dependencies)
        if view is not None:
            return view
    raise OrderUnavailable("The order changes all the time. Repeat the call.")


def reject_order(order_id: str, reason: str, by: Identity, dependencies: OrderDependencies) -> OrderView:
    """Send an order back: it is VALIDATED then, and may be started again, perhaps with another file.

    Args:
        order_id: which.
        reason: for whoever made it.
        by: who rejects. Anybody may, a maker too: nothing is issued.
        dependencies: the ports.

    Raises:
        OrderNotFound
        OrderConflict: it awaits no approval.
        OrderUnavailable: it may be done all the same; the same call says.
    """
    for _ in range(LOOKS_MAX):
        stored, now = _read(order_id, dependencies), dependencies.clock.now()
        order = as_of(stored, now)
        if order.status is S.VALIDATED and order.decision is Decision.REJECT:
            return replace(view_of(order, dependencies), replayed=True)
        if order.status is not S.AWAITING_APPROVAL:
            raise _conflict(order, "rejected")
        after = not_started(
            order, now, None, rejected_because=reason, decision=Decision.REJECT, decided_by=shown(by), decided_at=now
        )
        made = dependencies.orders.move(stored, after, dependencies.new_nonce())
        if isinstance(made, OrderMoved):
            continue
        log_move(stored, made, by, dependencies)
        return view_of(made, dependencies)
    raise OrderUnavailable("The order changes all the time. Repeat the call.")


def _read(order_id: str, dependencies: OrderDependencies) -> BulkOrder:
    order = dependencies.orders.get(order_id)
    if order is None:
        raise OrderNotFound(order_id)
    return order


def _approved(order: BulkOrder, now: datetime, by: Identity) -> BulkOrder:
    return next_round(
        order,
        S.ISSUING,
        now,
        issuing_since=now,
        held=to_hold(order),
        decision=Decision.APPROVE,
        decided_by=shown(by),
        decided_at=now,
    )


def _check_seen(order: BulkOrder, seen: Seen) -> None:
    if seen.digest != order.approval_digest:
        raise _conflict(
            order, "approved with this digest: it is not that of its account, budget and rows. Look at it again"
        )
    if {seen.total.currency: seen.total.amount} != dict(order.totals):
        raise _conflict(order, "approved with this total: it is not its sum. Look at it again")


def _check_person(order: BulkOrder, by: Identity, role_paths: RolePaths) -> None:
    person = person_of(by, role_paths)
    if person is None:
        raise NotThisPerson(
            "The gateway cannot tell which person approves, so nobody knows whether two have looked at the order. Sign "
            "as a person of IAM Identity Center, or as an IAM user."
        )
    for maker in order.makers or (NOBODY,):
        its = person_of(maker, role_paths)
        if its is None:
            raise NotThisPerson(
                "The gateway cannot tell which person made the order, could put its file or started it, so nobody can "
                "approve it. Somebody whom it can tell makes it anew, under another key; stop this one."
            )
        if its.id == person.id:
            raise NotThisPerson(
                "You made the order, could put its file, or started it: somebody else has to approve it."
            )


def _conflict(order: BulkOrder, done: str) -> OrderConflict:
    return OrderConflict(
        f"An order that is {order.status.value} cannot be {done}.", order_id=order.order_id, status=order.status.value
    )
