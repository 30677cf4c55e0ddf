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
        baseline: what the value is to be compared with, measured in the same run.
    """

    what: str
    value: str
    promise: str = ""
    holds: bool | None = None
    baseline: str = ""


def show(lines: Iterable[Line]) -> bool:
    """Print a table; whether every promise holds."""
    lines = list(lines)
    width, broad, beside, says = (
        max((len(text) for text in column), default=0)
        for column in zip(*((line.what, line.value, line.baseline, line.promise) for line in lines), strict=True)
    )
    for line in lines:
        columns = [f"{line.what:<{width}}", f"{line.value:>{broad}}", f"{line.promise:<{says}}", _mark(line)]
        if beside:
            columns.insert(2, f"{line.baseline:<{beside}}")
        print("  ".join(columns).rstrip())  # noqa: T201 - a command line prints
    return all(line.holds is not False for line in lines)


def as_markdown(lines: Iterable[Line]) -> str:
    """The same as a table of a document."""
    rows = [
        f"| {line.what.strip()} | {line.value} | {line.baseline} | {line.promise} | {_mark(line)} |" for line in lines
    ]
    return "\n".join(["| What | Measured | Beside | Promised | |", "|---|---|---|---|---|", *rows])


def _mark(line: Line) -> str:
    return {None: "", True: "ok", False: "BROKEN"}[line.holds]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
