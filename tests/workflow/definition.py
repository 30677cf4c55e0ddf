"""The workflow's definition as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

#: What stands before the first state in an edge.
START: Final = "(start)"


@dataclass(frozen=True)
class Definition:
    text: str

    @cached_property
    def states(self) -> Mapping[str, Mapping[str, Any]]:
        states: Mapping[str, Mapping[str, Any]] = self._all["States"]
        return states

    @cached_property
    def edges(self) -> set[tuple[str, str]]:
        """Every way from one state to the next that is written down; the first comes from `START`."""
        ways = {(name, target) for name, state in self.states.items() for target in _targets(state)}
        return ways | {(START, self._all["StartAt"])}

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self._all["TimeoutSeconds"])

    @cached_property
    def _all(self) -> Mapping[str, Any]:
        parsed: Mapping[str, Any] = json.loads(self.text)
        return parsed


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    for rule in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from (rule[name] for name in ("Next", "Default") if name in rule)
