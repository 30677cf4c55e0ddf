"""Let an order begin: claim its rows, take its sum from its budget, and have it issued or wait for its approval.

All in one transaction, from validation and from approval alike. If its rows are another order's, it is INVALID; if its
budget does not allow it, it is VALIDATED and may be started again. Either says why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incentives.domain.bulk_orders.approval import as_of
from incentives.domain.bulk_orders.bulk_order import (
    NO_ROWS,
    BulkOrder,
    FileError,
    OrderMoved,
    OrderStatus,
    RowsClaim,
    RowsTaken,
    moved,
    not_started,
    sum_of,
)
from incentives.domain.errors import BudgetExceeded, BudgetUnusable, OrderUnavailable
from incentives.domain.money import CURRENCY_DECIMALS, Money

if TYPE_CHECKING:
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies

#: Claims that give way, one after the other: each of another order with the same rows, and all at this moment.
CLAIMS_MAX: Final = 5


def begin_order(before: BulkOrder, after: BulkOrder, dependencies: OrderDependencies) -> BulkOrder | OrderMoved:
    """Let an order begin, or find why it does not.

    Args:
        before: as it was read: VALIDATING or AWAITING_APPROVAL.
        after: ISSUING, with what it holds of its budget, or AWAITING_APPROVAL; with the digest of its rows.
        dependencies: the ports.

    Returns:
        The order as it was written: as wanted, INVALID or VALIDATED.

    Raises:
        BudgetBusy, OrderUnavailable: it is as before.
    """
    claim = RowsClaim(
        account=after.account,
        digest=after.rows_digest or "",
        order_id=after.order_id,
        claimed_at=after.updated_at,
        round=after.round,
    )
    over: RowsClaim | None = None
    for _ in range(CLAIMS_MAX):
        try:
            made = dependencies.orders.begin(before, after, claim, dependencies.new_nonce(), over=over)
        except (BudgetExceeded, BudgetUnusable) as error:
            return dependencies.orders.move(before, _without_budget(before, after, error), dependencies.new_nonce())
        if not isinstance(made, RowsTaken):
            return made
        over = made.claim
        if over.order_id == after.order_id:
            # Its own, of an earlier round: what that took the place of is still there.
            claim = replace(claim, instead_of=over.instead_of, is_firm=over.is_firm)
            continue
        holds = stands(over, dependencies)
        if holds and not before.allow_same_rows:
            return dependencies.orders.move(before, same_rows(before, after, over), dependencies.new_nonce())
        claim = replace(claim, instead_of=over.order_id, is_firm=holds)
    raise OrderUnavailable("the order's rows are claimed by one order after the other")


def to_hold(order: BulkOrder) -> int:
    """What an order takes from its budget, in minor units: a budget has one currency, and so have the rows."""
    if order.budget is None:
        return 0
    return sum(int(total.scaleb(CURRENCY_DECIMALS[currency])) for currency, total in order.totals.items())


def stands(claim: RowsClaim, dependencies: OrderDependencies) -> bool:
    """Whether an order may still charge, or has charged, for rows that it claimed.

    It may not if it has let these rows go: it was rejected, approved by nobody in time, not started, or started again.
    It has not if it has come to its end, and each of its cards was refused, reversed or never asked for: whoever sends
    the same rows then wants them for the first time.
    """
    holder = dependencies.orders.get(claim.order_id)
    if claim.is_firm or holder is None:
        return True
    if claim.round and as_of(holder, dependencies.clock.now()).rows_digest != claim.digest:
        return False
    if holder.status is not OrderStatus.FINISHED:
        return True
    counts = sum_of(batch.counts for batch in dependencies.orders.batches(claim.order_id))
    return counts.issued + counts.open + counts.escalated > 0


def same_rows(order: BulkOrder, found: BulkOrder, held: RowsClaim) -> BulkOrder:
    """The order as INVALID, instead of as it was found, since its rows are another's."""
    problem = (
        f"begins a file with the very rows of order {held.order_id}, whose result says which of them were issued; only "
        "to issue all of them again, make another order with allowSameRows"
    )
    return moved(
        order,
        OrderStatus.INVALID,
        found.updated_at,
        rows=0,
        totals={},
        errors=(FileError(1, None, problem),),
        error_count=1,
        blank_rows=found.blank_rows,
        empty_columns=found.empty_columns,
        same_rows_as=held.order_id,
        **NO_ROWS,
    )


#: What was found or decided, and stays true of an order that its budget did not let begin.
_KEPT: Final = (
    *("rows", "totals", "blank_rows", "empty_columns"),
    *("approval_digest", "decision", "decided_by", "decided_at"),
)


def _without_budget(before: BulkOrder, after: BulkOrder, error: BudgetExceeded | BudgetUnusable) -> BulkOrder:
    kept = {name: getattr(after, name) for name in _KEPT}
    why = error.detail
    if isinstance(error, BudgetExceeded):
        total = ", ".join(str(Money(amount, currency)) for currency, amount in after.totals.items())
        why = f"Budget {after.budget!r} has less left than {total}. Start the order again once it has enough."
    return not_started(before, after.updated_at, why, **kept)
