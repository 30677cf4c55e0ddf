"""Stores the keys of an account at Amazon: ``make put-keys ACCOUNT= PARTNER_ID= MARKETPLACE= ACCESS_KEY_ID=``.

With PARK_WHEN_UNFUNDED=1 the account's requests wait if its balance does not cover them, instead of being refused.
With PENDING=1 the key waits for `make rotate-keys` instead of being live at once; a key that is in use is replaced so.
Without STACK it works on the local cloud; STACK=name takes a deployed stack in the AWS account and region of the usual
AWS settings (AWS_PROFILE, AWS_REGION ...). The secret access key is asked for, or read from standard input, or taken
from the variable SECRET_ACCESS_KEY; it is never an argument, since those are for every user of the machine to see.
"""

import getpass
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.keys.account_secret import COUNTRIES, code_of, fault_of_secret
from local import keys, outputs, settings
from local.aws import client
from local.signing import Caller


class RefusedError(Exception):
    """What was given cannot be stored; the message says why."""


def main() -> int:
    """Run; return the exit code."""
    try:
        account = read_account()
        secrets_manager, prefix, where = _target(os.environ.get("STACK"))
        secret_id, now = f"{prefix}/{account}", datetime.now(UTC)
        given = keys.AccountKeys(
            _needed("PARTNER_ID"),
            _marketplace(),
            _needed("ACCESS_KEY_ID"),
            _secret_access_key(),
            _parks(secrets_manager, secret_id),
        )
        _check(given, now)
        if os.environ.get("PENDING") == "1":
            keys.put_pending(secrets_manager, secret_id, given, now)
            print(f"{secret_id} has a pending key in {where}. No function uses it before `make rotate-keys`.")
            return 0
        done = keys.put(secrets_manager, secret_id, given, now)
    except (RefusedError, outputs.NotDeployedError, keys.NothingToRotateError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except (ClientError, BotoCoreError) as error:
        print(f"AWS refused: {error}", file=sys.stderr)
        return 1
    print(f"{secret_id} {done} in {where}. Functions that run already take it up within five minutes.")
    return 0


def _target(stack: str | None) -> tuple[Any, str, str]:
    """The Secrets Manager to write to, the prefix of its secrets, and what to call the place."""
    if not stack:
        deployed = outputs.load(settings.from_environment().outputs_file)
        caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)
        prefix = deployed.accountSecretId.removesuffix(f"/{deployed.accountName}")
        return client("secretsmanager", deployed.awsEndpointUrl, caller), prefix, "the local cloud"
    found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    named = {output.get("OutputKey", ""): output.get("OutputValue", "") for output in found}
    prefix = named.get("AccountSecretPrefix", "")
    if not prefix:
        raise RefusedError(f"The stack {stack} has no output AccountSecretPrefix: is it an Incentives Gateway?")
    return boto3.client("secretsmanager"), prefix, f"the stack {stack}"


def _parks(secrets_manager: Any, secret_id: str) -> bool:  # noqa: ANN401 - a boto3 client
    told = os.environ.get("PARK_WHEN_UNFUNDED", "")
    if told not in {"", "0", "1"}:
        raise RefusedError("PARK_WHEN_UNFUNDED must be 1 or 0.")
    # A new key must not change what the account does: not told, it stays as it is.
    return told == "1" if told else keys.parks_now(secrets_manager, secret_id)


def read_account() -> str:
    """The account that is meant.

    Raises:
        RefusedError: no account can have such a name.
    """
    account = os.environ.get("ACCOUNT") or settings.ACCOUNT_NAME
    if not ACCOUNT_NAME.fullmatch(account):
        raise RefusedError("ACCOUNT must be 1 to 63 lower-case letters, digits, hyphens or underscores.")
    return account


def _marketplace() -> str:
    """Amazon's code of the marketplace that is meant."""
    given = _needed("MARKETPLACE")
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


#: What people type, by the member that it becomes.
_VARIABLES = {
    "partnerId": "PARTNER_ID",
    "marketplace": "MARKETPLACE",
    "accessKeyId": "ACCESS_KEY_ID",
    "secretAccessKey": "The secret access key",
}

#: Other names of countries, without their capitals.
_ALSO = {
    "usa": "US",
    "united states of america": "US",
    "great britain": "UK",
    "england": "UK",
    "emirates": "UAE",
    "holland": "NL",
    "t\u00fcrkiye": "TR",
}


def _needed(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise RefusedError(f"{name}= is missing; `make help` shows what is needed.")
    return value


def _secret_access_key() -> str:
    value = os.environ.get("SECRET_ACCESS_KEY", "")
    if not value:
        value = getpass.getpass("Secret access key: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise RefusedError("The secret access key is empty.")
    return value.strip()


if __name__ == "__main__":
    sys.exit(main())
