"""The versions of an account's secret, and their staging labels.

Every move of a label names the version that it leaves, so it happens once, whoever else tries the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.accounts.accounts import read_version, unreadable
from incentives.aws.clients import AwsErrors, error_code
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.keys.rotation import Labels

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from incentives.domain.accounts.account import Account

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
PREVIOUS: Final = "AWSPREVIOUS"

#: The label is not, or no longer, at the version that it was to leave; or that version is gone.
_MOVED: Final = frozenset({"InvalidParameterException", "ResourceNotFoundException"})


class SecretsManagerVersions:
    """`KeyVersions` on Secrets Manager.

    Args:
        client: a client, made only when it is first needed.
        prefix: of the secrets' names.
    """

    def __init__(self, client: Callable[[], SecretsManagerClient], prefix: str) -> None:
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
        with unreadable(name):
            # The stubs take for granted what AWS leaves out.
            response: Mapping[str, Any] = self._client().describe_secret(SecretId=self._id(name))
        if response.get("DeletedDate"):
            raise AccountUnusable(name, "has a secret that is marked for deletion; an operator restores it")
        found = {
            label: version for version, labels in (response.get("VersionIdsToStages") or {}).items() for label in labels
        }
        return Labels(
            found.get(CURRENT),
            found.get(PENDING),
            found.get(PREVIOUS),
            response["LastChangedDate"].astimezone(UTC) if response.get("LastChangedDate") else None,
        )

    def read(self, name: str, version: str) -> Account:
        """Read the keys of one version.

        Raises:
            AccountUnusable: names the field that is missing or wrong; or the version cannot be read.
        """
        with unreadable(name):
            response = self._client().get_secret_value(SecretId=self._id(name), VersionId=version)
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
        with AwsErrors(lambda code: AccountUnusable(name, f"has a secret whose labels cannot be moved ({code})")):
            try:
                self._client().update_secret_version_stage(SecretId=self._id(name), VersionStage=label, **versions)
            except ClientError as error:
                if error_code(error) in _MOVED:
                    return False
                raise
        return True

    def _id(self, name: str) -> str:
        return f"{self._prefix}/{name}"
