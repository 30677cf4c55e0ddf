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
from typing import Any, Final

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.aws.rate_limiter import USED
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.keys.rotation import KeyNotes
from incentives.domain.rate_limit import from_milliseconds, to_milliseconds

REFUSED: Final = "refused"


class DynamoDbKeyNotes:
    """`Notes` on the rate limiter's table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
        now: aware UTC.
    """

    def __init__(self, client: AwsClient, table: str, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def note_refusal(self, account: str, key_fingerprint: str) -> None:
        """Amazon has refused a key.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": account}},
                UpdateExpression=f"SET {REFUSED}{key_fingerprint} = :now",
                ExpressionAttributeValues={":now": {"N": str(to_milliseconds(self._now()))}},
            )
        except AWS_ERRORS as error:
            raise _unavailable("written", error) from error

    def key_notes(self, account: str, key_fingerprint: str) -> KeyNotes:
        """What is noted of a key, in times of our own clock and none of them in the future.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        try:
            response = self._client.get_item(TableName=self._table, Key={"id": {"S": account}}, ConsistentRead=True)
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        item: dict[str, Any] = response.get("Item") or {}
        now = self._now()
        ahead = max(timedelta(), (_moment(item, "clockAt") or now) - now)
        used_at, refused_at = _moment(item, f"{USED}{key_fingerprint}"), _moment(item, f"{REFUSED}{key_fingerprint}")
        return KeyNotes(
            used_at=min(used_at - ahead, now) if used_at else None,
            refused_at=min(refused_at, now) if refused_at else None,
        )


def _moment(item: dict[str, Any], name: str) -> datetime | None:
    return from_milliseconds(int(item[name]["N"])) if name in item else None


def _unavailable(what: str, error: BaseException) -> LedgerUnavailable:
    return LedgerUnavailable(f"what is noted of keys could not be {what} ({error_code(error)})", in_doubt=False)
