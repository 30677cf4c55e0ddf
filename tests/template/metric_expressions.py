"""What CloudWatch takes for a calculation: metric math, and queries of Metrics Insights. The emulator reads neither.

Sources: the CloudWatch guide's pages on metric math, on the syntax, reserved words and limits of Metrics Insights, and
on the limits of alarms.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_WORDS = Path(__file__).with_name("metrics_insights_reserved.txt")
_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|!=|[A-Za-z_$][\w$]*|[0-9]+(?:\.[0-9]+)?|\S)""")
_AGGREGATES = {"AVG", "COUNT", "MAX", "MIN", "SUM"}
#: Of metric math, those that an alarm can use: SEARCH and what returns a list of metrics is for dashboards alone.
FUNCTIONS = {
    "ABS", "AVG", "CEIL", "DATE", "DAY", "DIFF", "DIFF_TIME", "EPOCH", "FILL", "FIRST", "FLOOR", "HOUR", "IF", "LAST",
    "LOG", "LOG10", "MAX", "METRICS", "METRIC_COUNT", "MIN", "MINUTE", "MONTH", "PERIOD", "RATE", "REMOVE_EMPTY",
    "RUNNING_SUM", "STDDEV", "SUM", "TIME_SERIES", "YEAR",
}  # fmt: skip
FOR_DASHBOARDS = FUNCTIONS | {"SEARCH", "SLICE", "SORT"}
#: An id begins with a small letter; so functions, which are in capitals, are none.
ID = re.compile(r"[a-z][A-Za-z0-9_]*")


class NotTakenError(Exception):
    """CloudWatch refuses the expression; the message says why."""


@dataclass(frozen=True)
class Query:
    """A query of Metrics Insights.

    Attributes:
        aggregate: the function over the metric's values.
        schema: the dimensions by which exactly it is kept.
        where: values by dimension.
        by: the dimensions of which every value is looked at by itself.
        order: the function that orders what comes of it, and the direction.
    """

    aggregate: str
    metric: str
    namespace: str
    schema: frozenset[str]
    where: dict[str, str]
    by: tuple[str, ...]
    order: tuple[str, str] | None


@cache
def reserved() -> frozenset[str]:
    """Words that have to be quoted where they are a name; their case does not matter."""
    return frozenset(_WORDS.read_text(encoding="utf-8").upper().split())


def tokens(text: str) -> list[str]:
    """The words, numbers, quoted texts and signs of an expression."""
    return _TOKEN.findall(text)


class _Reader:
    """Reads one query from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._left = tokens(text)

    def __bool__(self) -> bool:
        return bool(self._left)

    def take(self) -> str:
        if not self._left:
            raise NotTakenError("it ends too soon")
        return self._left.pop(0)

    def has(self, *words: str) -> bool:
        """Whether these come next, which are passed by then."""
        if [each.upper() for each in self._left[: len(words)]] != [*words]:
            return False
        del self._left[: len(words)]
        return True

    def expect(self, *words: str) -> None:
        if not self.has(*words):
            raise NotTakenError(f"no {' '.join(words)} before {' '.join(self._left[:3])}")

    def name(self) -> str:
        """A namespace, a metric or a dimension: quoted, unless it is a plain word that means nothing else."""
        word = self.take()
        if word.startswith('"'):
            return word[1:-1]
        if not re.fullmatch(r"\w+", word):
            raise NotTakenError(f"{word} is no name")
        if word.upper() in reserved():
            raise NotTakenError(f"{word} is reserved, and not quoted")
        return word

    def names(self) -> Iterator[str]:
        yield self.name()
        while self.has(","):
            yield self.name()

    def aggregate(self) -> str:
        word = self.take()
        if word.upper() not in _AGGREGATES:
            raise NotTakenError(f"{word} is no function of Metrics Insights")
        self.expect("(")
        return word.upper()


def is_query(text: str) -> bool:
    """Whether an expression is a query, and not metric math."""
    return tokens(text)[:1] == ["SELECT"]


def read_query(text: str) -> Query:
    """Read a query of Metrics Insights.

    Raises:
        NotTakenError: it is none.
    """
    reader = _Reader(text)
    reader.expect("SELECT")
    aggregate, metric = reader.aggregate(), reader.name()
    reader.expect(")")
    reader.expect("FROM")
    # Of a namespace alone nobody could say by which dimensions it is looked at.
    reader.expect("SCHEMA", "(")
    namespace, *dimensions = reader.names()
    reader.expect(")")
    where = dict(_conditions(reader)) if reader.has("WHERE") else {}
    by = tuple(reader.names()) if reader.has("GROUP", "BY") else ()
    order = None
    if reader.has("ORDER", "BY"):
        order_by = reader.aggregate()
        reader.expect(")")
        order = (order_by, "DESC" if reader.has("DESC") else "ASC")
        reader.has("ASC")
    if reader.has("LIMIT") and not 1 <= int(reader.take()) <= 500:
        raise NotTakenError("it returns at most 500 series")
    if reader:
        raise NotTakenError(f"it does not end before {reader.take()}")
    if unknown := ({*where, *by} - {*dimensions}):
        raise NotTakenError(f"its schema has no {sorted(unknown)}")
    return Query(aggregate, metric, namespace, frozenset(dimensions), where, by, order)


def _conditions(reader: _Reader) -> Iterator[tuple[str, str]]:
    while True:
        key = reader.name()
        reader.expect("=")
        value = reader.take()
        if not value.startswith("'"):
            raise NotTakenError(f"the value {value} has no single quotes")
        yield key, value[1:-1]
        if not reader.has("AND"):
            return


def read_math(text: str, ids: set[str], functions: set[str] = FUNCTIONS) -> None:
    """Read an expression of metric math: known functions of known ids, brackets that close.

    Raises:
        NotTakenError: it is none.
    """
    words = tokens(text)
    depth = 0
    for number, word in enumerate(words):
        following = words[number + 1 : number + 2]
        depth += (word == "(") - (word == ")")
        if depth < 0:
            raise NotTakenError("a bracket closes that was not opened")
        if re.match(r"[A-Za-z_]", word):
            if following == ["("] and word not in functions:
                raise NotTakenError(f"{word} is no function here")
            if following != ["("] and word not in ids:
                raise NotTakenError(f"{word} is the id of nothing")
        elif not re.fullmatch(r"[-+*/^(),<>=!&|]|[0-9.]+|'.*'|\".*\"|!=", word):
            raise NotTakenError(f"{word} means nothing")
    if depth or not words:
        raise NotTakenError("a bracket does not close, or there is nothing at all")
