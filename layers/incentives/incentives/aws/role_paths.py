"""Where roles are, by IAM: a role's path is not in the ARN of its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import AwsErrors, error_code
from incentives.domain.errors import IdentityUnavailable

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from incentives.domain.persons import RoleToLookUp

#: We may read roles of IAM Identity Center only: a denial says that this one is elsewhere, whatever its name.
_NONE_OF_THEIRS: Final = frozenset({"AccessDenied", "NoSuchEntity"})


class IamRolePaths:
    """`RolePaths` by iam:GetRole. A role never moves, so each is asked for once in a process.

    One that is not there yet, or may not be read yet, is asked for again: IAM tells of a new role some time after it is
    made, and whoever approves must not be refused for as long as this process lives.

    Args:
        client: a client, made only when it is first needed.
    """

    def __init__(self, client: Callable[[], IAMClient]) -> None:
        self._client = client
        self._known: dict[RoleToLookUp, str] = {}

    def arn_of(self, role: RoleToLookUp) -> str | None:
        """The role's ARN, with its path; None: there is none of this name and id, or none that we may read.

        Raises:
            IdentityUnavailable: IAM did not answer.
        """
        arn = self._known.get(role) or self._ask(role)
        if arn is not None:
            self._known[role] = arn
        return arn

    @AwsErrors(lambda code: IdentityUnavailable(f"who calls could not be looked up ({code})"))
    def _ask(self, role: RoleToLookUp) -> str | None:
        try:
            found = self._client().get_role(RoleName=role.name)["Role"]
        except ClientError as error:
            if error_code(error) in _NONE_OF_THEIRS:
                return None
            raise
        return found["Arn"] if found["RoleId"] == role.unique_id else None
