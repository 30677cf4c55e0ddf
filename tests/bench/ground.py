"""Tables with a million items under moto: kept in SQLite, with an index, and read only where they are asked for.

By itself moto keeps some ten kilobytes an item and looks at each of them for every query of an index. What is written
while something is measured lies above the items that were there before, in moto's own way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.settings import REGION

#: An item as DynamoDB's clients have it.
Attributes = dict[str, Any]

#: More than any page that is asked for without a limit.
_ITEMS_MAX: Final = 1000

#: Of a query's sort key, as moto names them.
_CONDITIONS: Final = {
    None: "",
    **{name: f" AND sk {name} ?" for name in ("=", "<", "<=", ">", ">=")},
    **{name: f" AND sk {sign} ?" for name, sign in {"EQ": "=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}.items()},
    "BETWEEN": " AND sk BETWEEN ? AND ?",
}


class Base:
    """Items that were there before.

    Args:
        keys: of each item: partition key and sort key of the order that queries go by.
        item_of: makes an item of the two.
        find: the number of an item, from 0, by its table's own key; None if no such item was there before.
        index: by which queries find these items; None: the table itself.
    """

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        item_of: Callable[[str, str], Attributes],
        find: Callable[[str, str | None], int | None],
        index: str | None,
    ) -> None:
        self.index = index
        self._item_of, self._find = item_of, find
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE item (n INTEGER PRIMARY KEY, pk TEXT, sk TEXT)")
        self._database.executemany(
            "INSERT INTO item VALUES (?, ?, ?)", ((number, *each) for number, each in enumerate(keys))
        )
        self._database.execute("CREATE INDEX by_key ON item (pk, sk)")

    def get(self, partition: str, sort: str | None) -> Attributes | None:
        """One item by its table's own key."""
        number = self._find(partition, sort)
        if number is None:
            return None
        row = self._database.execute("SELECT pk, sk FROM item WHERE n = ?", (number,)).fetchone()
        return self._item_of(*row) if row else None

    def between(
        self, partition: str, condition: str | None, values: list[str], *, forward: bool, limit: int | None
    ) -> list[Attributes]:
        """The first items of a partition whose sort key meets a condition, and one more."""
        order, most = "ASC" if forward else "DESC", (limit or _ITEMS_MAX) + 1
        rows = self._database.execute(
            f"SELECT pk, sk FROM item WHERE pk = ?{_CONDITIONS[condition]} ORDER BY sk {order} LIMIT {most}",  # noqa: S608 - of the table above
            (partition, *values),
        )
        return [self._item_of(*row) for row in rows]


class _Items(dict[Any, Any]):
    """A table's items: moto's, above those that were there before."""

    def __init__(self, base: Base, *, ranged: bool) -> None:
        super().__init__()
        self.base, self.ranged = base, ranged

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (not self.ranged and self._below(key) is not None)

    def __missing__(self, key: Any) -> Any:
        if self.ranged:
            return self.setdefault(key, _Partition(self.base, key))
        item = self._below(key)
        if item is None:
            raise KeyError(key)
        return item

    def _below(self, key: Any) -> Item | None:
        attributes = self.base.get(key.value, None)
        return None if attributes is None else Item(key, None, attributes)


class _Partition(dict[Any, Any]):
    """The same for one partition of a table with a sort key."""

    def __init__(self, base: Base, key: Any) -> None:
        super().__init__()
        self.base, self.key = base, key

    def __missing__(self, sort: Any) -> Any:
        attributes = self.base.get(self.key.value, sort.value)
        if attributes is None:
            raise KeyError(sort)
        return Item(self.key, sort, attributes)


class LargeTable(Table):
    """moto's table on such ground."""

    base: Base

    def query(
        self,
        hash_key: Any,
        range_comparison: Any,
        range_objs: Any,
        limit: Any,
        exclusive_start_key: Any,
        scan_index_forward: Any,
        projection_expressions: Any,
        index_name: Any = None,
        *args: Any,
        **more: Any,
    ) -> Any:
        """As moto's, over the few items that the query can be about."""
        moto = super().query
        page = (limit, exclusive_start_key, scan_index_forward, projection_expressions, index_name)
        if index_name != self.base.index:
            return moto(hash_key, range_comparison, range_objs, *page, *args, **more)
        partition = hash_key or more["hash_key_conditions"][0][1]
        values = [each.value for each in range_objs or ()]
        forward = scan_index_forward is not False
        found = self.base.between(partition.value, range_comparison, values, forward=forward, limit=limit)
        above = self.items
        laid: dict[Any, Any] = {key: dict(value) if self.has_range_key else value for key, value in above.items()}
        for attributes in found:
            key = DynamoType(attributes[self.hash_key_attr])
            if self.range_key_attr:
                sort = DynamoType(attributes[self.range_key_attr])
                laid.setdefault(key, {}).setdefault(sort, Item(key, sort, attributes))
            else:
                laid.setdefault(key, Item(key, None, attributes))
        self.items = laid  # type: ignore[assignment]
        try:
            return moto(hash_key, range_comparison, range_objs, *page, *args, **more)
        finally:
            self.items = above


def lay_under(name: str, base: Base) -> None:
    """Put a base under one of moto's tables, which is empty or nearly so."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_table(name)
    items = _Items(base, ranged=table.has_range_key)
    for key, value in table.items.items():
        items[key] = _Partition(base, key) if table.has_range_key else value
        if table.has_range_key:
            items[key].update(value)
    table.__class__ = LargeTable
    table.base, table.items = base, items


def like(template: Attributes, **replaced: str) -> Attributes:
    """An item like another one, with other texts in some of its attributes."""
    item: Attributes = json.loads(json.dumps(template))
    return item | {name: {"S": text} for name, text in replaced.items() if name in item}
