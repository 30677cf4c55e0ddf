"""Each guard taken out is missed: on the seed that is known to notice it, a promise is broken; with the guard, none."""

from __future__ import annotations

import pytest

from incentives.domain.recovery import waits
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants_run import Mutant, cut, kill, known_seeds, play, play_whole, source_of, without
from tests.simulation.mutants_scenes import REVERSE, SILENCE, amazon, staged

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


def test_a_mutant_changes_the_product_and_nothing_that_stands_in_for_a_part_of_it() -> None:
    for mutant in MUTANTS:
        assert all(each.where.__module__.startswith("incentives.") for each in mutant.cuts), mutant.says
        for each in mutant.cuts:
            assert each.applied_to(source_of(each.where)) != source_of(each.where), mutant.says


@pytest.mark.parametrize("words", ["record.gone", "record"], ids=["gone", "more than once"])
def test_a_mutant_that_no_longer_applies_fails(words: str) -> None:
    with pytest.raises(AssertionError, match="no longer applies"), without([cut(waits.in_flight_until, words)]):
        pytest.fail("nothing was taken out")


def test_what_takes_nothing_out_survives() -> None:
    nothing = cut(
        waits.in_flight_until, "record.last_sent_at + IN_FLIGHT_WINDOW", "IN_FLIGHT_WINDOW + record.last_sent_at"
    )

    found = kill(Mutant("nothing is gone", "I", nothing), None, 3)

    assert (found.seed, found.text) == (None, "nothing was noticed")


def test_what_breaks_off_is_not_missed_for_its_promise() -> None:
    no_time = cut(waits.in_flight_until, "record.last_sent_at + IN_FLIGHT_WINDOW", "IN_FLIGHT_WINDOW")
    mutant = Mutant("a window is a time", "I", no_time, plan=staged(intents=REVERSE), scene=amazon(SILENCE))

    found = kill(mutant, None, 1)

    assert found.seed is None
    assert found.text.startswith("it broke off: TypeError")
