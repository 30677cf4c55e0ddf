"""Values: frozen dataclasses with slots, made for processes that start often.

A function makes some sixty classes of values each time that it starts cold. `dataclass` writes six methods for each
and compiles them then. All but `__init__` are the same for every class, and shared here. A class is made in a quarter
of the time so, and a function starts in nine tenths of it. Everything else is the dataclass's own: fields, `replace`,
`match`, and what `mypy` knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from functools import cache
from typing import Any, Final, NoReturn, TypeVar, dataclass_transform, overload

_T = TypeVar("_T")


@overload
def frozen(cls: type[_T], /) -> type[_T]: ...


@overload
def frozen(*, kw_only: bool = False) -> Callable[[type[_T]], type[_T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_T] | None = None, /, *, kw_only: bool = False) -> type[_T] | Callable[[type[_T]], type[_T]]:
    """`dataclass(frozen=True, slots=True)`, without what that compiles anew for each class.

    A method that the class has of its own stays. Every field is given to `__init__`.

    Args:
        cls: the class.
        kw_only: its fields are given by name.
    """

    def make(bare: type[_T]) -> type[_T]:
        for method in _SHARED:
            if method.__name__ not in vars(bare):
                setattr(bare, method.__name__, method)
        # To the dataclass it is not frozen: what freezes it is shared.
        made = dataclass(init=False, eq=False, repr=False, slots=True, kw_only=kw_only)(bare)
        setattr(made, "__init__", _init_of(made))  # noqa: B010 - no assignment, to a type checker, to what may differ
        return made

    return make if cls is None else make(cls)


def _init_of(cls: type) -> Callable[..., None]:
    """Write `__init__`: as a dataclass's, it sets each field past the `__setattr__` that refuses to."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    by_place: list[str] = ["self"]
    by_name: list[str] = []
    body: list[str] = []
    for each in fields(cls):
        (by_name if each.kw_only else by_place).append(_parameter(each, known))
        made = each.default_factory is not MISSING
        value = f"_of_{each.name}() if {each.name} is _missing else {each.name}" if made else each.name
        body.append(f" _set(self, {each.name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = ", ".join([*by_place, *(["*", *by_name] if by_name else [])])
    exec(f"def __init__({parameters}):\n" + "\n".join(body or [" pass"]), known)  # noqa: S102 - of names in our code
    written: Callable[..., None] = known["__init__"]
    written.__qualname__ = f"{cls.__qualname__}.__init__"
    return written


def _parameter(each: Field[Any], known: dict[str, Any]) -> str:
    if each.default is not MISSING:
        known[f"_of_{each.name}"] = each.default
        return f"{each.name}=_of_{each.name}"
    if each.default_factory is not MISSING:
        known[f"_of_{each.name}"] = each.default_factory
        return f"{each.name}=_missing"
    return each.name


def __setattr__(self: Any, name: str, value: object) -> NoReturn:  # noqa: ANN401, ARG001, N807 - a method of every value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def __delattr__(self: Any, name: str) -> NoReturn:  # noqa: ANN401, ARG001, N807 - likewise
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def __eq__(self: Any, other: object) -> bool:  # noqa: ANN401, N807 - likewise
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _compared(self) == _compared(other)


def __hash__(self: Any) -> int:  # noqa: ANN401, N807 - likewise
    return hash(_compared(self))


def __repr__(self: Any) -> str:  # noqa: ANN401, N807 - likewise
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def __getstate__(self: Any) -> list[object]:  # noqa: ANN401, N807 - likewise: for copies
    return [getattr(self, each.name) for each in fields(self)]


def __setstate__(self: Any, state: list[object]) -> None:  # noqa: ANN401, N807 - likewise
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


def _compared(self: Any) -> tuple[object, ...]:  # noqa: ANN401 - likewise
    return tuple([getattr(self, name) for name in _names_compared(self.__class__)])


@cache
def _names_compared(cls: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(cls) if each.compare)


_SHARED: Final[tuple[Callable[..., Any], ...]] = (
    __setattr__,
    __delattr__,
    __eq__,
    __hash__,
    __repr__,
    __getstate__,
    __setstate__,
)
