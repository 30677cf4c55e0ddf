"""boto3's codec of attributes, quicker for what nearly all of them are: it is most of a history's time otherwise.

`test_codec.py` holds it against boto3's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer

from incentives.aws import items


class Serializer(TypeSerializer):
    """Texts and truth values at once; the rest as boto3 does."""

    def serialize(self, value: object) -> Any:
        kind = type(value)
        if kind is str:
            return {"S": value}
        return {"BOOL": value} if kind is bool else super().serialize(value)


class Deserializer(TypeDeserializer):
    """Texts and truth values at once, numbers that have been seen likewise; the rest as boto3 does."""

    def deserialize(self, value: Mapping[str, Any]) -> Any:
        if len(value) == 1:
            ((kind, held),) = value.items()
            if kind in {"S", "BOOL"}:
                return held
            if kind == "N":
                return _number(held)
        return super().deserialize(value)


@lru_cache(maxsize=10_000)
def _number(text: str) -> Decimal:
    return DYNAMODB_CONTEXT.create_decimal(text)


_SERIALIZER: Final = Serializer()
_DESERIALIZER: Final = Deserializer()


@contextmanager
def quick_codec() -> Iterator[None]:
    """Items are read and written by these meanwhile, by all threads."""
    before = items._TO_DYNAMODB, items._FROM_DYNAMODB
    items._TO_DYNAMODB, items._FROM_DYNAMODB = _SERIALIZER, _DESERIALIZER  # type: ignore[misc]
    try:
        yield
    finally:
        items._TO_DYNAMODB, items._FROM_DYNAMODB = before  # type: ignore[misc]
