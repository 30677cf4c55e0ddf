"""The ledger in DynamoDB: one item per request, one per idempotency key, every write conditional.

    try 1   condition holds, written, answer lost
    try 2   (the SDK's) condition fails: the item has another status now, and our nonce: it was us

That is why every write carries a nonce of its attempt and asks for the old item when its condition fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

from incentives.aws.calls import AWS_ERRORS, DoubtWatch, error_code
from incentives.aws.records import (
    WAKE_PARTITION,
    Item,
    attribute_name,
    decode_key,
    decode_record,
    encode_field,
    encode_key,
    encode_record,
    format_time,
)
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.ledger import Change, KeyItem, KeyTaken, Lost, Record
from incentives.domain.recovery import Reissue

#: Two transactions on one item: DynamoDB refuses both or one, and the SDK does not repeat it.
CONFLICT_TRIES_MAX: Final = 6
CONFLICT_WAIT_SECONDS: Final = 0.05

_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_CONFLICT: Final = "TransactionConflict"


class DynamoDbLedger:
    """`Ledger` on one DynamoDB table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
        sleep: waits between two tries of a transaction that conflicted, in seconds.
    """

    def __init__(self, client: Any, table: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._doubt = DoubtWatch(client, "TransactWriteItems", "UpdateItem")

    def open(self, record: Record, key: KeyItem, nonce: str) -> Record | KeyTaken:
        """Write the key item and the first record in one transaction."""
        key_item = encode_key(key) | {"nonce": {"S": nonce}}
        item = encode_record(record) | {"nonce": {"S": nonce}}
        reasons = self._transact([_put_new(self._table, key_item), _put_new(self._table, item)], nonce)
        if reasons is None:
            return decode_record(item)
        holder = reasons[0].get("Item")
        if holder is None:
            # The key is free but the request id is taken: derived ids make this impossible, so somebody else wrote here.
            raise LedgerUnavailable(f"request id {record.request_id} exists without its key item", in_doubt=False)
        if holder["nonce"]["S"] == nonce:
            return decode_record(item)
        return KeyTaken(decode_key(holder))

    def get(self, request_id: str) -> Record | None:
        """Read one record, consistently."""
        item = self._read(request_id)
        return decode_record(item) if item and "status" in item else None

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        """Carry out one conditional write and return the record as it now stands."""
        update = _update(self._table, change, nonce)
        self._doubt.begin()
        try:
            answer = self._client.update_item(**update, ReturnValues="ALL_NEW")
        except AWS_ERRORS as error:
            if error_code(error) != "ConditionalCheckFailedException":
                self._raise_unavailable(error)
            return _lost_or_ours(getattr(error, "response", {}).get("Item"), nonce)
        return decode_record(answer["Attributes"])

    def reissue(self, plan: Reissue, nonce: str) -> Record | Lost:
        """Close the old generation and open the new one in one transaction."""
        successor = encode_record(plan.successor) | {"nonce": {"S": nonce}}
        close = {"Update": _update(self._table, plan.close, nonce)}
        reasons = self._transact([close, _put_new(self._table, successor)], nonce)
        if reasons is None:
            return decode_record(successor)
        lost = _lost_or_ours(reasons[0].get("Item") or self._read(plan.close.before.request_id), nonce)
        return lost if isinstance(lost, Lost) else decode_record(successor)

    def due(self, now: datetime, limit: int) -> list[str]:
        """Request ids of open records whose holder is presumed dead, longest silent first."""
        try:
            answer = self._client.query(
                TableName=self._table,
                IndexName="by-wake",
                KeyConditionExpression="wakePartition = :open AND wakeAt <= :now",
                ExpressionAttributeValues={":open": {"S": WAKE_PARTITION}, ":now": {"S": format_time(now)}},
                ProjectionExpression="id",
                Limit=limit,
            )
        except AWS_ERRORS as error:
            self._raise_unavailable(error)
        return [item["id"]["S"] for item in answer["Items"]]

    def _read(self, item_id: str) -> Item | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": item_id}}, ConsistentRead=True)
        except AWS_ERRORS as error:
            raise LedgerUnavailable(f"the ledger could not be read ({error_code(error)})", in_doubt=False) from error
        return answer.get("Item")

    def _transact(self, actions: Sequence[Mapping[str, Any]], nonce: str) -> list[dict[str, Any]] | None:
        """Return None when written, or each action's reason when one of the conditions did not hold."""
        for attempt in range(CONFLICT_TRIES_MAX):
            # Not cleared between tries: doubt about an earlier try stays doubt.
            if attempt == 0:
                self._doubt.begin()
            try:
                self._client.transact_write_items(TransactItems=actions, ClientRequestToken=nonce[:36])
            except AWS_ERRORS as error:
                reasons: list[dict[str, Any]] = getattr(error, "response", {}).get("CancellationReasons") or []
                codes = {reason.get("Code") for reason in reasons}
                if _CONDITION_FAILED in codes:
                    return reasons
                if _CONFLICT not in codes and error_code(error) != "TransactionInProgressException":
                    self._raise_unavailable(error)
                self._sleep(CONFLICT_WAIT_SECONDS * (attempt + 1))
                continue
            return None
        raise LedgerUnavailable("the ledger is busy with this request", in_doubt=self._doubt.in_doubt)

    def _raise_unavailable(self, error: BaseException) -> NoReturn:
        raise LedgerUnavailable(
            f"the ledger could not be written ({error_code(error)})", in_doubt=self._doubt.in_doubt
        ) from error


def _put_new(table: str, item: Item) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _lost_or_ours(item: Item | None, nonce: str) -> Record | Lost:
    if item is None:
        return Lost(None)
    current = decode_record(item)
    return current if current.nonce == nonce else Lost(current)


def _update(table: str, change: Change, nonce: str) -> dict[str, Any]:
    """The update of one change: its condition names the status and the epoch that it leaves."""
    expression = _Expression()
    conditions = [expression.holds(change.before, field) for field in ("status", "epoch", *change.requires)]
    sets = [f"{expression.name('version')} = {expression.name('version')} + {expression.value({'N': '1'})}"]
    sets.append(f"{expression.name('nonce')} = {expression.value({'S': nonce})}")
    removes = []
    for field in change.changed_fields:
        attribute = encode_field(change.after, field)
        name = expression.name(attribute_name(field))
        if attribute is None:
            removes.append(name)
        else:
            sets.append(f"{name} = {expression.value(attribute)}")
    if change.after.wake_at is None:
        removes.append(expression.name("wakePartition"))
    elif change.before.wake_at is None:
        sets.append(f"{expression.name('wakePartition')} = {expression.value({'S': WAKE_PARTITION})}")
    text = "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else "")
    return {
        "TableName": table,
        "Key": {"id": {"S": change.before.request_id}},
        "UpdateExpression": text,
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": expression.names,
        "ExpressionAttributeValues": expression.values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


class _Expression:
    """Collects the names and values of an expression: every name is a placeholder, so that none is a reserved word."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        placeholder = f"#{attribute}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, attribute: Mapping[str, Any]) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = attribute
        return placeholder

    def holds(self, record: Record, field: str) -> str:
        """The condition that a field is still as it was read."""
        attribute = encode_field(record, field)
        name = self.name(attribute_name(field))
        return f"attribute_not_exists({name})" if attribute is None else f"{name} = {self.value(attribute)}"
