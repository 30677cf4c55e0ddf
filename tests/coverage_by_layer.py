"""How many branches of each layer the tests go through; ``make coverage`` asks.

Lines would hide what is missing: a function whose every line runs may still have a refusal that no test has seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

#: The layers that hold the rules. Those beside them speak to AWS or HTTP, and are tested against these.
LAYERS: Final = ("agcod", "usecases", "domain")

#: Of the branches of each layer. What is left are mostly ends of a `match` that has a case for everything.
PERCENT_MIN: Final = 95

#: Files that are named, those with the smallest part of their branches taken first.
LOWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Branches:
    """Branches of a layer or of a file, and how many of them were taken."""

    name: str
    all: int
    taken: int

    @property
    def is_enough(self) -> bool:
        """Whether so many were taken as must be; never of something without any branch: it was not measured."""
        return self.all > 0 and 100 * self.taken >= PERCENT_MIN * self.all

    def __str__(self) -> str:
        # Cut off, not rounded: 94.96 % are not 95.0 %.
        tenths = 1000 * self.taken // self.all if self.all else 0
        return f"{self.name:<44} {self.all:>8} {self.taken:>8} {tenths // 10:>6}.{tenths % 10} %"


def files_of(report: Mapping[str, Any]) -> list[tuple[str, Branches]]:
    """Each file's layer and branches.

    Args:
        report: coverage's JSON, measured with branches.

    Raises:
        KeyError: it was measured without.
    """
    found = []
    for path, measured in report["files"].items():
        file, summary = PurePath(path), measured["summary"]
        # Within a layer there are folders by capability.
        within = file.parts[file.parts.index("incentives", file.parts.index("incentives") + 1) + 1 :]
        found.append((within[0], Branches("/".join(within), summary["num_branches"], summary["covered_branches"])))
    return found


def layers_of(files: Iterable[tuple[str, Branches]]) -> list[Branches]:
    """The branches of each layer of `LAYERS`, also of one that was not measured."""
    files = list(files)
    return [
        Branches(
            name,
            sum(each.all for layer, each in files if layer == name),
            sum(each.taken for layer, each in files if layer == name),
        )
        for name in LAYERS
    ]


def lowest_of(files: Iterable[tuple[str, Branches]]) -> list[Branches]:
    """The files that miss the largest part of their branches; none that misses nothing."""
    lacking = [each for _, each in files if each.taken < each.all]
    return sorted(lacking, key=lambda each: (each.taken / each.all, each.name))[:LOWEST]


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if a layer has too few, 0 otherwise."""
    files = files_of(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    layers = layers_of(files)
    too_few = [layer.name for layer in layers if not layer.is_enough]
    lines = [f"{'Layer':<44} {'Branches':>8} {'Taken':>8} {'Percent':>10}", *layers, "Lowest", *lowest_of(files)]
    if too_few:
        lines.append(f"Fewer than {PERCENT_MIN} % of the branches: {', '.join(too_few)}")
    print(*lines, sep="\n")  # noqa: T201 - a command line prints
    return 1 if too_few else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
