"""Take from a budget, and give back to it, as a part of somebody else's transaction.

    seen     version 7, remaining 500          (this process's memory, or a read)
    write    [the caller's own actions, Update of the period if version = 7 AND active AND remaining >= 200]
    refused  the period comes back: version 9, remaining 100   -> another has written: judge by that, try again
             the period comes back: version 7, remaining 100   -> too little: the budget says no

The condition on the version does two things. A process takes only from what it has seen; and a try whose response was
lost, and which may still be on its way, can never take effect after a later one was refused: versions only grow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from incentives.aws.budgets.budget_items import (
    decode_budget,
    decode_period,
    definition_key,
    encode_period,
    period_key,
    spent_key,
)
from incentives.aws.clients import unavailable
from incentives.aws.items import Expression, decode
from incentives.domain.accounts.spend import minor_units
from incentives.domain.budgets.budget import (
    Budget,
    Period,
    PeriodKind,
    check_currency,
    check_room,
    new_period,
    period_name,
    unknown,
)
from incentives.domain.errors import BudgetBusy, BudgetExceeded, BudgetUnusable, LedgerUnavailable

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.items import Item
    from incentives.domain.money import Money

_T = TypeVar("_T")

#: Of one hold. A caller has some 25 s, of which Amazon may take eight twice.
TRIES_MAX: Final = 20
SECONDS_MAX: Final = 2.5

#: Full jitter: each wait is drawn evenly from nothing to a bound that doubles from the one to the other.
WAIT_SECONDS: Final = 0.01
WAIT_SECONDS_MAX: Final = 0.32

#: So many times a period that came back is tried at once. After that, or when another write is under way, whoever tries
#: waits and reads it again: by then others have taken from it. (Simulated with 50 a second from 40 processes: 2.6 tries
#: each, half within 0.02 s, 99 of 100 within 0.27 s; with 90 a second 0.02 % are told that it is busy.)
_AT_ONCE_MAX: Final = 3

#: For how long a process looks at a budget that has refused it before it takes a permit for a request.
REFUSED_FOR: Final = timedelta(seconds=10)

#: Names of budgets are made up by callers.
_REFUSED_MAX: Final = 1_000

_read: Final = unavailable("the budgets could not be read")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be taken from a budget.

    Attributes:
        moment: aware UTC; it is taken from the period that this lies in.
    """

    budget: str
    value: Money
    moment: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """One try at taking an amount: what it adds to the caller's transaction.

    Attributes:
        number: of the try, from 0: each needs a ClientRequestToken of its own, see `token`.
        period: to be kept with whatever holds the amount; it is given back there.
        actions: one or two.
        after: the period as the try leaves it.
        is_new: the period is made by it.
    """

    number: int
    period: str
    actions: Sequence[dict[str, Any]]
    after: Period
    is_new: bool


class NotHeldError(Exception):
    """Nothing was written, and nothing of the caller's own stood against it.

    Attributes:
        items: of each of the hold's actions, the item whose condition did not hold, as it stands.
        passing: another write was in the way: the conditions say nothing.
    """

    def __init__(self, items: Sequence[Mapping[str, Any] | None], *, passing: bool) -> None:
        super().__init__()
        self.items = items
        self.passing = passing


def token(nonce: str, number: int) -> str:
    """The ClientRequestToken of a try: of another content another one. The items' nonce stays the same."""
    return nonce if number == 0 else hashlib.sha256(f"{nonce}#{number}".encode()).hexdigest()[:36]


class DynamoDbHolds:
    """`Budgets`, and what takes from them and gives back, on one DynamoDB table.

    A process keeps the kinds and currencies of budgets, which never change, and each period as it was last seen: the
    happy path takes no call more.

    Args:
        table: the table's name.
        zone: that months are counted in; asked for when first needed.
        required: whether each request must name a budget.
        now: the time, aware UTC.
        sleep: waits between two tries, in seconds.
        random: evenly between 0 and 1.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        zone: Callable[[], ZoneInfo],
        required: bool,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        self._client = client
        self._table = table
        self._zone = zone
        self.required = required
        self._now = now
        self._sleep = sleep
        self._random = random
        self._known: dict[str, tuple[PeriodKind, str]] = {}
        self._seen: dict[tuple[str, str], Period] = {}
        self._refused: dict[str, datetime] = {}

    def was_refused(self, name: str) -> bool:
        """Whether this process was told a moment ago that a budget allows no request."""
        at = self._refused.get(name)
        # Of a clock that was set back, nothing is to be believed.
        return at is not None and timedelta() <= self._now() - at < REFUSED_FOR

    def check(self, name: str, value: Money) -> None:
        """Look at a budget, consistently, and take nothing.

        Raises:
            BudgetUnusable, BudgetExceeded: it would not allow this now.
            LedgerUnavailable: it cannot be read.
        """
        try:
            definition = self._definition(name)
            check_currency(name, definition.currency, value)
            period = period_name(definition.kind, self._now(), self._zone())
            check_room(self._period(name, period) or new_period(definition, period), value)
        except (BudgetUnusable, BudgetExceeded):
            self._note_refused(name)
            raise
        self._refused.pop(name, None)

    def take(self, asked: Asked, write: Callable[[Hold], _T], decided: Callable[[], _T | None]) -> _T:
        """Take an amount in the caller's transaction, as often as it takes.

        Args:
            asked: what is to be taken.
            write: sends the caller's transaction with a hold's actions in it, and returns what the caller is to return:
                that it is written, or what of the caller's own stood against it. Raises `NotHeldError` where only the
                hold did.
            decided: reads consistently whether something of the caller's own stands against it, and returns what the
                caller is to return then; None: nothing does. It is asked before anything about the budget is raised.

        Raises:
            BudgetUnusable, BudgetExceeded, BudgetBusy: nothing was written.
            LedgerUnavailable: the budgets cannot be read.
        """
        began = self._now()
        try:
            for number in range(TRIES_MAX):
                hold = self._plan(asked, number)
                try:
                    result = write(hold)
                except NotHeldError as refused:
                    came_back = self._learn(hold, refused, asked)
                else:
                    self._seen[asked.budget, hold.period] = hold.after
                    return result
                wait = self._random() * min(WAIT_SECONDS_MAX, WAIT_SECONDS * 2**number)
                if (self._now() - began).total_seconds() + wait > SECONDS_MAX:
                    break
                if not came_back or number >= _AT_ONCE_MAX:
                    self._seen.pop((asked.budget, hold.period), None)
                    self._sleep(wait)
        except (BudgetUnusable, BudgetExceeded, LedgerUnavailable) as error:
            found = decided()
            if found is not None:
                return found
            if not isinstance(error, LedgerUnavailable):
                self._note_refused(asked.budget)
            raise
        found = decided()
        if found is not None:
            return found
        raise BudgetBusy(asked.budget)

    def give_back(self, name: str, period: str, minor: int) -> dict[str, Any]:
        """An action that gives back to a period. The rest of its transaction makes sure that this happens once."""
        expression = Expression(amount=minor, one=1)
        remaining, version = expression.name("remaining"), expression.name("version")
        return {
            "Update": {
                "TableName": self._table,
                "Key": period_key(name, period),
                "UpdateExpression": f"SET {remaining} = {remaining} + :amount, {version} = {version} + :one",
                "ConditionExpression": f"attribute_exists({version})",
                **expression.arguments,
            }
        }

    def add_spent(self, name: str, period: str, minor: int) -> dict[str, Any]:
        """An action that adds to what is spent of a period; a negative amount takes it out again."""
        expression = Expression(amount=minor)
        return {
            "Update": {
                "TableName": self._table,
                "Key": spent_key(name, period),
                "UpdateExpression": f"ADD {expression.name('spent')} :amount",
                **expression.arguments,
            }
        }

    def _plan(self, asked: Asked, number: int) -> Hold:
        name, minor = asked.budget, minor_units(asked.value)
        definition = None if name in self._known else self._definition(name)
        kind, currency = self._known[name]
        check_currency(name, currency, asked.value)
        period = period_name(kind, asked.moment, self._zone())
        seen = self._seen.get((name, period)) or self._period(name, period)
        if seen is not None:
            after = replace(seen, remaining=seen.remaining - minor, version=seen.version + 1)
            return Hold(number, period, [self._update(seen, minor)], after, is_new=False)
        definition = definition or self._definition(name)
        new = new_period(definition, period)
        check_room(new, asked.value)
        after = replace(new, remaining=new.remaining - minor, version=1)
        return Hold(number, period, [self._put(after), self._unchanged(definition)], after, is_new=True)

    def _learn(self, hold: Hold, refused: NotHeldError, asked: Asked) -> bool:
        """Remember the period if it came back, and say whether; raise if that refuses what was tried."""
        item = None if refused.passing or not refused.items else refused.items[0]
        if item is None:
            # Somebody is writing, or the definition has changed under a period that was to be made.
            return False
        self._seen[asked.budget, hold.period] = seen = decode_period(decode(item))
        if not hold.is_new and seen.version == hold.after.version - 1:
            check_room(seen, asked.value)
        return True

    def _note_refused(self, name: str) -> None:
        now = self._now()
        if len(self._refused) >= _REFUSED_MAX:
            self._refused = {each: at for each, at in self._refused.items() if now - at < REFUSED_FOR}
        if len(self._refused) < _REFUSED_MAX:
            self._refused[name] = now

    @_read
    def _item(self, key: Item) -> Mapping[str, Any] | None:
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _definition(self, name: str) -> Budget:
        item = self._item(definition_key(name))
        if item is None:
            raise unknown(name)
        definition = decode_budget(decode(item))
        self._known[name] = (definition.kind, definition.currency)
        return definition

    def _period(self, name: str, period: str) -> Period | None:
        item = self._item(period_key(name, period))
        return decode_period(decode(item)) if item else None

    def _update(self, seen: Period, minor: int) -> dict[str, Any]:
        expression = Expression(seen=seen.version, amount=minor, one=1, yes=True)
        remaining, version = expression.name("remaining"), expression.name("version")
        return {
            "Update": {
                "TableName": self._table,
                "Key": period_key(seen.budget, seen.period),
                "UpdateExpression": f"SET {remaining} = {remaining} - :amount, {version} = {version} + :one",
                "ConditionExpression": f"{version} = :seen AND {expression.name('active')} = :yes "
                f"AND {remaining} >= :amount",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                **expression.arguments,
            }
        }

    def _put(self, period: Period) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": encode_period(period),
                "ConditionExpression": "attribute_not_exists(part)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _unchanged(self, definition: Budget) -> dict[str, Any]:
        """An action that checks that a budget is still defined as it was read: a new period has its limit."""
        expression = Expression(seen=definition.version)
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": definition_key(definition.name),
                "ConditionExpression": f"{expression.name('version')} = :seen",
                **expression.arguments,
            }
        }
