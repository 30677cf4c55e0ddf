"""A rule of the protocol, and how it is taken out of the code."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One rule, and how it is taken out.

    Attributes:
        says: the rule.
        where: the function that holds it.
        words: of its source, found there once.
        instead: what stands there without the rule.
        history: what then goes wrong.
    """

    says: str
    where: Callable[..., Any]
    words: str
    instead: str
    history: Callable[[], None]
    source: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Read when the rule is written down: the code that runs is the code of then.
        object.__setattr__(self, "source", textwrap.dedent(inspect.getsource(self.where)))

    def taken_out(self) -> CodeType:
        """The function's code without the rule."""
        assert isinstance(self.where, FunctionType)
        assert self.source.count(self.words) == 1, f"{self.says}: its words are not in {self.where.__qualname__}"
        scratch = dict(self.where.__globals__)
        text = "from __future__ import annotations\n" + self.source.replace(self.words, self.instead)
        exec(compile(text, "without", "exec"), scratch)  # noqa: S102 - our own source, less one rule
        code: CodeType = scratch[self.where.__name__].__code__
        return code
