"""The figures of a run as one table, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        must: what it has to be, in words; empty where nothing is promised.
        holds: whether it is.
        because: what is wrong, one example or several; not part of the table.
    """

    what: str
    figure: str
    must: str = ""
    holds: bool = True
    because: str = ""


def as_text(lines: Sequence[Line]) -> str:
    width, broad = (
        max(len(part) for part in parts) for parts in zip(*((x.what, x.figure) for x in lines), strict=True)
    )
    return "\n".join(
        f"{line.what:<{width}}  {line.figure:<{broad}}  {f'{line.must}: {_mark(line)}' if line.must else ''}".rstrip()
        for line in lines
    )


def as_markdown(lines: Sequence[Line]) -> str:
    rows = [f"| {line.what} | {line.figure} | {line.must and f'{line.must}: {_mark(line)}'} |" for line in lines]
    return "\n".join(["| What | Figure | Promise |", "|---|---|---|", *rows, ""])


def _mark(line: Line) -> str:
    return "yes" if line.holds else "NO"
