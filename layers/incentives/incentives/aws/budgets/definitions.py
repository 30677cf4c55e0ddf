"""Budgets as they are defined, in DynamoDB; how their items look, `budget_items` says.

A limit changes together with what is left of its periods, in one transaction:

    definition     only if it still has the version that was read
    each period    by the difference, and only if that much is left; one that nobody has taken from yet is looked at
                   too: whoever makes it in the meantime checks the definition's version, and is refused or refuses us
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.budgets.budget_items import (
    LIST,
    decode_budget,
    decode_period,
    definition_key,
    encode_budget,
    period_key,
    spent_key,
)
from incentives.aws.clients import AwsErrors, DoubtWatch, unavailable
from incentives.aws.items import Expression, decode
from incentives.aws.transactions import CONDITION_FAILED, Cancelled
from incentives.domain.budgets.budget import new_period
from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetBusy, LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.items import Item
    from incentives.domain.budgets.budget import Budget

#: A busy budget's items are written some fifty times a second, each time for some milliseconds. All waits together are
#: below 2.5 s, and half of that as a rule.
TRIES_MAX: Final = 20
WAIT_SECONDS_MAX: Final = 0.13

#: Budgets read in one transaction, three items each. The more there are, the likelier one of them is being written.
_AT_ONCE: Final = 8

_read: Final = unavailable("the budgets could not be read")


class DynamoDbBudgetDefinitions:
    """`BudgetDefinitions` on one DynamoDB table.

    Nonces have 1 to 36 characters and are never used for two writes.

    Args:
        table: the table's name.
        sleep: waits between two tries, in seconds.
        random: from 0 to 1.
        new_nonce: of transactions, each of which has a token of its own.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        sleep: Callable[[float], None],
        random: Callable[[], float],
        new_nonce: Callable[[], str],
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._random = random
        self._new_nonce = new_nonce
        self._doubt = DoubtWatch(client, "TransactWriteItems")

    @_read
    def get(self, name: str) -> Budget | None:
        """Read a definition."""
        response = self._client.get_item(TableName=self._table, Key=definition_key(name), ConsistentRead=True)
        return decode_budget(decode(response["Item"])) if "Item" in response else None

    @_read
    def listed(self, after: str, limit: int) -> Sequence[Budget]:
        """Definitions by name, those after a name."""
        expression = Expression(list=LIST)
        condition = "budget = :list"
        if after:
            condition += f" AND part > {expression.value(after)}"
        response = self._client.query(
            TableName=self._table,
            KeyConditionExpression=condition,
            ConsistentRead=True,
            Limit=limit,
            **expression.arguments,
        )
        return [decode_budget(decode(item)) for item in response["Items"]]

    def figures(self, wanted: Sequence[tuple[str, str]]) -> Sequence[BudgetFigures]:
        """How budgets stand, by name and period, each all of one moment; those that there are."""
        found: list[BudgetFigures] = []
        for start in range(0, len(wanted), _AT_ONCE):
            found += self._figures(wanted[start : start + _AT_ONCE])
        return found

    def _figures(self, wanted: Sequence[tuple[str, str]]) -> Iterator[BudgetFigures]:
        # If one of many is being written, each is read by itself.
        responses = self._read_at_once(wanted, tries=1 if len(wanted) > 1 else TRIES_MAX)
        if responses is None:
            for one in wanted:
                yield from self._figures([one])
            return
        for (_, period), each in zip(wanted, zip(*[iter(responses)] * 3, strict=True), strict=True):
            definition, left, spent = (decode(one["Item"]) if one.get("Item") else None for one in each)
            if definition is not None:
                yield _figures_of(decode_budget(definition), period, left, spent)

    def _read_at_once(self, wanted: Sequence[tuple[str, str]], *, tries: int) -> Sequence[Mapping[str, Any]] | None:
        keys = [
            key
            for name, period in wanted
            for key in (definition_key(name), period_key(name, period), spent_key(name, period))
        ]
        items: Any = [{"Get": {"TableName": self._table, "Key": key}} for key in keys]
        for number in range(tries):
            if number:
                self._wait()
            try:
                with _read:
                    return self._client.transact_get_items(TransactItems=items)["Responses"]
            except LedgerUnavailable as error:
                if not Cancelled(error.__cause__ or error, len(items)).passing:
                    raise
        if len(wanted) > 1:
            return None
        raise BudgetBusy(wanted[0][0])

    def define(
        self, before: Budget | None, after: Budget, periods: Sequence[str], nonce: str
    ) -> Budget | BudgetMoved | TooLittleLeft:
        """Write a definition and, by the difference, what is left of its periods, in one transaction."""
        after = replace(after, nonce=nonce)
        change = after.limit - before.limit if before is not None else 0
        # The items that are looked for, by period: what is found otherwise is looked for otherwise the next time.
        there = self._there(after.name, periods) if before is not None else dict.fromkeys(periods, False)
        self._doubt.begin()
        for number in range(TRIES_MAX):
            if number:
                self._wait()
            actions: Any = [self._put(before, after)]
            actions += [self._period(after, period, change, is_there=there[period]) for period in periods]
            with AwsErrors(self._not_written):
                reasons = self._transact(actions)
            if reasons is None:
                return after
            if reasons.failed(0):
                current = self._current(after.name, reasons.items[0])
                # An earlier try took effect, and its response was lost.
                return after if current is not None and current.nonce == nonce else BudgetMoved(current)
            for position, period in enumerate(periods, start=1):
                if reasons.failed(position):
                    item = reasons.items[position]
                    if there[period] and item is not None:
                        return TooLittleLeft(decode_period(decode(item)))
                    there[period] = not there[period]
        raise self._busy(after.name)

    def _busy(self, name: str) -> BudgetBusy | LedgerUnavailable:
        # What may have been written is not told as not done.
        doubt = self._doubt.in_doubt
        return LedgerUnavailable("the budget could not be written", in_doubt=True) if doubt else BudgetBusy(name)

    def _current(self, name: str, item: Item | None) -> Budget | None:
        if item is not None:
            return decode_budget(decode(item))
        return self.get(name)

    @_read
    def _there(self, name: str, periods: Sequence[str]) -> dict[str, bool]:
        found = {}
        for period in periods:
            key = period_key(name, period)
            response = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
            found[period] = "Item" in response
        return found

    def _transact(self, actions: Any) -> Cancelled | None:  # noqa: ANN401 - DynamoDB's own
        """Return None when written."""
        try:
            # Of each try its own: DynamoDB would take another's actions for the same ones.
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=self._new_nonce())
        except ClientError as error:
            reasons = Cancelled(error, len(actions))
            if not reasons.passing and CONDITION_FAILED not in reasons.codes:
                raise
            return reasons
        return None

    def _put(self, before: Budget | None, after: Budget) -> dict[str, Any]:
        expression = Expression()
        unmoved = (
            "attribute_not_exists(budget)"
            if before is None
            else f"{expression.name('version')} = {expression.value(before.version)}"
        )
        return {
            "Put": {
                "TableName": self._table,
                "Item": encode_budget(after),
                "ConditionExpression": unmoved,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                **expression.arguments,
            }
        }

    def _period(self, after: Budget, period: str, change: int, *, is_there: bool) -> dict[str, Any]:
        common: dict[str, Any] = {"TableName": self._table, "Key": period_key(after.name, period)}
        common["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if not is_there:
            return {"ConditionCheck": common | {"ConditionExpression": "attribute_not_exists(budget)"}}
        expression = Expression(change=change, active=after.active, one=1, least=max(0, -change))
        limit, remaining, version = map(expression.name, ("limit", "remaining", "version"))
        return {
            "Update": common
            | {
                "UpdateExpression": f"SET {limit} = {limit} + :change, {remaining} = {remaining} + :change, "
                f"{expression.name('active')} = :active, {version} = {version} + :one",
                # Also when the limit is raised: of an item that is gone the condition does not hold.
                "ConditionExpression": f"{remaining} >= :least",
                **expression.arguments,
            }
        }

    def _wait(self) -> None:
        self._sleep(self._random() * WAIT_SECONDS_MAX)

    def _not_written(self, code: str) -> LedgerUnavailable:
        return LedgerUnavailable(f"the budget could not be written ({code})", in_doubt=self._doubt.in_doubt)


def _figures_of(
    budget: Budget, period: str, left: Mapping[str, Any] | None, spent: Mapping[str, Any] | None
) -> BudgetFigures:
    its = decode_period(left) if left is not None else new_period(budget, period)
    return BudgetFigures(
        budget=budget,
        period=period,
        limit=its.limit,
        remaining=its.remaining,
        spent=spent.get("spent", 0) if spent is not None else 0,
        version=its.version,
    )
