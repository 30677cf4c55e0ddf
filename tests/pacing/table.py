"""A DynamoDB table in this process, for runs of ten thousands of conditional updates: moto takes ten times as long.

It knows as much of DynamoDB's language as the rate limiter speaks. `test_table.py` holds it against moto, update by
update.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from botocore.exceptions import ClientError

Item = dict[str, int]
Values = Mapping[str, int]

#: What an expression comes to, given an item and the values; None where an attribute is missing.
Number = Callable[[Item, Values], int | None]
Truth = Callable[[Item, Values], bool]

_TOKEN: Final = re.compile(r"\s*(<=|>=|[<>=+(),]|:\w+|\w+)")

_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


class Table:
    """`update_item` of a low-level client, for one table whose attributes are whole numbers.

    Attributes:
        items: by id.
        written, refused: how many updates took effect, and how many did not.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.written = self.refused = 0

    def update_item(self, **params: Any) -> dict[str, Any]:
        assert params["ReturnValues"] == "ALL_NEW"
        assert params["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
        name = params["Key"]["id"]["S"]
        item = self.items.get(name, {})
        values = {key: int(value["N"]) for key, value in params["ExpressionAttributeValues"].items()}
        if not condition(params["ConditionExpression"])(item, values):
            self.refused += 1
            response: dict[str, Any] = {"Error": {"Code": "ConditionalCheckFailedException", "Message": "refused"}}
            raise ClientError(response | ({"Item": _as_answered(name, item)} if item else {}), "UpdateItem")
        changed = {attribute: number(item, values) for attribute, number in updates(params["UpdateExpression"])}
        assert None not in changed.values(), f"an attribute is missing: {params['UpdateExpression']}"
        self.written += 1
        self.items[name] = item | {key: value for key, value in changed.items() if value is not None}
        return {"Attributes": _as_answered(name, self.items[name])}


def _as_answered(name: str, item: Item) -> dict[str, Any]:
    return {"id": {"S": name}} | {key: {"N": str(value)} for key, value in item.items()}


@cache
def condition(text: str) -> Truth:
    return _Reader(text).whole_condition()


@cache
def updates(text: str) -> list[tuple[str, Number]]:
    return _Reader(text).whole_update()


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        assert "".join(self._tokens) == re.sub(r"\s", "", text), f"not understood: {text}"

    def whole_condition(self) -> Truth:
        truth = self._any()
        assert not self._tokens, f"left over: {self._tokens}"
        return truth

    def whole_update(self) -> list[tuple[str, Number]]:
        self._expect("SET")
        found = [self._assignment()]
        while self._tokens:
            self._expect(",")
            found.append(self._assignment())
        return found

    def _assignment(self) -> tuple[str, Number]:
        name = self._tokens.pop(0)
        self._expect("=")
        return name, self._sum()

    def _any(self) -> Truth:
        truths = [self._all()]
        while self._next_is("OR"):
            truths.append(self._all())
        return lambda item, values: any(truth(item, values) for truth in truths)

    def _all(self) -> Truth:
        truths = [self._one()]
        while self._next_is("AND"):
            truths.append(self._one())
        return lambda item, values: all(truth(item, values) for truth in truths)

    def _one(self) -> Truth:
        if self._next_is("("):
            truth = self._any()
            self._expect(")")
            return truth
        if self._next_is("attribute_not_exists"):
            self._expect("(")
            name = self._tokens.pop(0)
            self._expect(")")
            return lambda item, values: name not in item
        left = self._operand()
        if self._next_is("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            return _compared("<=", low, left, _compared("<=", left, high))
        return _compared(self._tokens.pop(0), left, self._operand())

    def _sum(self) -> Number:
        first = self._operand()
        if not self._next_is("+"):
            return first
        second = self._operand()

        def added(item: Item, values: Values) -> int | None:
            a, b = first(item, values), second(item, values)
            return None if a is None or b is None else a + b

        return added

    def _operand(self) -> Number:
        if self._next_is("if_not_exists"):
            self._expect("(")
            name = self._tokens.pop(0)
            self._expect(",")
            otherwise = self._operand()
            self._expect(")")
            return lambda item, values: item.get(name, otherwise(item, values))
        token = self._tokens.pop(0)
        if token.startswith(":"):
            return lambda item, values: values[token]
        return lambda item, values: item.get(token)

    def _next_is(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        assert self._next_is(token), f"{token} expected before {self._tokens}"


def _compared(how: str, left: Number, right: Number, also: Truth = lambda item, values: True) -> Truth:
    compare = _COMPARE[how]

    def truth(item: Item, values: Values) -> bool:
        a, b = left(item, values), right(item, values)
        return a is not None and b is not None and compare(a, b) and also(item, values)

    return truth
