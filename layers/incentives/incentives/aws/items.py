"""How values of Python stand in DynamoDB: the one codec of every table, boto3's own with this project's forms.

- Times to the millisecond, cut off and not rounded, as RFC 3339 UTC of fixed width, so that they sort as text.
- Decimals without trailing zeros, which DynamoDB drops anyway, and without an exponent.
- What is absent (None, an empty text, an empty mapping) is an absent attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Attribute = dict[str, Any]
Item = dict[str, Attribute]

_TO_DYNAMODB: Final = TypeSerializer()
_FROM_DYNAMODB: Final = TypeDeserializer()


def format_time(moment: datetime) -> str:
    """RFC 3339 UTC with milliseconds, always 24 characters."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`."""
    return datetime.fromisoformat(text).astimezone(UTC)


def encode_value(value: object) -> Attribute:
    """A text, number, truth value, time, list or set as an attribute.

    Raises:
        TypeError: names the type that DynamoDB has no form for.
    """
    match value:
        case datetime():
            value = format_time(value)
        case Decimal() if value.is_finite():
            return {"N": f"{value.normalize():f}"}
        case str():
            # Of a member of an enumeration the text alone.
            value = str(value)
    try:
        return dict(_TO_DYNAMODB.serialize(value))
    except TypeError:
        # boto3's own words hold the value.
        raise TypeError(f"DynamoDB keeps no {type(value).__name__}") from None


def encode(values: Mapping[str, object]) -> Item:
    """An item, or its key: of each value an attribute, unless it is absent."""
    return {name: encode_value(value) for name, value in values.items() if value is not None and value not in ("", {})}


def decode(item: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `encode`: whole numbers as int, others as Decimal; times stay text."""
    return {name: _whole(_FROM_DYNAMODB.deserialize(attribute)) for name, attribute in item.items()}


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever an attribute holds
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


class Expression:
    """Collects what the placeholders of an expression stand for.

    Every name may be one, so that none is a reserved word.
    """

    def __init__(self, **values: object) -> None:
        self._names: dict[str, str] = {}
        self._values: Item = {f":{name}": encode_value(value) for name, value in values.items()}

    def name(self, attribute: str) -> str:
        """The placeholder of an attribute's name."""
        placeholder = f"#{attribute.replace('#', '_')}"
        self._names[placeholder] = attribute
        return placeholder

    def value(self, value: object) -> str:
        """A new placeholder of a value."""
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = encode_value(value)
        return placeholder

    @property
    def arguments(self) -> dict[str, Any]:
        """What is to be sent beside the expressions; DynamoDB refuses empty ones."""
        both = {"ExpressionAttributeNames": self._names, "ExpressionAttributeValues": self._values}
        return {name: held for name, held in both.items() if held}
