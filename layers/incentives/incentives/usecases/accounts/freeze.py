"""Freeze an account, unfreeze it, and keep it so.

    the truth, if it is as it was read -> the rate limiter's copy -> the operators -> the last permits -> the response

Each step can be repeated: whoever asks once more, and the watch, finish what a process that died has left. A newer copy
is never overwritten, so that neither can undo what others have done since.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from incentives.domain.accounts.freezing import LAST_CALL_LEAVES_AFTER, Freeze, next_version, notice_of, shown_caller
from incentives.domain.errors import AccountNotFound, AccountUnusable, LedgerUnavailable
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX, check_words

if TYPE_CHECKING:
    from incentives.usecases.accounts.dependencies import AccountDependencies
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import Freezes

#: Two people and the watch at once are three.
TRIES_MAX = 6


def freeze(account: str, reason: str, caller: str | None, here: AccountDependencies) -> Freeze:
    """Freeze an account. Once this returns, nothing leaves for Amazon that Amazon has never seen.

    Where it is frozen already its reason stays, and what was left undone is done.

    Args:
        account: its name.
        reason: why, for people.
        caller: ARN of who asks.
        here: the ports.

    Returns:
        How the account stands then: others may have unfrozen it meanwhile.

    Raises:
        InvalidInput: names `reason`.
        AccountNotFound: there is no such account.
        AccountUnusable: nobody can tell whether there is: its keys cannot be read now, and it was never used.
        LedgerUnavailable: it may have been done, and is finished by the watch; the same call says.
    """
    check_words("reason", reason, NOTE_LENGTH_MAX)
    return _change(account, frozen=True, reason=reason, caller=caller, here=here)


def unfreeze(account: str, caller: str | None, here: AccountDependencies) -> Freeze:
    """Unfreeze an account: what has waited goes on when it is next due.

    Returns, raises:
        as `freeze`.
    """
    return _change(account, frozen=False, reason=None, caller=caller, here=here)


def keep_frozen(accounts: Iterable[str], freezes: Freezes, dependencies: Dependencies) -> None:
    """Have the rate limiter's copies say what is true, and the operators told: for the watch."""
    for account in accounts:
        try:
            known = freezes.get(account)
            if known is not None:
                dependencies.rate_limiter.freeze(account, frozen=known.frozen, version=known.version)
                _tell(known, freezes, dependencies)
        except Exception as error:  # noqa: BLE001 - a fault in one account's data must not hide the others
            because = error.detail if isinstance(error, LedgerUnavailable) else type(error).__name__
            dependencies.telemetry.log("freezeNotKept", account=account, because=because)
            dependencies.telemetry.count("AccountFailed")


def why_frozen(account: str, freezes: Freezes) -> str:
    """Why nothing new leaves, for whoever waits for it. Raises `LedgerUnavailable`."""
    known = freezes.get(account)
    if known is None or not known.frozen:
        # Unfrozen a moment ago.
        return f"account {account!r} was frozen."
    return f"account {account!r} has been frozen by {known.by}: {known.reason}"


def _change(account: str, *, frozen: bool, reason: str | None, caller: str | None, here: AccountDependencies) -> Freeze:
    dependencies, before = here.dependencies, here.freezes.get(account)
    if before is None:
        _check_known(account, here)
    for _ in range(TRIES_MAX):
        if before is not None and before.frozen is frozen:
            return _carry_out(before, here)
        now = dependencies.clock.now()
        after = Freeze(
            account=account,
            frozen=frozen,
            since=now,
            version=next_version(before, now),
            reason=reason,
            by=shown_caller(caller),
            caller=caller,
            nonce=dependencies.new_nonce(),
        )
        kept = here.freezes.keep(before, after)
        if kept is not None and kept.nonce == after.nonce:
            log = "accountFrozen" if frozen else "accountUnfrozen"
            dependencies.telemetry.log(log, account=account, caller=caller, version=after.version)
            return _carry_out(kept, here, instead_of=before)
        before = kept
    raise LedgerUnavailable("too many freeze and unfreeze the account at once", in_doubt=False)


def _check_known(account: str, here: AccountDependencies) -> None:
    if account == here.default or account in here.states.accounts():
        return
    try:
        here.dependencies.accounts.get(account)
    except AccountUnusable as error:
        if error.has_secret:
            raise
        raise AccountNotFound(account) from error


def _carry_out(known: Freeze, here: AccountDependencies, *, instead_of: Freeze | None = None) -> Freeze:
    dependencies = here.dependencies
    dependencies.rate_limiter.freeze(known.account, frozen=known.frozen, version=known.version)
    if instead_of is not None:
        # Its own can be told by nobody else any more.
        _tell(instead_of, here.freezes, dependencies)
    # Before the wait: should somebody undo it meanwhile, that is told later than this.
    _tell(known, here.freezes, dependencies)
    if known.frozen:
        # Whoever has a permit leaves with it. After that nobody does.
        dependencies.clock.sleep(LAST_CALL_LEAVES_AFTER.total_seconds())
    return here.freezes.get(known.account) or known


def _tell(known: Freeze, freezes: Freezes, dependencies: Dependencies) -> None:
    if known.told_at is not None:
        return
    fault = dependencies.notifier.notify(*notice_of(known))
    if fault is not None:
        # It stays untold: the next watch tries again, and the alarm on this metric goes another way.
        cause = "frozen" if known.frozen else "unfrozen"
        dependencies.telemetry.log("alertNotTold", account=known.account, cause=cause)
        dependencies.telemetry.count("AlertNotTold")
        return
    freezes.note_told(known, dependencies.clock.now())
