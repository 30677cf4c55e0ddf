"""Take a permit, and be on time for it: what every call to Amazon passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.outcomes import NotExecutedBecause, UnknownBecause, Unresolved, blames_key
from incentives.domain.rate_limit import LATE_SECONDS, Allowance, Frozen, Full, Permit, Priority

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Dependencies

#: A process that is late for this many permits in a row has no time to be on time: its calls are few.
PERMITS_MISSED_MAX = 3


@overload
def take_permit(
    account: str,
    priority: Priority,
    dependencies: Dependencies,
    *,
    allowance: Allowance | None = None,
    never_sent: Literal[False] = False,
) -> Permit | Full: ...


@overload
def take_permit(
    account: str,
    priority: Priority,
    dependencies: Dependencies,
    *,
    allowance: Allowance | None = None,
    never_sent: bool,
) -> Permit | Full | Frozen: ...


def take_permit(
    account: str,
    priority: Priority,
    dependencies: Dependencies,
    *,
    allowance: Allowance | None = None,
    never_sent: bool = False,
) -> Permit | Full | Frozen:
    """Reserve a permit and wait for it; if there is none that soon, take nothing and do not wait.

    Args:
        account: whose.
        priority: of who asks.
        dependencies: the ports.
        allowance: what must be free as well.
        never_sent: it is for a request that Amazon has never executed, or to read a claim code. There is no permit for
            these while the account is frozen.

    Raises:
        LedgerUnavailable: no permit, no call.
    """
    asked_at = dependencies.clock.now()
    missed = 0
    while True:
        permit = dependencies.rate_limiter.reserve(account, priority, allowance=allowance, never_sent=never_sent)
        if not isinstance(permit, Permit):
            return permit
        dependencies.clock.sleep((permit.at - dependencies.clock.now()).total_seconds())
        if missed == PERMITS_MISSED_MAX or not is_late(permit, dependencies):
            break
        missed += 1
        dependencies.telemetry.count("PermitMissed")
    waited = (dependencies.clock.now() - asked_at).total_seconds()
    dependencies.telemetry.count("PermitWait", waited * 1000, unit="Milliseconds")
    return permit


def is_late(permit: Permit, dependencies: Dependencies) -> bool:
    """Whether a call that leaves now would leave among those of later permits."""
    return (dependencies.clock.now() - permit.at).total_seconds() > LATE_SECONDS


def reacquire_if_late(
    permit: Permit, account: str, dependencies: Dependencies, *, never_sent: bool = False
) -> Frozen | LedgerUnavailable | None:
    """Just before a call leaves: one that is late takes another permit, however many others wait.

    It is written down already, and may leave at any time; so it leaves even if there is no permit.

    Args:
        permit: that it was to leave with.
        account: whose.
        dependencies: the ports.
        never_sent: as for `take_permit`; then it leaves only if the account is known not to be frozen.

    Returns:
        What keeps it from leaving at all, if anything does.
    """
    if not is_late(permit, dependencies):
        return None
    dependencies.telemetry.count("PermitMissed")
    try:
        another = dependencies.rate_limiter.reserve(account, Priority.RECOVERY, never_sent=never_sent)
    except LedgerUnavailable as error:
        # Somebody may have been told meanwhile that nothing new leaves any more.
        return error if never_sent else None
    if isinstance(another, Frozen):
        return another
    if isinstance(another, Permit):
        dependencies.clock.sleep((another.at - dependencies.clock.now()).total_seconds())
    return None


def on_throttled(account: str, outcome: Any, dependencies: Dependencies) -> None:  # noqa: ANN401 - of an operation, a reversal or a query
    """Slow down if Amazon has throttled the call, or was overloaded by it; note a key that it has refused."""
    because = getattr(outcome, "because", None)
    if isinstance(outcome, Unresolved):
        because = outcome.not_executed or outcome.unknown
    if because is NotExecutedBecause.CREDENTIALS and blames_key(outcome.error):
        _note_refusal(account, dependencies)
    if because not in {NotExecutedBecause.THROTTLED, UnknownBecause.OVERLOADED}:
        return
    dependencies.telemetry.log("throttled", account=account)
    dependencies.telemetry.count("Throttled")
    try:
        dependencies.rate_limiter.slow_down(account)
    except LedgerUnavailable:
        # The next throttled call says so again.
        dependencies.telemetry.log("ledgerUnavailable", account=account)


def _note_refusal(account: str, dependencies: Dependencies) -> None:
    dependencies.telemetry.log("keyRefused", account=account)
    dependencies.telemetry.count("KeyRefused")
    try:
        dependencies.accounts.refused(account)
    except LedgerUnavailable:
        # Whoever watches a key on trial asks Amazon as well.
        dependencies.telemetry.log("ledgerUnavailable", account=account)
