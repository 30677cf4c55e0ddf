"""The accounts' keys in Secrets Manager: one secret per account, `{prefix}/{account}`, a JSON document.

    {"partnerId", "accessKeyId", "secretAccessKey", "marketplace", "keyCreatedAt"}

Kept in memory for five minutes at most, so that a rotated key reaches warm functions without a deployment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from incentives.aws.calls import AWS_ERRORS, AwsClient, error_code
from incentives.domain.accounts import Account, Secret
from incentives.domain.errors import AccountUnusable, InvalidInput

CACHE_FOR: Final = timedelta(minutes=5)

#: What may stand in an account's name: it becomes part of a secret's name and of index keys.
ACCOUNT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_REQUIRED: Final = ("partnerId", "accessKeyId", "secretAccessKey", "marketplace")

#: Keys and names as Amazon hands them out. Pasted with a line feed or a blank they sign nothing that Amazon accepts,
#: and a header cannot even hold them.
_VISIBLE: Final = re.compile(r"[!-~]+")

#: Request ids begin with it, are alphanumeric and have at most 40 characters, most of which must be left for the hash.
_PARTNER_ID: Final = re.compile(r"[A-Za-z0-9]{1,10}")


class SecretsManagerAccounts:
    """`Accounts` on Secrets Manager.

    Args:
        client: a low-level Secrets Manager client, made only when it is first needed.
        prefix: of the secrets' names.
        now: aware UTC.
    """

    def __init__(self, client: Callable[[], AwsClient], prefix: str, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._prefix = prefix
        self._now = now
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
        if kept is not None and not fresh and self._now() - kept[0] < CACHE_FOR:
            return kept[1]
        account = read_secret(name, self._fetch(name))
        self._cache[name] = (self._now(), account)
        return account

    def _fetch(self, name: str) -> str:
        try:
            answer = self._client().get_secret_value(SecretId=f"{self._prefix}/{name}")
        except AWS_ERRORS as error:
            code = error_code(error)
            if code == "ResourceNotFoundException":
                raise AccountUnusable(name, "has no secret; an operator makes it with `make put-keys`") from error
            if code == "InvalidRequestException":
                raise AccountUnusable(
                    name, "has a secret that is marked for deletion; an operator restores it"
                ) from error
            raise AccountUnusable(name, f"has a secret that cannot be read ({code})") from error
        return str(answer.get("SecretString") or "")


def read_secret(name: str, text: str) -> Account:
    """Read an account's secret. No error quotes any of it.

    Raises:
        AccountUnusable: names the member that is missing or wrong.
    """
    try:
        secret = json.loads(text)
    except (ValueError, RecursionError):
        raise AccountUnusable(name, "has a secret that is no JSON document") from None
    if not isinstance(secret, dict):
        raise AccountUnusable(name, "has a secret that is no JSON object")
    for member in _REQUIRED:
        if not isinstance(secret.get(member), str) or not secret[member].strip():
            raise AccountUnusable(name, f"has a secret without {member}")
        if not _VISIBLE.fullmatch(secret[member]):
            raise AccountUnusable(name, f"has a secret whose {member} holds blanks or other invisible characters")
    if not _PARTNER_ID.fullmatch(secret["partnerId"]):
        raise AccountUnusable(name, "has a secret whose partnerId is not 1 to 10 letters and digits")
    return Account(
        name=name,
        partner_id=secret["partnerId"],
        marketplace=secret["marketplace"],
        access_key_id=secret["accessKeyId"],
        secret_access_key=Secret(secret["secretAccessKey"]),
        key_created_at=_created(name, secret.get("keyCreatedAt")),
    )


def _created(name: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise AccountUnusable(name, "has a secret whose keyCreatedAt is no RFC 3339 time") from None
