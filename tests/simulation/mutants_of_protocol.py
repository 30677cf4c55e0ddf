"""Chapters 1 to 8 of the protocol: the rows of `tests.unit.rules_of_*`, each taken out, and where that is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from incentives.domain.recovery.rules import waits
from incentives.domain.single_requests.record import Intent
from tests.simulation.mutants_amazon import (
    DONE_AND_LOST,
    LOST,
    NO_PAGE,
    NOT_PERMITTED,
    OPERATION,
    PAGE,
    REVERSAL,
    SHUT,
    THROTTLED,
    TOO_LATE,
    When,
    amazon,
    lands_late,
)
from tests.simulation.mutants_cut import Mutant, cut, rule
from tests.simulation.mutants_look import Watched
from tests.simulation.mutants_scenes import (
    ACTIVATE,
    ANOTHER_PARTNER,
    LOAD,
    another_partner,
    dies_at_amazon,
    faults_of_aws,
    key_refused,
    meanwhile,
    messages_doubled,
    messages_lost,
    nobody_sweeps,
    scenes,
    secret_is,
    staged,
    under_another,
    workflows_fail,
)
from tests.simulation.plan import HOUR, MINUTE, What

FIRST: Final = range(1, 2)
SECOND: Final = range(2, 3)
THIRD: Final = range(3, 4)

REVERSE: Final = (Intent.REVERSE,)
REISSUE: Final = (Intent.REISSUE,)

#: Amazon shows the first response about another card than was ordered.
ANOTHER_CARD: Final = amazon(When(OPERATION, [{"kind": "wrongAmount"}, {"kind": "wrongCurrency"}], numbers=FIRST))

#: The operation takes effect, and nobody hears of it.
UNHEARD: Final = When(OPERATION, [DONE_AND_LOST], ends=2 * MINUTE)

#: Nothing of an operation gets through in its first minutes.
SILENCE: Final = When(OPERATION, [LOST], ends=130)


def only_the_activity_tells(until: float) -> Callable[[Watched], None]:
    """Until then each order is charged for unheard, and its reversal is told that there is nothing."""
    return amazon(When(OPERATION, [DONE_AND_LOST], ends=until), When(REVERSAL, [NOT_PERMITTED], ends=until))


SENDING: Final = [
    rule("1 the same key with another body is refused", "I9", plan=staged(later=[(What.OTHER_BODY, 5, 60)])),
    rule("1 the same key with another account is refused", "I9", plan=staged(), scene=under_another("other")),
    rule(
        "1 request ids are stored, and belong to their partner id",
        "I2",
        plan=staged(within=20),
        scene=scenes(
            another_partner,
            amazon(When(OPERATION, [DONE_AND_LOST], ends=10 * MINUTE)),
            secret_is(ANOTHER_PARTNER, 40, 30 * MINUTE),
        ),
    ),
    rule(
        "1 every id of a chain resolves to the newest generation",
        "I6",
        plan=staged(intents=REISSUE, later=[(What.ORDER, 30 * MINUTE, 40 * MINUTE)]),
        scene=amazon(SILENCE),
    ),
    rule(
        "2, 6 whoever takes a record over raises its epoch",
        "I3",
        plan=staged(calm_at=20 * MINUTE),
        scene=scenes(amazon(UNHEARD), workflows_fail(10 * MINUTE, begun=True)),
    ),
    rule(
        "2 a cancel sets the intent for good",
        "I2",
        plan=staged(intents=REISSUE, later=[(What.CANCEL, 3 * MINUTE, 20 * MINUTE)]),
        scene=amazon(SILENCE),
    ),
    rule(
        "2 a cancel takes an open record from its holder",
        "I6",
        plan=staged(later=[(What.CANCEL, 0.05, 0.4)]),
    ),
    rule(
        "2, 8 a reissue is conditional on its intent",
        "I2",
        plan=staged(intents=REISSUE),
        scene=scenes(amazon(SILENCE), meanwhile("reissue", What.CANCEL)),
    ),
    rule("3 the first attempt is recorded before it leaves", "I1", plan=staged()),
    rule(
        "3 a send names the attempt that it follows",
        "I3",
        plan=staged(orders=4, first=What.LATER),
        scene=scenes(
            messages_doubled(0),
            amazon(
                When(OPERATION, [lands_late(1, 5)], numbers=FIRST), When(OPERATION, [NOT_PERMITTED], numbers=SECOND)
            ),
        ),
    ),
    rule(
        "3 once REVERSING, the operation is never sent again",
        "I3",
        plan=staged(later=[(What.CANCEL, 1, 4)]),
        scene=amazon(When(OPERATION, [LOST], numbers=range(1, 4)), When(REVERSAL, [LOST], numbers=FIRST)),
    ),
    rule(
        "4 refused closes the request only if no earlier attempt is unknown",
        "I3",
        plan=staged(),
        scene=amazon(When(OPERATION, [DONE_AND_LOST], numbers=FIRST), When(OPERATION, [NOT_PERMITTED], numbers=SECOND)),
    ),
    rule(
        "4 an attempt whose process died is unknown",
        "I3",
        plan=staged(),
        scene=scenes(amazon(When(OPERATION, [NOT_PERMITTED], numbers=SECOND)), dies_at_amazon(OPERATION, FIRST)),
    ),
    rule(
        "4 a throttle never erases an earlier unknown",
        "I3",
        plan=staged(),
        scene=amazon(
            When(OPERATION, [DONE_AND_LOST], numbers=FIRST),
            When(OPERATION, [THROTTLED], numbers=SECOND),
            When(OPERATION, [NOT_PERMITTED], numbers=THIRD),
        ),
    ),
    rule(
        "4 a refused key never erases an earlier unknown",
        "I3",
        plan=staged(within=1),
        scene=scenes(amazon(When(OPERATION, [DONE_AND_LOST], ends=5)), key_refused(2, 30 * MINUTE)),
    ),
    rule(
        "4 a refunded card is reversed, never a success",
        "I7",
        plan=staged(),
        scene=amazon(When(OPERATION, [{"kind": "refunded"}], numbers=FIRST)),
    ),
    rule(
        "4 a refunded card ends REVERSED without asking again",
        "I7",
        plan=staged(),
        scene=amazon(When(OPERATION, [{"kind": "refunded"}], numbers=FIRST)),
    ),
    rule("4 another amount or currency is never a success", "I7", plan=staged(), scene=ANOTHER_CARD),
    rule("4 another amount or currency is for people", "I7", plan=staged(), scene=ANOTHER_CARD),
    rule(
        "4 a reversal never refuses by itself",
        "I3",
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [LOST], numbers=FIRST)),
    ),
    rule(
        "5 a code read again leaves only after a consistent read finds SUCCEEDED",
        "I7",
        plan=staged(later=[(What.REVEAL, 20, 20.2), (What.CANCEL, 20, 20.6)]),
    ),
    rule(
        "5 a new code leaves only after a write finds SUCCEEDED",
        "I6",
        plan=staged(orders=4, later=[(What.CANCEL, 0.05, 0.5)]),
    ),
    rule(
        "5 a repeat in an open state sends nothing",
        "I2",
        plan=staged(later=[(What.ORDER, 1, 60)] * 3),
        scene=amazon(SILENCE),
    ),
]

RECOVERING: Final = [
    rule(
        "6 a task whose epoch is not current stops",
        "I8",
        plan=staged(later=[(What.RECOVER, 30, 90)] * 3),
        scene=amazon(SILENCE),
    ),
    rule(
        "6 no two executions share an epoch",
        "I8",
        plan=staged(intents=REISSUE),
        scene=scenes(amazon(When(OPERATION, [LOST], ends=60 * MINUTE)), meanwhile("reissue", What.RECOVER, after=True)),
    ),
    rule(
        "6 repeats are counted from the first unknown, not from creation",
        "I8",
        plan=staged(first=What.LATER, intents=(Intent.REVERSE, Intent.REISSUE)),
        scene=scenes(messages_lost(1), amazon(When(OPERATION, [DONE_AND_LOST], ends=10 * MINUTE))),
    ),
    rule(
        "6 reverse and reissue give up repeating after a minute",
        "I8",
        plan=staged(intents=(Intent.REVERSE, Intent.REISSUE)),
        scene=amazon(When(OPERATION, [LOST], ends=10 * MINUTE)),
    ),
    rule(
        "6 no wait is longer than a minute while a late card could be cancelled",
        "I8",
        plan=staged(intents=REVERSE, within=5),
        scene=amazon(
            When(OPERATION, [lands_late(1190, 1200)], ends=20 * MINUTE), When(REVERSAL, [SHUT], ends=24.5 * MINUTE)
        ),
    ),
    Mutant(
        "6 there is a poll at the fence, and none of the waits before and after is longer than a minute",
        "I8",
        # Either alone finds a late card in time.
        (
            cut(
                waits.next_wait_seconds,
                "cap = WAIT_INSIDE_WINDOW_SECONDS_MAX if inside else WAIT_SECONDS_MAX\n"
                "    wait = min(2 * (record.wait_seconds or FIRST_WAIT_SECONDS), cap)\n"
                "    # One second past the in-flight window: Amazon's Date header counts whole seconds and must be beyond it.\n"
                "    marks = [deadline(record)] if window_end is None else [window_end + timedelta(seconds=1), "
                "deadline(record)]",
                "cap = WAIT_SECONDS_MAX\n"
                "    wait = min(2 * (record.wait_seconds or FIRST_WAIT_SECONDS), cap)\n"
                "    marks = [deadline(record)]",
            ),
        ),
        plan=staged(intents=REVERSE, within=5),
        scene=amazon(
            When(OPERATION, [lands_late(1110, 1190)], ends=20 * MINUTE),
            When(REVERSAL, [SHUT], begins=30 * MINUTE, ends=36 * MINUTE),
        ),
    ),
    rule(
        "6 there is a last try at the deadline",
        "I8",
        plan=staged(orders=1, calm_at=30 * HOUR),
        scene=amazon(When(OPERATION, [LOST], ends=30 * HOUR)),
    ),
    rule(
        "6 task handlers return outcomes",
        # The simulation takes whatever a task raises for a fault of the program, as its execution would.
        "it broke off: LedgerUnavailable",
        plan=staged(),
        scene=scenes(amazon(SILENCE), faults_of_aws("throttled", 0.2)),
    ),
    rule(
        "7 no such request proves nothing before the fence",
        "I7",
        plan=staged(intents=REVERSE),
        scene=amazon(When(OPERATION, [LOST, lands_late(300, 1200)], ends=20 * MINUTE)),
    ),
    rule(
        "7 the fence is 20 minutes from the latest attempt, not from the first",
        "I7",
        plan=staged(later=[(What.CANCEL, 16 * MINUTE, 18 * MINUTE)]),
        scene=amazon(
            When(OPERATION, [LOST], ends=13 * MINUTE),
            When(OPERATION, [lands_late(1000, 1200)], ends=20 * MINUTE),
        ),
    ),
    rule(
        "7 the fence is compared with Amazon's own clock",
        "I7",
        plan=staged(intents=REVERSE, orders=4, skews=(600.0, -300.0, 0.0)),
        scene=amazon(When(OPERATION, [LOST, lands_late(600, 1200)], ends=20 * MINUTE)),
    ),
    rule(
        "7 no such request counts only twice",
        "I3",
        plan=staged(intents=REVERSE, within=5),
        scene=amazon(
            UNHEARD,
            When(REVERSAL, [LOST], ends=22 * MINUTE),
            When(REVERSAL, [NOT_PERMITTED], ends=22 * MINUTE + 50),
            When(PAGE, [NO_PAGE]),
        ),
    ),
    rule(
        "7 no such request counts only 60 seconds apart",
        "I3",
        plan=staged(within=5, later=[(What.CANCEL, 22 * MINUTE, 25 * MINUTE)]),
        scene=scenes(
            amazon(When(REVERSAL, [NOT_PERMITTED], numbers=range(1, 5)), When(PAGE, [NO_PAGE])),
            dies_at_amazon(OPERATION, FIRST),
            nobody_sweeps(30 * MINUTE),
        ),
    ),
    rule(
        "7 no such request never counts for a card that was seen",
        "I3",
        plan=staged(within=5, later=[(What.CANCEL, 10, 60)]),
        scene=amazon(
            When(REVERSAL, [LOST], ends=22 * MINUTE),
            When(REVERSAL, [NOT_PERMITTED], ends=30 * MINUTE),
            When(PAGE, [NO_PAGE]),
        ),
    ),
    rule(
        "7 a card that was seen is known to whoever holds the record next",
        "I3",
        plan=staged(within=5, later=[(What.CANCEL, 0.05, 0.5)]),
        scene=amazon(When(REVERSAL, [NOT_PERMITTED], ends=30 * MINUTE), When(PAGE, [NO_PAGE])),
    ),
    rule(
        "7 reversed counts for activations and loads only after the fence",
        "I7",
        plan=staged(intents=REVERSE, operations=(LOAD, ACTIVATE)),
        scene=amazon(When(OPERATION, [DONE_AND_LOST, lands_late(100, 1200)], ends=20 * MINUTE)),
    ),
    rule(
        "7 too late is no proof of life",
        "I3",
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [DONE_AND_LOST], numbers=FIRST), When(REVERSAL, [TOO_LATE], numbers=SECOND)),
    ),
    rule(
        "7 a card that is alive gets one more reversal",
        "I8",
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [TOO_LATE], numbers=FIRST)),
    ),
    rule(
        "7 a card that nobody wants never ends as a success",
        "I6",
        plan=staged(intents=REVERSE),
        scene=amazon(UNHEARD, When(REVERSAL, [LOST], ends=22 * MINUTE)),
    ),
    rule(
        "7 back to SUCCEEDED only after too late",
        "I3",
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [DONE_AND_LOST], numbers=FIRST)),
    ),
    rule(
        "7 where Amazon's book is to be had, it must agree",
        "I3",
        plan=staged(intents=REVERSE),
        scene=amazon(UNHEARD, When(REVERSAL, [NOT_PERMITTED], ends=30 * MINUTE)),
    ),
    rule(
        "7 a book that does not answer agrees with nothing",
        "I3",
        plan=staged(intents=REVERSE),
        scene=amazon(UNHEARD, When(REVERSAL, [NOT_PERMITTED], ends=30 * MINUTE), When(PAGE, [LOST], ends=30 * MINUTE)),
    ),
    rule(
        "7 a page that was kept names all that is in it",
        "I3",
        plan=staged(intents=REVERSE, within=5),
        scene=only_the_activity_tells(50 * MINUTE),
    ),
    rule(
        "7 a page that was kept speaks only for what was past its fence by then",
        "I3",
        plan=staged(orders=4, intents=REVERSE, within=50 * MINUTE, calm_at=2 * HOUR),
        scene=only_the_activity_tells(100 * MINUTE),
    ),
    rule(
        "7 a page that was kept speaks only for what cannot have happened before it begins",
        "I3",
        plan=staged(orders=4, within=HOUR, later=[(What.CANCEL, MINUTE, HOUR)], calm_at=3 * HOUR),
        scene=only_the_activity_tells(150 * MINUTE),
    ),
    rule(
        "8 the old is closed and the new opened in one transaction",
        "I3",
        plan=staged(intents=REISSUE),
        scene=amazon(SILENCE),
    ),
    rule(
        "8 there are three generations at most",
        "I8",
        plan=staged(intents=REISSUE, calm_at=2 * HOUR),
        scene=amazon(When(OPERATION, [LOST], ends=2 * HOUR)),
    ),
    rule(
        "8 the deadline is inherited",
        "I3",
        plan=staged(orders=1, intents=REISSUE, calm_at=46 * HOUR),
        scene=amazon(
            When(OPERATION, [LOST], ends=46 * HOUR),
            When(REVERSAL, [LOST], ends=20 * HOUR),
            When(REVERSAL, [LOST], ends=46 * HOUR, generations=range(1, 3)),
        ),
    ),
    rule(
        "8 a card that our own earlier generation holds is unknown, not refused",
        "I6",
        plan=staged(intents=REISSUE, operations=(ACTIVATE,)),
        scene=amazon(
            SILENCE,
            When(
                OPERATION,
                [{"kind": "refuse", "errorType": "CardAlreadyActivatedWithDifferentRequestId"}],
                numbers=FIRST,
                generations=range(1, 2),
            ),
        ),
    ),
]

MUTANTS: Final = [*SENDING, *RECOVERING]
