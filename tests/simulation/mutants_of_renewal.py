"""Guards of ordering again what Amazon never looked at, each taken out."""

from __future__ import annotations

from typing import Final

from incentives.domain.recovery import rules as recovery
from incentives.domain.single_requests import renewal
from tests.simulation.mutants_amazon import LOST, OPERATION, When, amazon
from tests.simulation.mutants_cut import Mutant, cut
from tests.simulation.mutants_of_protocol import REISSUE
from tests.simulation.mutants_scenes import (
    ANOTHER_PARTNER,
    another_partner,
    key_refused,
    meanwhile,
    scenes,
    secret_is,
    staged,
)
from tests.simulation.plan import HOUR, MINUTE, What
from tests.support.fakes import FakeLedger

MUTANTS: Final = [
    Mutant(
        "a refused order has one successor",
        "I2",
        # Where every process knows the same partner id, all derive the same one.
        (cut(renewal.renewal, 'requires=("replaced_by",), ', ""),),
        plan=staged(orders=1, within=1, later=[(What.ORDER, 70, 71)] * 2, calm_at=20 * MINUTE),
        scene=scenes(
            another_partner,
            key_refused(0, 66),
            secret_is(ANOTHER_PARTNER, 66, 5 * MINUTE),
            meanwhile("reissue", What.ORDER),
        ),
    ),
    Mutant(
        "an order that is ordered again is no reissue",
        "I8",
        (cut(recovery._may_reissue, "record.reissues + 1", "record.generation + 1"),),
        plan=staged(intents=REISSUE, calm_at=2 * HOUR),
        scene=scenes(key_refused(0, 10 * MINUTE), amazon(When(OPERATION, [LOST], begins=590, ends=1200))),
    ),
    Mutant(
        "an order that is ordered again has a day of its own",
        "I8",
        (
            cut(
                renewal.next_generation,
                "replaces=refused.request_id,",
                # Of an order of the first of March, at noon.
                "replaces=refused.request_id,\n"
                "        deadline_at=refused.deadline_at or refused.created_at.replace(day=2),",
            ),
        ),
        plan=staged(orders=1, later=[(What.ORDER, 23.6 * HOUR, 23.7 * HOUR)], calm_at=27 * HOUR),
        scene=scenes(key_refused(0, 23.5 * HOUR), amazon(When(OPERATION, [LOST], begins=23 * HOUR, ends=26 * HOUR))),
    ),
    Mutant(
        "the key leads to the order as it was last ordered",
        "I3",
        (cut(FakeLedger.reissue, "if plan.moves_key:", "if False:"),),
        plan=staged(orders=1, calm_at=4.99 * HOUR),
        scene=key_refused(0, 4 * HOUR),
    ),
]
