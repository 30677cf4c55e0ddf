"""Many items of DynamoDB at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.clients import AwsErrors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.items import Item
    from incentives.domain.errors import GatewayError

#: A call to BatchGetItem takes this many keys.
BATCH_GET_MAX: Final = 100

#: Tries of a BatchGetItem that leaves keys unread; each reads at least some of them.
UNPROCESSED_TRIES_MAX: Final = 8
UNPROCESSED_WAIT_SECONDS: Final = 0.1


class ItemReader:
    """Reads items of one table by their keys, consistently.

    Args:
        table: the table's name.
        sleep: waits before keys that were left unread are asked for again, in seconds.
        ours: makes one of our errors of AWS's code.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None], ours: Callable[[str], GatewayError]
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._ours = ours

    def items(self, keys: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
        """Those of the items that there are, in any order. No key may come twice."""
        for start in range(0, len(keys), BATCH_GET_MAX):
            yield from self._batch(keys[start : start + BATCH_GET_MAX])

    def _batch(self, keys: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
        asked: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for number in range(UNPROCESSED_TRIES_MAX):
            with AwsErrors(self._ours):
                response = self._client.batch_get_item(RequestItems=asked)
            yield from response["Responses"].get(self._table, ())
            asked = response.get("UnprocessedKeys") or {}
            if not asked:
                return
            self._sleep(UNPROCESSED_WAIT_SECONDS * 2**number)
        raise self._ours("UnprocessedKeys")
