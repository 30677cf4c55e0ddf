"""Which accounts are frozen, in the table of what is known of accounts: part `freeze`.

`by` and `caller` are of who froze or unfroze the account last, `since` is that moment; `reason` is there while it is
frozen. Whoever reads all parts of an account skips this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import condition_failed, response_of, unavailable
from incentives.aws.items import Expression, Item, decode, encode, parse_time
from incentives.domain.accounts.freezing import Freeze

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

_PART: Final = "freeze"

#: The partition that lists the accounts, as `account_states` has it.
_LIST: Final = "#accounts"


class DynamoDbFreezes:
    """`Freezes` on the accounts' table.

    Args:
        table: the table's name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    @unavailable("whether the account is frozen could not be read")
    def get(self, account: str) -> Freeze | None:
        """Read an account's; None: it has never been frozen.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        response = self._client.get_item(TableName=self._table, Key=_key(account), ConsistentRead=True)
        return _read(response.get("Item"))

    @unavailable("whether the account is frozen could not be written", in_doubt=True)
    def keep(self, before: Freeze | None, after: Freeze) -> Freeze | None:
        """Write a state if the account's is still that of `before`; how it then stands.

        The account is listed first, so that whoever restores the copies knows of it.

        Raises:
            LedgerUnavailable: it may have been written. The same again says.
        """
        self._client.put_item(TableName=self._table, Item=encode({"account": _LIST, "part": after.account}))
        item = _item(after)
        expression = Expression()
        unchanged = "attribute_not_exists(version)"
        if before is not None:
            unchanged = f"version = {expression.value(before.version)}"
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=unchanged,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return _read(response_of(error).get("Item"))
        return _read(item)

    @unavailable("that the operators were told could not be written")
    def note_told(self, freeze: Freeze, told_at: datetime) -> Freeze | None:
        """Note when the operators were told of it, unless it has changed since; how it then stands.

        Raises:
            LedgerUnavailable: the table cannot be written: they may be told once more.
        """
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key=_key(freeze.account),
                UpdateExpression="SET toldAt = :at",
                ConditionExpression="version = :version",
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **Expression(at=told_at, version=freeze.version).arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return _read(response_of(error).get("Item"))
        return _read(response["Attributes"])


def _key(account: str) -> Item:
    return encode({"account": account, "part": _PART})


def _item(freeze: Freeze) -> Item:
    return encode(
        {
            "account": freeze.account,
            "part": _PART,
            "frozen": freeze.frozen,
            "reason": freeze.reason,
            "by": freeze.by,
            "caller": freeze.caller,
            "since": freeze.since,
            "version": freeze.version,
            "nonce": freeze.nonce,
            "toldAt": freeze.told_at,
        }
    )


def _read(attributes: Mapping[str, Any] | None) -> Freeze | None:
    if not attributes:
        return None
    item = decode(attributes)
    return Freeze(
        account=item["account"],
        frozen=item["frozen"],
        since=parse_time(item["since"]),
        version=item["version"],
        reason=item.get("reason"),
        by=item.get("by"),
        caller=item.get("caller"),
        nonce=item.get("nonce", ""),
        told_at=parse_time(item["toldAt"]) if "toldAt" in item else None,
    )
