"""What was measured, as lines of one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measurement.

    Attributes:
        holds: whether what is promised of it holds; None where nothing is promised.
        promise: in words.
    """

    what: str
    value: str
    promise: str = ""
    holds: bool | None = None


def show(lines: Iterable[Line]) -> bool:
    """Print a table; whether every promise holds."""
    lines = list(lines)
    width = max(len(line.what) for line in lines)
    broad = max(len(line.value) for line in lines)
    for line in lines:
        mark = {None: "", True: "ok", False: "BROKEN"}[line.holds]
        print(f"{line.what:<{width}}  {line.value:>{broad}}  {line.promise:<24}  {mark}".rstrip())  # noqa: T201 - a command line prints
    return all(line.holds is not False for line in lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
