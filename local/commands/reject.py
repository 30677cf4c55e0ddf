"""Rejects a bulk order that waits for approval: ``make reject ORDER=... REASON="..." [STACK=]``.

Nothing of it is issued; whoever made it sees the reason, and may start it again.
"""

from typing import Annotated

import typer

from local.calls import called
from local.commands import order_texts
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, print_json


def main(
    *,
    order_id: Annotated[str, typer.Option("--order", envvar="ORDER", help="which one")] = "",
    reason: Annotated[str, typer.Option(envvar="REASON", help="shown with the order")] = "",
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Reject a bulk order that waits for approval: nothing of it is issued.

    It does not ask: whoever made the order sees the reason, and may start it again. Ends with 0 if it is rejected, with
    2 if that was refused.
    """
    if not order_id:
        raise RefusedError("ORDER= is missing: which one? `make orders` lists those that wait.")
    if not reason.strip():
        raise RefusedError("REASON= is missing: why? Whoever made the order reads it.")
    order = called(reach(stack), "POST", f"/orders/{order_id}/reject", {"reason": reason.strip()})
    if as_json:
        print_json(order)
    else:
        print("\n".join(order_texts.not_started(order)), flush=True)
        print("Nothing of it is issued. Whoever made it may start it again.", flush=True)
    return 0
