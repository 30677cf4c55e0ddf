"""A guard taken out of the code, and the history in which that is noticed.

The code that runs is the gateway's own, less one guard (`tests.unit.rules` cuts it out). A history notices the loss if
it breaks a promise that it keeps with the guard in place: money is lost, a secret leaks, or something never ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import CodeType, FunctionType
from typing import Any, Final

from tests.simulation.checks import examine
from tests.simulation.mutants_look import Endless, Watched, look
from tests.simulation.plan import Plan, draw
from tests.unit import rules_of_recovery, rules_of_sending
from tests.unit.rules import Rule

#: A history that has come to nothing by then never does.
NEVER_ENDS: Final = "it never ends"

#: The protocol's rules by what they say.
RULES: Final[Mapping[str, Rule]] = {rule.says: rule for rule in (*rules_of_sending.RULES, *rules_of_recovery.RULES)}


def as_drawn(plan: Plan) -> Plan:
    """The seed's own circumstances."""
    return plan


def nothing_more(life: Watched) -> None:
    """What the plan says, and no more."""


@dataclass(frozen=True)
class Mutant:
    """The gateway less a guard.

    Attributes:
        says: the guard; unique.
        breaks: the name of the promise that is broken without it; of one without a name, words of its text.
        cuts: what is taken out; more than one only where each backs the others up.
        plan: turns up the circumstances that the guard is for. With the guard in place the same histories are clean.
        scene: arranges what a plan cannot say.
    """

    says: str
    breaks: str
    cuts: tuple[Rule, ...]
    plan: Callable[[Plan], Plan] = as_drawn
    scene: Callable[[Watched], None] = nothing_more


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


def rule(says: str, breaks: str, **circumstances: Any) -> Mutant:
    """A rule of the protocol, as its table has it."""
    return Mutant(says, breaks, (RULES[says],), **circumstances)


def cut(where: Callable[..., Any], words: str, instead: str) -> Rule:
    """What to take out of a function, and what stands there then."""
    return Rule(f"{where.__module__}.{where.__qualname__}", where, words, instead, _nobodys)


def _nobodys() -> None:
    raise NotImplementedError("the simulation's histories are drawn")


def play(mutant: Mutant, seed: int) -> Played:
    """Play one seed without the guard."""
    with without(mutant.cuts):
        return _play(mutant, seed)


def play_whole(mutant: Mutant, seed: int) -> Played:
    """Play the same history with nothing taken out."""
    return _play(mutant, seed)


def _play(mutant: Mutant, seed: int) -> Played:
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


@contextmanager
def without(cuts: tuple[Rule, ...]) -> Iterator[None]:
    """Take guards out, for everybody who has imported their functions, and put them back."""
    before: dict[FunctionType, CodeType] = {}
    # All that is taken out of a function goes at once.
    by_function: dict[FunctionType, Rule] = {}
    for each in cuts:
        assert isinstance(each.where, FunctionType)
        before[each.where] = each.where.__code__
        by_function[each.where] = _after(by_function.get(each.where), each)
    try:
        for where, each in by_function.items():
            where.__code__ = each.taken_out()
        yield
    finally:
        for where, code in before.items():
            where.__code__ = code


def _after(first: Rule | None, second: Rule) -> Rule:
    """The second in a source from which the first has gone already."""
    if first is None:
        return second
    both = replace(second)
    object.__setattr__(both, "source", first.source.replace(first.words, first.instead))
    return both
