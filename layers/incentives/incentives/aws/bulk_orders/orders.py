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
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import AwsErrors, condition_failed, response_of
from incentives.aws.items import Expression, Item, decode, encode, encode_value, parse_time
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

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ORDER: Final = "order"
_CLAIM: Final = "claim"

#: Of a part of the result. The first version, of which there still are parts, would take those of today for its own.
_LINES, _FIRST_LINES = "rows", "lines"

#: An order is still as whoever writes it took it to be.
_UNMOVED: Final = "#status = :status AND #round = :round"


def _unavailable(done: str) -> AwsErrors:
    return AwsErrors(lambda code: OrderUnavailable(f"the order could not be {done} ({code})"))


class DynamoDbOrders:
    """`Orders` on one DynamoDB table.

    Args:
        table: the table's name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write a new order, unless there is one with its id."""
        return self._put(order, nonce, "attribute_not_exists(orderId)", Expression())

    def get(self, order_id: str) -> BulkOrder | None:
        """Read one order."""
        item = self._item(order_id, _ORDER)
        return _read(_decode_order, item) if item else None

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write an order whose status and round are still as before."""
        return self._put(after, nonce, _UNMOVED, _unmoved(before))

    @_unavailable("written")
    def begin(
        self, before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str
    ) -> BulkOrder | OrderMoved | RowsTaken:
        """The same, and claim its rows for it, in one transaction."""
        moved: Any = {
            "TableName": self._table,
            "Item": _encode_order(after, nonce),
            "ConditionExpression": _UNMOVED,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **_unmoved(before).arguments,
        }
        # No other claim is in the way, or only the one that this one takes the place of.
        free = Expression(now=int(claim.claimed_at.timestamp()))
        condition = "attribute_not_exists(orderId) OR expiresAt <= :now"
        if claim.instead_of is not None:
            condition += f" OR claimedBy = {free.value(claim.instead_of)}"
        claimed: Any = {
            "TableName": self._table,
            "Item": _encode_claim(claim),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **free.arguments,
        }
        try:
            self._client.transact_write_items(
                TransactItems=[{"Put": moved}, {"Put": claimed}], ClientRequestToken=nonce
            )
        except ClientError as error:
            reasons = response_of(error).get("CancellationReasons") or []
            failed = [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons]
            if not any(failed):
                raise
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

    @_unavailable("written")
    def advance(self, order_id: str, batch: Batch) -> Batch:
        """Write how far a batch has come, unless it is further, or as far in this round, already; as it then stands."""
        expression = Expression(no=False, done=batch.done, round=batch.round)
        in_round = expression.name("round")
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_encode_batch(order_id, batch),
                ConditionExpression="attribute_not_exists(orderId) OR (settled = :no AND (done < :done OR "
                f"(done = :done AND (attribute_not_exists({in_round}) OR {in_round} < :round))))",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # Another worker is further, or a response to this very write was lost.
            further: Batch = _read(_decode_batch, response_of(error).get("Item") or {})
            return further
        return batch

    def settle(self, order_id: str, batch: Batch, lines: str | None) -> None:
        """Write how all rows of a batch stand; first its part of the result, so that no settled batch lacks one."""
        if lines is not None:
            self._write({**_key(order_id, _part("result", batch.number)), _LINES: encode_value(lines)})
        self._write(_encode_batch(order_id, batch))

    def results(self, order_id: str) -> Iterator[str]:
        """The parts of the result, by number of their batches."""
        values = (decode(item) for item in self._parts(order_id, "result#"))
        return (each[_LINES] if _LINES in each else each[_FIRST_LINES] for each in values)

    @_unavailable("written")
    def _put(self, order: BulkOrder, nonce: str, condition: str, expression: Expression) -> BulkOrder | OrderMoved:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_encode_order(order, nonce),
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return _moved_or_ours(response_of(error).get("Item"), nonce)
        return order

    @_unavailable("written")
    def _write(self, item: Item) -> None:
        self._client.put_item(TableName=self._table, Item=item)

    @_unavailable("read")
    def _item(self, order_id: str, part: str) -> Mapping[str, Any] | None:
        response = self._client.get_item(TableName=self._table, Key=_key(order_id, part), ConsistentRead=True)
        return response.get("Item")

    def _parts(self, order_id: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        page: dict[str, Any] = {}
        while True:
            with _unavailable("read"):
                response = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="orderId = :order AND begins_with(part, :prefix)",
                    ConsistentRead=True,
                    **Expression(order=order_id, prefix=prefix).arguments,
                    **page,
                )
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            page = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def _unmoved(before: BulkOrder) -> Expression:
    expression = Expression(status=before.status, round=before.round)
    expression.name("status")
    expression.name("round")
    return expression


def _moved_or_ours(item: Mapping[str, Any] | None, nonce: str) -> BulkOrder | OrderMoved:
    if not item:
        return OrderMoved(None)
    current: BulkOrder = _read(_decode_order, item)
    # An earlier try of this very write took effect, and its response was lost.
    return current if decode(item)["nonce"] == nonce else OrderMoved(current)


def _part(kind: str, number: int) -> str:
    return f"{kind}#{number:05}"


def _key(order_id: str, part: str) -> Item:
    return encode({"orderId": order_id, "part": part})


def _read(read: Callable[[dict[str, Any]], Any], item: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever is read
    try:
        return read(decode(item))
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise OrderUnavailable(f"the order could not be read ({type(error).__name__} in its item)") from error


def _rows_id(account: str, digest: str) -> str:
    return f"rows#{account}#{digest}"


def _encode_claim(claim: RowsClaim) -> Item:
    return encode(
        {
            "orderId": _rows_id(claim.account, claim.digest),
            "part": _CLAIM,
            "claimedBy": claim.order_id,
            "claimedAt": claim.claimed_at,
            "expiresAt": int(claim.expires_at.timestamp()),
            "firm": claim.is_firm,
            "insteadOf": claim.instead_of,
        }
    )


def _decode_claim(item: Mapping[str, Any]) -> RowsClaim:
    _, account, digest = item["orderId"].split("#")
    return RowsClaim(
        account=account,
        digest=digest,
        order_id=item["claimedBy"],
        claimed_at=parse_time(item["claimedAt"]),
        instead_of=item.get("insteadOf"),
        is_firm=item["firm"],
    )


def _encode_order(order: BulkOrder, nonce: str) -> Item:
    return encode(
        {
            "orderId": order.order_id,
            "part": _ORDER,
            "nonce": nonce,
            "account": order.account,
            "partnerId": order.partner_id,
            "format": order.format,
            "onUnknown": order.on_unknown,
            "status": order.status,
            "createdAt": order.created_at,
            "updatedAt": order.updated_at,
            "round": order.round,
            "caller": order.caller,
            "dryRun": order.dry_run,
            "rows": order.rows,
            "rowBytes": order.row_bytes,
            "rowsName": order.rows_name,
            "totals": _encode_money(order.totals),
            "errors": json.dumps([[e.line, e.field, e.problem] for e in order.errors]) if order.errors else None,
            "errorCount": order.error_count,
            "blankRows": order.blank_rows,
            "emptyColumns": order.empty_columns,
            "allowSameRows": order.allow_same_rows,
            "sameRowsAs": order.same_rows_as,
            "stoppedAt": order.stopped_at,
            "whyPaused": order.why_paused,
            "issuingSince": order.issuing_since,
            "issuingUntil": order.issuing_until,
            "doneBefore": order.done_before,
            "finishedAt": order.finished_at,
        }
    )


def _decode_order(item: Mapping[str, Any]) -> BulkOrder:
    return BulkOrder(
        order_id=item["orderId"],
        account=item["account"],
        partner_id=item["partnerId"],
        format=FileFormat(item["format"]),
        on_unknown=Intent(item["onUnknown"]),
        status=OrderStatus(item["status"]),
        created_at=parse_time(item["createdAt"]),
        updated_at=parse_time(item["updatedAt"]),
        round=item["round"],
        caller=item.get("caller"),
        dry_run=item["dryRun"],
        rows=item["rows"],
        row_bytes=item["rowBytes"],
        rows_name=item.get("rowsName"),
        totals=_decode_money(item.get("totals")),
        errors=tuple(FileError(*each) for each in json.loads(item.get("errors", "[]"))),
        error_count=item["errorCount"],
        # Orders of earlier versions lack these.
        blank_rows=item.get("blankRows", 0),
        empty_columns=item.get("emptyColumns", 0),
        allow_same_rows=item.get("allowSameRows", False),
        same_rows_as=item.get("sameRowsAs"),
        stopped_at=_time(item.get("stoppedAt")),
        why_paused=item.get("whyPaused"),
        issuing_since=_time(item.get("issuingSince")),
        issuing_until=_time(item.get("issuingUntil")),
        done_before=item["doneBefore"],
        finished_at=_time(item.get("finishedAt")),
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
    return encode(
        {
            **{name: getattr(batch.counts, field) or None for name, field in _COUNTS.items()},
            "orderId": order_id,
            "part": _part("batch", batch.number),
            "done": batch.done,
            "settled": batch.settled,
            "round": batch.round,
            "issuedValue": _encode_money(batch.issued_value),
            "updatedAt": batch.updated_at,
        }
    )


def _decode_batch(item: Mapping[str, Any]) -> Batch:
    return Batch(
        number=int(item["part"].partition("#")[2]),
        counts=Counts(**{field: item[name] for name, field in _COUNTS.items() if name in item}),
        issued_value=_decode_money(item.get("issuedValue")),
        settled=item["settled"],
        round=item.get("round", 0),
        updated_at=_time(item.get("updatedAt")),
    )


def _encode_money(amounts: Mapping[str, Decimal]) -> str:
    # As text: a number of DynamoDB's loses its zeros, and one of JSON's may become a binary float.
    return json.dumps({currency: str(amount) for currency, amount in amounts.items()}) if amounts else ""


def _decode_money(text: str | None) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in json.loads(text or "{}").items()}


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
