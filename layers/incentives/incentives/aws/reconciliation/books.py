"""The books' table in DynamoDB: every write names the revision that it changes.

    try 1   condition holds, written, response lost
    try 2   (the SDK's) condition fails: the item has our nonce, so it was us

What each item holds is `book_items`' to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from incentives.aws.batches import ItemReader
from incentives.aws.clients import AwsErrors, condition_failed, error_code, response_of
from incentives.aws.items import Expression, Item, decode, encode
from incentives.aws.reconciliation import book_items as at_rest
from incentives.aws.reconciliation import parts
from incentives.aws.transactions import CONDITION_FAILED, Cancelled
from incentives.domain.errors import BooksUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.domain.reconciliation.balance import BalanceSnapshot, MovementName
    from incentives.domain.reconciliation.closing import Close
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.domain.reconciliation.findings import Resolution
    from incentives.domain.reconciliation.statements import Statement

_T = TypeVar("_T")

#: Of a transaction.
WRITES_MAX: Final = 100

#: Writes that get into each other's way are refused without effect: six tries with growing waits take about a second.
CONFLICT_TRIES_MAX: Final = 6
CONFLICT_WAIT_SECONDS: Final = 0.05

#: What throttles a single call the SDK has waited for by the time that it is told. A note among a hundred thousand is
#: tried again all the same: all of them go to one partition, which takes a thousand a second.
_PASSING_OF_NOTES: Final = frozenset({
    "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
})  # fmt: skip

#: Notes written at a time, by so many threads: one after another a hundred thousand would take ten minutes.
NOTES_TOGETHER: Final = 1000
NOTE_WRITERS: Final = 8


def _unread(code: str) -> BooksUnavailable:
    return BooksUnavailable(f"the books could not be read ({code})")


_read: Final = AwsErrors(_unread)
_written: Final = AwsErrors(lambda code: BooksUnavailable(f"the books could not be written ({code})"))


class DynamoDbBooks:
    """`Books` on one DynamoDB table.

    Args:
        table: the table's name.
        sleep: waits between two tries of a write that got into another's way, in seconds.
        new_nonce: tells one write from every other.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None], new_nonce: Callable[[], str]
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._new_nonce = new_nonce
        self._reader = ItemReader(client, table, sleep=sleep, ours=_unread)

    # ---- days -------------------------------------------------------------------------------------------------------

    def day(self, account: str, day: date) -> BooksDay | None:
        """Read one day."""
        return self._one(account, parts.day_part(day), at_rest.decode_day)

    def days(self, account: str, first: date, last: date) -> Sequence[BooksDay]:
        """The days that there are of a stretch, both ends included, oldest first."""
        return self._between(account, parts.day_part(first), parts.day_part(last), at_rest.decode_day)

    def first_day(self, account: str) -> date | None:
        """The oldest day that there is."""
        return next((each.day for each in self._ends(account, "day#", at_rest.decode_day, 1, oldest=True)), None)

    def keep_day(self, before: BooksDay | None, after: BooksDay, resolutions: Sequence[Resolution] = ()) -> bool:
        """Write a day and what people decided with it, in one.

        Raises:
            ValueError: there are more decisions than a transaction takes.
        """
        if len(resolutions) >= WRITES_MAX:
            raise ValueError(f"at most {WRITES_MAX - 1} decisions are written at once")
        nonce = self._new_nonce()
        puts = [self._put(at_rest.encode_day(after, nonce), "revision", before.revision if before else None)]
        for each in resolutions:
            decided = len(each.decisions) - 1
            puts.append(self._put(at_rest.encode_resolution(each, nonce), "decided", decided or None))
        return self._carry_out(puts, nonce)

    def resolutions(self, account: str, difference_ids: Sequence[str]) -> Mapping[str, Resolution]:
        """What was decided of findings, by their ids, where anything was."""
        names = map(parts.resolution_part, dict.fromkeys(difference_ids))
        return {each.difference_id: each for each in self._many(account, names, at_rest.decode_resolution)}

    # ---- balances ---------------------------------------------------------------------------------------------------

    @_written
    def keep_balance(self, snapshot: BalanceSnapshot) -> None:
        """Keep a balance for 400 days; the first one that is kept of a time stays."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=at_rest.encode_balance(snapshot),
                ConditionExpression="attribute_not_exists(part)",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    def balances(self, account: str, first: datetime, last: datetime) -> Sequence[BalanceSnapshot]:
        """The balances of a stretch of Amazon's time, both ends included, oldest first."""
        return self._between(account, parts.balance_part(first), parts.balance_part(last), at_rest.decode_balance)

    def first_balance(self, account: str) -> BalanceSnapshot | None:
        """The oldest one that is kept."""
        return next(iter(self._ends(account, "balance#", at_rest.decode_balance, 1, oldest=True)), None)

    def last_balances(self, account: str, limit: int) -> Sequence[BalanceSnapshot]:
        """The newest, newest first."""
        return self._ends(account, "balance#", at_rest.decode_balance, limit, oldest=False)

    def _ends(
        self, account: str, kind: str, read: Callable[[at_rest.Values], _T], limit: int, *, oldest: bool
    ) -> list[_T]:
        with _read:
            response = self._client.query(
                TableName=self._table,
                KeyConditionExpression="account = :account AND begins_with(part, :kind)",
                ConsistentRead=True,
                ScanIndexForward=oldest,
                Limit=limit,
                **Expression(account=account, kind=kind).arguments,
            )
        return [_decoded(read, item) for item in response["Items"]]

    # ---- notes ------------------------------------------------------------------------------------------------------

    @_written
    def note_ended(self, account: str, day: date, request_id: str, now: datetime) -> None:
        """Note that a reversal began or ended on a later booking day than that of its request; for 400 days."""
        key = _key(account, parts.ended_part(day, request_id))
        self._client.put_item(TableName=self._table, Item=key | encode({"expiresAt": at_rest.expires_at(now)}))

    def ended(self, account: str, day: date) -> Sequence[str]:
        """The requests noted for a day."""
        prefix = parts.ended_part(day, "")
        return self._beginning(account, prefix, lambda item: str(item["part"]).removeprefix(prefix))

    def note_rows(self, account: str, day: date, request_ids: Sequence[str]) -> None:
        """Note that Amazon has rows of requests on a day on which nobody would look for them."""
        # A day is judged again and again, and another system that uses the account can have thousands of them.
        known = self.days_of_rows(account, request_ids)
        new = [each for each in dict.fromkeys(request_ids) if day not in known.get(each, ())]
        if not new:
            return
        expression = Expression(day={day.isoformat()})
        adds_day = {"UpdateExpression": f"ADD {expression.name('days')} :day", **expression.arguments}

        def note(request_id: str) -> None:
            # Each for itself, at half the price of a transaction: those that are written stay, and a repeat skips them.
            update = {"TableName": self._table, "Key": _key(account, parts.rows_part(request_id)), **adds_day}
            self._carry_out([{"Update": update}], "", _PASSING_OF_NOTES)

        with ThreadPoolExecutor(min(NOTE_WRITERS, len(new))) as writers:
            for start in range(0, len(new), NOTES_TOGETHER):
                # Of one that fails the error is raised, and those after it are not begun.
                list(writers.map(note, new[start : start + NOTES_TOGETHER]))

    def days_of_rows(self, account: str, request_ids: Sequence[str]) -> Mapping[str, frozenset[date]]:
        """Those days, by request, where there are any."""
        names = map(parts.rows_part, dict.fromkeys(request_ids))
        found = self._many(account, names, lambda item: (parts.id_of(item["part"]), item["days"]))
        return {request_id: frozenset(map(date.fromisoformat, days)) for request_id, days in found}

    # ---- what people say --------------------------------------------------------------------------------------------

    def movement_names(self, account: str) -> Mapping[str, MovementName]:
        """What finance said that movements are, by their ids."""
        found = self._beginning(account, "movement#", at_rest.decode_movement)
        return {each.movement_id: each for each in found}

    def keep_movement_name(self, before: MovementName | None, after: MovementName) -> bool:
        """Write what a movement is. What was said before is kept beside it, in a list that only grows."""
        nonce = self._new_nonce()
        item = at_rest.encode_movement(after, nonce)
        key = {name: item.pop(name) for name in ("account", "part")}
        expression = Expression()
        sets = [f"{expression.name(name)} = {expression.value(value)}" for name, value in decode(item).items()]
        if before is not None:
            said = decode(at_rest.encode_movement(before, ""))
            earlier, none = expression.name("before"), expression.value([])
            added = expression.value([{name: said[name] for name in ("parts", "by", "at")}])
            sets.append(f"{earlier} = list_append(if_not_exists({earlier}, {none}), {added})")
        update = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": f"SET {', '.join(sets)}",
            "ConditionExpression": _unchanged(expression, "revision", before.revision if before else None),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments,
        }
        return self._carry_out([{"Update": update}], nonce)

    def statement(self, account: str, statement_id: str) -> Statement | None:
        """Read a statement."""
        return self._one(account, parts.statement_part(statement_id), at_rest.decode_statement)

    def keep_statement(self, before: Statement | None, after: Statement) -> bool:
        """Write a statement if it still has the revision of before."""
        nonce = self._new_nonce()
        item = at_rest.encode_statement(after, nonce)
        return self._carry_out([self._put(item, "revision", before.revision if before else None)], nonce)

    def close(self, account: str, month: str) -> Close | None:
        """Read a month's close."""
        return self._one(account, parts.close_part(month), at_rest.decode_close)

    def keep_close(self, before: Close | None, after: Close) -> bool:
        """Write a close if it still has the revision of before."""
        nonce = self._new_nonce()
        item = at_rest.encode_close(after, nonce)
        return self._carry_out([self._put(item, "revision", before.revision if before else None)], nonce)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _one(self, account: str, part: str, read: Callable[[at_rest.Values], _T]) -> _T | None:
        with _read:
            response = self._client.get_item(TableName=self._table, Key=_key(account, part), ConsistentRead=True)
        return _decoded(read, response["Item"]) if "Item" in response else None

    def _many(self, account: str, parts: Iterator[str], read: Callable[[at_rest.Values], _T]) -> list[_T]:
        return [_decoded(read, item) for item in self._reader.items([_key(account, part) for part in parts])]

    def _between(self, account: str, first: str, last: str, read: Callable[[at_rest.Values], _T]) -> list[_T]:
        if first > last:
            # DynamoDB calls it an error.
            return []
        bounds = Expression(account=account, first=first, last=last)
        return [_decoded(read, item) for item in self._pages("part BETWEEN :first AND :last", bounds)]

    def _beginning(self, account: str, prefix: str, read: Callable[[at_rest.Values], _T]) -> list[_T]:
        bounds = Expression(account=account, prefix=prefix)
        return [_decoded(read, item) for item in self._pages("begins_with(part, :prefix)", bounds)]

    def _pages(self, parts: str, expression: Expression) -> Iterator[Mapping[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            with _read:
                response = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression=f"account = :account AND {parts}",
                    ConsistentRead=True,
                    **expression.arguments,
                    **start,
                )
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}

    # ---- writing ----------------------------------------------------------------------------------------------------

    def _put(self, item: Item, counter: str, number: int | None) -> dict[str, Any]:
        expression = Expression()
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": _unchanged(expression, counter, number),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                **expression.arguments,
            }
        }

    @_written
    def _carry_out(
        self, writes: Sequence[Mapping[str, Any]], nonce: str, passing: frozenset[str] = frozenset()
    ) -> bool:
        """Carry out writes, all or none; False: the condition of one of them does not hold."""
        for attempt in range(CONFLICT_TRIES_MAX):
            try:
                self._send(writes, nonce)
            except ClientError as error:
                if condition_failed(error):
                    return _is_ours(response_of(error).get("Item"), nonce)
                cancelled = Cancelled(error, len(writes))
                if CONDITION_FAILED in cancelled.codes:
                    # All others go with the first.
                    return _is_ours(cancelled.items[0], nonce)
                if not cancelled.passing and error_code(error) not in passing:
                    raise
            else:
                return True
            self._sleep(CONFLICT_WAIT_SECONDS * (attempt + 1))
        raise BooksUnavailable("the books are busy")

    def _send(self, writes: Sequence[Any], nonce: str) -> None:
        match writes:
            case [{"Put": put}]:
                self._client.put_item(**put)
            case [{"Update": update}]:
                self._client.update_item(**update)
            case _:
                self._client.transact_write_items(TransactItems=writes, ClientRequestToken=nonce)


def _unchanged(expression: Expression, counter: str, number: int | None) -> str:
    """The condition that an item is still as it was read; None: that there is none."""
    name = expression.name(counter)
    return f"attribute_not_exists({name})" if number is None else f"{name} = {expression.value(number)}"


def _is_ours(item: Mapping[str, Any] | None, nonce: str) -> bool:
    """Whether an earlier try of this very write took effect, and its response was lost."""
    return bool(item) and decode(item or {}).get("nonce") == nonce


def _key(account: str, part: str) -> Item:
    return encode({"account": account, "part": part})


def _decoded(read: Callable[[at_rest.Values], _T], item: Mapping[str, Any]) -> _T:
    try:
        return read(decode(item))
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise BooksUnavailable(f"the books could not be read ({type(error).__name__} in an item)") from error
