"""Validate the whole file of a bulk order before anything of it is issued."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from incentives.agcod.marketplaces import check_value, marketplace_of
from incentives.domain.bulk import BulkOrder, FileError, OrderMoved, OrderStatus, moved
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.operations import Operation
from incentives.domain.rows import FILE_BYTES_MAX, Checked, check_file

if TYPE_CHECKING:
    from incentives.domain.accounts import Account
    from incentives.usecases.order_tools import OrderTools
    from incentives.usecases.ports import Accounts


def validate_order(order: BulkOrder, accounts: Accounts, tools: OrderTools) -> None:
    """Find an order VALIDATING to be INVALID, or VALIDATED if it is but a dry run, or have it issued.

    Twice is harmless: rows that were written by somebody who came too late are found by nobody.

    Raises:
        OrderUnavailable: it is still VALIDATING.
    """
    now = tools.clock.now()
    partner_id = order.partner_id
    try:
        account = accounts.get(order.account)
        partner_id = account.partner_id
        checked = _check(order, account, tools)
    except AccountUnusable as error:
        checked = _invalid("account", error.why)
    found = {"rows": len(checked.rows), "totals": dict(checked.totals)}
    if checked.errors:
        after = moved(order, OrderStatus.INVALID, now, errors=checked.errors, error_count=checked.error_count)
    elif order.dry_run:
        after = moved(order, OrderStatus.VALIDATED, now, **found)
    else:
        name = tools.files.write_rows(order.order_id, checked.padded())
        after = moved(
            order,
            OrderStatus.ISSUING,
            now,
            partner_id=partner_id,
            row_bytes=checked.width,
            rows_name=name,
            issuing_since=tools.clock.now(),
            **found,
        )
    made = tools.orders.move(order, after, tools.new_nonce())
    if not isinstance(made, OrderMoved):
        tools.telemetry.log(
            "orderValidated", orderId=order.order_id, status=made.status.value, rows=made.rows, round=made.round
        )
        for currency, total in made.totals.items():
            tools.telemetry.count("OrderValue", float(total), unit="None", currency=currency)


def _check(order: BulkOrder, account: Account, tools: OrderTools) -> Checked:
    try:
        marketplace_of(account.marketplace)
    except InvalidInput as error:
        raise AccountUnusable(account.name, f"has a secret whose marketplace {error.message}") from error
    data = tools.files.read_upload(order.order_id, FILE_BYTES_MAX)
    if data is None:
        return _invalid(None, "is missing: no file has been put")
    if len(data) > FILE_BYTES_MAX:
        return _invalid(None, f"is part of a file that is larger than {FILE_BYTES_MAX // 1024**2} MB")
    return check_file(data, order.format, partial(check_value, account.marketplace, Operation.CREATE_GIFT_CARD.value))


def _invalid(field: str | None, problem: str) -> Checked:
    return Checked(errors=(FileError(1, field, problem),), error_count=1, totals=dict[str, Decimal]())
