"""Freezes an account: ``make freeze ACCOUNT=default REASON="..." [STACK=]``.

Nothing new is sent for it from then on; what undoes or finds out goes on. It does not ask: whoever freezes is in a
hurry, and `make unfreeze` takes it back.
"""

from typing import Annotated

import typer

from local.calls import called
from local.commands.accounts import frozen_text, where
from local.commands.put_keys import checked
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, bar, complain, print_json


def main(
    *,
    account: Annotated[str, typer.Option(envvar="ACCOUNT", help="of the deployment")] = "",
    reason: Annotated[str, typer.Option(envvar="REASON", help="told to all operators")] = "",
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Freeze an account. Once this ends, nothing new is sent for it.

    Ends with 0 if it is frozen, with 1 if somebody has unfrozen it meanwhile, with 2 if it was refused.
    """
    if not account:
        raise RefusedError("ACCOUNT= is missing: which one? `make accounts` lists them.")
    if not reason.strip():
        raise RefusedError("REASON= is missing: why? All operators are told.")
    name, target = checked(account), reach(stack)
    with bar(f"Freezing account {name} of {where(target)}", silent=as_json):
        found = called(target, "POST", f"/accounts/{name}/freeze", {"reason": reason.strip()})
    if as_json:
        print_json(found)
        return 0 if found["frozen"] else 1
    if not found["frozen"]:
        return complain(f"Somebody has unfrozen {name} meanwhile; `make accounts` shows it.", status=1)
    # Frozen before, it keeps the reason that it was frozen for.
    print(f"{name} is frozen {frozen_text(found['frozen'])}")
    print("No card is created, activated, loaded or revealed. Cancels, recoveries, queries and key rotations go on.")
    print(f"To end it:\n  make unfreeze ACCOUNT={name}{f' STACK={stack}' if stack else ''}", flush=True)
    return 0
