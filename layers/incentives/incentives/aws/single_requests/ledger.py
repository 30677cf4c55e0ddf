"""The ledger in DynamoDB: one item per request, one per idempotency key, every write conditional.

    try 1   condition holds, written, response lost
    try 2   (the SDK's) condition fails: the item has another status now, and our nonce: it was us

That is why every write carries a nonce of its attempt and asks for the old item when its condition fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from incentives.aws.budgets.holds import Asked, Hold, NotHeldError, token
from incentives.aws.clients import AwsErrors, DoubtWatch, condition_failed, error_code, response_of, unavailable
from incentives.aws.items import Expression, decode, encode, parse_time
from incentives.aws.single_requests.many_records import DynamoDbRecords
from incentives.aws.single_requests.record_items import (
    WAKE_PARTITIONS,
    attribute_name,
    attribute_value,
    decode_key,
    decode_record,
    encode_key,
    encode_record,
    key_item_id,
    wake_partition,
)
from incentives.aws.transactions import CONDITION_FAILED, PASSING_ERRORS, Cancelled
from incentives.domain.accounts.spend import may_be_forgotten
from incentives.domain.errors import BudgetBusy, LedgerUnavailable, OrderClosed
from incentives.domain.single_requests.record import (
    Change,
    Due,
    KeyItem,
    KeyTaken,
    Lost,
    OpenRequests,
    OrderRow,
    Record,
    Status,
    sum_at_risk,
)
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

if TYPE_CHECKING:
    from decimal import Decimal

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryOutputTypeDef

    from incentives.aws.items import Item
    from incentives.aws.single_requests.beside import Beside
    from incentives.domain.single_requests.record import Reissue

_T = TypeVar("_T")

#: Writes that get into each other's way are refused without effect, and the SDK does not repeat them. Six tries with
#: growing waits take about a second, in which dozens of callers with one key have found its item.
CONFLICT_TRIES_MAX: Final = 6
CONFLICT_WAIT_SECONDS: Final = 0.05

#: Of each partition of the index of open requests, in one count: some hundred thousand requests in all, within seconds.
_PAGES_MAX: Final = 2

#: Of one account's open requests, each of which is read: ten calls.
_AT_RISK_MAX: Final = 1_000

#: Since when a request has been recovered or reversed.
_SINCE: Final = attribute_name("phase_started_at")


class _InTheWayError(Exception):
    """Another write is under way on the same item: this one was refused without effect."""


class DynamoDbLedger:
    """`Ledger` on one DynamoDB table.

    Nonces have 1 to 36 characters, because they are also the transactions' ClientRequestToken, and are never used for
    two writes.

    Args:
        table: the table's name.
        beside: what its transactions check and write in other tables.
        sleep: waits between two tries of a write that got into another's way, in seconds.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, beside: Beside, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._table = table
        self._beside = beside
        self._sleep = sleep
        self._doubt = DoubtWatch(client, "TransactWriteItems", "UpdateItem")

    def open(self, record: Record, key: KeyItem, nonce: str, *, row: OrderRow | None = None) -> Record | KeyTaken:
        """Write the key item and the first record in one transaction, and take the amount from the record's budget."""
        guard, new = self._put_new(encode_key(replace(key, nonce=nonce))), replace(record, nonce=nonce)

        def send() -> Record | KeyTaken:
            refused = self._transact([guard, self._put_new(encode_record(new)), *self._not_closed(row)], nonce)
            if refused is None:
                return _as_kept(new)
            # A crowd with one key may be in each other's way for long: the first of them to be through decides.
            found = self._decided_by_key(new, refused)
            if found is not None:
                return found
            if refused.passing or row is None:
                raise _InTheWayError
            raise OrderClosed(row.order_id)

        def send_held(hold: Hold) -> Record | KeyTaken:
            held = replace(new, budget_period=hold.period)
            put = self._put_new(encode_record(held))
            refused = self._transact([guard, put, *hold.actions], token(nonce, hold.number))
            if refused is None:
                return _as_kept(held)
            found = self._decided_by_key(new, refused) if refused.failed(0) or refused.failed(1) else None
            if found is not None:
                return found
            raise NotHeldError(refused.items[2:], passing=refused.passing)

        # Once for all tries of a write: doubt about an earlier one stays doubt.
        self._doubt.begin()
        if record.budget is None or row is not None:
            return self._until_decided(send)
        asked = Asked(record.budget, record.value, record.created_at)
        return self._until_held(asked, send_held, lambda: self._decided_by_key(new))

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
        update = self._update(change, nonce)
        self._doubt.begin()

        def send() -> Record | Lost:
            try:
                response = self._client.update_item(**update, ReturnValues="ALL_NEW")
            except ClientError as error:
                if condition_failed(error):
                    return _lost_or_ours(response_of(error).get("Item"), nonce)
                if error_code(error) in PASSING_ERRORS:
                    raise _InTheWayError from error
                raise
            if not response.get("Attributes"):
                raise LedgerUnavailable("the ledger answered without the record", in_doubt=True)
            return decode_record(response["Attributes"])

        return self._until_decided(send)

    def reissue(self, plan: Reissue, nonce: str, *, row: OrderRow | None = None) -> Record | Lost:
        """Close the old generation and open the new one in one transaction, which takes over what the old one holds.

        What a refused one held may have been given back. So a renewal has the condition that it was not, and giving
        back has one on the version, which a renewal changes: only one of the two ever takes place. If it was given
        back, it is taken anew.
        """
        before, new = plan.close.before, replace(plan.successor, nonce=nonce)
        closing = {"Update": self._update(plan.close, nonce)}
        others = [*([self._move_key(new)] if plan.moves_key else []), *self._not_closed(row)]
        guarded = plan.moves_key and before.budget is not None

        def send() -> Record | Lost | None:
            guards = [self._beside.given_back(before, is_so=False)] if guarded else []
            refused = self._transact([closing, self._put_new(encode_record(new)), *guards, *others], nonce)
            if refused is None:
                return _as_kept(new)
            if refused.passing:
                raise _InTheWayError
            return self._decided_by_old(plan, new, refused, row) or (None if guarded else Lost(before))

        def send_held(hold: Hold) -> Record | Lost:
            held = replace(new, budget_period=hold.period)
            guards = [] if may_be_forgotten(before, new) else [self._beside.given_back(before, is_so=True)]
            actions = [closing, self._put_new(encode_record(held)), *hold.actions, *guards, *others]
            refused = self._transact(actions, token(nonce, hold.number + 1))
            if refused is None:
                return _as_kept(held)
            found = None if refused.passing else self._decided_by_old(plan, new, refused, row)
            if found is not None:
                return found
            raise NotHeldError(refused.items[2 : 2 + len(hold.actions)], passing=refused.passing)

        self._doubt.begin()
        if not guarded or not may_be_forgotten(before, new):
            passed = self._until_decided(send)
            if passed is not None:
                return passed
        asked = Asked(before.budget or "", new.value, new.created_at)
        return self._until_held(asked, send_held, lambda: self._decided_by_old(plan, new))

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
                    Expression(open=partition, now=now),
                    KeyConditionExpression="wakePartition = :open AND wakeAt <= :now",
                    ProjectionExpression="wakeAt, id",
                    Limit=limit,
                )
            except LedgerUnavailable as failure:
                # What the others hold must not wait for it.
                failures.append(failure)
                continue
            items = map(decode, response["Items"])
            found += [(turn, item["wakeAt"], item["id"]) for turn, item in enumerate(items)]
        if len(failures) == len(WAKE_PARTITIONS):
            raise failures[0]
        # The first of each partition, then the second of each: one that is full of what cannot be taken up would
        # otherwise leave no space for the rest.
        taken = sorted((wake_at, request_id) for _, wake_at, request_id in sorted(found)[:limit])
        return Due(tuple(request_id for _, request_id in taken), is_whole=not failures)

    def still_open(self) -> OpenRequests:
        """How many requests are open. The index lags behind the ledger by a moment.

        DynamoDB counts those that wait without returning them, a few thousand a page; of a longer line only the first
        pages of each partition are counted, and the figures are too low.
        """
        counts, begun = [], list[datetime]()
        for response, _ in self._pages_of_open("status", (Status.RECOVERING, Status.REVERSING), projected=_SINCE):
            counts.append((response["Count"], response["ScannedCount"]))
            begun += [parse_time(item[_SINCE]) for item in map(decode, response["Items"]) if _SINCE in item]
        unknown, seen = (sum(each) for each in zip(*counts, strict=True))
        return OpenRequests(unknown=unknown, waiting=seen - unknown, oldest_unknown=min(begun, default=None))

    def amount_at_risk(self, account: str) -> Mapping[str, Decimal] | None:
        """By currency, the sum of an account's open requests that may have been sent.

        The index names the open ones, and lags behind the ledger by a moment; each is then read consistently.

        Returns:
            None: more are open than could be read in seconds, nearly all of them in a line for their permits.
        """
        found: list[str] = []
        for response, is_cut in self._pages_of_open("account", (account,), projected=attribute_name("request_id")):
            found += [item["id"] for item in map(decode, response["Items"])]
            if is_cut or len(found) > _AT_RISK_MAX:
                return None
        records = DynamoDbRecords(self._client, self._table, sleep=self._sleep).get_many(found)
        return sum_at_risk(records.values())

    def _pages_of_open(
        self, field: str, values: Sequence[str], *, projected: str
    ) -> Iterator[tuple[QueryOutputTypeDef, bool]]:
        """Records with one of a field's values, each page with whether its partition has more that are left unread."""
        for partition in WAKE_PARTITIONS:
            expression = Expression(open=partition)
            wanted = ", ".join(map(expression.value, values))
            filtered = f"{expression.name(attribute_name(field))} IN ({wanted})"
            start: dict[str, Any] = {}
            for number in range(1, _PAGES_MAX + 1):
                response = self._query_open(
                    expression,
                    KeyConditionExpression="wakePartition = :open",
                    FilterExpression=filtered,
                    ProjectionExpression=projected,
                    **start,
                )
                yield response, number == _PAGES_MAX and "LastEvaluatedKey" in response
                if "LastEvaluatedKey" not in response:
                    break
                start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}

    @unavailable("the ledger could not be read")
    def _query_open(self, expression: Expression, **query: Any) -> QueryOutputTypeDef:  # noqa: ANN401 - DynamoDB's own parameters
        return self._client.query(TableName=self._table, IndexName="by-wake", **expression.arguments, **query)

    def _read(self, item_id: str, *, in_doubt: bool = False) -> Mapping[str, Any] | None:
        with unavailable("the ledger could not be read", in_doubt=in_doubt):
            response = self._client.get_item(TableName=self._table, Key=encode({"id": item_id}), ConsistentRead=True)
        return response.get("Item")

    def _decided_by_key(self, new: Record, refused: Cancelled | None = None) -> Record | KeyTaken | None:
        """What whoever holds the key makes of a request that could not be opened; None: nobody holds it."""
        holder = refused.items[0] if refused else None
        holder = holder or self._read(key_item_id(new.key_hash), in_doubt=self._doubt.in_doubt)
        if holder is not None:
            held = decode_key(holder)
            return self._written_before(new) if held.nonce == new.nonce else KeyTaken(held)
        if refused is not None and refused.failed(1) and not refused.passing:
            # Derived ids make this impossible, so somebody else wrote here.
            raise LedgerUnavailable(f"request id {new.request_id} exists without its key item", in_doubt=False)
        return None

    def _decided_by_old(
        self, plan: Reissue, new: Record, refused: Cancelled | None = None, row: OrderRow | None = None
    ) -> Record | Lost | None:
        """What the old generation makes of a reissue that was refused; None: it can still be reissued."""
        current = refused.items[0] if refused else None
        current = current or self._read(plan.close.before.request_id, in_doubt=self._doubt.in_doubt)
        found = _lost_or_ours(current, new.nonce)
        if isinstance(found, Record):
            return self._written_before(new)
        if found.current is None or not plan.close.is_possible(found.current) or (refused and refused.failed(1)):
            return found
        if row is not None and refused is not None and refused.failed(-1):
            raise OrderClosed(row.order_id)
        return None

    def _written_before(self, new: Record) -> Record:
        """What an earlier try wrote; not what others have made of it since: their epoch is not ours."""
        if new.budget is None:
            return _as_kept(new)
        # It may have taken from another period than this try would.
        item = self._read(new.request_id, in_doubt=True)
        return _as_kept(replace(new, budget_period=decode_record(item).budget_period if item else new.budget_period))

    def _not_closed(self, row: OrderRow | None) -> list[dict[str, Any]]:
        return [self._beside.not_closed(row)] if row else []

    def _transact(self, actions: Sequence[Any], nonce: str) -> Cancelled | None:
        """Return None when written."""
        try:
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=nonce)
        except ClientError as error:
            refused = Cancelled(error, len(actions))
            if not refused.passing and CONDITION_FAILED not in refused.codes:
                raise
            return refused
        return None

    def _until_decided(self, send: Callable[[], _T]) -> _T:
        """Repeat a write for as long as another is in its way."""
        for attempt in range(CONFLICT_TRIES_MAX):
            try:
                with AwsErrors(self._not_written):
                    return send()
            except _InTheWayError:
                self._sleep(CONFLICT_WAIT_SECONDS * (attempt + 1))
        raise LedgerUnavailable("the ledger is busy with this request", in_doubt=self._doubt.in_doubt)

    def _until_held(self, asked: Asked, send: Callable[[Hold], _T], decided: Callable[[], _T | None]) -> _T:
        """Repeat a write that takes from a budget until it takes effect, or until key or budget decide against it."""
        try:
            with AwsErrors(self._not_written):
                return self._beside.holds.take(asked, send, decided)
        except (BudgetBusy, LedgerUnavailable) as error:
            # Too little left is no doubt: no earlier try of such a write can still take effect, see `holds`.
            if self._doubt.in_doubt:
                raise LedgerUnavailable(error.detail, in_doubt=True) from error
            raise

    def _not_written(self, code: str) -> LedgerUnavailable:
        return LedgerUnavailable(f"the ledger could not be written ({code})", in_doubt=self._doubt.in_doubt)

    def _put_new(self, item: Item) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(id)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _move_key(self, successor: Record) -> dict[str, Any]:
        """Let a key's item name another generation.

        Its nonce stays that of whoever opened the first. Where it pointed needs no condition: the record that is closed
        in the same transaction has no successor yet, so it is the newest.
        """
        return {
            "Update": {
                "TableName": self._table,
                "Key": encode({"id": key_item_id(successor.key_hash)}),
                "UpdateExpression": "SET requestId = :successor",
                "ConditionExpression": "attribute_exists(id)",
                **Expression(successor=successor.request_id).arguments,
            }
        }

    def _update(self, change: Change, nonce: str) -> dict[str, Any]:
        """The update of one change: its condition names the status and the epoch that it leaves."""
        expression = Expression()
        conditions = [_holds(expression, change.before, field) for field in ("status", "epoch", *change.requires)]
        sets = [f"{expression.name('version')} = {expression.name('version')} + {expression.value(1)}"]
        sets.append(f"{expression.name('nonce')} = {expression.value(nonce)}")
        removes = []
        changed = {attribute_name(field): attribute_value(change.after, field) for field in change.changed_fields}
        # Also where it is there already: it may be the one of before there were ten.
        changed["wakePartition"] = change.after.wake_at and wake_partition(change.after.request_id)
        for attribute, value in changed.items():
            name = expression.name(attribute)
            if value is None:
                removes.append(name)
            else:
                sets.append(f"{name} = {expression.value(value)}")
        return {
            "TableName": self._table,
            "Key": encode({"id": change.before.request_id}),
            "UpdateExpression": "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else ""),
            "ConditionExpression": " AND ".join(conditions),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments,
        }


def _holds(expression: Expression, record: Record, field: str) -> str:
    """The condition that a field is still as it was read.

    A field at its default may also be absent: items of a time before the field existed lack its attribute, and reading
    them gives the default too.
    """
    value = attribute_value(record, field)
    name = expression.name(attribute_name(field))
    if value is None:
        return f"attribute_not_exists({name})"
    same = f"{name} = {expression.value(value)}"
    return f"({same} OR attribute_not_exists({name}))" if getattr(record, field) == _DEFAULTS.get(field) else same


def _as_kept(record: Record) -> Record:
    """A record as it is read once it is written."""
    return decode_record(encode_record(record))


def _lost_or_ours(item: Mapping[str, Any] | None, nonce: str) -> Record | Lost:
    if item is None:
        return Lost(None)
    current = decode_record(item)
    return current if current.nonce == nonce else Lost(current)


#: What reading an item gives for a field whose attribute it lacks.
_DEFAULTS: Final = {field.name: field.default for field in fields(Record) if field.default is not MISSING}
