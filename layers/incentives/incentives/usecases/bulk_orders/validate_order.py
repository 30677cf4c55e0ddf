"""Validate the whole file of a bulk order before anything of it is issued."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from incentives.agcod.marketplaces import check_value, marketplace_of
from incentives.domain.bulk_orders.bulk_order import (
    BulkOrder,
    FileError,
    OrderMoved,
    OrderStatus,
    RowsClaim,
    RowsTaken,
    moved,
    sum_of,
)
from incentives.domain.bulk_orders.rows import FILE_BYTES_MAX, Checked, check_file
from incentives.domain.errors import AccountUnusable, InvalidInput, OrderUnavailable
from incentives.domain.operations import Operation

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.ports import Accounts


#: Claims that give way, one after the other: each of another order with the same rows, and all at this moment.
CLAIMS_MAX: Final = 5


def validate_order(order: BulkOrder, accounts: Accounts, dependencies: OrderDependencies) -> None:
    """Find an order VALIDATING to be INVALID, or VALIDATED if it is but a dry run, or have it issued.

    Twice is harmless: rows that were written by somebody who came too late are found by nobody.

    Raises:
        OrderUnavailable: it is still VALIDATING.
    """
    now = dependencies.clock.now()
    partner_id = order.partner_id
    try:
        account = accounts.get(order.account)
        partner_id = account.partner_id
        checked = _check(order, account, dependencies)
    except AccountUnusable as error:
        checked = _invalid("account", error.why)
    left_out: dict[str, Any] = {"blank_rows": checked.blank_rows, "empty_columns": checked.empty_columns}
    found = {"rows": len(checked.rows), "totals": dict(checked.totals), **left_out}
    if checked.errors:
        found = {"errors": checked.errors, "error_count": checked.error_count, **left_out}
        made = dependencies.orders.move(
            order, moved(order, OrderStatus.INVALID, now, **found), dependencies.new_nonce()
        )
    elif order.dry_run:
        after = moved(order, OrderStatus.VALIDATED, now, **found)
        held = dependencies.orders.claim_on(order.account, checked.digest, now)
        if held is not None and not order.allow_same_rows and _stands(held, dependencies):
            after = _same_rows(order, after, held)
        made = dependencies.orders.move(order, after, dependencies.new_nonce())
    else:
        after = moved(
            order,
            OrderStatus.ISSUING,
            now,
            partner_id=partner_id,
            row_bytes=checked.width,
            rows_name=dependencies.files.write_rows(order.order_id, checked.padded()),
            issuing_since=dependencies.clock.now(),
            **found,
        )
        made = _begin(order, after, checked.digest, dependencies)
    if not isinstance(made, OrderMoved):
        dependencies.telemetry.log(
            "orderValidated",
            orderId=order.order_id,
            status=made.status.value,
            rows=made.rows,
            round=made.round,
            because="sameRows" if made.same_rows_as else None,
        )
        for currency, total in made.totals.items():
            dependencies.telemetry.count("OrderValue", float(total), unit="None", currency=currency)


def _begin(order: BulkOrder, after: BulkOrder, digest: str, dependencies: OrderDependencies) -> BulkOrder | OrderMoved:
    """Have it issued, and claim its rows; or find it INVALID, since they are another order's.

    Raises:
        OrderUnavailable: it is still VALIDATING.
    """
    claim = RowsClaim(account=order.account, digest=digest, order_id=order.order_id, claimed_at=after.updated_at)
    for _ in range(CLAIMS_MAX):
        made = dependencies.orders.begin(order, after, claim, dependencies.new_nonce())
        if not isinstance(made, RowsTaken):
            return made
        stands = _stands(made.claim, dependencies)
        if stands and not order.allow_same_rows:
            return dependencies.orders.move(order, _same_rows(order, after, made.claim), dependencies.new_nonce())
        claim = replace(claim, instead_of=made.claim.order_id, is_firm=stands)
    raise OrderUnavailable("the order's rows are claimed by one order after the other")


def _stands(claim: RowsClaim, dependencies: OrderDependencies) -> bool:
    """Whether an order may still charge, or has charged, for rows that it claimed.

    It has not if it has come to its end, and each of its cards was refused, reversed or never asked for: whoever sends
    the same rows then wants them for the first time.
    """
    holder = dependencies.orders.get(claim.order_id)
    if claim.is_firm or holder is None or holder.status is not OrderStatus.FINISHED:
        return True
    counts = sum_of(batch.counts for batch in dependencies.orders.batches(claim.order_id))
    return counts.issued + counts.open + counts.escalated > 0


def _same_rows(order: BulkOrder, found: BulkOrder, held: RowsClaim) -> BulkOrder:
    """The order as INVALID, instead of as it was found, since its rows are another's."""
    problem = (
        f"begins a file with the very rows of order {held.order_id}, whose result says which of them were issued; only "
        "to issue all of them again, make another order with allowSameRows"
    )
    return moved(
        order,
        OrderStatus.INVALID,
        found.updated_at,
        errors=(FileError(1, None, problem),),
        error_count=1,
        blank_rows=found.blank_rows,
        empty_columns=found.empty_columns,
        same_rows_as=held.order_id,
    )


def _check(order: BulkOrder, account: Account, dependencies: OrderDependencies) -> Checked:
    try:
        marketplace_of(account.marketplace)
    except InvalidInput as error:
        raise AccountUnusable(account.name, f"has a secret whose marketplace {error.message}") from error
    data = dependencies.files.read_upload(order.order_id, FILE_BYTES_MAX)
    if data is None:
        return _invalid(None, "is missing: no file has been put")
    if len(data) > FILE_BYTES_MAX:
        return _invalid(None, f"is part of a file that is larger than {FILE_BYTES_MAX // 1024**2} MB")
    return check_file(data, order.format, partial(check_value, account.marketplace, Operation.CREATE_GIFT_CARD.value))


def _invalid(field: str | None, problem: str) -> Checked:
    return Checked(errors=(FileError(1, field, problem),), error_count=1, totals=dict[str, Decimal]())
