"""A guard taken out of the product, and the history in which that is noticed.

The code that runs is the gateway's own, less one guard. A history notices the loss if it breaks a promise that it
keeps with the guard in place: money is lost, a secret leaks, or something never ends. Each mutant is played on the
seed that is known to kill it; if that fails, or on demand, on others until one does.
"""

# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import json
import multiprocessing
import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

from tests.simulation.checks import examine
from tests.simulation.mutants_look import Endless, Watched, look
from tests.simulation.mutants_scenes import staged
from tests.simulation.plan import Plan, draw

#: A history that has come to nothing by then never does.
NEVER_ENDS: Final = "it never ends"

#: The seed that kills each mutant, by what it says.
SEEDS_FILE: Final = Path(__file__).with_name("killing_seeds.json")

#: After the first seed that kills, so many more are played: a test is to use the one that takes the fewest steps.
CHEAPER: Final = 8


# ---- taking out ----------------------------------------------------------------------------------


def source_of(where: Callable[..., Any]) -> str:
    """A function as `ast.unparse` writes it: a statement a line, no comments, no docstring."""
    assert isinstance(where, FunctionType), where
    tree = ast.parse(textwrap.dedent(inspect.getsource(where)))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@dataclass(frozen=True)
class Cut:
    """What to take out of a function, in terms of `source_of`, and what stands there then.

    Statements are separated by line feeds, and written without their indentation.
    """

    where: Callable[..., Any]
    words: str
    instead: str

    def applied_to(self, source: str) -> str:
        """The source without it.

        Raises:
            AssertionError: the words are not there, or more than once: the mutant no longer applies.
        """
        starts = [each.start() for each in re.finditer(re.escape(self.words.partition("\n")[0]), source)]
        places = [(at, _indented(self.words, source, at)) for at in starts]
        found = [(at, block) for at, block in places if source.startswith(block, at)]
        name = f"{self.where.__module__}.{self.where.__qualname__}"
        assert len(found) == 1, f"no longer applies: {self.words!r} is {len(found)} times in {name}:\n{source}"
        ((at, block),) = found
        return source[:at] + _indented(self.instead, source, at) + source[at + len(block) :]


def _indented(text: str, source: str, at: int) -> str:
    """Statements with the indentation that the first of them has in the source."""
    line = source[source.rfind("\n", 0, at) + 1 : at]
    first = len(line) - len(line.lstrip())
    lines, indent = text.split("\n"), first
    for number, each in enumerate(lines[1:], 1):
        indent = first if each.startswith("case ") else indent + 4 * lines[number - 1].endswith(":")
        lines[number] = " " * indent + each
    return "\n".join(lines)


def cut(where: Callable[..., Any], words: str, instead: str = "", *, then: str = "") -> Cut:
    """What is taken out, or what comes after it."""
    return Cut(where, words, f"{words}\n{then}" if then else instead)


@contextmanager
def without(cuts: Sequence[Cut]) -> Iterator[None]:
    """Take guards out, for everybody who has imported their functions, and put them back."""
    sources: dict[Any, str] = {}
    for each in cuts:
        sources[each.where] = each.applied_to(sources.get(each.where) or source_of(each.where))
    before = {where: where.__code__ for where in sources}
    try:
        for where, source in sources.items():
            module = compile(f"from __future__ import annotations\n{source}", "without", "exec")
            (code,) = [each for each in module.co_consts if isinstance(each, CodeType)]
            where.__code__ = code
        yield
    finally:
        for where, code in before.items():
            where.__code__ = code


# ---- playing -------------------------------------------------------------------------------------


class Mutant:
    """The gateway less a guard.

    Attributes:
        says: the guard; unique.
        breaks: the name of the promise that is broken without it; of one without a name, words of its text.
        cuts: what is taken out; more than one only where each backs the others up.
        plan: turns up the circumstances that the guard is for. With the guard in place the same histories are clean.
        scene: arranges what a plan cannot say.
    """

    def __init__(
        self,
        says: str,
        breaks: str,
        *cuts: Cut,
        plan: Callable[[Plan], Plan] = staged(),  # noqa: B008 - a function, not a value that changes
        scene: Callable[[Watched], None] = lambda _: None,
    ) -> None:
        self.says, self.breaks, self.cuts, self.plan, self.scene = says, breaks, cuts, plan, scene


@dataclass(frozen=True)
class Played:
    """What became of one history.

    Attributes:
        broken: the promises that it broke.
        steps: calls to ports that it took.
    """

    broken: tuple[str, ...]
    steps: int

    def notices(self, mutant: Mutant) -> str | None:
        """The text of the promise that is broken for want of the guard."""
        if mutant.breaks.startswith("I"):
            return next((text for text in self.broken if text.startswith(mutant.breaks)), None)
        return next((text for text in self.broken if mutant.breaks in text), None)


def play(mutant: Mutant, seed: int) -> Played:
    with without(mutant.cuts):
        return play_whole(mutant, seed)


def play_whole(mutant: Mutant, seed: int) -> Played:
    life = Watched(mutant.plan(draw(seed)))
    mutant.scene(life)
    broken: list[str] = []
    try:
        life.play()
    except Endless:
        broken = [NEVER_ENDS]
    except AssertionError as error:
        broken = [f"{NEVER_ENDS}: {error}" if "not over" in str(error) else f"it broke off: {error}"]
    except Exception as error:  # noqa: BLE001 - whatever it is, the mutant's row says whether it counts
        broken = [f"it broke off: {type(error).__name__}: {error}"]
    if broken:
        return Played((*life.broken, *life.seen, *broken), life.steps)
    broken = list(look(life))
    if not any("was never recorded" in text for text in broken):
        broken += examine(life).broken
    return Played(tuple(broken), life.steps)


# ---- killing -------------------------------------------------------------------------------------


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
    seeds: dict[str, int] = json.loads(SEEDS_FILE.read_text(encoding="utf-8"))
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
    from tests.simulation.mutants import MUTANTS  # noqa: PLC0415 - the list is made of what stands here

    place, known, seeds = task
    return kill(MUTANTS[place], known, seeds)


def _collect_seldom() -> None:
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def main(mutants: Sequence[Mutant]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--find", action="store_true", help="search anew, and write down the seeds that are found")
    parser.add_argument("--seeds", type=int, default=60, help="how many to try where the known one fails")
    parser.add_argument("--only", default="", help="mutants whose text holds this")
    chosen = parser.parse_args()
    known = {} if chosen.find else known_seeds()
    places = [place for place, mutant in enumerate(mutants) if chosen.only in mutant.says]
    tasks = [(place, known.get(mutants[place].says), chosen.seeds) for place in places]
    began, found = time.monotonic(), []
    # A mutant that has broken off leaves threads behind, which end with their process.
    with multiprocessing.Pool(os.cpu_count(), initializer=_collect_seldom, maxtasksperchild=8) as pool:
        for each in pool.imap(_kill_one, tasks):
            found.append(each)
            said = f"seed {each.seed}: {each.text}" if each.seed is not None else f"SURVIVES: {each.text}"
            print(f"{each.says}\n    {said}", flush=True)
    killed = {each.says: each.seed for each in found if each.seed is not None}
    print(f"\n{len(killed)}/{len(found)} mutants killed in {time.monotonic() - began:.0f} s")
    if chosen.find:
        here, seeds = {mutant.says for mutant in mutants}, known_seeds() | killed
        kept = {says: seed for says, seed in sorted(seeds.items()) if says in here}
        SEEDS_FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0 if len(killed) == len(found) else 1
