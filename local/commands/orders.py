"""Bulk orders, newest first: ``make orders`` lists what waits for a person, ``STATUS=`` or ``ARGS=--all`` others."""

from itertools import islice
from typing import Annotated, Any, Final

import typer

from incentives.domain.bulk_orders.bulk_order import OrderStatus
from local.calls import listed
from local.commands import order_texts
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, console, print_json, table

Order = dict[str, Any]

SHOWN_MAX: Final = 50


def main(
    *,
    status: Annotated[str, typer.Option(envvar="STATUS", help="only orders that stand so")] = "",
    everything: Annotated[bool, typer.Option("--all", help="whatever their status")] = False,
    account: Annotated[str, typer.Option(envvar="ACCOUNT", help="only this account's")] = "",
    at_most: Annotated[int, typer.Option("--max", min=1, help="how many are shown of each status")] = SHOWN_MAX,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """List the bulk orders that wait for a person, newest first, or others.

    Ends with 0, also if there are none.
    """
    if status and everything:
        raise RefusedError("name a STATUS, or say --all")
    if status and status not in {*OrderStatus}:
        raise RefusedError(f"STATUS must be one of {', '.join(OrderStatus)}")
    target = reach(stack)
    query = {"account": account} if account else {}
    wanted = [status] if status else [None] if everything else order_texts.WAITING
    found: list[Order] = []
    for each in wanted:
        asked = query | ({"status": each} if each else {})
        found += islice(listed(target, "/orders", "orders", asked), at_most)
    if as_json:
        print_json(found)
    elif found:
        console().print(orders_table(found))
    else:
        print(
            "No order waits for anybody; ARGS=--all lists all of them."
            if wanted == order_texts.WAITING
            else "There are none."
        )
    return 0


def orders_table(orders: list[Order]) -> Any:  # noqa: ANN401 - of the library that prints it
    """Orders as a table."""
    made = table("Order", "Status", "Account", "Cards", "Amount", "", "Budget", "Made", "By", "Why it waits")
    for each in orders:
        made.add_row(
            each["orderId"],
            each["status"],
            each["account"],
            f"{each['rows']:,}" if each["rows"] else "",
            each["total"]["amount"] if each["total"] else "",
            each["total"]["currencyCode"] if each["total"] else "",
            each["budget"] or "",
            each["createdAt"],
            each["createdBy"] or "",
            _why(each),
        )
    return made


def _why(order: Order) -> str:
    if order["status"] == order_texts.AWAITING:
        return f"for approval, until {order['approvalUntil']}"
    return order_texts.why(order)
