"""The accounts at Amazon that a deployment has, and which of them are frozen: ``make accounts``."""

from collections.abc import Mapping
from typing import Any, Final

from local.calls import listed
from local.settings import RefusedError
from local.target import Target, reach
from local.terminal import AsJson, StackVariable, console, print_json, table

Account = dict[str, Any]

ACTIVE: Final = "ACTIVE"


def main(*, stack: StackVariable = None, as_json: AsJson = False) -> int:
    """Show each account: frozen or not, its balance as of the last watch, its key's age.

    Ends with 0 if all of them are active, with 1 if one is frozen or has no usable key.
    """
    found = list(listed(reach(stack), "/accounts", "accounts"))
    if as_json:
        print_json(found)
    elif found:
        console().print(accounts_table(found))
    else:
        print("No account has been asked about or charged yet.")
    return 0 if all(each["state"] == ACTIVE for each in found) else 1


def accounts_table(accounts: list[Account]) -> Any:  # noqa: ANN401 - of the library that prints it
    """Accounts as a table."""
    made = table("Account", "State", "Balance", "", "As of", "Key, days", "Frozen")
    for each in accounts:
        balance = each["balance"] or {"amount": "", "currencyCode": "", "asOf": ""}
        age = each["keyAgeDays"]
        made.add_row(
            each["account"],
            each["state"],
            balance["amount"],
            balance["currencyCode"],
            balance["asOf"],
            "" if age is None else f"{age:,}",
            frozen_text(each["frozen"]) if each["frozen"] else "",
        )
    return made


def frozen_text(frozen: Mapping[str, Any]) -> str:
    """Who froze an account, when and why."""
    return f"since {frozen['since']} by {frozen['by'] or 'somebody who cannot be named'}: {frozen['reason']}"


def one(target: Target, account: str) -> Account:
    """How an account stands.

    Raises:
        RefusedError: there is none of that name.
    """
    for each in listed(target, "/accounts", "accounts"):
        if each["account"] == account:
            return each
    raise RefusedError(f"{target.stack} knows no account {account}; `make accounts` lists them.")


def where(target: Target) -> str:
    """The deployment, as people call it."""
    return "the local cloud" if target.is_local else f"the stack {target.stack}"
