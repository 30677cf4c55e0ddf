"""The ledger, read many records at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from incentives.aws.batches import ItemReader
from incentives.aws.items import encode
from incentives.aws.single_requests.record_items import decode_key, decode_record, key_item_id
from incentives.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.domain.single_requests.record import KeyItem, Record


class DynamoDbRecords:
    """`Records` on the ledger's table.

    Args:
        table: the table's name.
        sleep: waits before keys that were left unread are asked for again, in seconds.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None]) -> None:
        self._reader = ItemReader(client, table, sleep=sleep, ours=_unread)

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
        return self._reader.items([encode({"id": each}) for each in dict.fromkeys(item_ids)])


def _unread(code: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"the ledger could not be read ({code})", in_doubt=False)
