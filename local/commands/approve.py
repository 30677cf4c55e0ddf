"""Approves a bulk order as a second person: ``make approve ORDER=... [STACK=]``.

It shows the order, and passes on the digest and the total that it has shown: an order that has changed meanwhile is not
approved. Safe to repeat: what is approved already is told.
"""

from typing import Annotated, Any, Final

import typer

from local.calls import called
from local.commands import order_texts
from local.commands.order import Orders
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, print_json

AWAITING: Final = "AWAITING_APPROVAL"


def main(
    *,
    order_id: Annotated[str, typer.Option("--order", envvar="ORDER", help="which one")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Show a bulk order that waits for approval, and approve it: its cards are issued then."""
    orders = Orders(reach(stack), stack)
    order = waiting(orders, order_id)
    if order["status"] == AWAITING:
        if not as_json:
            print("\n".join(order_texts.to_decide(order)), flush=True)
        if not yes and not typer.confirm("Approve it? Its cards are issued then"):
            raise typer.Abort
        seen = {"digest": order["approvalDigest"], "total": order["total"]}
        order = called(orders.target, "POST", f"/orders/{order_id}/approve", seen)
    if as_json:
        print_json(order)
    else:
        print(f"Approved by {order['decidedBy']} at {order['decidedAt']}. To watch it:")
        print(f"  {orders.command(order['orderId'])}", flush=True)
    return 0


def waiting(orders: Orders, order_id: str) -> dict[str, Any]:
    """The order that is to be decided of, or one of which that was done.

    Raises:
        RefusedError: there is nothing to decide.
    """
    if not order_id:
        raise RefusedError("ORDER= is missing: which one? `make orders` lists those that wait.")
    order = orders.call("GET", f"/orders/{order_id}")
    if order["status"] == AWAITING or _is_approved(order):
        return order
    raise RefusedError(f"Order {order_id} is {order['status']}: it does not wait for approval.")


def _is_approved(order: dict[str, Any]) -> bool:
    return bool(order["decidedBy"]) and order["status"] not in {"AWAITING_FILE", "VALIDATING", "VALIDATED", "INVALID"}
