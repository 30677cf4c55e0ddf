"""Ends an account's freeze: ``make unfreeze ACCOUNT=default [STACK=]``. It shows who froze it and why, and asks."""

from typing import Annotated

import typer

from local.calls import called
from local.commands import accounts
from local.commands.put_keys import checked
from local.settings import RefusedError
from local.target import reach
from local.terminal import AsJson, StackVariable, agree, print_json


def main(
    *,
    account: Annotated[str, typer.Option(envvar="ACCOUNT", help="of the deployment")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Unfreeze an account. What has waited goes on by itself within a quarter of an hour.

    Ends with 0 if it is not frozen, with 1 if somebody has frozen it again, with 2 if it was refused.
    """
    if not account:
        raise RefusedError("ACCOUNT= is missing: which one? `make accounts` lists them.")
    name, target = checked(account), reach(stack)
    found = accounts.one(target, name)
    if found["frozen"]:
        about = f"{name} of {accounts.where(target)} is frozen {accounts.frozen_text(found['frozen'])}"
        agree(about, "Is that mended? Unfreeze it", yes=yes, as_json=as_json)
        now = found if yes else accounts.one(target, name)
        if now["frozen"] and now["frozen"] != found["frozen"]:
            # Whoever was asked may have taken their time, and has not seen this.
            raise RefusedError(f"Meanwhile {name} was frozen again {accounts.frozen_text(now['frozen'])}")
    # Also where it is not frozen: whoever unfroze it may have died before anything could be sent again.
    found = called(target, "POST", f"/accounts/{name}/unfreeze")
    if as_json:
        print_json({"account": name, "frozen": found["frozen"]})
    elif found["frozen"]:
        print(f"{name} was frozen again {accounts.frozen_text(found['frozen'])}", flush=True)
    else:
        print(f"{name} is not frozen. Bulk orders that were paused have to be resumed: `make orders`.", flush=True)
    return 1 if found["frozen"] else 0
