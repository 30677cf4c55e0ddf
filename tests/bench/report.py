"""What was measured, as lines of one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_MARKS: Final = {None: "", True: "ok", False: "BROKEN"}


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

    @property
    def cells(self) -> tuple[str, ...]:
        """Of its row."""
        return self.what, self.value, self.baseline, self.promise, _MARKS[self.holds]


def show(lines: Iterable[Line]) -> bool:
    """Print a table; whether every promise holds."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*(line.cells for line in lines), strict=True)]
    for line in lines:
        cells = [f"{cell:<{width}}" for cell, width in zip(line.cells, widths, strict=True)]
        print("  ".join(cells).rstrip())  # noqa: T201 - a command line prints
    return all(line.holds is not False for line in lines)


def as_markdown(lines: Iterable[Line]) -> str:
    """The same as a table of a document."""
    rows = [("What", "Measured", "Beside", "Promised", ""), ("---",) * 5, *(line.cells for line in lines)]
    return "\n".join(f"| {' | '.join(cell.strip() for cell in row)} |" for row in rows)
