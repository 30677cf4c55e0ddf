"""What rotating keys needs: its ports, and the proof of a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.keys.rotation import Verdict, verdict_of
from incentives.domain.rate_limit import Allowance, Full, Priority
from incentives.usecases.dependencies import CALL_SECONDS, Dependencies
from incentives.usecases.permits import take_permit

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account
    from incentives.usecases.ports import Bus, KeyVersions, Notes, Rotations

#: For the permit of a proof.
PATIENCE: Final = timedelta(seconds=5)

#: Between two looks for it, at least.
AGAIN_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDependencies:
    """The ports, and what rotating keys needs beside them."""

    dependencies: Dependencies
    versions: KeyVersions
    rotations: Rotations
    notes: Notes
    bus: Bus


@dataclass(frozen=True, slots=True)
class Proof:
    """What one signed call says of the key that signed it.

    Attributes:
        why: Amazon's name of the error, or ours; empty for a good key.
    """

    verdict: Verdict
    why: str = ""


def prove(account: Account, dependencies: Dependencies) -> Proof:
    """Sign one GetAvailableFunds, which moves no money. It never raises.

    In the priority of recovery: it is one call in ten seconds, and must get through however many others wait.
    """
    patient_until = dependencies.clock.now() + PATIENCE
    try:
        while isinstance(
            permit := take_permit(account.name, Priority.RECOVERY, dependencies, allowance=Allowance.FUNDS), Full
        ):
            # Mostly because somebody has asked for the balance within the second.
            now = dependencies.clock.now()
            if now >= patient_until:
                return Proof(Verdict.UNANSWERED, "all of the request rate is in use")
            dependencies.clock.sleep(max((permit.next_at - now).total_seconds(), AGAIN_SECONDS))
    except LedgerUnavailable as error:
        return Proof(Verdict.UNANSWERED, error.detail)
    response = dependencies.amazon.funds(account, seconds=CALL_SECONDS)
    proof = Proof(verdict_of(response), _named(response))
    dependencies.telemetry.log("keyProof", account=account.name, outcome=proof.verdict.value, because=proof.why or None)
    return proof


def _named(response: object) -> str:
    error = getattr(response, "error", None)
    name = (error.type or error.code) if error is not None else None
    return name or str(getattr(response, "because", ""))
