"""What rotating keys works with: the bag that carries its ports, and the proof of a key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.pacing import Allowance, Full, Lane
from incentives.domain.rotation import Verdict, verdict_of
from incentives.domain.values import frozen
from incentives.usecases.pace import take_slot
from incentives.usecases.tools import CALL_SECONDS, Tools

if TYPE_CHECKING:
    from incentives.domain.accounts import Account
    from incentives.usecases.ports import Bus, KeyVersions, Notes, Rotations

#: For the slot of a proof.
PATIENCE: Final = timedelta(seconds=5)

#: Between two looks for it, at least.
AGAIN_SECONDS: Final = 0.1


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
