"""The ledger in DynamoDB: one item per request, one per idempotency key, every write conditional.

    try 1   condition holds, written, answer lost
    try 2   (the SDK's) condition fails: the item has another status now, and our nonce: it was us

That is why every write carries a nonce of its attempt and asks for the old item when its condition fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from incentives.aws.clients import AWS_ERRORS, AwsClient, DoubtWatch, error_code, response_of
from incentives.aws.items import Item, format_time, parse_time
from incentives.aws.single_requests.record_items import (
    WAKE_PARTITIONS,
    attribute_name,
    decode_key,
    decode_record,
    encode_field,
    encode_key,
    encode_record,
    key_item_id,
    wake_partition,
)
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import Change, Due, KeyItem, KeyTaken, Lost, OpenRequests, Record, Status
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

if TYPE_CHECKING:
    from incentives.domain.recovery.rules import Reissue

_T = TypeVar("_T")

#: Writes that get into each other's way are refused without effect, and the SDK does not repeat them. Six tries with
#: growing waits take about a second, in which dozens of callers with one key have found its item.
CONFLICT_TRIES_MAX: Final = 6
CONFLICT_WAIT_SECONDS: Final = 0.05

#: Of each partition of the index of open requests, in one count: some hundred thousand requests in all, within seconds.
_PAGES_MAX: Final = 2

#: Since when a request has been recovered or reversed.
_SINCE: Final = attribute_name("phase_started_at")

_CONDITION_FAILED: Final = "ConditionalCheckFailed"

#: Reasons of a cancelled transaction that time heals.
_PASSING_REASONS: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})

#: The same as errors of a whole call. The transaction in progress is our own, sent by the SDK a try earlier.
_PASSING_ERRORS: Final = frozenset({"TransactionConflictException", "TransactionInProgressException"})


class _InTheWayError(Exception):
    """Another write is under way on the same item: this one was refused without effect."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a write was refused, and nothing of it written.

    Attributes:
        items: per action, the item whose condition did not hold, as it stands.
        passing: another write was in the way: the conditions say nothing.
    """

    items: tuple[Item | None, ...]
    passing: bool


class DynamoDbLedger:
    """`Ledger` on one DynamoDB table.

    Nonces have 1 to 36 characters, because they are also the transactions' ClientRequestToken, and are never used for
    two writes.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
        sleep: waits between two tries of a write that got into another's way, in seconds.
    """

    def __init__(self, client: AwsClient, table: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._doubt = DoubtWatch(client, "TransactWriteItems", "UpdateItem")

    def open(self, record: Record, key: KeyItem, nonce: str) -> Record | KeyTaken:
        """Write the key item and the first record in one transaction."""
        key_item = encode_key(key) | {"nonce": {"S": nonce}}
        item = encode_record(record) | {"nonce": {"S": nonce}}
        actions = [_put_new(self._table, key_item), _put_new(self._table, item)]

        def send() -> Record | KeyTaken:
            refused = self._transact(actions, nonce)
            if refused is None:
                return decode_record(item)
            # A crowd with one key may be in each other's way for long: the first of them to be through decides.
            holder = refused.items[0] or self._read(key_item_id(key.key_hash), in_doubt=self._doubt.in_doubt)
            if holder is not None:
                return decode_record(item) if holder["nonce"]["S"] == nonce else KeyTaken(decode_key(holder))
            if refused.passing:
                raise _InTheWayError
            # Derived ids make this impossible, so somebody else wrote here.
            raise LedgerUnavailable(f"request id {record.request_id} exists without its key item", in_doubt=False)

        return self._until_decided(send)

    def get(self, request_id: str) -> Record | None:
        """Read one record, consistently."""
        if not 0 < len(request_id) <= REQUEST_ID_LENGTH_MAX:
            # DynamoDB would refuse the empty one and those beyond 2 KB: neither is the ledger's fault.
            return None
        item = self._read(request_id)
        return decode_record(item) if item and "status" in item else None

    def key(self, key_hash: str) -> KeyItem | None:
        """Read what guards an idempotency key, consistently."""
        item = self._read(key_item_id(key_hash))
        return decode_key(item) if item else None

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        """Carry out one conditional write and return the record as it now stands."""
        update = _update(self._table, change, nonce)

        def send() -> Record | Lost:
            try:
                response = self._client.update_item(**update, ReturnValues="ALL_NEW")
            except AWS_ERRORS as error:
                code = error_code(error)
                if code == "ConditionalCheckFailedException":
                    return _lost_or_ours(response_of(error).get("Item"), nonce)
                if code in _PASSING_ERRORS:
                    raise _InTheWayError from error
                raise self._unavailable(error) from error
            if not response.get("Attributes"):
                raise LedgerUnavailable("the ledger answered without the record", in_doubt=True)
            return decode_record(response["Attributes"])

        return self._until_decided(send)

    def reissue(self, plan: Reissue, nonce: str) -> Record | Lost:
        """Close the old generation and open the new one in one transaction."""
        successor = encode_record(plan.successor) | {"nonce": {"S": nonce}}
        actions = [{"Update": _update(self._table, plan.close, nonce)}, _put_new(self._table, successor)]
        if plan.moves_key:
            actions.append(_move_key(self._table, plan.successor))

        def send() -> Record | Lost:
            refused = self._transact(actions, nonce)
            if refused is None:
                return decode_record(successor)
            if refused.passing:
                raise _InTheWayError
            current = refused.items[0] or self._read(plan.close.before.request_id, in_doubt=self._doubt.in_doubt)
            closing = _lost_or_ours(current, nonce)
            return closing if isinstance(closing, Lost) else decode_record(successor)

        return self._until_decided(send)

    def due(self, now: datetime, limit: int) -> Due:
        """Open records whose holder is presumed dead, longest silent first, each partition's having the same chance.

        The index lags behind the ledger by a moment: an id may come too late or, already taken, too early. Whoever
        acts on it does so by a conditional write.

        Args:
            now: aware UTC.
            limit: at least 1.
        """
        found: list[tuple[int, str, str]] = []
        failures: list[LedgerUnavailable] = []
        for partition in WAKE_PARTITIONS:
            try:
                response = self._query_open(
                    partition,
                    KeyConditionExpression="wakePartition = :open AND wakeAt <= :now",
                    ExpressionAttributeValues={":now": {"S": format_time(now)}},
                    ProjectionExpression="wakeAt, id",
                    Limit=limit,
                )
            except LedgerUnavailable as failure:
                # What the others hold must not wait for it.
                failures.append(failure)
                continue
            found += [(turn, item["wakeAt"]["S"], item["id"]["S"]) for turn, item in enumerate(response["Items"])]
        if len(failures) == len(WAKE_PARTITIONS):
            raise failures[0]
        # The first of each partition, then the second of each: one that is full of what cannot be taken up would
        # otherwise leave no room for the rest.
        taken = sorted((wake_at, request_id) for _, wake_at, request_id in sorted(found)[:limit])
        return Due(tuple(request_id for _, request_id in taken), is_whole=not failures)

    def still_open(self) -> OpenRequests:
        """How many requests are open. The index lags behind the ledger by a moment.

        DynamoDB counts those that wait without returning them, a few thousand a page; of a longer line only the first
        pages of each partition are counted, and the figures are too low.
        """
        counts, begun = [], list[datetime]()
        for response in self._pages_of_open():
            counts.append((response["Count"], response["ScannedCount"]))
            begun += [parse_time(item[_SINCE]["S"]) for item in response["Items"] if _SINCE in item]
        unknown, seen = (sum(each) for each in zip(*counts, strict=True))
        return OpenRequests(unknown=unknown, waiting=seen - unknown, oldest_unknown=min(begun, default=None))

    def _pages_of_open(self) -> Iterator[dict[str, Any]]:
        for partition in WAKE_PARTITIONS:
            start: dict[str, Any] = {}
            for _ in range(_PAGES_MAX):
                response = self._query_open(
                    partition,
                    KeyConditionExpression="wakePartition = :open",
                    FilterExpression="#status IN (:recovering, :reversing)",
                    ExpressionAttributeNames={"#status": attribute_name("status")},
                    ExpressionAttributeValues={
                        ":recovering": {"S": Status.RECOVERING.value},
                        ":reversing": {"S": Status.REVERSING.value},
                    },
                    ProjectionExpression=_SINCE,
                    **start,
                )
                yield response
                if "LastEvaluatedKey" not in response:
                    break
                start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}

    def _query_open(self, partition: str, *, ExpressionAttributeValues: Item, **query: Any) -> dict[str, Any]:  # noqa: N803, ANN401 - DynamoDB's own names
        values = {":open": {"S": partition}, **ExpressionAttributeValues}
        try:
            response: dict[str, Any] = self._client.query(
                TableName=self._table, IndexName="by-wake", ExpressionAttributeValues=values, **query
            )
        except AWS_ERRORS as error:
            raise _unreadable(error) from error
        return response

    def _read(self, item_id: str, *, in_doubt: bool = False) -> Item | None:
        try:
            response = self._client.get_item(TableName=self._table, Key={"id": {"S": item_id}}, ConsistentRead=True)
        except AWS_ERRORS as error:
            raise _unreadable(error, in_doubt=in_doubt) from error
        item: Item | None = response.get("Item")
        return item

    def _transact(self, actions: Sequence[Mapping[str, Any]], nonce: str) -> _Refused | None:
        """Return None when written."""
        try:
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=nonce)
        except AWS_ERRORS as error:
            reasons: list[dict[str, Any]] = response_of(error).get("CancellationReasons") or []
            codes = {str(reason.get("Code")) for reason in reasons} - {"None"}
            passing = bool(codes & _PASSING_REASONS) or error_code(error) in _PASSING_ERRORS
            if not passing and _CONDITION_FAILED not in codes:
                raise self._unavailable(error) from error
            items = tuple(reason.get("Item") or None for reason in reasons) or (None,) * len(actions)
            return _Refused(items, passing)
        return None

    def _until_decided(self, send: Callable[[], _T]) -> _T:
        """Repeat a write for as long as another is in its way."""
        # Begun once and for all tries: doubt about an earlier one stays doubt.
        self._doubt.begin()
        for attempt in range(CONFLICT_TRIES_MAX):
            try:
                return send()
            except _InTheWayError:
                self._sleep(CONFLICT_WAIT_SECONDS * (attempt + 1))
        raise LedgerUnavailable("the ledger is busy with this request", in_doubt=self._doubt.in_doubt)

    def _unavailable(self, error: BaseException) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"the ledger could not be written ({error_code(error)})", in_doubt=self._doubt.in_doubt
        )


def _unreadable(error: BaseException, *, in_doubt: bool = False) -> LedgerUnavailable:
    return LedgerUnavailable(f"the ledger could not be read ({error_code(error)})", in_doubt=in_doubt)


def _put_new(table: str, item: Item) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _move_key(table: str, successor: Record) -> dict[str, Any]:
    """Let a key's item name another generation.

    Its nonce stays that of whoever opened the first. Where it pointed needs no condition: the record that is closed in
    the same transaction has no successor yet, so it is the newest.
    """
    return {
        "Update": {
            "TableName": table,
            "Key": {"id": {"S": key_item_id(successor.key_hash)}},
            "UpdateExpression": "SET requestId = :successor",
            "ConditionExpression": "attribute_exists(id)",
            "ExpressionAttributeValues": {":successor": {"S": successor.request_id}},
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
    else:
        # Also where it is there already: it may be the one of before there were ten.
        partition = wake_partition(change.after.request_id)
        sets.append(f"{expression.name('wakePartition')} = {expression.value({'S': partition})}")
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
        """The condition that a field is still as it was read.

        A field at its default may also be absent: items of a time before the field existed lack its attribute, and
        reading them gives the default too.
        """
        attribute = encode_field(record, field)
        name = self.name(attribute_name(field))
        if attribute is None:
            return f"attribute_not_exists({name})"
        same = f"{name} = {self.value(attribute)}"
        return f"({same} OR attribute_not_exists({name}))" if getattr(record, field) == _DEFAULTS.get(field) else same


#: What reading an item gives for a field whose attribute it lacks.
_DEFAULTS: Final = {field.name: field.default for field in fields(Record) if field.default is not MISSING}
