"""Each guard taken out is missed: on the seed that is known to notice it, a promise is broken; with the guard, none."""

from __future__ import annotations

import pytest

from incentives.domain.recovery import waits
from tests.simulation.mutants_amazon import amazon
from tests.simulation.mutants_beside import BESIDE
from tests.simulation.mutants_cut import RULES, Mutant, cut, play, play_whole, without
from tests.simulation.mutants_of_protocol import REVERSE, SILENCE
from tests.simulation.mutants_run import MUTANTS, kill, known_seeds
from tests.simulation.mutants_scenes import staged
from tests.unit import rules_of_recovery, rules_of_sending

SEEDS = known_seeds()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.says)
def test_a_guard_taken_out_is_missed(mutant: Mutant) -> None:
    seed = SEEDS[mutant.says]

    assert play_whole(mutant, seed).broken == ()
    assert play(mutant, seed).notices(mutant), f"`python -m tests.simulation.mutants --find --only {mutant.says!r}`"


def test_every_mutant_has_its_seed_and_its_name() -> None:
    names = [mutant.says for mutant in MUTANTS]

    assert len(set(names)) == len(names)
    assert set(SEEDS) == set(names)


def test_the_words_that_are_taken_out_stand_in_the_source() -> None:
    for mutant in MUTANTS:
        with without(mutant.cuts):
            assert all(each.where.__code__.co_filename == "without" for each in mutant.cuts), mutant.says


def test_every_rule_of_the_protocol_is_a_mutant_or_told_apart() -> None:
    played = {rule.says for mutant in MUTANTS for rule in mutant.cuts if rule.says in RULES}

    assert played | set(BESIDE) == set(RULES)
    assert not played & set(BESIDE) - {"3 the backlog issues nothing that may have been sent"}
    assert len(RULES) == len(rules_of_sending.RULES) + len(rules_of_recovery.RULES)


@pytest.mark.parametrize("reason", BESIDE.values(), ids=BESIDE)
def test_whoever_tells_a_rule_apart_says_why(reason: str) -> None:
    assert len(reason.split()) > 15


def test_what_takes_nothing_out_survives() -> None:
    nothing = cut(staged, "wanted, visits = [], []", "wanted, visits = list(), list()")

    found = kill(Mutant("nothing is gone", "I", (nothing,)), None, 3)

    assert found.seed is None
    assert found.text == "nothing was noticed"


def test_what_breaks_off_is_not_missed_for_its_promise() -> None:
    no_time = cut(waits.in_flight_until, "record.last_sent_at + IN_FLIGHT_WINDOW", "IN_FLIGHT_WINDOW")
    mutant = Mutant("a fence is a time", "I", (no_time,), plan=staged(intents=REVERSE), scene=amazon(SILENCE))

    found = kill(mutant, None, 1)

    assert found.seed is None
    assert found.text.startswith("it broke off: TypeError")
