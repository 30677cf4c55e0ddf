"""The newest rotation of each account, in the table of what is known of accounts: part `rotation`.

It sorts among the parts that are read together, and is left alone by whoever reads those.
"""

from __future__ import annotations

from typing import Final

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.aws.items import format_time, parse_time
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.keys.rotation import Rotation, Stage

_PART: Final = "rotation"


class DynamoDbRotations:
    """`Rotations` on the accounts' table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: AwsClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, account: str) -> Rotation | None:
        """Read an account's newest rotation; None if it never had one.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        try:
            response = self._client.get_item(
                TableName=self._table, Key={"account": {"S": account}, "part": {"S": _PART}}, ConsistentRead=True
            )
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        item = response.get("Item")
        if item is None:
            return None
        return Rotation(
            account=account,
            new_key=item["newKey"]["S"],
            old_key=item["oldKey"]["S"],
            stage=Stage(item["stage"]["S"]),
            promoted_at=parse_time(item["promotedAt"]["S"]),
            at=parse_time(item["at"]["S"]),
        )

    def keep(self, rotation: Rotation) -> None:
        """Write how far a rotation is. Of two at once the later one stays: they say the same.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"account": {"S": rotation.account}, "part": {"S": _PART}},
                UpdateExpression="SET newKey = :new, oldKey = :old, stage = :stage, promotedAt = :promoted, #at = :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={
                    ":new": {"S": rotation.new_key},
                    ":old": {"S": rotation.old_key},
                    ":stage": {"S": rotation.stage.value},
                    ":promoted": {"S": format_time(rotation.promoted_at)},
                    ":at": {"S": format_time(rotation.at)},
                },
            )
        except AWS_ERRORS as error:
            raise _unavailable("written", error) from error


def _unavailable(what: str, error: BaseException) -> LedgerUnavailable:
    return LedgerUnavailable(f"the account's rotation could not be {what} ({error_code(error)})", in_doubt=False)
