"""Chapters 9 and 10 of the protocol, time and escalation: each rule taken out, and where that is noticed."""

from __future__ import annotations

from typing import Final

from incentives.domain.single_requests.record import Change
from incentives.usecases.recovery import recover
from tests.simulation.mutants_amazon import DONE_AND_LOST, LOST, NOT_PERMITTED, OPERATION, REVERSAL, When, amazon
from tests.simulation.mutants_cut import RULES, Mutant, cut, rule
from tests.simulation.mutants_of_protocol import ANOTHER_CARD, FIRST, REVERSE, SECOND, UNHEARD
from tests.simulation.mutants_scenes import (
    ACTIVATE,
    LOAD,
    dies_at_amazon,
    faults_of_aws,
    index_lags,
    mails_fail,
    messages_lost,
    scenes,
    secret_missing,
    staged,
    sweeps_are_slow,
    workflows_fail,
)
from tests.simulation.plan import HOUR, MINUTE, What

MUTANTS: Final = [
    rule(
        "9 tries end a day after the first unknown",
        "I3",
        plan=staged(orders=1, calm_at=30 * HOUR),
        scene=amazon(When(OPERATION, [LOST], ends=30 * HOUR)),
    ),
    rule(
        "9 tries to reverse end too",
        "I3",
        plan=staged(orders=1, intents=REVERSE, calm_at=30 * HOUR),
        scene=amazon(When(OPERATION, [LOST], ends=30 * HOUR), When(REVERSAL, [LOST], ends=30 * HOUR)),
    ),
    rule(
        "9 a reversal that a caller asks for has its own day",
        "I8",
        plan=staged(orders=1, calm_at=50 * HOUR, later=[(What.CANCEL, 22 * HOUR, 23.5 * HOUR)]),
        scene=amazon(When(OPERATION, [LOST], ends=50 * HOUR), When(REVERSAL, [LOST], ends=50 * HOUR)),
    ),
    rule(
        "9 what was never sent by then is refused as not sent",
        "I3",
        plan=staged(orders=1, first=What.LATER, within=20, calm_at=30 * HOUR),
        scene=scenes(messages_lost(1), secret_missing(30, 30 * HOUR)),
    ),
    rule(
        "9 a cancel is refused here only 15 minutes after the last create answer",
        "I6",
        plan=staged(within=5, later=[(What.CANCEL, 23 * MINUTE, 28 * MINUTE)]),
        scene=amazon(When(OPERATION, [LOST], ends=18 * MINUTE)),
    ),
    rule(
        "9 other reversals than a cancel have no such window",
        "I6",
        plan=staged(operations=(LOAD, ACTIVATE), later=[(What.CANCEL, 16 * MINUTE, 40 * MINUTE)]),
    ),
    rule(
        "9 the sweep takes records whose time has come and nothing else",
        "I8",
        plan=staged(),
        scene=scenes(amazon(When(OPERATION, [LOST], ends=10 * MINUTE)), index_lags),
    ),
    rule(
        "9 the sweep gives way to a holder that is heard of",
        "I8",
        plan=staged(orders=1, skews=(40.0, 0.0, 0.0)),
        scene=scenes(amazon(When(OPERATION, [LOST], ends=30 * MINUTE)), sweeps_are_slow(20)),
    ),
    rule(
        "9 what was never executed is swept into the backlog, not into a recovery",
        "I6",
        plan=staged(first=What.LATER),
        scene=messages_lost(1),
    ),
    rule(
        "9 what may have been executed is swept into a recovery, not into the backlog",
        "I3",
        plan=staged(calm_at=20 * MINUTE),
        scene=dies_at_amazon(OPERATION, FIRST),
    ),
    rule(
        "9 an unsent record that is swept is looked after again under its own wake_at",
        "I8",
        plan=staged(first=What.LATER),
        scene=messages_lost(3),
    ),
    rule(
        "9 an unsent record is put again by one sweep of two",
        "I8",
        plan=staged(first=What.LATER),
        scene=scenes(messages_lost(2), sweeps_are_slow(2, twice=True)),
    ),
    rule(
        "9 whoever waits for its next try is not presumed dead",
        "I8",
        plan=staged(later=[(What.RECOVER, 5 * MINUTE, 30 * MINUTE)]),
        scene=amazon(When(OPERATION, [LOST], ends=40 * MINUTE)),
    ),
    Mutant(
        "9 every open record wakes somebody",
        "I3",
        # The second refuses to write what the first has forgotten.
        (
            RULES["9 every open record wakes somebody"],
            cut(Change.__post_init__, "if self.after.status.is_open and self.after.wake_at is None:", "if False:"),
        ),
        plan=staged(calm_at=20 * MINUTE),
        scene=scenes(amazon(UNHEARD), workflows_fail(10 * MINUTE)),
    ),
    rule(
        "9 503 only if the record was certainly not written",
        "I6",
        plan=staged(orders=4),
        scene=faults_of_aws("answer lost", 0.3),
    ),
    rule("10 the case is stored with the state, before any mail", "I8", plan=staged(), scene=ANOTHER_CARD),
    Mutant(
        "10 no signature that may still be used leaves",
        "I8",
        # The workflow waits for as long, too.
        (
            RULES["10 no signature that may still be used leaves"],
            cut(recover.progress, "seconds = seconds_until_case(record, now)", "seconds = 0"),
        ),
        plan=staged(),
        scene=ANOTHER_CARD,
    ),
    rule(
        "10 a mail that cannot be sent raises an alert",
        "I8",
        plan=staged(),
        scene=scenes(ANOTHER_CARD, mails_fail),
    ),
    rule(
        "10 a case holds nothing that could be spent",
        "I4",
        plan=staged(operations=(LOAD, ACTIVATE), orders=4),
        scene=amazon(When(OPERATION, [{"kind": "wrongAmount"}])),
    ),
    rule("10 the execution of an escalation ends as failed", "I8", plan=staged(), scene=ANOTHER_CARD),
    rule(
        "2, 10 another round goes on reversing once any reversal was sent",
        "I7",
        plan=staged(orders=1, calm_at=26 * HOUR, later=[(What.RECOVER, 25 * HOUR, 25.5 * HOUR)]),
        scene=amazon(
            When(OPERATION, [DONE_AND_LOST], numbers=FIRST),
            When(OPERATION, [NOT_PERMITTED], numbers=SECOND),
            When(REVERSAL, [LOST], ends=26 * HOUR),
        ),
    ),
    rule(
        "2, 10 another round has its own deadline",
        "I8",
        plan=staged(orders=1, calm_at=52 * HOUR, later=[(What.RECOVER, 25 * HOUR, 26 * HOUR)]),
        scene=amazon(When(OPERATION, [LOST], ends=52 * HOUR)),
    ),
]
