"""Key rotation: how a new access key takes the place of the old one, and when the old one may go.

The staging labels of the account's secret are the whole state. Whoever comes after a crash reads them and goes on:

    AWSCURRENT  AWSPENDING
    old         new         put by an operator; to be proven by a signed call, then promoted
    new         new         promoted and on trial; AWSPREVIOUS is the old key, which is still good
    new         -           the rotation is over
    old         -           rolled back

Sources: Amazon's seven steps of key rotation (create, update, confirm, deactivate, confirm, delete), and its rule that
a key is replaced at least every 180 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from incentives.domain.accounts.account import SECRET_KEPT_FOR, Account
from incentives.domain.events import SCHEMA_VERSION, Event
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused, Unknown, blames_key

#: How long a promoted key is watched: every process has read the secret anew by then, and made calls with it.
TRIAL: Final = timedelta(minutes=10)

#: Amazon accepts a signature for so long.
SIGNATURE_VALID_FOR: Final = timedelta(minutes=15)

#: By which the clocks of two processes may differ. An earlier trial of the same key was longer ago than that.
CLOCKS_APART: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Labels:
    """The versions of an account's secret, by staging label.

    Attributes:
        current, pending, previous: version ids; None where no version has the label.
        changed_at: when the secret was last changed in any way; aware UTC.
    """

    current: str | None
    pending: str | None
    previous: str | None
    changed_at: datetime | None = None

    @property
    def is_on_trial(self) -> bool:
        """Whether the current key was promoted and its trial is not over."""
        return self.pending is not None and self.pending == self.current


class Verdict(StrEnum):
    """What a proof, one signed call, says of a key."""

    GOOD = "good"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # it says nothing: no response, too many calls, or our clock is wrong


def verdict_of(response: object) -> Verdict:
    """What a response to GetAvailableFunds says of the key that signed the call."""
    match response:
        case Refused():
            return Verdict.REFUSED
        case NotExecuted(because=NotExecutedBecause.CREDENTIALS, error=error):
            return Verdict.REFUSED if blames_key(error) else Verdict.UNANSWERED
        case NotExecuted() | Unknown():
            return Verdict.UNANSWERED
        case _:
            return Verdict.GOOD


def fault_of(new: Account, old: Account) -> str | None:
    """Why a key cannot take the place of another: names the field of its secret, and quotes nothing."""
    if new.partner_id != old.partner_id:
        # Every request id begins with it: open requests could neither be repeated nor reversed any more.
        return "partnerId is another than that of the key in use"
    if new.marketplace != old.marketplace:
        return "marketplace is another than that of the key in use"
    if new.access_key_id == old.access_key_id:
        return "accessKeyId is that of the key in use"
    if new.key_created_at is None:
        return "keyCreatedAt is missing, so that nobody would know when the key is due"
    if old.key_created_at is not None and new.key_created_at < old.key_created_at:
        # Left over from a rotation that somebody has overtaken.
        return "keyCreatedAt is before that of the key in use"
    return None


@dataclass(frozen=True, slots=True)
class KeyNotes:
    """What the functions have noted of a key.

    Attributes:
        used_at: when a call that it signs was last about to leave; None: never.
        refused_at: when Amazon last refused it; None: never.
    """

    used_at: datetime | None = None
    refused_at: datetime | None = None


class Stage(StrEnum):
    """How far a rotation is."""

    PROMOTED = "promoted"
    KEPT = "kept"
    ROLLED_BACK = "rolledBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The newest rotation of an account.

    Attributes:
        new_key, old_key: prints (see `Account.key_fingerprint`).
        promoted_at: no later than the new key became the current one; aware UTC.
        at: when this stage came.
    """

    account: str
    new_key: str
    old_key: str
    stage: Stage
    promoted_at: datetime
    at: datetime


class Outcome(StrEnum):
    """What an invocation did, or found."""

    NOTHING_TO_DO = "nothingToDo"
    REFUSED = "refused"  # the pending key is not promoted
    UNPROVEN = "unproven"  # Amazon did not answer; invoked again, it goes on
    KEPT = "kept"
    ROLLED_BACK = "rolledBack"
    BOTH_REFUSED = "bothRefused"  # the new key and the one before it; the labels stay
    OVERTAKEN = "overtaken"  # somebody else has moved the labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an operator is told.

    Attributes:
        detail: sentences that say what to do next.
        new_key, old_key: the last four characters of their ids, by which Amazon's portal shows them too.
        last_used_at: when the old key was last used; None: it was not, since uses are noted.
        safe_at: from when on the old key may be deactivated; None: it may not.
    """

    account: str
    outcome: Outcome
    detail: str
    new_key: str | None = None
    old_key: str | None = None
    last_used_at: datetime | None = None
    safe_at: datetime | None = None


def was_refused(notes: KeyNotes, since: datetime) -> bool:
    """Whether a function has met a refusal of a key since then, by whichever clock it noted it."""
    return notes.refused_at is not None and notes.refused_at > since - CLOCKS_APART


def safe_to_deactivate_at(promoted_at: datetime, last_used_at: datetime | None) -> datetime:
    """From when on nothing can depend on an old key any more.

    Until `SECRET_KEPT_FOR` after the promotion a process may still sign with it, and until `SIGNATURE_VALID_FOR` after
    that Amazon may be looking at the signature. A use that was noted later than expected moves it on.
    """
    last = max(promoted_at, last_used_at) if last_used_at else promoted_at
    return last + SECRET_KEPT_FOR + SIGNATURE_VALID_FOR


def ending(account: Account) -> str:
    """By what people tell keys apart."""
    return f"...{account.access_key_id[-4:]}"


def rotation_event(rotation: Rotation, because: str | None = None) -> Event:
    """A stage of a rotation, for programs."""
    event_id = f"{rotation.account}#{rotation.new_key}#{rotation.stage.value}#{rotation.at.isoformat()}"
    return Event(
        "AccessKeyRotation",
        event_id,
        rotation.at,
        {
            "schemaVersion": SCHEMA_VERSION,
            "eventId": event_id,
            "account": rotation.account,
            "stage": rotation.stage.value,
            "because": because,
            "promotedAt": rotation.promoted_at.isoformat(),
        },
    )
