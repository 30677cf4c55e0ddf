"""What functions note of the keys that they call Amazon with, on the rate limiter's item of the account.

    used<print>       when a call that the key signs last took its permit; the rate limiter writes it with the permit
    refused<print>    when Amazon last refused the key, which costs a write of its own

Both are milliseconds since the epoch, the first by everybody's clock (see `incentives.aws.rate_limiter`), the second by
the clock of whoever met the refusal. A key is written as its print: eight hexadecimal digits of a hash of its id. An
item that is deleted to start the pace anew loses these notes too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.clients import unavailable
from incentives.aws.items import Expression, decode, encode
from incentives.aws.rate_limiter import USED
from incentives.domain.keys.rotation import KeyNotes
from incentives.domain.rate_limit import from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REFUSED: Final = "refused"


class DynamoDbKeyNotes:
    """`Notes` on the rate limiter's table.

    Args:
        table: the table's name.
        now: aware UTC.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    @unavailable("what is noted of keys could not be written")
    def note_refusal(self, account: str, key_fingerprint: str) -> None:
        """Amazon has refused a key.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        self._client.update_item(
            TableName=self._table,
            Key=encode({"id": account}),
            UpdateExpression=f"SET {REFUSED}{key_fingerprint} = :now",
            **Expression(now=to_milliseconds(self._now())).arguments,
        )

    @unavailable("what is noted of keys could not be read")
    def key_notes(self, account: str, key_fingerprint: str) -> KeyNotes:
        """What is noted of a key, in times of our own clock and none of them in the future.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        response = self._client.get_item(TableName=self._table, Key=encode({"id": account}), ConsistentRead=True)
        item = decode(response.get("Item") or {})
        now = self._now()
        ahead = max(timedelta(), (_moment(item, "clockAt") or now) - now)
        used_at, refused_at = _moment(item, f"{USED}{key_fingerprint}"), _moment(item, f"{REFUSED}{key_fingerprint}")
        return KeyNotes(
            used_at=min(used_at - ahead, now) if used_at else None,
            refused_at=min(refused_at, now) if refused_at else None,
        )


def _moment(item: dict[str, Any], name: str) -> datetime | None:
    return from_milliseconds(item[name]) if name in item else None
