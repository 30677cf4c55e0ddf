"""Rotate an account's access key while requests go on.

    prove the pending key -> promote it -> watch it -> end its trial, or move the old key back

A process that dies anywhere leaves staging labels from which the next invocation goes on, and two at once do the same
things; each move of a label happens once. Nothing here puts a key into the functions: they read the secret every five
minutes, and at once when Amazon refuses the key that they have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.keys.rotation import (
    TRIAL,
    Labels,
    Outcome,
    Report,
    Rotation,
    Stage,
    Verdict,
    ending,
    fault_of,
    rotation_event,
    safe_to_deactivate_at,
)
from incentives.usecases.keys.dependencies import KeyDependencies, Proof, prove
from incentives.usecases.keys.key_trial import Trial, overtaken, rolled_back, watch
from incentives.usecases.publish_events import announce

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account

#: For the proof before the promotion: Amazon may be slow for a moment, and nobody waits for it.
PROOF_SECONDS: Final = 60.0
PROOF_AGAIN_SECONDS: Final = 2.0

_PUT: Final = "Put a new key with `make put-keys PENDING=1` to begin a rotation."


def rotate_keys(
    name: str, keys: KeyDependencies, seconds_left: Callable[[], float], *, watch_for: timedelta = TRIAL
) -> Report:
    """Rotate to the pending key, if there is one; otherwise tell when the old key may be deactivated.

    Args:
        name: the account.
        keys: the ports.
        seconds_left: of this invocation, asked anew each time.
        watch_for: how long the new key is on trial.

    Raises:
        InvalidInput: no account can have such a name.
        AccountUnusable, LedgerUnavailable: nothing was promoted, or the trial goes on with the next invocation.
    """
    labels = keys.versions.labels(name)
    if labels.current is None or labels.pending is None:
        return _standing(name, labels, keys)
    if not labels.is_on_trial:
        promoted = _promote(name, labels.current, labels.pending, keys)
        if isinstance(promoted, Report):
            return promoted
        labels = promoted
    if labels.current is None or labels.previous is None:
        # Made current by other means than by us: there is nothing to go back to, and so nothing to watch for.
        keys.versions.end_trial(name, labels.current or "")
        return _standing(name, replace(labels, pending=None), keys)
    new, old = keys.versions.read(name, labels.current), keys.versions.read(name, labels.previous)
    promoted_at = _promoted_at(new, old, labels, keys)
    trial = Trial(name, labels.current, labels.previous, new, old, promoted_at, refusals_since=promoted_at)
    return watch(trial, keys, seconds_left, watch_for=watch_for) or _kept(new, old, promoted_at, keys)


def _promote(name: str, current: str, pending: str, keys: KeyDependencies) -> Labels | Report:
    """Make a pending version the current one if Amazon takes its key: the labels then; or why it was not done."""
    dependencies, versions = keys.dependencies, keys.versions
    old = versions.read(name, current)
    try:
        new = versions.read(name, pending)
    except AccountUnusable as error:
        return _refused(f"The pending version {error.why}.", old, None, keys)
    fault = fault_of(new, old)
    if fault is not None:
        return _refused(f"In the pending version, {fault}.", old, new, keys)
    proof = _prove(new, keys)
    match proof.verdict:
        case Verdict.REFUSED:
            why = f"Amazon refused a call signed with the pending key {ending(new)} ({proof.why})."
            return _refused(why, old, new, keys)
        case Verdict.UNANSWERED:
            detail = (
                f"Amazon did not say whether it takes the pending key {ending(new)} ({proof.why}). Nothing was "
                "promoted, and the key in use is untouched. Run this again later."
            )
            return _report(Outcome.UNPROVEN, detail, old, new)
        case Verdict.GOOD:
            pass
    now = dependencies.clock.now()
    rotation = Rotation(
        account=name,
        new_key=new.key_fingerprint,
        old_key=old.key_fingerprint,
        stage=Stage.PROMOTED,
        promoted_at=now,
        at=now,
    )
    # Before the move, so that its time is known to whoever comes next.
    keys.rotations.keep(rotation)
    if not versions.make_current(name, pending, instead_of=current):
        seen = versions.labels(name)
        return seen if seen.is_on_trial and seen.current == pending else overtaken(name)
    dependencies.telemetry.log("keyPromoted", account=name)
    announce(rotation_event(rotation), keys.bus, dependencies.telemetry)
    return Labels(current=pending, pending=pending, previous=current, changed_at=now)


def _prove(account: Account, keys: KeyDependencies) -> Proof:
    """Ask until Amazon says whether it takes a key."""
    clock = keys.dependencies.clock
    until = clock.now() + timedelta(seconds=PROOF_SECONDS)
    while True:
        proof = prove(account, keys.dependencies)
        if proof.verdict is not Verdict.UNANSWERED or clock.now() >= until:
            return proof
        clock.sleep(PROOF_AGAIN_SECONDS)


def _promoted_at(new: Account, old: Account, labels: Labels, keys: KeyDependencies) -> datetime:
    kept = keys.rotations.read(new.name)
    if kept is not None and (kept.new_key, kept.old_key) == (new.key_fingerprint, old.key_fingerprint):
        return kept.promoted_at
    # Made current by other means: no later than the secret was last changed.
    return labels.changed_at or keys.dependencies.clock.now()


def _standing(name: str, labels: Labels, keys: KeyDependencies) -> Report:
    """How it stands while no key is pending."""
    if labels.current is None or labels.previous is None:
        last = keys.rotations.read(name)
        back = last is not None and last.stage is Stage.ROLLED_BACK
        said = f"The last new key was rolled back at {_time(last.at)}. " if last and back else ""
        return Report(account=name, outcome=Outcome.NOTHING_TO_DO, detail=f"{said}No key is pending. {_PUT}")
    new = keys.versions.read(name, labels.current)
    try:
        old = keys.versions.read(name, labels.previous)
    except AccountUnusable as error:
        detail = f"No key is pending, and the version before the current one {error.why}. {_PUT}"
        return Report(account=name, outcome=Outcome.NOTHING_TO_DO, detail=detail, new_key=ending(new))
    if old.access_key_id == new.access_key_id:
        detail = f"No key is pending. {_PUT}"
        return Report(account=name, outcome=Outcome.NOTHING_TO_DO, detail=detail, new_key=ending(new))
    last = keys.rotations.read(name)
    if last is not None and (last.new_key, last.old_key) == (old.key_fingerprint, new.key_fingerprint):
        # A key that was promoted has been taken back since. Who did it may have died before he told anybody.
        trial = Trial(
            name, labels.previous, labels.current, old, new, last.promoted_at, refusals_since=last.promoted_at
        )
        return rolled_back(trial, keys)
    return _kept(new, old, _promoted_at(new, old, labels, keys), keys)


def _kept(new: Account, old: Account, promoted_at: datetime, keys: KeyDependencies) -> Report:
    """The new key stays: when the old one may go."""
    dependencies, name = keys.dependencies, new.name
    in_use = f"The key {ending(new)} is in use."
    try:
        used_at = keys.notes.key_notes(name, old.key_fingerprint).used_at
    except LedgerUnavailable:
        detail = f"{in_use} When the old key {ending(old)} was last used cannot be read now: run this again."
        return _report(Outcome.KEPT, detail, old, new)
    safe_at = safe_to_deactivate_at(promoted_at, used_at)
    last_used_at = used_at.isoformat() if used_at else None
    dependencies.telemetry.log("oldKey", account=name, lastUsedAt=last_used_at, safeAt=safe_at.isoformat())
    used = f"was last used at {_time(used_at)}" if used_at else "has not been used since uses are noted"
    when = "now" if safe_at <= dependencies.clock.now() else f"from {_time(safe_at)} on"
    detail = (
        f"{in_use} The old key {ending(old)} {used}. You may deactivate it {when}, in Amazon's portal on the page API "
        "security credentials. See that requests still succeed, and only then delete it there."
    )
    return replace(_report(Outcome.KEPT, detail, old, new), last_used_at=used_at, safe_at=safe_at)


def _refused(why: str, old: Account, new: Account | None, keys: KeyDependencies) -> Report:
    keys.dependencies.telemetry.log("keyNotPromoted", account=old.name)
    detail = (
        f"{why} Nothing was promoted, and the key in use is untouched. Put the new key again with "
        "`make put-keys PENDING=1`, and run this again."
    )
    return _report(Outcome.REFUSED, detail, old, new)


def _report(outcome: Outcome, detail: str, old: Account, new: Account | None) -> Report:
    return Report(
        account=old.name, outcome=outcome, detail=detail, new_key=ending(new) if new else None, old_key=ending(old)
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
