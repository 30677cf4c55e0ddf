"""The versions of an account's secret, and their staging labels.

Every move of a label names the version that it leaves, so it happens once, whoever else tries the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from incentives.aws.accounts.accounts import read_version, unreadable
from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.keys.rotation import Labels

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
PREVIOUS: Final = "AWSPREVIOUS"

#: The label is not, or no longer, at the version that it was to leave; or that version is gone.
_MOVED: Final = frozenset({"InvalidParameterException", "ResourceNotFoundException"})


class SecretsManagerVersions:
    """`KeyVersions` on Secrets Manager.

    Args:
        client: a low-level Secrets Manager client, made only when it is first needed.
        prefix: of the secrets' names.
    """

    def __init__(self, client: Callable[[], AwsClient], prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def labels(self, name: str) -> Labels:
        """Look at which version has which label.

        Raises:
            InvalidInput: no account can have such a name.
            AccountUnusable: it has no secret, or one that cannot be looked at.
        """
        if not ACCOUNT_NAME.fullmatch(name):
            raise InvalidInput("account", "must be 1 to 63 lower-case letters, digits, hyphens or underscores")
        try:
            response = self._client().describe_secret(SecretId=self._id(name))
        except AWS_ERRORS as error:
            raise unreadable(name, error) from error
        if response.get("DeletedDate"):
            raise AccountUnusable(name, "has a secret that is marked for deletion; an operator restores it")
        found = {
            label: version for version, labels in (response.get("VersionIdsToStages") or {}).items() for label in labels
        }
        changed_at = response.get("LastChangedDate")
        return Labels(
            found.get(CURRENT),
            found.get(PENDING),
            found.get(PREVIOUS),
            changed_at.astimezone(UTC) if isinstance(changed_at, datetime) else None,
        )

    def read(self, name: str, version: str) -> Account:
        """Read the keys of one version.

        Raises:
            AccountUnusable: names the member that is missing or wrong; or the version cannot be read.
        """
        try:
            response = self._client().get_secret_value(SecretId=self._id(name), VersionId=version)
        except AWS_ERRORS as error:
            raise unreadable(name, error) from error
        return read_version(name, response)

    def make_current(self, name: str, version: str, *, instead_of: str) -> bool:
        """Move AWSCURRENT, and with it AWSPREVIOUS to the version that it leaves.

        Returns:
            False if AWSCURRENT was not at `instead_of`: somebody else has moved it.

        Raises:
            AccountUnusable: it may or may not have been moved.
        """
        return self._move(name, CURRENT, MoveToVersionId=version, RemoveFromVersionId=instead_of)

    def end_trial(self, name: str, version: str) -> None:
        """Take AWSPENDING off a version; nothing happens if it has it no longer.

        Raises:
            AccountUnusable: it may or may not have been taken off.
        """
        self._move(name, PENDING, RemoveFromVersionId=version)

    def give_up(self, name: str, version: str) -> None:
        """Take every label off a version that was rolled back: nobody is to come back to it.

        Raises:
            AccountUnusable: some labels may have been taken off.
        """
        # Whoever comes in between finds it pending: refused, it is not promoted.
        self._move(name, PREVIOUS, RemoveFromVersionId=version)
        self._move(name, PENDING, RemoveFromVersionId=version)

    def _move(self, name: str, label: str, **versions: str) -> bool:
        try:
            self._client().update_secret_version_stage(SecretId=self._id(name), VersionStage=label, **versions)
        except AWS_ERRORS as error:
            code = error_code(error)
            if code in _MOVED:
                return False
            raise AccountUnusable(name, f"has a secret whose labels cannot be moved ({code})") from error
        return True

    def _id(self, name: str) -> str:
        return f"{self._prefix}/{name}"
