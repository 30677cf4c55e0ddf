"""The accounts' keys in Secrets Manager: one secret per account, `{prefix}/{account}`, a JSON document.

    {"partnerId", "accessKeyId", "secretAccessKey", "marketplace", "keyCreatedAt"?, "parkWhenUnfunded"?}

Kept in memory for five minutes at most, so that a rotated key reaches warm functions without a deployment. While a
new key is on trial, its version has the staging label AWSPENDING beside AWSCURRENT (see
`incentives.domain.keys.rotation`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from incentives.aws.clients import AwsErrors
from incentives.domain.accounts.account import ACCOUNT_NAME, SECRET_KEPT_FOR, Account
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.keys.account_secret import read_secret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class SecretsManagerAccounts:
    """`Accounts` on Secrets Manager.

    Args:
        client: a client, made only when it is first needed.
        prefix: of the secrets' names.
        now: aware UTC.
        note_refusal: keeps that Amazon refused a key: account, print of the key. May raise `LedgerUnavailable`.
    """

    def __init__(
        self,
        client: Callable[[], SecretsManagerClient],
        prefix: str,
        *,
        now: Callable[[], datetime],
        note_refusal: Callable[[str, str], None] = lambda _account, _key_fingerprint: None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._now = now
        self._note_refusal = note_refusal
        self._cache: dict[str, tuple[datetime, Account]] = {}

    def get(self, name: str, *, fresh: bool = False) -> Account:
        """Return an account.

        Raises:
            InvalidInput: no account can have such a name.
            AccountUnusable: it has no secret, or one that lacks something.
        """
        if not ACCOUNT_NAME.fullmatch(name):
            raise InvalidInput("account", "must be 1 to 63 lower-case letters, digits, hyphens or underscores")
        kept = self._cache.get(name)
        if kept is not None and not fresh and self._now() - kept[0] < SECRET_KEPT_FOR:
            return kept[1]
        with unreadable(name):
            response = self._client().get_secret_value(SecretId=f"{self._prefix}/{name}", VersionStage="AWSCURRENT")
        account = read_version(name, response)
        self._cache[name] = (self._now(), account)
        return account

    def key_at_hand(self, name: str) -> str | None:
        """The print of the key that was read last; None before the first. Nothing is read."""
        kept = self._cache.get(name)
        return kept[1].key_fingerprint if kept is not None else None

    def refused(self, name: str) -> None:
        """Amazon has refused the key at hand.

        Raises:
            LedgerUnavailable: that is noted nowhere.
        """
        key = self.key_at_hand(name)
        if key is not None:
            self._note_refusal(name, key)


def unreadable(name: str) -> AwsErrors:
    """Why an account's secret could not be read or changed, as `AccountUnusable`."""

    def why(code: str) -> AccountUnusable:
        if code == "ResourceNotFoundException":
            return AccountUnusable(name, "has no secret; an operator makes it with `make put-keys`", has_secret=False)
        if code == "InvalidRequestException":
            return AccountUnusable(name, "has a secret that is marked for deletion; an operator restores it")
        return AccountUnusable(name, f"has a secret that cannot be read ({code})")

    return AwsErrors(why)


def read_version(name: str, response: Mapping[str, Any]) -> Account:
    """Read a response of GetSecretValue.

    Raises:
        AccountUnusable: see `read_secret`.
    """
    account = read_secret(name, str(response.get("SecretString") or ""))
    on_trial = {"AWSCURRENT", "AWSPENDING"} <= set(response.get("VersionStages") or ())
    return replace(account, on_trial=True) if on_trial else account
