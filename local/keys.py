"""The secret of an account at Amazon: what it holds, and how it is put."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class AccountKeys:
    """An account's partner id and keys, as the partner portal gives them."""

    partner_id: str
    marketplace: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def as_secret(self, created_at: datetime) -> str:
        """The secret's text."""
        return json.dumps(
            {
                "partnerId": self.partner_id,
                "accessKeyId": self.access_key_id,
                "secretAccessKey": self.secret_access_key,
                "marketplace": self.marketplace,
                "keyCreatedAt": created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            }
        )


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
