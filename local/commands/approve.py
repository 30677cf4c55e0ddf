"""Approves a bulk order as a second person: ``make approve ORDER=... [STACK=]``.

It shows the order, and passes on the digest and the total that it has shown: an order that has changed meanwhile is not
approved. Safe to repeat: what is approved already is told.
"""

from typing import Annotated, Final

import typer

from local.calls import called
from local.commands import order_texts
from local.commands.order import Order, Orders, tell
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, agree, print_json

ISSUING: Final = "ISSUING"


def main(
    *,
    order_id: Annotated[str, typer.Option("--order", envvar="ORDER", help="which one")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Show a bulk order that waits for approval, and approve it: its cards are issued then.

    Ends with 0 if it is approved, with 1 if it cannot be issued all the same, with 2 if approving was refused.
    """
    if not order_id:
        raise RefusedError("ORDER= is missing: which one? `make orders` lists those that wait.")
    orders = Orders(reach(stack), stack)
    order = _waiting(orders, order_id)
    if order["status"] == order_texts.AWAITING:
        about = "\n".join(order_texts.to_decide(order))
        agree(about, "Approve it? Its cards are issued then", yes=yes, as_json=as_json)
    if order["status"] in {order_texts.AWAITING, ISSUING}:
        # Also if it was approved before: that call may have died before the order's workflow was started.
        order = called(orders.target, "POST", f"/orders/{order_id}/approve", order_texts.seen_of(order))
    done = order_texts.is_approved(order)
    if as_json:
        print_json(order)
    elif done:
        print(f"Approved by {order['decidedBy'] or order_texts.NOBODY} at {order['decidedAt']}. To watch it:")
        print(f"  {orders.command(order['orderId'])}", flush=True)
    else:
        print("\n".join(tell(orders, order)), flush=True)
    return 0 if done else 1


def _waiting(orders: Orders, order_id: str) -> Order:
    """The order that is to be approved, or was.

    Raises:
        RefusedError: there is nothing to decide.
    """
    order = orders.call("GET", f"/orders/{order_id}")
    if order["status"] == order_texts.AWAITING or order_texts.is_approved(order):
        return order
    raise RefusedError("\n".join([f"Order {order_id} does not wait for approval.", *tell(orders, order)]))
