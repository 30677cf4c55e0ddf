"""The histories' codec says what boto3's says, of all that may stand in an item."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from incentives.aws import items
from tests.simulation.codec import Deserializer, Serializer, quick_codec

NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2)
PLAIN = st.none() | st.booleans() | st.text() | NUMBERS
VALUES = st.recursive(
    PLAIN | st.sets(st.text(), min_size=1) | st.binary(),
    lambda held: st.lists(held) | st.dictionaries(st.text(), held),
    max_leaves=5,
)


@given(VALUES.filter(lambda value: _told(TypeSerializer().serialize, value) is not None))
def test_a_value_stands_as_boto3_would_have_it_and_comes_back_as_the_same(value: Any) -> None:
    attribute = TypeSerializer().serialize(value)
    assert Serializer().serialize(value) == attribute
    found, expected = Deserializer().deserialize(attribute), TypeDeserializer().deserialize(attribute)
    assert (found, type(found)) == (expected, type(expected))


def test_it_is_put_back() -> None:
    before = items._TO_DYNAMODB, items._FROM_DYNAMODB
    with quick_codec():
        assert before != (items._TO_DYNAMODB, items._FROM_DYNAMODB)
    assert before == (items._TO_DYNAMODB, items._FROM_DYNAMODB)


def _told(serialize: Any, value: Any) -> Any:
    """None: DynamoDB keeps no number of so many digits."""
    try:
        return serialize(value)
    except ArithmeticError:
        return None
