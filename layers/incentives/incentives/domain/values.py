"""Values: frozen dataclasses with slots, made for processes that start often.

A function makes some sixty classes of values each time that it starts cold. `dataclass` writes six methods for each and
compiles them then; equality, hash and text are the same for all, and shared here. That takes about a tenth off the time
to start. Everything else is the dataclass's own: fields, `replace`, `match`, and what `mypy` knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

_T = TypeVar("_T")


@overload
def frozen(cls: type[_T], /) -> type[_T]: ...


@overload
def frozen(*, kw_only: bool = False) -> Callable[[type[_T]], type[_T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_T] | None = None, /, *, kw_only: bool = False) -> type[_T] | Callable[[type[_T]], type[_T]]:
    """`dataclass(frozen=True, slots=True)`, with three of its methods shared between all such classes.

    A method that the class has of its own stays.

    Args:
        cls: the class.
        kw_only: its fields are given by name.
    """

    def make(bare: type[_T]) -> type[_T]:
        for method in (__eq__, __hash__, __repr__):
            if method.__name__ not in vars(bare):
                setattr(bare, method.__name__, method)
        return dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=kw_only)(bare)

    return make if cls is None else make(cls)


def __eq__(self: Any, other: object) -> bool:  # noqa: ANN401, N807 - a method of every value
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _compared(self) == _compared(other)


def __hash__(self: Any) -> int:  # noqa: ANN401, N807 - likewise
    return hash(_compared(self))


def __repr__(self: Any) -> str:  # noqa: ANN401, N807 - likewise
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _compared(self: Any) -> tuple[object, ...]:  # noqa: ANN401 - likewise
    return tuple(getattr(self, each.name) for each in fields(self) if each.compare)
