"""What rotating keys works with: its ports, the bag that carries them, and the proof of a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

from incentives.domain.accounts import Account
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.pacing import Allowance, Full, Lane
from incentives.domain.rotation import KeyNotes, Labels, Rotation, Verdict, verdict_of
from incentives.domain.values import frozen
from incentives.usecases.pace import take_slot
from incentives.usecases.publish_events import Bus
from incentives.usecases.tools import CALL_SECONDS, Tools

#: For the slot of a proof.
PATIENCE: Final = timedelta(seconds=5)

#: Between two looks for it, at least.
AGAIN_SECONDS: Final = 0.1


class KeyVersions(Protocol):
    """The versions of an account's secret. Each method raises `AccountUnusable`."""

    def labels(self, name: str) -> Labels:
        """Look at which version has which label. Raises `InvalidInput` for what can be no account's name."""

    def read(self, name: str, version: str) -> Account:
        """Read the keys of one version."""

    def make_current(self, name: str, version: str, *, instead_of: str) -> bool:
        """Make another version the current one; False if that was not `instead_of`."""

    def end_trial(self, name: str, version: str) -> None:
        """Take the pending label off a version, if it has it."""

    def give_up(self, name: str, version: str) -> None:
        """Take every label off a version that is not current."""


class Rotations(Protocol):
    """The newest rotation of each account. Each method raises `LedgerUnavailable`."""

    def read(self, account: str) -> Rotation | None:
        """Read an account's."""

    def keep(self, rotation: Rotation) -> None:
        """Write how far it is."""


class Notes(Protocol):
    """What functions note of the keys that they call Amazon with."""

    def key_notes(self, account: str, key_print: str) -> KeyNotes:
        """Of one key. Raises `LedgerUnavailable`."""


@frozen(kw_only=True)
class KeyTools:
    """The ports, and what rotating keys needs beside them."""

    tools: Tools
    versions: KeyVersions
    rotations: Rotations
    notes: Notes
    bus: Bus


@frozen
class Proof:
    """What one signed call says of the key that signed it.

    Attributes:
        why: Amazon's name of the error, or ours; empty for a good key.
    """

    verdict: Verdict
    why: str = ""


def prove(account: Account, tools: Tools) -> Proof:
    """Sign one GetAvailableFunds, which moves no money. It never raises.

    In the lane of recovery: it is one call in ten seconds, and must get through however many others wait.
    """
    patient_until = tools.clock.now() + PATIENCE
    try:
        while isinstance(slot := take_slot(account.name, Lane.RECOVERY, tools, allowance=Allowance.FUNDS), Full):
            # Mostly because somebody has asked for the balance within the second.
            now = tools.clock.now()
            if now >= patient_until:
                return Proof(Verdict.UNANSWERED, "all of the request rate is in use")
            tools.clock.sleep(max((slot.next_at - now).total_seconds(), AGAIN_SECONDS))
    except LedgerUnavailable as error:
        return Proof(Verdict.UNANSWERED, error.detail)
    answer = tools.amazon.funds(account, seconds=CALL_SECONDS)
    proof = Proof(verdict_of(answer), _named(answer))
    tools.telemetry.log("keyProof", account=account.name, outcome=proof.verdict.value, because=proof.why or None)
    return proof


def _named(answer: object) -> str:
    error = getattr(answer, "error", None)
    name = (error.type or error.code) if error is not None else None
    return name or str(getattr(answer, "because", ""))
