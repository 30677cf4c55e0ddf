"""Values are frozen dataclasses with slots: whatever such a dataclass does, a value does as well."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.values import frozen

#: Both ways to make a class of the same body.
dataclassed: Final = dataclass(frozen=True, slots=True)
WAYS: Final = [pytest.param(dataclassed, id="dataclass"), pytest.param(frozen, id="frozen")]
Way = Callable[[type], Any]


class Body:
    """What is made a class of, twice."""

    a: int
    b: str = "b"
    secret: str = field(default="hidden", repr=False)
    note: list[int] = field(default_factory=list, compare=False)


def both() -> tuple[Any, Any]:
    def fresh() -> type:
        members = {name: each for name, each in vars(Body).items() if name not in {"__dict__", "__weakref__"}}
        return type("Body", (), members | {"__qualname__": "Body"})

    return dataclassed(fresh()), frozen(fresh())


Arguments = st.tuples(st.integers(0, 2), st.sampled_from("bc"), st.sampled_from("xy"))


@given(Arguments, Arguments)
def test_equality_hash_and_text_are_those_of_a_dataclass(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    usual, ours = both()
    assert (ours(*one) == ours(*other)) is (usual(*one) == usual(*other)) is (one == other)
    assert hash(ours(*one)) == hash(usual(*one))
    assert repr(ours(*one)) == repr(usual(*one))
    assert len({ours(*one), ours(*other)}) == len({one, other})


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_to_be_compared_or_shown_is_not(way: Way) -> None:
    made = both()[way is frozen]
    assert made(1, note=[1]) == made(1, note=[2])
    assert "hidden" not in repr(made(1))


@pytest.mark.parametrize("way", WAYS)
def test_values_of_two_classes_differ(way: Way) -> None:
    @way
    class One:
        a: int

    @way
    class Other:
        a: int

    assert One(1) != Other(1)
    assert One(1) != 1
    assert One(1).__eq__(1) is NotImplemented


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_it_can_be_changed_or_added(way: Way) -> None:
    made = both()[way is frozen](1)
    with pytest.raises(FrozenInstanceError):
        made.a = 2
    with pytest.raises(FrozenInstanceError):
        del made.a
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        made.other = 2
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("way", WAYS)
def test_methods_of_its_own_stay(way: Way) -> None:
    @way
    class Masked:
        text: str

        def __repr__(self) -> str:
            return "***"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert repr(Masked("secret")) == "***"
    assert Masked("one") == Masked("other")
    assert hash(Masked("one")) == 7


@pytest.mark.parametrize("way", [dataclass(frozen=True, slots=True, kw_only=True), frozen(kw_only=True)])
def test_fields_may_be_given_by_name_only(way: Way) -> None:
    @way
    class Named:
        a: int = 1
        b: int

    assert Named(b=2) == Named(a=1, b=2)
    with pytest.raises(TypeError):
        Named(1, 2)


@frozen
class Kept:
    a: int
    b: str = "b"


def test_it_is_a_dataclass_to_everybody_else() -> None:
    kept = Kept(1)
    assert is_dataclass(kept)
    assert [each.name for each in fields(kept)] == ["a", "b"]
    assert replace(kept, b="c") == Kept(1, "c")
    assert copy.deepcopy(kept) == pickle.loads(pickle.dumps(kept)) == kept  # noqa: S301 - our own
    match kept:
        case Kept(1, b):
            assert b == "b"
        case _:
            pytest.fail("positional patterns are those of the fields")
