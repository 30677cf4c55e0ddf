"""The secret of an account at Amazon: what it holds, and how it is put."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local.settings import RefusedError


@dataclass(frozen=True)
class AccountKeys:
    """An account's partner id and keys, as the partner portal gives them."""

    partner_id: str
    marketplace: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    park_when_unfunded: bool = False

    def as_secret(self, created_at: datetime) -> str:
        """The secret's text."""
        parks = {"parkWhenUnfunded": True} if self.park_when_unfunded else {}
        return json.dumps(
            {
                "partnerId": self.partner_id,
                "accessKeyId": self.access_key_id,
                "secretAccessKey": self.secret_access_key,
                "marketplace": self.marketplace,
                "keyCreatedAt": created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                **parks,
            }
        )


def parks_now(secrets_manager: Any, secret_id: str) -> bool:  # noqa: ANN401 - a boto3 client
    """Whether the account, as its secret stands, parks requests that its balance does not cover.

    Raises:
        ClientError: Secrets Manager refused.
    """
    try:
        text = secrets_manager.get_secret_value(SecretId=secret_id)["SecretString"]
    except ClientError as error:
        # There is none, or it was deleted and may be had back: nothing of it can be read.
        if error.response["Error"]["Code"] not in {"ResourceNotFoundException", "InvalidRequestException"}:
            raise
        return False
    try:
        return json.loads(text).get("parkWhenUnfunded") is True
    except (ValueError, AttributeError):
        # It is about to be replaced by a better one.
        return False


def put_pending(secrets_manager: Any, secret_id: str, keys: AccountKeys, created_at: datetime) -> None:  # noqa: ANN401 - a boto3 client
    """Give an existing secret a pending version: no function reads it before a rotation has promoted it.

    Raises:
        ClientError: Secrets Manager refused.
        RefusedError: there is no secret.
    """
    try:
        # Without the label named, the key would be live at once.
        secrets_manager.put_secret_value(
            SecretId=secret_id, SecretString=keys.as_secret(created_at), VersionStages=["AWSPENDING"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise RefusedError("The account has no keys yet: leave out PENDING=1.") from error


def put(secrets_manager: Any, secret_id: str, keys: AccountKeys, created_at: datetime) -> str:  # noqa: ANN401 - a boto3 client
    """Make the secret, or give an existing one a new current version; return which of both.

    Raises:
        ClientError: Secrets Manager refused.
    """
    text = keys.as_secret(created_at)
    try:
        secrets_manager.put_secret_value(SecretId=secret_id, SecretString=text)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "ResourceNotFoundException":
                secrets_manager.create_secret(
                    Name=secret_id,
                    Description="Keys of an Amazon Incentives account, for the Incentives Gateway.",
                    SecretString=text,
                    Tags=[{"Key": "application", "Value": "incentives-gateway"}],
                )
                return "made"
            case "InvalidRequestException":
                # Someone deleted it within the last 30 days: its name is taken until it is called back.
                secrets_manager.restore_secret(SecretId=secret_id)
                secrets_manager.put_secret_value(SecretId=secret_id, SecretString=text)
                return "restored and updated"
            case _:
                raise
    return "updated"
