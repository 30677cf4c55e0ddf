"""Guards of what stands around the ledger, each taken out: its stream's readers, alerts, and the account's keys."""

from __future__ import annotations

from typing import Final

from incentives.usecases import publish_events
from incentives.usecases.accounts import count_spend, raise_alerts
from incentives.usecases.keys import key_trial
from incentives.usecases.single_requests import drive
from tests.simulation.mutants_cut import Mutant, cut
from tests.simulation.mutants_scenes import faults_of_aws, staged
from tests.simulation.plan import HOUR, Trial, What

#: The account has no money, and nobody pays in.
PENNILESS: Final = ((0.0, 0),)

#: A new key is promoted, and somebody deactivates it while it is on trial.
SPOILED: Final = Trial(put_at=10, rotated_at=(20,), watch_seconds=600, known=True, spoiled_at=120)

STREAM: Final = [
    Mutant(
        "what could not be counted comes again",
        "I3",
        (
            cut(
                count_spend.count_spend,
                'telemetry.count("SpendNotCounted")\n            return write.number',
                'telemetry.count("SpendNotCounted")',
            ),
        ),
        plan=staged(orders=5, streams=True, later=[(What.CANCEL, 10, 30)]),
        scene=faults_of_aws("throttled", 0.2),
    ),
    Mutant(
        "what could not be published comes again",
        "I6",
        (
            cut(
                publish_events._published,
                "return next((number for number, event in batch if event.event_id in error.event_ids), batch[0][0])",
                "continue",
            ),
        ),
        plan=staged(orders=5, streams=True, later=[(What.CANCEL, 10, 30)]),
        scene=faults_of_aws("throttled", 0.2),
    ),
]

ALERTS: Final = [
    Mutant(
        "a refusal for want of money is told at once",
        "an account has run out of money, and no alert stands",
        (
            cut(
                count_spend._count,
                "if _is_short(after) and (before is None or not _is_short(before)):",
                "if False:",
            ),
        ),
        plan=staged(orders=4, streams=True, balances=PENNILESS),
    ),
    Mutant(
        "an alert is told once",
        "an alert was told twice",
        (
            cut(
                raise_alerts.raise_alerts,
                "for alert in to_tell(before, after, dependencies.clock.now()):",
                "for alert in after.alerts:",
            ),
        ),
        plan=staged(orders=4, streams=True, balances=PENNILESS),
    ),
    Mutant(
        "an alert that nobody was told of is told by the next watch",
        "nobody was told",
        (
            cut(
                raise_alerts._tell,
                'dependencies.telemetry.count("AlertNotTold")\n        return False',
                'dependencies.telemetry.count("AlertNotTold")\n        return True',
            ),
        ),
        plan=staged(
            orders=4, streams=True, balances=PENNILESS, notifier=0.9, watches=(HOUR, 2 * HOUR), calm_at=2.5 * HOUR
        ),
    ),
]

KEYS: Final = [
    Mutant(
        "a key that Amazon refuses is rolled back",
        "I3",
        (cut(key_trial._look, "if prove(trial.old, dependencies).verdict is not Verdict.REFUSED:", "if False:"),),
        plan=staged(orders=1, begins=130, trial=SPOILED),
    ),
    Mutant(
        "no order is refused for a key on trial",
        "were refused while a key was rotated",
        (
            cut(
                drive._try_with_key,
                "key_was_fresh = fresh and not account.on_trial",
                "key_was_fresh = fresh",
            ),
        ),
        plan=staged(orders=6, begins=116, within=14, trial=SPOILED),
    ),
]

MUTANTS: Final = [*STREAM, *ALERTS, *KEYS]
