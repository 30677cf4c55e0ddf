"""DynamoDB in this process, for histories in which the real adapters write: moto takes some hundred times as long.

It knows as much of DynamoDB's language as they speak. `test_dynamo.py` holds it against moto, call by call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError
from botocore.model import ServiceId

Attribute = dict[str, Any]
Item = dict[str, Attribute]


@dataclass(frozen=True)
class _Here:
    """What an expression is evaluated on."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Attribute]


_Operand = Callable[[_Here], Attribute | None]
_Truth = Callable[[_Here], bool]

_TOKEN: Final = re.compile(r"\s*(<=|>=|<>|[<>=+(),-]|:\w+|#?\w+)")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


@dataclass
class Dynamo:
    """A low-level client, and the tables behind it.

    Attributes:
        keys: of each table its partition and its sort key, if it has one.
        indexes: likewise, by table and name.
        tables: the items by their key's values.
        on_write: told of each item that was written: table, before, after.
        writes: how many have taken effect.
    """

    keys: Mapping[str, tuple[str, ...]]
    indexes: Mapping[tuple[str, str], tuple[str, ...]]
    tables: dict[str, dict[tuple[str, ...], Item]] = field(init=False)
    on_write: Callable[[str, Item | None, Item | None], None] = lambda _table, _before, _after: None
    writes: int = 0
    _tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tables = {name: {} for name in self.keys}
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(service_id=ServiceId("DynamoDB")),
            events=SimpleNamespace(register=lambda *_: None),
        )

    # ---- calls ------------------------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False, **_: Any) -> dict[str, Any]:  # noqa: N803 - DynamoDB's own
        found = self.tables[TableName].get(self._key(TableName, Key))
        return {"Item": dict(found)} if found is not None else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        found = {
            table: [
                dict(self.tables[table][key])
                for key in (self._key(table, each) for each in asked["Keys"])
                if key in self.tables[table]
            ]
            for table, asked in RequestItems.items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def transact_get_items(self, *, TransactItems: Sequence[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Responses": [self.get_item(**each["Get"]) for each in TransactItems]}

    def query(self, **params: Any) -> dict[str, Any]:
        table = params["TableName"]
        names = self.indexes[table, params["IndexName"]] if "IndexName" in params else self.keys[table]
        condition = _condition(params["KeyConditionExpression"])
        filtered = _condition(params["FilterExpression"]) if "FilterExpression" in params else lambda _: True
        _check_placeholders(params, "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
        there = [item for item in self.tables[table].values() if all(name in item for name in names)]
        there.sort(
            key=lambda item: [item[name]["S"] for name in names], reverse=not params.get("ScanIndexForward", True)
        )
        found = [item for item in there if condition(_here(item, params))]
        start = params.get("ExclusiveStartKey")
        if start is not None:
            place = next(n for n, item in enumerate(found) if self._key(table, item) == self._key(table, start))
            found = found[place + 1 :]
        limit = params.get("Limit", len(found) + 1)
        page, rest = found[:limit], found[limit:]
        shown = [_projected(item, params) for item in page if filtered(_here(item, params))]
        told: dict[str, Any] = {"Items": shown, "Count": len(shown)}
        if rest or len(page) == limit:
            told["LastEvaluatedKey"] = {name: page[-1][name] for name in {*self.keys[table], *names}}
        return told

    def put_item(self, **params: Any) -> dict[str, Any]:
        self._one("Put", params, "PutItem")
        return {}

    def update_item(self, **params: Any) -> dict[str, Any]:
        after = self._one("Update", params, "UpdateItem")
        return {"Attributes": dict(after)} if params.get("ReturnValues") == "ALL_NEW" and after else {}

    def delete_item(self, **params: Any) -> dict[str, Any]:
        self._one("Delete", params, "DeleteItem")
        return {}

    def transact_write_items(
        self,
        *,
        TransactItems: Sequence[Mapping[str, Any]],  # noqa: N803
        ClientRequestToken: str | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        asked = json.dumps(TransactItems, sort_keys=True)
        if ClientRequestToken is not None and ClientRequestToken in self._tokens:
            if self._tokens[ClientRequestToken] != asked:
                raise refused("IdempotentParameterMismatchException", "TransactWriteItems")
            return {}
        actions = [next(iter(each.items())) for each in TransactItems]
        places = [(params["TableName"], self._place(kind, params)) for kind, params in actions]
        assert len(set(places)) == len(places), f"two actions on one item: {places}"
        reasons = [self._reason(kind, params) for kind, params in actions]
        if any(reason["Code"] != "None" for reason in reasons):
            raise refused("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        if ClientRequestToken is not None:
            self._tokens[ClientRequestToken] = asked
        written = [self._write(kind, params) for kind, params in actions]
        for table, before, after in filter(None, written):
            self.on_write(table, before, after)
        return {}

    # ---- what they do -----------------------------------------------------------------------------

    def _one(self, kind: str, params: Mapping[str, Any], operation: str) -> Item | None:
        reason = self._reason(kind, params)
        if reason["Code"] != "None":
            item = {"Item": reason["Item"]} if "Item" in reason else {}
            raise refused("ConditionalCheckFailedException", operation, **item)
        written = self._write(kind, params)
        assert written is not None
        table, before, after = written
        self.on_write(table, before, after)
        return after

    def _place(self, kind: str, params: Mapping[str, Any]) -> tuple[str, ...]:
        return self._key(params["TableName"], params["Item" if kind == "Put" else "Key"])

    def _key(self, table: str, item: Mapping[str, Attribute]) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in self.keys[table])

    def _reason(self, kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        text = params.get("ConditionExpression")
        _check_placeholders(params, "ConditionExpression", "UpdateExpression")
        before = self.tables[params["TableName"]].get(self._place(kind, params))
        if text is None or _condition(text)(_here(before or {}, params)):
            return {"Code": "None"}
        told: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": "refused"}
        if params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
            told["Item"] = dict(before)
        return told

    def _write(self, kind: str, params: Mapping[str, Any]) -> tuple[str, Item | None, Item | None] | None:
        if kind == "ConditionCheck":
            return None
        table, place = params["TableName"], self._place(kind, params)
        before = self.tables[table].get(place)
        after: Item | None = None
        match kind:
            case "Put":
                after = dict(params["Item"])
            case "Update":
                after = _updates(params["UpdateExpression"])(_here(before or dict(params["Key"]), params))
            case _:
                assert kind == "Delete", kind
        if after is None:
            self.tables[table].pop(place, None)
        else:
            self.tables[table][place] = after
        self.writes += 1
        return table, before, after


def refused(code: str, operation: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "refused"}, "ResponseMetadata": {"HTTPStatusCode": 400}, **more}
    return ClientError(response, operation)


def _projected(item: Item, params: Mapping[str, Any]) -> Item:
    if "ProjectionExpression" not in params:
        return dict(item)
    names = params.get("ExpressionAttributeNames", {})
    wanted = [names.get(name.strip(), name.strip()) for name in params["ProjectionExpression"].split(",")]
    return {name: item[name] for name in wanted if name in item}


def _here(item: Item, params: Mapping[str, Any]) -> _Here:
    return _Here(item, params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {}))


def _check_placeholders(params: Mapping[str, Any], *expressions: str) -> None:
    """DynamoDB refuses those that are missing, and those that nothing uses."""
    used = set().union(*(_placeholders(params[each]) for each in expressions if each in params))
    given = {*params.get("ExpressionAttributeNames", {}), *params.get("ExpressionAttributeValues", {})}
    assert used == given, f"placeholders {used ^ given} of {[params.get(each) for each in expressions]}"


@cache
def _placeholders(text: str) -> frozenset[str]:
    return frozenset(token for token in _TOKEN.findall(text) if token[0] in "#:")


@cache
def _condition(text: str) -> _Truth:
    return _Reader(text).whole_condition()


@cache
def _updates(text: str) -> Callable[[_Here], Item]:
    return _Reader(text).whole_update()


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        assert "".join(self._tokens) == re.sub(r"\s", "", text), f"not understood: {text}"

    def whole_condition(self) -> _Truth:
        truth = self._any()
        assert not self._tokens, f"left over: {self._tokens}"
        return truth

    def whole_update(self) -> Callable[[_Here], Item]:
        changes: list[Callable[[_Here, Item], None]] = []
        while self._tokens:
            clause = self._tokens.pop(0)
            changes.append(self._change(clause))
            while self._next_is(","):
                changes.append(self._change(clause))

        def update(here: _Here) -> Item:
            after = dict(here.item)
            for change in changes:
                change(here, after)
            return after

        return update

    def _change(self, clause: str) -> Callable[[_Here, Item], None]:
        name = self._name()
        match clause:
            case "SET":
                self._expect("=")
                return _set(name, self._sum())
            case "REMOVE":
                return lambda here, after: _drop(after, name(here))
            case _:
                assert clause == "ADD", clause
                amount = self._operand()
                return _set(name, _plus(_or(_attribute(name), {"N": "0"}), amount, 1))

    def _any(self) -> _Truth:
        truths = [self._all()]
        while self._next_is("OR"):
            truths.append(self._all())
        return lambda here: any(truth(here) for truth in truths)

    def _all(self) -> _Truth:
        truths = [self._one()]
        while self._next_is("AND"):
            truths.append(self._one())
        return lambda here: all(truth(here) for truth in truths)

    def _one(self) -> _Truth:  # noqa: PLR0911 - one per form
        if self._next_is("NOT"):
            truth = self._one()
            return lambda here: not truth(here)
        if self._next_is("("):
            truth = self._any()
            self._expect(")")
            return truth
        for function, wanted in (("attribute_not_exists", False), ("attribute_exists", True)):
            if self._next_is(function):
                self._expect("(")
                name = self._name()
                self._expect(")")
                return lambda here, wanted=wanted: (name(here) in here.item) is wanted  # type: ignore[misc] # bound here
        if self._next_is("begins_with"):
            self._expect("(")
            text = self._operand()
            self._expect(",")
            prefix = self._operand()
            self._expect(")")
            return lambda here: _text(text(here)).startswith(_text(prefix(here)))
        left = self._operand()
        if self._next_is("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            return lambda here: _holds("<=", low(here), left(here)) and _holds("<=", left(here), high(here))
        if self._next_is("IN"):
            self._expect("(")
            others = [self._operand()]
            while self._next_is(","):
                others.append(self._operand())
            self._expect(")")
            return lambda here: any(_holds("=", left(here), each(here)) for each in others)
        how, right = self._tokens.pop(0), self._operand()
        return lambda here: _holds(how, left(here), right(here))

    def _sum(self) -> _Operand:
        first = self._operand()
        for sign, factor in (("+", 1), ("-", -1)):
            if self._next_is(sign):
                return _plus(first, self._operand(), factor)
        return first

    def _operand(self) -> _Operand:
        if self._next_is("if_not_exists"):
            self._expect("(")
            name = self._name()
            self._expect(",")
            otherwise = self._operand()
            self._expect(")")
            return _or(_attribute(name), otherwise)
        if self._tokens[0].startswith(":"):
            placeholder = self._tokens.pop(0)
            return lambda here: here.values[placeholder]
        return _attribute(self._name())

    def _name(self) -> Callable[[_Here], str]:
        token = self._tokens.pop(0)
        return (lambda here: here.names[token]) if token.startswith("#") else (lambda _: token)

    def _next_is(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        assert self._next_is(token), f"{token} expected before {self._tokens}"


def _attribute(name: Callable[[_Here], str]) -> _Operand:
    return lambda here: here.item.get(name(here))


def _or(first: _Operand, otherwise: _Operand | Attribute) -> _Operand:
    def value(here: _Here) -> Attribute | None:
        found = first(here)
        if found is not None:
            return found
        return otherwise if isinstance(otherwise, dict) else otherwise(here)

    return value


def _plus(first: _Operand, second: _Operand, factor: int) -> _Operand:
    def value(here: _Here) -> Attribute:
        a, b = first(here), second(here)
        assert a is not None, "an attribute is missing"
        assert b is not None, "an attribute is missing"
        return {"N": f"{Decimal(a['N']) + factor * Decimal(b['N']):f}"}

    return value


def _set(name: Callable[[_Here], str], operand: _Operand) -> Callable[[_Here, Item], None]:
    def change(here: _Here, after: Item) -> None:
        value = operand(here)
        assert value is not None, "an attribute is missing"
        after[name(here)] = value

    return change


def _drop(after: Item, name: str) -> None:
    after.pop(name, None)


def _holds(how: str, left: Attribute | None, right: Attribute | None) -> bool:
    if left is None or right is None:
        return how == "<>" and left is not right
    ((left_type, a),), ((right_type, b),) = left.items(), right.items()
    if left_type != right_type:
        return how == "<>"
    return _COMPARE[how](*((Decimal(a), Decimal(b)) if left_type == "N" else (a, b)))


def _text(value: Attribute | None) -> str:
    return str(value.get("S", "")) if value is not None else "\0"


def items_of(dynamo: Dynamo, table: str) -> Iterator[Item]:
    yield from dynamo.tables[table].values()
