"""The ledger, read many records at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.batches import ItemReader
from incentives.aws.clients import AwsErrors
from incentives.aws.items import encode
from incentives.aws.single_requests.record_items import decode_key, decode_record, key_item_id
from incentives.aws.transactions import CONFLICT, Cancelled
from incentives.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.items import Item
    from incentives.domain.single_requests.record import KeyItem, Record


#: A call to TransactGetItems takes 100 items, and of more there is more often one that is being written. No emulator
#: takes more than this.
KEYS_AT_ONCE: Final = 25

#: Of reads of items that a transaction is writing at this moment, which takes milliseconds.
CONFLICT_TRIES_MAX: Final = 6
CONFLICT_WAIT_SECONDS: Final = 0.1


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
        self._reader = ItemReader(client, table, sleep=sleep, ours=_unread)

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that there are, by request id. Reads are consistent.

        Raises:
            LedgerUnavailable
        """
        records = map(decode_record, self._items(request_ids))
        return {record.request_id: record for record in records}

    def get_keys(self, key_hashes: Sequence[str]) -> Mapping[str, KeyItem]:
        """What guards idempotency keys, by their hashes, where there is any.

        Whoever closes a batch and finds no key gives its amount back. A plain read, however consistent, may show what
        was there before a transaction that is decided already and being carried out; one in a transaction is refused.

        Raises:
            LedgerUnavailable
        """
        found: dict[str, KeyItem] = {}
        wanted = [encode({"id": key_item_id(each)}) for each in dict.fromkeys(key_hashes)]
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            for item in self._at_once(wanted[start : start + KEYS_AT_ONCE]):
                key = decode_key(item)
                found[key.key_hash] = key
        return found

    def _at_once(self, keys: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
        actions: Any = [{"Get": {"TableName": self._table, "Key": key}} for key in keys]
        for number in range(CONFLICT_TRIES_MAX):
            if number:
                self._sleep(CONFLICT_WAIT_SECONDS * 2 ** (number - 1))
            try:
                with AwsErrors(_unread):
                    responses = self._client.transact_get_items(TransactItems=actions)["Responses"]
            except LedgerUnavailable as error:
                if CONFLICT not in Cancelled(error.__cause__ or error, len(actions)).codes:
                    raise
            else:
                return (each["Item"] for each in responses if each.get("Item"))
        raise _unread(CONFLICT)

    def _items(self, item_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        return self._reader.items([encode({"id": each}) for each in dict.fromkeys(item_ids)])


def _unread(code: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"the ledger could not be read ({code})", in_doubt=False)
