"""The newest rotation of each account, in the table of what is known of accounts: part `rotation`.

It sorts among the parts that are read together, and is left alone by whoever reads those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.aws.clients import unavailable
from incentives.aws.items import Expression, Item, decode, encode, parse_time
from incentives.domain.keys.rotation import Rotation, Stage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PART: Final = "rotation"


class DynamoDbRotations:
    """`Rotations` on the accounts' table.

    Args:
        table: the table's name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    @unavailable("the account's rotation could not be read")
    def read(self, account: str) -> Rotation | None:
        """Read an account's newest rotation; None if it never had one.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        response = self._client.get_item(TableName=self._table, Key=_key(account), ConsistentRead=True)
        if "Item" not in response:
            return None
        item = decode(response["Item"])
        return Rotation(
            account=account,
            new_key=item["newKey"],
            old_key=item["oldKey"],
            stage=Stage(item["stage"]),
            promoted_at=parse_time(item["promotedAt"]),
            at=parse_time(item["at"]),
        )

    @unavailable("the account's rotation could not be written")
    def keep(self, rotation: Rotation) -> None:
        """Write how far a rotation is. Of two at once the later one stays: they say the same.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        expression = Expression(
            new=rotation.new_key,
            old=rotation.old_key,
            stage=rotation.stage,
            promoted=rotation.promoted_at,
            at=rotation.at,
        )
        at = expression.name("at")
        self._client.update_item(
            TableName=self._table,
            Key=_key(rotation.account),
            UpdateExpression=f"SET newKey = :new, oldKey = :old, stage = :stage, promotedAt = :promoted, {at} = :at",
            **expression.arguments,
        )


def _key(account: str) -> Item:
    return encode({"account": account, "part": _PART})
