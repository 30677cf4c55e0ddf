"""`make bench`: what is measured again and again, as one table. Nothing is promised of it; `make load` does that."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final

from tests.bench import cloud, reservations
from tests.bench.report import Line, show

#: By name: given the URL of a local DynamoDB, each measures and says what it found.
BENCHES: Final[dict[str, Callable[[str], Iterable[Line]]]] = {
    "rate": reservations.rate_achieved,
    "reservation": reservations.cost_of_a_reservation,
}


def main(names: list[str]) -> int:
    """Run all benches, or those that are named."""
    unknown = set(names) - set(BENCHES)
    if unknown:
        sys.stderr.write(f"There is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}.\n")
        return 2
    with cloud.dynamodb() as url:
        show(line for name in names or BENCHES for line in BENCHES[name](url))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
