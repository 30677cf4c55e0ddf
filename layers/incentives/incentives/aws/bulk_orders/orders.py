"""Bulk orders in DynamoDB: a partition per order, an item for each of its parts.

part             the item
order            the order; every write names the status and the round that it leaves
batch#00001      how far the rows of a batch have come
closed#00001     the batch takes no new rows: whoever opens one has this checked in the transaction that opens it
result#00001     the batch's part of the result, once it is settled

Orders are listed by when they were made, in the index `by-created`; the other items are not in it.

Beside them, in a partition `rows#{account}#{digest}` of its own, a part `claim`: the order that issues these rows.
DynamoDB removes it after its time, maybe days later: whether it still holds, its `expiresAt` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.budgets.holds import Asked, NotHeldError, token
from incentives.aws.bulk_orders.order_items import (
    CLAIM,
    LISTED,
    ORDER,
    decode_batch,
    decode_claim,
    decode_order,
    encode_batch,
    encode_claim,
    encode_order,
    key,
    part,
    rows_id,
)
from incentives.aws.clients import AwsErrors, condition_failed, response_of
from incentives.aws.items import Expression, Item, decode, encode, encode_value
from incentives.aws.transactions import CONDITION_FAILED, CONFLICT, Cancelled
from incentives.domain.accounts.spend import money_of
from incentives.domain.bulk_orders.bulk_order import Batch, BulkOrder, OrderMoved, RowsClaim, RowsTaken
from incentives.domain.errors import OrderUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.budgets.holds import DynamoDbHolds, Hold
#: Of a part of the result. The first version, of which there still are parts, would take those of today for its own.
_LINES, _FIRST_LINES = "rows", "lines"

#: An order is still as whoever writes it took it to be.
_UNMOVED: Final = "#status = :status AND #round = :round"

#: Tries at giving back to a budget whose other writers are in the way, and the wait before the second; it doubles.
_TRIES_MAX: Final = 8
_WAIT_SECONDS: Final = 0.02


def _unavailable(done: str) -> AwsErrors:
    return AwsErrors(lambda code: OrderUnavailable(f"the order could not be {done} ({code})"))


class DynamoDbOrders:
    """`Orders` on one DynamoDB table.

    Args:
        table: the table's name.
        holds: what takes from budgets and gives back; made only when it is first needed.
        sleep: waits between two tries, in seconds.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, holds: Callable[[], DynamoDbHolds], sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._table = table
        self._holds = holds
        self._sleep = sleep

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write a new order, unless there is one with its id."""
        return self._put(order, nonce, "attribute_not_exists(orderId)", Expression())

    def get(self, order_id: str) -> BulkOrder | None:
        """Read one order."""
        item = self._item(order_id, ORDER)
        return _read(decode_order, item) if item else None

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        """Write an order whose status and round are still as before."""
        return self._put(after, nonce, _UNMOVED, _unmoved(before))

    def begin(
        self, before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str, *, over: RowsClaim | None = None
    ) -> BulkOrder | OrderMoved | RowsTaken:
        """As `move`, and claim its rows for it and take what it holds from its budget, in one transaction."""
        claimed = self._claim(claim, over)
        if not after.held or after.budget is None:
            try:
                return self._begun(before, after, claimed, nonce, None)
            except NotHeldError as error:
                raise OrderUnavailable("the order could not be written (TransactionConflict)") from error
        (currency,) = after.totals

        def write(hold: Hold) -> BulkOrder | OrderMoved | RowsTaken:
            return self._begun(before, after, claimed, nonce, hold)

        asked = Asked(after.budget, money_of(after.held, currency), after.updated_at)

        def decided() -> BulkOrder | OrderMoved | RowsTaken | None:
            item = self._item(after.order_id, ORDER)
            found = _moved_or_ours(item, nonce)
            unmoved = isinstance(found, OrderMoved) and found.current is not None and _same(found.current, before)
            return None if unmoved else found

        found: BulkOrder | OrderMoved | RowsTaken = self._holds().take(asked, write, decided)
        return found

    def finish(self, before: BulkOrder, after: BulkOrder, nonce: str, *, unopened: int) -> BulkOrder | OrderMoved:
        """As `move`, and give back to its budget, in one transaction, what it took for rows that were never opened."""
        if not unopened or after.budget is None or after.budget_period is None:
            return self.move(before, after, nonce)
        given_back = self._holds().give_back(after.budget, after.budget_period, unopened)
        actions: Any = [{"Put": self._unmoved_put(before, after, nonce)}, given_back]
        for number in range(_TRIES_MAX):
            try:
                with _unavailable("written"):
                    cancelled = self._transacted(actions, nonce)
            except _ConflictError:
                self._sleep(_WAIT_SECONDS * 2**number)
                continue
            if cancelled is None:
                return after
            if cancelled.failed(0):
                return _moved_or_ours(cancelled.items[0], nonce)
            raise OrderUnavailable("the order's budget lacks the period that the order took from")
        raise OrderUnavailable("the order's budget is written by too many at once")

    def close(self, order_id: str, number: int) -> None:
        """Have a batch take no more rows, for good."""
        self._write(key(order_id, part("closed", number)))

    @_unavailable("read")
    def newest(self, before: tuple[datetime, str] | None, limit: int) -> tuple[Sequence[BulkOrder], bool]:
        """Orders by when they were made, newest first, and whether there are more."""
        page: dict[str, Any] = {}
        if before is not None:
            created_at, order_id = before
            at = {"listed": LISTED, "createdAt": created_at}
            page = {"ExclusiveStartKey": key(order_id, ORDER) | encode(at)}
        response = self._client.query(
            TableName=self._table,
            IndexName="by-created",
            KeyConditionExpression="listed = :listed",
            ScanIndexForward=False,
            Limit=limit,
            **Expression(listed=LISTED).arguments,
            **page,
        )
        return [_read(decode_order, item) for item in response["Items"]], "LastEvaluatedKey" in response

    def claim_on(self, account: str, digest: str, now: datetime) -> RowsClaim | None:
        """The claim on these rows that holds now."""
        item = self._item(rows_id(account, digest), CLAIM)
        claim: RowsClaim | None = _read(decode_claim, item) if item else None
        return claim if claim is not None and claim.expires_at > now else None

    def batches(self, order_id: str) -> Sequence[Batch]:
        """Of the batches that have been worked on, how far each has come; by number."""
        return [_read(decode_batch, item) for item in self._parts(order_id, "batch#")]

    def batch(self, order_id: str, number: int) -> Batch:
        """How far one batch has come."""
        item = self._item(order_id, part("batch", number))
        return _read(decode_batch, item) if item else Batch(number=number)

    @_unavailable("written")
    def advance(self, order_id: str, batch: Batch) -> Batch:
        """Write how far a batch has come, unless it is further, or as far in this round, already; as it then stands."""
        expression = Expression(no=False, done=batch.done, round=batch.round)
        in_round = expression.name("round")
        try:
            self._client.put_item(
                TableName=self._table,
                Item=encode_batch(order_id, batch),
                ConditionExpression="attribute_not_exists(orderId) OR (settled = :no AND (done < :done OR "
                f"(done = :done AND (attribute_not_exists({in_round}) OR {in_round} < :round))))",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # Another worker is further, or a response to this very write was lost.
            further: Batch = _read(decode_batch, response_of(error).get("Item") or {})
            return further
        return batch

    def settle(self, order_id: str, batch: Batch, lines: str | None) -> None:
        """Write how all rows of a batch stand; first its part of the result, so that no settled batch lacks one."""
        if lines is not None:
            self._write({**key(order_id, part("result", batch.number)), _LINES: encode_value(lines)})
        self._write(encode_batch(order_id, batch))

    def results(self, order_id: str) -> Iterator[str]:
        """The parts of the result, by number of their batches."""
        values = (decode(item) for item in self._parts(order_id, "result#"))
        return (each[_LINES] if _LINES in each else each[_FIRST_LINES] for each in values)

    def _claim(self, claim: RowsClaim, over: RowsClaim | None) -> dict[str, Any]:
        """A claim on rows that are free, or that another claim has whose place this one may take."""
        free = Expression(now=int(claim.claimed_at.timestamp()))
        condition = "attribute_not_exists(orderId) OR expiresAt <= :now"
        if over is not None:
            its = free.name("round")
            # The round, too: the same order may have let these rows go and come back to them since.
            same_round = f"{its} = {free.value(over.round)}" if over.round else f"attribute_not_exists({its})"
            condition += f" OR (claimedBy = {free.value(over.order_id)} AND {same_round})"
        return {
            "TableName": self._table,
            "Item": encode_claim(claim),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **free.arguments,
        }

    def _unmoved_put(self, before: BulkOrder, after: BulkOrder, nonce: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": encode_order(after, nonce),
            "ConditionExpression": _UNMOVED,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **_unmoved(before).arguments,
        }

    def _begun(
        self, before: BulkOrder, after: BulkOrder, claimed: dict[str, Any], nonce: str, hold: Hold | None
    ) -> BulkOrder | OrderMoved | RowsTaken:
        """One try.

        Raises:
            NotHeldError: neither the order nor the claim stood against it.
        """
        after = replace(after, budget_period=hold.period if hold else None)
        actions: Any = [{"Put": self._unmoved_put(before, after, nonce)}, {"Put": claimed}]
        if hold is not None:
            actions += hold.actions
        try:
            with _unavailable("written"):
                cancelled = self._transacted(actions, token(nonce, hold.number) if hold else nonce)
        except _ConflictError as error:
            raise NotHeldError((), passing=True) from error
        if cancelled is None:
            return after
        if cancelled.failed(0):
            return _moved_or_ours(cancelled.items[0], nonce)
        if cancelled.failed(1):
            return RowsTaken(_read(decode_claim, cancelled.items[1] or {}))
        raise NotHeldError(cancelled.items[2:], passing=False)

    def _transacted(self, actions: Sequence[Any], request_token: str) -> Cancelled | None:
        """Which of a transaction's conditions do not hold; None: it is written.

        Raises:
            _ConflictError: others write the same items, and no condition says anything.
        """
        try:
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=request_token)
        except ClientError as error:
            cancelled = Cancelled(error, len(actions))
            if CONDITION_FAILED in cancelled.codes:
                return cancelled
            if CONFLICT in cancelled.codes:
                raise _ConflictError from error
            raise
        return None

    @_unavailable("written")
    def _put(self, order: BulkOrder, nonce: str, condition: str, expression: Expression) -> BulkOrder | OrderMoved:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=encode_order(order, nonce),
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
        response = self._client.get_item(TableName=self._table, Key=key(order_id, part), ConsistentRead=True)
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


class _ConflictError(Exception):
    """Others write the same items at this moment. Nothing was written."""


def _same(current: BulkOrder, before: BulkOrder) -> bool:
    return (current.status, current.round) == (before.status, before.round)


def _unmoved(before: BulkOrder) -> Expression:
    expression = Expression(status=before.status, round=before.round)
    expression.name("status")
    expression.name("round")
    return expression


def _moved_or_ours(item: Mapping[str, Any] | None, nonce: str) -> BulkOrder | OrderMoved:
    if not item:
        return OrderMoved(None)
    current: BulkOrder = _read(decode_order, item)
    # An earlier try of this very write took effect, and its response was lost.
    return current if decode(item)["nonce"] == nonce else OrderMoved(current)


def _read(read: Callable[[dict[str, Any]], Any], item: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever is read
    try:
        return read(decode(item))
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise OrderUnavailable(f"the order could not be read ({type(error).__name__} in its item)") from error
