"""Stores the keys of an account at Amazon: ``make put-keys ACCOUNT= PARTNER_ID= MARKETPLACE= ACCESS_KEY_ID=``.

A key that is in use is replaced with PENDING=1. The secret access key is asked for, or read from standard input, or
taken from the variable SECRET_ACCESS_KEY; it is never an argument, since every user of the machine sees those.
"""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias

import typer

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.keys.account_secret import COUNTRIES, code_of, fault_of_secret
from local import keys, settings
from local.settings import RefusedError
from local.target import find
from local.terminal import StackVariable

#: The account that is meant, by the name that the gateway has for it.
Account: TypeAlias = Annotated[
    str, typer.Option(envvar="ACCOUNT", help=f"of the deployment; `{settings.ACCOUNT_NAME}` if absent")
]
Switch: TypeAlias = Literal["", "0", "1"]


def main(
    *,
    account: Account = "",
    partner_id: Annotated[str, typer.Option(envvar="PARTNER_ID", help="of the account at Amazon, such as Acme1")] = "",
    marketplace: Annotated[
        str, typer.Option(envvar="MARKETPLACE", help="its country or Amazon's code of it, such as US")
    ] = "",
    access_key_id: Annotated[str, typer.Option(envvar="ACCESS_KEY_ID", help="from Amazon's portal")] = "",
    pending: Annotated[
        bool, typer.Option("--pending", envvar="PENDING", help="let it wait for `rotate-keys` instead of being live")
    ] = False,
    park_when_unfunded: Annotated[
        Switch, typer.Option(envvar="PARK_WHEN_UNFUNDED", help="1: requests wait if the balance does not cover them")
    ] = "",
    stack: StackVariable = None,
) -> int:
    """Store an account's keys; the secret one is asked for.

    The secret key comes from the terminal, from standard input or from the variable SECRET_ACCESS_KEY, and is never an
    argument. A key that is in use is replaced at once and unproven, but with --pending: then rotate-keys proves it.
    Ends with 2 if something is not as keys are; nothing was stored then.
    """
    name = checked(account)
    target = find(stack)
    prefix = target.outputs.get("AccountSecretPrefix")
    if not prefix:
        raise RefusedError(f"The stack {stack} has no output AccountSecretPrefix: is it an Incentives Gateway?")
    secrets_manager, secret_id, now = target.client("secretsmanager"), f"{prefix}/{name}", datetime.now(UTC)
    where = "the local cloud" if target.is_local else f"the stack {stack}"
    given = keys.AccountKeys(
        _needed("PARTNER_ID", partner_id),
        _code(_needed("MARKETPLACE", marketplace)),
        _needed("ACCESS_KEY_ID", access_key_id),
        _secret_access_key(),
        # A new key must not change what the account does: not told, it stays as it is.
        keys.parks_now(secrets_manager, secret_id) if park_when_unfunded == "" else park_when_unfunded == "1",
    )
    _check(given, now)
    if pending:
        keys.put_pending(secrets_manager, secret_id, given, now)
        print(f"{secret_id} has a pending key in {where}. No function uses it before `make rotate-keys`.")
        return 0
    done = keys.put(secrets_manager, secret_id, given, now)
    print(f"{secret_id} {done} in {where}. Functions that run already take it up within five minutes.")
    return 0


def checked(given: str) -> str:
    """The account that is meant.

    Raises:
        RefusedError: no account can have such a name.
    """
    account = given or settings.ACCOUNT_NAME
    if not ACCOUNT_NAME.fullmatch(account):
        raise RefusedError("ACCOUNT must be 1 to 63 lower-case letters, digits, hyphens or underscores.")
    return account


def _code(given: str) -> str:
    """Amazon's code of the marketplace that is meant."""
    code = code_of(given)
    if code is not None:
        return code
    names = {country.casefold(): code for code, country in COUNTRIES.items()} | _ALSO
    meant = names.get(given.casefold().removeprefix("the "))
    known = ", ".join(f"{code} for {country}" for code, country in COUNTRIES.items())
    hint = f"Type {meant} for {COUNTRIES[meant]}." if meant else f"Type one of: {known}."
    raise RefusedError(f"MARKETPLACE is no code of Amazon's. {hint} Nothing was stored.")


def _check(given: keys.AccountKeys, now: datetime) -> None:
    """Refuse what the functions would refuse, while the key in use is still there."""
    fault = fault_of_secret(json.loads(given.as_secret(now)))
    if fault is not None:
        member, problem = fault
        raise RefusedError(f"{_VARIABLES[member]} {problem or 'is missing'}. Nothing was stored.")


#: What people type, by the field that it becomes.
_VARIABLES: Final = {
    "partnerId": "PARTNER_ID",
    "marketplace": "MARKETPLACE",
    "accessKeyId": "ACCESS_KEY_ID",
    "secretAccessKey": "The secret access key",
}

#: Other names of countries, without their capitals.
_ALSO: Final = {
    "usa": "US",
    "united states of america": "US",
    "great britain": "UK",
    "england": "UK",
    "emirates": "UAE",
    "holland": "NL",
    "t\u00fcrkiye": "TR",
}


def _needed(name: str, given: str) -> str:
    value = given.strip()
    if not value:
        raise RefusedError(f"{name}= is missing; `make help` shows what is needed.")
    return value


def _secret_access_key() -> str:
    value = os.environ.get("SECRET_ACCESS_KEY", "")
    if not value:
        value = _asked_for() if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise RefusedError("The secret access key is empty.")
    return value.strip()


def _asked_for() -> str:
    typed: str = typer.prompt("Secret access key", hide_input=True)
    return typed
