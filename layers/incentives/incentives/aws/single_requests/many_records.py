"""The ledger, read many records at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.clients import unavailable
from incentives.aws.items import encode
from incentives.aws.single_requests.record_items import decode_key, decode_record, key_item_id
from incentives.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.items import Item
    from incentives.domain.single_requests.record import KeyItem, Record

#: A call to BatchGetItem takes this many keys.
BATCH_GET_MAX: Final = 100

#: Tries of a BatchGetItem that leaves keys unread; each reads at least some of them.
UNPROCESSED_TRIES_MAX: Final = 8
UNPROCESSED_WAIT_SECONDS: Final = 0.1


class DynamoDbRecords:
    """`Records` on the ledger's table.

    Args:
        table: the table's name.
        sleep: waits before keys that were left unread are asked for again, in seconds.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that there are, by request id. Reads are consistent.

        Raises:
            LedgerUnavailable
        """
        records = map(decode_record, self._items(request_ids))
        return {record.request_id: record for record in records}

    def get_keys(self, key_hashes: Sequence[str]) -> Mapping[str, KeyItem]:
        """What guards idempotency keys, by their hashes, where there is any. Reads are consistent.

        Raises:
            LedgerUnavailable
        """
        keys = map(decode_key, self._items([key_item_id(each) for each in key_hashes]))
        return {key.key_hash: key for key in keys}

    def _items(self, item_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        ids = list(dict.fromkeys(item_ids))
        for start in range(0, len(ids), BATCH_GET_MAX):
            yield from self._batch([encode({"id": each}) for each in ids[start : start + BATCH_GET_MAX]])

    def _batch(self, keys: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
        asked: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for number in range(UNPROCESSED_TRIES_MAX):
            with unavailable("the ledger could not be read"):
                response = self._client.batch_get_item(RequestItems=asked)
            yield from response["Responses"].get(self._table, ())
            asked = response.get("UnprocessedKeys") or {}
            if not asked:
                return
            self._sleep(UNPROCESSED_WAIT_SECONDS * 2**number)
        raise LedgerUnavailable("the ledger could not be read (UnprocessedKeys)", in_doubt=False)
