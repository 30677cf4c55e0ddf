"""Bulk orders in DynamoDB: a partition per order, an item for each of its parts.

part             the item
order            the order; every write names the status and the round that it leaves
batch#00001      how far the rows of a batch have come
result#00001     the batch's part of the result, once it is settled

Beside them, in a partition `rows#{account}#{digest}` of its own, a part `claim`: the order that issues these rows.
DynamoDB removes it after its time, maybe days later: whether it still holds, its `expiresAt` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code, response_of
from incentives.aws.items import Attribute, Item, format_time, parse_time
from incentives.domain.bulk_orders.bulk_order import (
    Batch,
    BulkOrder,
    Counts,
    FileError,
    FileFormat,
    OrderMoved,
    OrderStatus,
    RowsClaim,
    RowsTaken,
)
from incentives.domain.errors import OrderUnavailable
from incentives.domain.single_requests.record import Intent

_ORDER: Final = "order"
_CLAIM: Final = "claim"


class DynamoDbOrders:
    """`Orders` on one DynamoDB table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: AwsClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write a new order, unless there is one with its id."""
        return self._put(order, nonce, "attribute_not_exists(orderId)", {}, {})

    def get(self, order_id: str) -> BulkOrder | None:
        """Read one order."""
        item = self._item(order_id, _ORDER)
        return _read(_decode_order, item) if item else None

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write an order whose status and round are still as before."""
        return self._put(after, nonce, _UNMOVED, _UNMOVED_NAMES, _unmoved_values(before))

    def begin(
        self, before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str
    ) -> BulkOrder | OrderMoved | RowsTaken:
        """The same, and claim its rows for it, in one transaction."""
        actions = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": _encode_order(after) | {"nonce": {"S": nonce}},
                    "ConditionExpression": _UNMOVED,
                    "ExpressionAttributeNames": _UNMOVED_NAMES,
                    "ExpressionAttributeValues": _unmoved_values(before),
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            {"Put": {"TableName": self._table, "Item": _encode_claim(claim), **_unclaimed(claim)}},
        ]
        try:
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=nonce)
        except AWS_ERRORS as error:
            reasons = response_of(error).get("CancellationReasons") or []
            failed = [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons]
            if not any(failed):
                raise _unavailable("written", error) from error
            if failed[0]:
                return _moved_or_ours(reasons[0].get("Item"), nonce)
            return RowsTaken(_read(_decode_claim, reasons[1].get("Item") or {}))
        return after

    def claim_on(self, account: str, digest: str, now: datetime) -> RowsClaim | None:
        """The claim on these rows that holds now."""
        item = self._item(_rows_id(account, digest), _CLAIM)
        claim: RowsClaim | None = _read(_decode_claim, item) if item else None
        return claim if claim is not None and claim.expires_at > now else None

    def batches(self, order_id: str) -> Sequence[Batch]:
        """Of the batches that have been worked on, how far each has come; by number."""
        return [_read(_decode_batch, item) for item in self._parts(order_id, "batch#")]

    def batch(self, order_id: str, number: int) -> Batch:
        """How far one batch has come."""
        item = self._item(order_id, _part("batch", number))
        return _read(_decode_batch, item) if item else Batch(number=number)

    def advance(self, order_id: str, batch: Batch) -> Batch:
        """Write how far a batch has come, unless it is further, or as far in this round, already; as it then stands."""
        item = _encode_batch(order_id, batch)
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(orderId) OR (settled = :no AND (done < :done OR "
                "(done = :done AND (attribute_not_exists(#round) OR #round < :round))))",
                ExpressionAttributeNames={"#round": "round"},
                ExpressionAttributeValues={":no": {"BOOL": False}, ":done": item["done"], ":round": item["round"]},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AWS_ERRORS as error:
            if error_code(error) != _CONDITION_FAILED:
                raise _unavailable("written", error) from error
            # Another worker is further, or a response to this very write was lost.
            further: Batch = _read(_decode_batch, response_of(error).get("Item") or {})
            return further
        return batch

    def settle(self, order_id: str, batch: Batch, lines: str | None) -> None:
        """Write how all rows of a batch stand; first its part of the result, so that no settled batch lacks one."""
        if lines is not None:
            self._write(_key(order_id, _part("result", batch.number)) | {"lines": {"S": lines}})
        self._write(_encode_batch(order_id, batch))

    def results(self, order_id: str) -> Iterator[str]:
        """The parts of the result, by number of their batches."""
        return (item["lines"]["S"] for item in self._parts(order_id, "result#"))

    def _put(
        self, order: BulkOrder, nonce: str, condition: str, names: Mapping[str, str], values: Mapping[str, Attribute]
    ) -> BulkOrder | OrderMoved:
        arguments: dict[str, Any] = {
            name: value
            for name, value in (("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values))
            if value
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_encode_order(order) | {"nonce": {"S": nonce}},
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **arguments,
            )
        except AWS_ERRORS as error:
            if error_code(error) != _CONDITION_FAILED:
                raise _unavailable("written", error) from error
            return _moved_or_ours(response_of(error).get("Item"), nonce)
        return order

    def _write(self, item: Item) -> None:
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except AWS_ERRORS as error:
            raise _unavailable("written", error) from error

    def _item(self, order_id: str, part: str) -> Item | None:
        try:
            response = self._client.get_item(TableName=self._table, Key=_key(order_id, part), ConsistentRead=True)
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        item: Item | None = response.get("Item")
        return item

    def _parts(self, order_id: str, prefix: str) -> Iterator[Item]:
        page: dict[str, Any] = {}
        while True:
            try:
                response = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="orderId = :order AND begins_with(part, :prefix)",
                    ExpressionAttributeValues={":order": {"S": order_id}, ":prefix": {"S": prefix}},
                    ConsistentRead=True,
                    **page,
                )
            except AWS_ERRORS as error:
                raise _unavailable("read", error) from error
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            page = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


#: An order is still as whoever writes it took it to be.
_UNMOVED: Final = "#status = :status AND #round = :round"
_UNMOVED_NAMES: Final = {"#status": "status", "#round": "round"}


def _unmoved_values(before: BulkOrder) -> dict[str, Attribute]:
    return {":status": {"S": before.status.value}, ":round": {"N": str(before.round)}}


def _moved_or_ours(item: Item | None, nonce: str) -> BulkOrder | OrderMoved:
    if not item:
        return OrderMoved(None)
    current: BulkOrder = _read(_decode_order, item)
    # An earlier try of this very write took effect, and its response was lost.
    return current if item["nonce"]["S"] == nonce else OrderMoved(current)


def _unclaimed(claim: RowsClaim) -> dict[str, Any]:
    """No other claim is in the way, or only the one that this one takes the place of."""
    values: dict[str, Attribute] = {":now": {"N": str(int(claim.claimed_at.timestamp()))}}
    free = "attribute_not_exists(orderId) OR expiresAt <= :now"
    if claim.instead_of is not None:
        free, values[":other"] = f"{free} OR claimedBy = :other", {"S": claim.instead_of}
    return {
        "ConditionExpression": free,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _unavailable(done: str, error: BaseException) -> OrderUnavailable:
    return OrderUnavailable(f"the order could not be {done} ({error_code(error)})")


def _part(kind: str, number: int) -> str:
    return f"{kind}#{number:05}"


def _key(order_id: str, part: str) -> Item:
    return {"orderId": {"S": order_id}, "part": {"S": part}}


def _read(decode: Callable[[Item], Any], item: Item) -> Any:  # noqa: ANN401 - whatever is decoded
    try:
        return decode(item)
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise OrderUnavailable(f"the order could not be read ({type(error).__name__} in its item)") from error


def _rows_id(account: str, digest: str) -> str:
    return f"rows#{account}#{digest}"


def _encode_claim(claim: RowsClaim) -> Item:
    item = _key(_rows_id(claim.account, claim.digest), _CLAIM) | {
        "claimedBy": {"S": claim.order_id},
        "claimedAt": {"S": format_time(claim.claimed_at)},
        "expiresAt": {"N": str(int(claim.expires_at.timestamp()))},
        "firm": {"BOOL": claim.is_firm},
    }
    return item | ({"insteadOf": {"S": claim.instead_of}} if claim.instead_of else {})


def _decode_claim(item: Item) -> RowsClaim:
    _, account, digest = item["orderId"]["S"].split("#")
    return RowsClaim(
        account=account,
        digest=digest,
        order_id=item["claimedBy"]["S"],
        claimed_at=parse_time(item["claimedAt"]["S"]),
        instead_of=_text(item, "insteadOf"),
        is_firm=item["firm"]["BOOL"],
    )


def _encode_order(order: BulkOrder) -> Item:
    texts = {
        "account": order.account,
        "partnerId": order.partner_id,
        "format": order.format.value,
        "onUnknown": order.on_unknown.value,
        "status": order.status.value,
        "caller": order.caller,
        "rowsName": order.rows_name,
        "whyPaused": order.why_paused,
        "sameRowsAs": order.same_rows_as,
        "totals": _encode_money(order.totals),
        "errors": json.dumps([[e.line, e.field, e.problem] for e in order.errors]) if order.errors else None,
    }
    times = {
        "createdAt": order.created_at,
        "updatedAt": order.updated_at,
        "stoppedAt": order.stopped_at,
        "issuingSince": order.issuing_since,
        "issuingUntil": order.issuing_until,
        "finishedAt": order.finished_at,
    }
    numbers = {
        "round": order.round,
        "rows": order.rows,
        "rowBytes": order.row_bytes,
        "errorCount": order.error_count,
        "blankRows": order.blank_rows,
        "emptyColumns": order.empty_columns,
        "doneBefore": order.done_before,
    }
    return (
        _key(order.order_id, _ORDER)
        | {name: {"S": text} for name, text in texts.items() if text}
        | {name: {"S": format_time(moment)} for name, moment in times.items() if moment}
        | {name: {"N": str(number)} for name, number in numbers.items()}
        | {"dryRun": {"BOOL": order.dry_run}, "allowSameRows": {"BOOL": order.allow_same_rows}}
    )


def _decode_order(item: Item) -> BulkOrder:
    return BulkOrder(
        order_id=item["orderId"]["S"],
        account=item["account"]["S"],
        partner_id=item["partnerId"]["S"],
        format=FileFormat(item["format"]["S"]),
        on_unknown=Intent(item["onUnknown"]["S"]),
        status=OrderStatus(item["status"]["S"]),
        created_at=parse_time(item["createdAt"]["S"]),
        updated_at=parse_time(item["updatedAt"]["S"]),
        round=int(item["round"]["N"]),
        caller=_text(item, "caller"),
        dry_run=item["dryRun"]["BOOL"],
        rows=int(item["rows"]["N"]),
        row_bytes=int(item["rowBytes"]["N"]),
        rows_name=_text(item, "rowsName"),
        totals=_decode_money(item, "totals"),
        errors=tuple(FileError(*each) for each in json.loads(_text(item, "errors") or "[]")),
        error_count=int(item["errorCount"]["N"]),
        # Orders of earlier versions lack these.
        blank_rows=int(item["blankRows"]["N"]) if "blankRows" in item else 0,
        empty_columns=int(item["emptyColumns"]["N"]) if "emptyColumns" in item else 0,
        allow_same_rows=item["allowSameRows"]["BOOL"] if "allowSameRows" in item else False,
        same_rows_as=_text(item, "sameRowsAs"),
        stopped_at=_time(item, "stoppedAt"),
        why_paused=_text(item, "whyPaused"),
        issuing_since=_time(item, "issuingSince"),
        issuing_until=_time(item, "issuingUntil"),
        done_before=int(item["doneBefore"]["N"]),
        finished_at=_time(item, "finishedAt"),
    )


#: Attribute -> field of `Counts`.
_COUNTS: Final = {
    "issued": "issued",
    "refused": "refused",
    "open": "open",
    "reversed": "reversed",
    "escalated": "escalated",
    "notIssued": "not_issued",
}


def _encode_batch(order_id: str, batch: Batch) -> Item:
    item = _key(order_id, _part("batch", batch.number)) | {
        "done": {"N": str(batch.done)},
        "settled": {"BOOL": batch.settled},
        "round": {"N": str(batch.round)},
    }
    item |= {name: {"N": str(count)} for name, field in _COUNTS.items() if (count := getattr(batch.counts, field))}
    if batch.issued_value:
        item["issuedValue"] = {"S": _encode_money(batch.issued_value)}
    if batch.updated_at is not None:
        item["updatedAt"] = {"S": format_time(batch.updated_at)}
    return item


def _decode_batch(item: Item) -> Batch:
    counts = {field: int(item[name]["N"]) for name, field in _COUNTS.items() if name in item}
    return Batch(
        number=int(item["part"]["S"].partition("#")[2]),
        counts=Counts(**counts),
        issued_value=_decode_money(item, "issuedValue"),
        settled=item["settled"]["BOOL"],
        round=int(item["round"]["N"]) if "round" in item else 0,
        updated_at=_time(item, "updatedAt"),
    )


def _encode_money(amounts: Mapping[str, Decimal]) -> str:
    # As text: a number of DynamoDB's loses its zeros, and one of JSON's may become a binary float.
    return json.dumps({currency: str(amount) for currency, amount in amounts.items()}) if amounts else ""


def _decode_money(item: Item, name: str) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in json.loads(_text(item, name) or "{}").items()}


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _time(item: Item, name: str) -> datetime | None:
    return parse_time(item[name]["S"]) if name in item else None
