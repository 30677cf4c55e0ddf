"""Who looks after an account in a simulated history: its watch, and operators who rotate its key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from incentives.aws.keys.key_notes import DynamoDbKeyNotes
from incentives.aws.keys.key_versions import PENDING, SecretsManagerVersions
from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.keys.rotation import Outcome, Report
from incentives.usecases.accounts.watch_account import watch_accounts
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.keys.dependencies import KeyDependencies
from incentives.usecases.keys.rotate_keys import rotate_keys
from tests.simulation.keyring import OLD, PREFIX, PROVEN, Rotations
from tests.simulation.plan import Trial
from tests.simulation.ports import Bus, Died, Port, secret_unread

if TYPE_CHECKING:
    from tests.simulation.life import Life

#: As the template has it, of the watch and of a rotation.
LONG_FUNCTION_SECONDS: Final = 900.0

#: Between two tries of an operator; so many, and he leaves it for another day.
AGAIN_SECONDS: Final = 60.0
TRIES_MAX: Final = 20


class Staff:
    """Everybody who looks after the account.

    Attributes:
        reports: what operators were told of rotations, in order.
        left_undone: rotations that were interrupted so often that they are gone on with another day, with no report.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._rotations = Rotations()
        self.reports: list[Report] = []
        self.left_undone = 0
        for at in life.plan.watches:
            life.begin(self.watch, after_seconds=at)
        trial = life.plan.trial
        if trial is not None:
            life.begin(lambda: self._put(trial), after_seconds=trial.put_at)
            for at in trial.rotated_at:
                life.begin(lambda: self._rotate(trial), after_seconds=at)
            if trial.spoiled_at is not None:
                life.begin(lambda: life.shore.revoke(PROVEN), after_seconds=trial.spoiled_at)

    def watch(self) -> None:
        life = self._life
        assert life.stream is not None
        stream = life.stream

        def work(dependencies: Dependencies, budget: Budget) -> dict[str, int]:
            return watch_accounts("default", stream.watch_dependencies(dependencies), budget.seconds_left)

        try:
            life.invoke(work, seconds=LONG_FUNCTION_SECONDS)
        except Died:
            life.faults["watch failed"] += 1

    def _put(self, trial: Trial) -> None:
        self._life.keyring.put(PROVEN, PENDING)
        if trial.known:
            self._life.shore.allow(PROVEN)
        else:
            self._life.faults["key put that Amazon does not know"] += 1

    def _rotate(self, trial: Trial) -> None:
        life = self._life
        for _ in range(TRIES_MAX):
            try:
                report, wait = life.invoke(
                    lambda dependencies, budget: self._invocation(trial, dependencies, budget),
                    seconds=LONG_FUNCTION_SECONDS,
                )
            except (Died, AccountUnusable, LedgerUnavailable):
                life.faults["rotation interrupted"] += 1
                life.stage.sleep(AGAIN_SECONDS)
                continue
            self.reports.append(report)
            place = len(self.reports)
            match report.outcome:
                case Outcome.KEPT if wait is not None:
                    # As the report says, and not earlier; unless another one has said since that it is in use again.
                    life.stage.sleep(wait)
                    if all(each.outcome is Outcome.KEPT for each in self.reports[place:]):
                        life.shore.revoke(OLD)
                    return
                case Outcome.NOTHING_TO_DO | Outcome.REFUSED | Outcome.ROLLED_BACK:
                    return
                case _:
                    life.stage.sleep(AGAIN_SECONDS)
        self.left_undone += 1

    def _invocation(self, trial: Trial, dependencies: Dependencies, budget: Budget) -> tuple[Report, float | None]:
        watch_for = timedelta(seconds=trial.watch_seconds)
        report = rotate_keys("default", self._key_dependencies(dependencies), budget.seconds_left, watch_for=watch_for)
        return report, (report.safe_at - dependencies.clock.now()).total_seconds() if report.safe_at else None

    def _key_dependencies(self, dependencies: Dependencies) -> KeyDependencies:
        life = self._life
        versions = SecretsManagerVersions(lambda: life.keyring, PREFIX)
        notes = DynamoDbKeyNotes(life.table, "rate_limiter", now=dependencies.clock.now)
        return KeyDependencies(
            dependencies=dependencies,
            versions=cast("Any", Port(versions, life, failure=secret_unread)),
            rotations=cast("Any", Port(self._rotations, life)),
            notes=cast("Any", Port(notes, life)),
            bus=Bus(life),
        )
