"""Take a slot, and be on time for it: what every call to Amazon passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.outcomes import NotExecutedBecause, UnknownBecause, Unresolved, blames_key
from incentives.domain.pacing import LATE_SECONDS, Allowance, Full, Lane, Slot

if TYPE_CHECKING:
    from incentives.usecases.tools import Tools

#: A process that is late for this many slots in a row has no time to be on time: its calls are few.
SLOTS_MISSED_MAX = 3


def take_slot(account: str, lane: Lane, tools: Tools, *, allowance: Allowance | None = None) -> Slot | Full:
    """Reserve a slot and wait for it; if there is none that soon, take nothing and do not wait.

    Raises:
        LedgerUnavailable: no slot, no call.
    """
    asked_at = tools.clock.now()
    missed = 0
    while True:
        slot = tools.pacer.reserve(account, lane, allowance=allowance)
        if isinstance(slot, Full):
            return slot
        tools.clock.sleep((slot.at - tools.clock.now()).total_seconds())
        if missed == SLOTS_MISSED_MAX or not is_late(slot, tools):
            break
        missed += 1
        tools.telemetry.count("SlotMissed")
    waited = (tools.clock.now() - asked_at).total_seconds()
    tools.telemetry.count("PaceWait", waited * 1000, unit="Milliseconds")
    return slot


def is_late(slot: Slot, tools: Tools) -> bool:
    """Whether a call that leaves now would leave among those of later slots."""
    return (tools.clock.now() - slot.at).total_seconds() > LATE_SECONDS


def keep_time(slot: Slot, account: str, tools: Tools) -> None:
    """Just before a call leaves: one that was held up takes another slot, however many others wait.

    It is written down already, and may leave at any time; so it leaves even if there is no slot.
    """
    if not is_late(slot, tools):
        return
    tools.telemetry.count("SlotMissed")
    try:
        another = tools.pacer.reserve(account, Lane.RECOVERY)
    except LedgerUnavailable:
        return
    if isinstance(another, Slot):
        tools.clock.sleep((another.at - tools.clock.now()).total_seconds())


def heed(account: str, outcome: Any, tools: Tools) -> None:  # noqa: ANN401 - of an operation, a reversal or a question
    """Slow down if Amazon has throttled the call, or was overloaded by it; note a key that it has refused."""
    because = getattr(outcome, "because", None)
    if isinstance(outcome, Unresolved):
        because = outcome.not_executed or outcome.unknown
    if because is NotExecutedBecause.CREDENTIALS and blames_key(outcome.error):
        _note_refusal(account, tools)
    if because not in {NotExecutedBecause.THROTTLED, UnknownBecause.OVERLOADED}:
        return
    tools.telemetry.log("throttled", account=account)
    tools.telemetry.count("Throttled")
    try:
        tools.pacer.slow_down(account)
    except LedgerUnavailable:
        # The next throttled call says so again.
        tools.telemetry.log("ledgerUnavailable", account=account)


def _note_refusal(account: str, tools: Tools) -> None:
    tools.telemetry.log("keyRefused", account=account)
    tools.telemetry.count("KeyRefused")
    try:
        tools.accounts.refused(account)
    except LedgerUnavailable:
        # Whoever watches a key on trial asks Amazon as well.
        tools.telemetry.log("ledgerUnavailable", account=account)
