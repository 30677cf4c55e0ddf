"""Every mutant on the seed that is known to kill it; if that fails, or on demand, on others until one does."""

# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.simulation import (
    mutants_of_company,
    mutants_of_gateway,
    mutants_of_protocol,
    mutants_of_renewal,
    mutants_of_responses,
    mutants_of_time,
)
from tests.simulation.mutants_beside import BESIDE
from tests.simulation.mutants_cut import Mutant, play, play_whole

MUTANTS: Final[tuple[Mutant, ...]] = (
    *mutants_of_protocol.MUTANTS,
    *mutants_of_time.MUTANTS,
    *mutants_of_responses.MUTANTS,
    *mutants_of_gateway.MUTANTS,
    *mutants_of_company.MUTANTS,
    *mutants_of_renewal.MUTANTS,
)

#: The seed that kills each mutant, by what it says.
SEEDS_FILE: Final = Path(__file__).with_name("killing_seeds.json")

#: After the first seed that kills, so many more are played: a test is to use the one that takes the fewest steps.
CHEAPER: Final = 8


@dataclass(frozen=True)
class Found:
    """What became of one mutant.

    Attributes:
        seed: the one that kills it; none: it survives.
        text: of the promise that is broken there; or what the last seed came to instead.
    """

    says: str
    seed: int | None
    text: str


def known_seeds() -> dict[str, int]:
    """What is known from the last search."""
    seeds: dict[str, int] = json.loads(SEEDS_FILE.read_text(encoding="utf-8")) if SEEDS_FILE.exists() else {}
    return seeds


def kill(mutant: Mutant, known: int | None, seeds: int) -> Found:
    """Look for a seed that notices the loss, and that is clean with the guard in place.

    Args:
        mutant: whose.
        known: the seed to begin with, if there is one; it is enough.
        seeds: how many others to try.
    """
    if known is not None and (text := _killed_by(mutant, known)[0]):
        return Found(mutant.says, known, text)
    best: tuple[int, int, str] | None = None
    last, seed, left = "nothing was noticed", 0, seeds
    while left > 0:
        seed, left = seed + 1, left - 1
        text, steps, otherwise = _killed_by(mutant, seed)
        last = otherwise or last
        if text and (best is None or steps < best[0]):
            left = min(left, CHEAPER) if best is None else left
            best = steps, seed, text
    return Found(mutant.says, best[1], best[2]) if best else Found(mutant.says, None, last)


def _killed_by(mutant: Mutant, seed: int) -> tuple[str | None, int, str | None]:
    """The promise that is broken for want of the guard, the steps, and what else was broken."""
    played = play(mutant, seed)
    text = played.notices(mutant)
    if text is None:
        return None, played.steps, next(iter(played.broken), None)
    whole = play_whole(mutant, seed)
    if whole.broken:
        return None, played.steps, f"broken with the guard in place, too: {whole.broken[0]}"
    return text, played.steps, None


def _kill_one(task: tuple[int, int | None, int]) -> Found:
    place, known, seeds = task
    return kill(MUTANTS[place], known, seeds)


def _collect_seldom() -> None:
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill them all; 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--find", action="store_true", help="search anew, and write down the seeds that are found")
    parser.add_argument("--seeds", type=int, default=60, help="how many to try where the known one fails")
    parser.add_argument("--only", default="", help="mutants whose text holds this")
    chosen = parser.parse_args(arguments)
    known = {} if chosen.find else known_seeds()
    places = [place for place, mutant in enumerate(MUTANTS) if chosen.only in mutant.says]
    tasks = [(place, known.get(MUTANTS[place].says), chosen.seeds) for place in places]
    began = time.monotonic()
    # A mutant that has broken off leaves threads behind, which end with their process.
    with multiprocessing.Pool(os.cpu_count(), initializer=_collect_seldom, maxtasksperchild=8) as pool:
        found = []
        for each in pool.imap(_kill_one, tasks):
            found.append(each)
            said = f"seed {each.seed}: {each.text}" if each.seed is not None else f"SURVIVES: {each.text}"
            print(f"{each.says}\n    {said}", flush=True)
    killed = [each for each in found if each.seed is not None]
    print(f"\n{len(killed)}/{len(found)} mutants killed in {time.monotonic() - began:.0f} s")
    print(f"{len(BESIDE)} rules that no history can miss are told apart in mutants_beside.py")
    if chosen.find:
        seeds = known_seeds() | {each.says: each.seed for each in killed if each.seed is not None}
        here = {mutant.says for mutant in MUTANTS}
        kept = {says: seed for says, seed in sorted(seeds.items()) if says in here}
        SEEDS_FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0 if len(killed) == len(found) else 1
