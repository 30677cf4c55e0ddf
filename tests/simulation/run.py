"""Many seeds on all cores, and the table of what became of them."""

# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import gc
import multiprocessing
import multiprocessing.pool
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.simulation.baselines import Bare, Client, examine_bare
from tests.simulation.checks import Report, examine
from tests.simulation.history import history
from tests.simulation.life import Life
from tests.simulation.plan import draw
from tests.simulation.report import Played, as_page, as_text, commit

#: Seeds that a process takes up at once.
SHARE: Final = 10

#: Of the seeds, this many are also played with each baseline: they are only a yardstick.
BASELINE_SEEDS_MAX: Final = 200


def gateway(seed: int) -> Report:
    """Play one seed and examine it; a history that breaks off is a broken promise, too."""
    try:
        report = examine(Life(draw(seed)).play())
    except Exception as error:  # noqa: BLE001 - whatever it is, its seed must be told
        report = Report(histories=1, broken=[f"it broke off: {type(error).__name__}: {error}"])
    report.broken = [f"seed {seed}: {text}" for text in report.broken]
    return report


def new_id(seed: int) -> Report:
    """The same with a client that makes a new id for each try."""
    life = Bare(draw(seed), Client.NEW_ID)
    life.play()
    return examine_bare(life)


def in_memory(seed: int) -> Report:
    """The same with a client that keeps its id in memory."""
    life = Bare(draw(seed), Client.IN_MEMORY)
    life.play()
    return examine_bare(life)


def play(seeds: Sequence[int], one: Callable[[int], Report]) -> Report:
    total = Report()
    for seed in seeds:
        total.add(one(seed))
    return total


def _play_share(share: tuple[Sequence[int], Callable[[int], Report]]) -> Report:
    return play(*share)


def play_on_all_cores(seeds: Sequence[int], one: Callable[[int], Report], pool: multiprocessing.pool.Pool) -> Report:
    """Play seeds in shares; what comes of them does not depend on who plays which."""
    shares = [(seeds[at : at + SHARE], one) for at in range(0, len(seeds), SHARE)]
    total = Report()
    for report in pool.imap(_play_share, shares):
        total.add(report)
    return total


def _collect_seldom() -> None:
    """Thousands of short lives leave little behind, and looking for it would take a fifth of the time."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print the table; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first one's seed")
    parser.add_argument("--history", action="store_true", help="print what happened, of one seed")
    parser.add_argument("--write", type=Path, help="a page of the documentation to write the table to")
    chosen = parser.parse_args(arguments)
    if chosen.history:
        life = Life(draw(chosen.first)).play()
        print(*history(life), sep="\n")
        print(*examine(life).broken, sep="\n")
        return 0
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    began = time.monotonic()
    with multiprocessing.Pool(os.cpu_count(), initializer=_collect_seldom) as pool:
        ours = play_on_all_cores(seeds, gateway, pool)
        took = time.monotonic() - began
        fewer = seeds[:BASELINE_SEEDS_MAX]
        others = {
            Client.NEW_ID: play_on_all_cores(fewer, new_id, pool),
            Client.IN_MEMORY: play_on_all_cores(fewer, in_memory, pool),
        }
    reports = {"the gateway": ours, **{client.value: report for client, report in others.items()}}
    played = Played(reports, chosen.first, chosen.seeds, commit())
    print(*as_text(played), sep="\n")
    print(f"\n{chosen.seeds} histories from seed {chosen.first} in {took:.0f} s; commit {played.commit}")
    if chosen.write and not ours.broken:
        chosen.write.write_text("\n".join(as_page(played)) + "\n", encoding="utf-8")
    for text in ours.broken[:20]:
        print(f"BROKEN {text} (commit {played.commit})")
    broken = dict.fromkeys(text.split(":")[0].removeprefix("seed ") for text in ours.broken[:20])
    python = Path(sys.executable).name
    for seed in broken:
        print(f"replay: PYTHONPATH=layers/incentives {python} -m tests.simulation --history --first {seed}")
    return 1 if ours.broken else 0
