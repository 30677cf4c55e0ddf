"""Validate the whole file of a bulk order before anything of it is issued."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from incentives.agcod.marketplaces import check_value, marketplace_of
from incentives.domain.bulk_orders.approval import APPROVAL_FOR, approval_digest, needs_approval
from incentives.domain.bulk_orders.bulk_order import BulkOrder, FileError, OrderMoved, OrderStatus, moved, not_started
from incentives.domain.bulk_orders.rows import FILE_BYTES_MAX, Checked, check_file
from incentives.domain.errors import (
    AccountUnusable,
    BudgetBusy,
    BudgetExceeded,
    BudgetUnusable,
    InvalidInput,
    OrderUnavailable,
)
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.usecases.bulk_orders.begin_order import begin_order, same_rows, stands, to_hold

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.domain.accounts.account import Account
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies
    from incentives.usecases.ports import Accounts


def validate_order(order: BulkOrder, accounts: Accounts, dependencies: OrderDependencies) -> None:
    """Find an order VALIDATING to be INVALID, or VALIDATED if it is but a dry run; else have it approved or issued.

    Twice is harmless: rows that were written by somebody who came too late are found by nobody.

    Raises:
        LedgerUnavailable, OrderUnavailable: it is still VALIDATING.
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
    is_another = bool(order.totals_seen) and order.totals_seen != checked.totals
    made: BulkOrder | OrderMoved
    if checked.errors:
        found = {"errors": checked.errors, "error_count": checked.error_count, **left_out}
        made = dependencies.orders.move(
            order, moved(order, OrderStatus.INVALID, now, **found), dependencies.new_nonce()
        )
    elif order.dry_run:
        made = dependencies.orders.move(
            order, _looked_at(order, checked, found, now, dependencies), dependencies.new_nonce()
        )
    elif is_another:
        why = "Its file asks for another sum by now than whoever started it had seen. Look at it, and start it again."
        made = dependencies.orders.move(order, not_started(order, now, why, **found), dependencies.new_nonce())
    else:
        rows_name = dependencies.files.write_rows(order.order_id, checked.padded())
        found |= {"partner_id": partner_id, "row_bytes": checked.width, "rows_name": rows_name}
        found |= {"rows_digest": checked.digest}
        try:
            made = begin_order(order, _wanted(order, found, now, dependencies), dependencies)
        except BudgetBusy as error:
            raise OrderUnavailable(error.detail) from error
    if not isinstance(made, OrderMoved):
        why_not = "otherSum" if is_another else "budget"
        dependencies.telemetry.log(
            "orderValidated",
            orderId=order.order_id,
            status=made.status.value,
            rows=made.rows,
            round=made.round,
            because="sameRows" if made.same_rows_as else why_not if made.why_not_started else None,
        )
        for currency, total in made.totals.items():
            dependencies.telemetry.count("OrderValue", float(total), unit="None", currency=currency)


def _looked_at(
    order: BulkOrder, checked: Checked, found: dict[str, Any], now: datetime, dependencies: OrderDependencies
) -> BulkOrder:
    """What a dry run tells: as much as can be known without claiming or taking anything."""
    after = moved(order, OrderStatus.VALIDATED, now, **found)
    held = dependencies.orders.claim_on(order.account, checked.digest, now)
    if held is not None and not order.allow_same_rows and stands(held, dependencies):
        return same_rows(order, after, held)
    if order.budget is not None:
        try:
            for currency, total in after.totals.items():
                dependencies.budgets.check(order.budget, Money(total, currency))
        except (BudgetExceeded, BudgetUnusable) as error:
            return replace(after, why_not_started=error.detail)
    return after


def _wanted(order: BulkOrder, found: dict[str, Any], now: datetime, dependencies: OrderDependencies) -> BulkOrder:
    """A valid order as it is to begin."""
    if needs_approval(order.account, found["totals"], dependencies.approvals):
        return moved(
            order,
            OrderStatus.AWAITING_APPROVAL,
            now,
            approval_digest=approval_digest(order.account, order.budget, found["rows_name"]),
            approval_until=now + APPROVAL_FOR,
            **found,
        )
    after = moved(order, OrderStatus.ISSUING, now, issuing_since=dependencies.clock.now(), **found)
    return replace(after, held=to_hold(after))


def _check(order: BulkOrder, account: Account, dependencies: OrderDependencies) -> Checked:
    try:
        marketplace_of(account.marketplace)
    except InvalidInput as error:
        raise AccountUnusable(account.name, f"has a secret whose marketplace {error.message}") from error
    if order.budget is None and dependencies.budgets.required:
        return _invalid("budget", "is required by now: make another order that names one")
    budget = dependencies.definitions.get(order.budget) if order.budget else None
    if order.budget and budget is None:
        return _invalid("budget", "is not known to this gateway")
    data = dependencies.files.read_upload(order.order_id, FILE_BYTES_MAX)
    if data is None:
        return _invalid(None, "is missing: no file has been put")
    if len(data) > FILE_BYTES_MAX:
        return _invalid(None, f"is part of a file that is larger than {FILE_BYTES_MAX // 1024**2} MB")

    def check_row(value: Money) -> None:
        check_value(account.marketplace, Operation.CREATE_GIFT_CARD.value, value)
        if budget is not None and value.currency != budget.currency:
            raise InvalidInput("currencyCode", f"must be {budget.currency}, the currency of budget {budget.name}")

    return check_file(data, order.format, check_row)


def _invalid(field: str | None, problem: str) -> Checked:
    return Checked(errors=(FileError(1, field, problem),), error_count=1, totals=dict[str, Decimal]())
