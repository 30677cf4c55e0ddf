"""`python -m tests.books`: the books held against what was planted, printed as a table and written to docs/books.md."""

# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.books.big_day import MEMORY_MB, SECONDS, calculated, measured_alone
from tests.books.checks import examine
from tests.books.desk import Desk
from tests.books.mutants import MUTANTS, examined, noticed
from tests.books.proof import PLANTED, Proof, prove
from tests.books.world import PLANTS, draw_world

ROOT: Final = Path(__file__).parents[2]
MONTH_OF: Final = 8_000
MONTH_PLANTS: Final = 5 * len(PLANTS)
MEASURED: Final = 100_000
CALCULATED: Final = 700_000

HEAD: Final = """# The books, proven

Written by `make books`; do not edit.

Requests are issued by the real use cases against the sandbox's model of Amazon, on a virtual clock from 28 March 2026
on, in the zone Europe/Berlin, whose clocks are put forward on the 29th. The watch takes a balance every quarter of an
hour and begins rounds; rounds fetch, judge and tell; finance resolves, names what moved the balance, and closes the
month. Rows come up to six hours late, clocks are five minutes apart, calls to AWS and to Amazon and their responses get
lost or come twice, and a process may die at any step. Behind the gateway's back, differences are planted.
"""


def rows_of(proof: Proof) -> Iterator[tuple[str, str]]:
    """What is told, by title."""
    life = proof.life
    planted, found = (Counter(kind for kind, _ in which.elements()) for which in (life.planted, proof.found))
    figures = life.views[-1].close.figures
    ended = Counter(record.status.value for record in life.ledger.records.values())
    yield "Requests", f"{len(life.ledger.records):,}: " + ", ".join(f"{n:,} {name}" for name, n in ended.most_common())
    yield "Processes that died", f"{life.faults['process died']}, and at the books: " + _counted(life.died)
    for kind in PLANTED:
        yield f"{kind.value}: planted, found", f"{planted[kind]}, {found[kind]}"
    yield (
        "All kinds: planted, found, false, missed",
        (
            f"{planted.total()}, {found.total()}, {(proof.found - life.planted).total()}, "
            f"{(life.planted - proof.found).total()}"
        ),
    )
    yield "False for a while, in any round", f"{(proof.ever - life.planted).total()}"
    yield "Records written by what keeps the books", f"{life.changed}"
    yield "Pages asked for", f"{life.pages}"
    yield "Calls to close", ", ".join(view.close.status.value for view in life.views)
    for name in ("opening", "movements", "charges", "refunds", "closing"):
        yield f"Close: {name}", figures[name]
    yield "Close: difference from Amazon's balance", f"{float(figures['closing']) - float(life.balance):.2f}"
    yield "Open items: number, at risk", f"{figures['openItems.closing.count']}, {figures['openItems.closing']}"


def _counts(month: Desk, wrong: list[str]) -> tuple[int, ...]:
    planted, standing = month.world.planted, month.standing()
    return planted.total(), (standing - planted).total(), (planted - standing).total(), len(wrong)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "none"


def tests_of_rounds() -> str:
    """Rounds that overflow, meet, die or are talked into, and the statement's way: how many tests pass."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "tests/books/test_rounds.py"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip().splitlines()[-1].partition(" in ")[0]


def rules_taken_out() -> tuple[str, list[str]]:
    """How many of the rules are missed when they are taken out; and which are not, or are with every rule in place."""
    clean = [f"seed {seed}: {text}" for seed in sorted({each.seed for each in MUTANTS}) for text in examined(seed)]
    unnoticed = [f"not noticed: {each.says}" for each in MUTANTS if noticed(each) is None]
    return f"{len(MUTANTS) - len(unnoticed)} of {len(MUTANTS)}", [*clean, *unnoticed]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.books", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--orders", type=int, default=5100)
    parser.add_argument("--write", type=Path, help="a page of the documentation to write the table to")
    chosen = parser.parse_args()
    began = time.monotonic()
    proof = prove(chosen.seed, chosen.orders)
    rows = [*rows_of(proof), ("Tests of rounds and statements", tests_of_rounds())]
    month = Desk(draw_world(chosen.seed, requests=MONTH_OF, plants=MONTH_PLANTS)).run()
    wrong = list(examine(month))
    rows.append(
        (
            f"A drawn month of {MONTH_OF:,} requests: planted, false, missed, anything else that is wrong",
            ", ".join(map(str, _counts(month, wrong))),
        )
    )
    noticed_rules, unnoticed = rules_taken_out()
    rows.append(("Rules of judging taken out one at a time, and noticed", noticed_rules))
    seconds, megabytes, matched = measured_alone(MEASURED)
    rows.append((f"A day of {int(matched):,} rows, judged", f"{seconds} s of {SECONDS}, {megabytes} MB of {MEMORY_MB}"))
    rows += [(f"A day of {CALCULATED:,} rows, calculated: {title}", text) for title, text in calculated(CALCULATED)]
    width = max(len(title) for title, _ in rows)
    print(*(f"{title:{width}}  {text}" for title, text in rows), sep="\n")
    print(f"\nseed {chosen.seed}, in {time.monotonic() - began:.0f} s")
    broken = [*proof.broken, *wrong, *unnoticed]
    for text in broken:
        print(f"BROKEN {text}")
    if chosen.write and not broken:
        table = "\n".join(f"| {title} | {text} |" for title, text in rows)
        page = f"{HEAD}\n| What | Result |\n|---|---|\n{table}\n\nSeed {chosen.seed}, {chosen.orders:,} orders.\n"
        chosen.write.write_text(page, encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
