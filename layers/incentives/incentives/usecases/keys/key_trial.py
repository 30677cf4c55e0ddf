"""Watch a key that was promoted a moment ago; if Amazon refuses it, the key before it comes back.

    look every ten seconds: is it still the current one? does Amazon take it? has a function met a refusal?

What cannot be looked at now is looked at the next time. A watch that dies leaves the key on trial; the next invocation
takes it up, and two watches at once do not get into each other's way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.keys.rotation import (
    CLOCKS_APART,
    Outcome,
    Report,
    Rotation,
    Stage,
    Verdict,
    ending,
    rotation_event,
    was_refused,
)
from incentives.usecases.keys.dependencies import KeyDependencies, prove
from incentives.usecases.publish_events import announce

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account

#: A refusal is met, and the old key moved back, well within a minute.
LOOK_EVERY_SECONDS: Final = 10.0

#: One look at its slowest: both keys asked, the labels moved, people told. No look begins with less left.
SECONDS_FOR_A_LOOK: Final = 45.0

#: A label that was moved a moment ago may still be seen where it was: only this many looks in a row count.
ASTRAY_MAX: Final = 2


@dataclass(slots=True)
class Trial:
    """A key on trial, and what the watch has seen so far.

    Attributes:
        version, previous: ids of the secret's versions with the new key and the old one.
        refusals_since: a refusal that a function has met since then is still to be acted on.
        astray: looks in a row that found another version to be the current one.
        is_to_go_back: the last look has found that the old key must come back, and does not know whether it has.
        why: why it is to be rolled back, if it is.
        proven: Amazon has taken the new key since it was promoted.
        both_refused: neither key is taken, as far as is known.
        told: people know of that.
    """

    name: str
    version: str
    previous: str
    new: Account
    old: Account
    promoted_at: datetime
    refusals_since: datetime
    astray: int = 0
    is_to_go_back: bool = False
    why: str = "as another invocation has found"
    proven: bool = False
    both_refused: bool = False
    told: bool = False


def watch(
    trial: Trial, keys: KeyDependencies, seconds_left: Callable[[], float], *, watch_for: timedelta
) -> Report | None:
    """Watch until the trial is over.

    Returns:
        None if the new key stays; otherwise what became of it.

    Raises:
        AccountUnusable: the trial could not be ended; it goes on with the next invocation.
    """
    clock = keys.dependencies.clock
    until = clock.now() + watch_for
    while True:
        began_at = clock.now()
        report = _look(trial, keys)
        if report is not None:
            return report
        now = clock.now()
        # The old key may have come back, by our move or by somebody else's: then one more look has to tell.
        is_over = now >= until and not trial.astray and not trial.is_to_go_back
        if is_over or seconds_left() < SECONDS_FOR_A_LOOK + LOOK_EVERY_SECONDS:
            break
        clock.sleep(LOOK_EVERY_SECONDS - (now - began_at).total_seconds())
    if trial.both_refused:
        return _report(trial, Outcome.BOTH_REFUSED, _both_refused(trial))
    if not is_over or not trial.proven:
        detail = f"The key {ending(trial.new)} was promoted, but its trial is not over. Run this again to go on."
        return _report(trial, Outcome.UNPROVEN, detail)
    keys.versions.end_trial(trial.name, trial.version)
    if keys.versions.labels(trial.name).current != trial.version:
        # Moved since the last look: nobody may be told that the key before it can go.
        return overtaken(trial.name)
    keys.dependencies.telemetry.log("keyKept", account=trial.name)
    _keep(trial, Stage.KEPT, keys)
    return None


def _look(trial: Trial, keys: KeyDependencies) -> Report | None:
    dependencies = keys.dependencies
    report = _if_overtaken(trial, keys)
    if report is not None:
        return report
    proof = prove(trial.new, dependencies)
    trial.is_to_go_back = False
    trial.proven = trial.proven or proof.verdict is Verdict.GOOD
    met_at = _refusal_met_at(trial, keys)
    if proof.verdict is not Verdict.REFUSED and met_at is None:
        trial.both_refused = trial.both_refused and proof.verdict is Verdict.UNANSWERED
        return None
    if prove(trial.old, dependencies).verdict is not Verdict.REFUSED:
        # Also if it was not answered: it was good until a moment ago.
        trial.is_to_go_back = True
        trial.why = proof.why if proof.verdict is Verdict.REFUSED else "a function met a refusal"
        return _roll_back(trial, keys)
    if proof.verdict is not Verdict.REFUSED and met_at is not None:
        # Nothing to go back to: what a function has met counts no more than what we see.
        trial.refusals_since = met_at + CLOCKS_APART
        return None
    trial.both_refused = True
    if not trial.told:
        subject = f"Incentives account {trial.name}: Amazon refuses both access keys"
        trial.told = _told(trial, subject, _both_refused(trial), keys)
    return None


def _if_overtaken(trial: Trial, keys: KeyDependencies) -> Report | None:
    """What became of a key that is no longer the current one."""
    try:
        current = keys.versions.labels(trial.name).current
        trial.astray = 0 if current == trial.version else trial.astray + 1
        if trial.astray < ASTRAY_MAX:
            return None
        if current == trial.previous:
            return rolled_back(trial, keys)
        keys.versions.end_trial(trial.name, trial.version)
    except AccountUnusable as error:
        keys.dependencies.telemetry.log("secretUnread", account=trial.name, because=error.why)
        return None
    return overtaken(trial.name)


def _refusal_met_at(trial: Trial, keys: KeyDependencies) -> datetime | None:
    """When a function last met a refusal of the new key that is still to be acted on."""
    try:
        notes = keys.notes.key_notes(trial.name, trial.new.key_fingerprint)
    except LedgerUnavailable:
        keys.dependencies.telemetry.log("ledgerUnavailable", account=trial.name)
        return None
    return notes.refused_at if was_refused(notes, trial.refusals_since) else None


def _roll_back(trial: Trial, keys: KeyDependencies) -> Report | None:
    """Make the old key the current one again; None if the next look has to tell whether that was done."""
    try:
        moved = keys.versions.make_current(trial.name, trial.previous, instead_of=trial.version)
    except AccountUnusable as error:
        keys.dependencies.telemetry.log("keyNotRolledBack", account=trial.name, because=error.why)
        return None
    return rolled_back(trial, keys) if moved else None


def rolled_back(trial: Trial, keys: KeyDependencies) -> Report:
    """The old key is the current one again, by our move or by another invocation's: tidy up, and tell."""
    telemetry, versions = keys.dependencies.telemetry, keys.versions
    telemetry.log("keyRolledBack", account=trial.name, because=trial.why)
    telemetry.count("KeyRolledBack")
    try:
        versions.give_up(trial.name, trial.version)
    except AccountUnusable as error:
        # A label that is left does no harm: a pending key is proven before it is promoted again.
        telemetry.log("labelsLeft", account=trial.name, because=error.why)
    _keep(trial, Stage.ROLLED_BACK, keys, trial.why)
    detail = (
        f"The new key {ending(trial.new)} was refused after it had been promoted ({trial.why}). The key "
        f"{ending(trial.old)} is in use again: do not deactivate it. Requests that met the refusal are repeated by "
        "themselves. See in Amazon's portal, on the page API security credentials, what is wrong with the new key; "
        "then put it, or another one, with `make put-keys PENDING=1`, and rotate again."
    )
    _told(trial, f"Incentives account {trial.name}: the new access key was rolled back", detail, keys)
    return _report(trial, Outcome.ROLLED_BACK, detail)


def _told(trial: Trial, subject: str, text: str, keys: KeyDependencies) -> bool:
    fault = keys.dependencies.notifier.notify(subject, text)
    if fault is not None:
        keys.dependencies.telemetry.log("alertNotTold", account=trial.name, because=fault)
        keys.dependencies.telemetry.count("AlertNotTold")
    return fault is None


def _keep(trial: Trial, stage: Stage, keys: KeyDependencies, why: str | None = None) -> None:
    """Write a stage, and tell programs. The labels have moved already: nothing here may fail the rotation."""
    rotation = Rotation(
        account=trial.name,
        new_key=trial.new.key_fingerprint,
        old_key=trial.old.key_fingerprint,
        stage=stage,
        promoted_at=trial.promoted_at,
        at=keys.dependencies.clock.now(),
    )
    try:
        keys.rotations.keep(rotation)
    except LedgerUnavailable:
        keys.dependencies.telemetry.log("ledgerUnavailable", account=trial.name)
    announce(rotation_event(rotation, why), keys.bus, keys.dependencies.telemetry)


def overtaken(name: str) -> Report:
    """Somebody else has moved the labels."""
    detail = "Somebody else has changed the account's secret meanwhile. Run this again to see how it stands."
    return Report(account=name, outcome=Outcome.OVERTAKEN, detail=detail)


def _both_refused(trial: Trial) -> str:
    return (
        f"Amazon refuses the new key {ending(trial.new)} and also the one before it, {ending(trial.old)}. Nothing was "
        "moved back. Requests wait, and are repeated by themselves once a key is accepted. See in Amazon's portal "
        "whether the account is blocked, or activate a key on the page API security credentials; then run this again."
    )


def _report(trial: Trial, outcome: Outcome, detail: str) -> Report:
    return Report(
        account=trial.name, outcome=outcome, detail=detail, new_key=ending(trial.new), old_key=ending(trial.old)
    )
