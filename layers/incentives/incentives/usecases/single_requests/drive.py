"""Carry an open record forward, one step of the recovery policy at a time, while the function's time allows.

Every step is: ask the policy, take a permit, sign, record the send, send, write down what the response means. A process
that dies anywhere in between leaves a record from which the next holder goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from incentives.domain.errors import AccountUnusable, InvalidInput, LedgerUnavailable, VaultUnavailable
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    NotExecuted,
    NotExecutedBecause,
    Refused,
    Succeeded,
    Unresolved,
)
from incentives.domain.rate_limit import Frozen, Full, Permit, Priority
from incentives.domain.recovery.keeping_back import keep_back, keep_back_for_now
from incentives.domain.recovery.rules import (
    ActivityFinding,
    Done,
    Escalate,
    Probe,
    SendOperation,
    SendReversal,
    Settle,
    Wait,
    after_operation,
    after_probe,
    after_reversal,
    asks_activity,
    next_step,
    note_seen,
    permit_due,
    postpone,
)
from incentives.domain.single_requests.record import Change, Lost, Record, Reissue, Status
from incentives.domain.single_requests.transitions import hand_off, record_reversal_send, record_send
from incentives.usecases.dependencies import CALL_SECONDS, Budget, Dependencies
from incentives.usecases.operation_calls import account_of, decrypted, operation_call, reversal_call
from incentives.usecases.permits import on_throttled, reacquire_if_late, take_permit

if TYPE_CHECKING:
    from incentives.agcod.amazon import SignedCall
    from incentives.domain.calls import Attempt, Call


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a record came.

    Attributes:
        record: as the ledger has it, by our write or by the write that beat ours.
        card: what Amazon last showed us of it, to be delivered only if `record` is SUCCEEDED.
    """

    record: Record
    card: Card | None = field(default=None, repr=False)


def drive(  # noqa: C901 - one branch per step of the policy
    record: Record,
    dependencies: Dependencies,
    budget: Budget,
    *,
    card: Card | None = None,
    reread_key: bool = False,
    permit: Permit | None = None,
    priority: Priority = Priority.CALLER,
) -> Progress:
    """Carry a record forward until it ends, time runs out, or somebody else holds it.

    Args:
        record: as its holder last wrote it.
        dependencies: the ports.
        budget: the holder's time.
        card: what an earlier attempt has shown of it.
        reread_key: Amazon has just refused the account's key: the next try reads it anew.
        permit: taken already for the first try.
        priority: for tries of what was never executed.

    Raises:
        LedgerUnavailable: the record stays as it was last written; its `wake_at` brings it back.
    """
    here = Progress(record, card)
    while True:
        now = dependencies.clock.now()
        step = next_step(here.record, now)
        match step:
            case Done():
                return here
            case Wait(until):
                seconds = (until - now).total_seconds()
                if not budget.allows_a_try(seconds):
                    return _hand_off(here, dependencies)
                dependencies.clock.sleep(seconds)
            case Settle(change):
                here, held = write(here, change, dependencies)
                if not held:
                    return here
            case Reissue() | Escalate():
                # Neither can fall due while somebody waits for a response; both are the recovery's.
                return _hand_off(here, dependencies)
            case SendOperation() | SendReversal() | Probe():
                if not budget.allows_a_try():
                    return _hand_off(here, dependencies)
                here, held = try_once(
                    here, step, dependencies, budget, reread_key=reread_key, permit=permit, priority=priority
                )
                reread_key, permit = False, None
                if not held:
                    return here


def settle(
    record: Record, attempt: Attempt[Any], dependencies: Dependencies, *, key_was_fresh: bool
) -> tuple[Progress, bool]:
    """Write down what the response to a recorded send of the operation means."""
    card = attempt.outcome.card if isinstance(attempt.outcome, Succeeded) else None
    parks = isinstance(attempt.outcome, Refused) and _parks_unfunded(record, dependencies)
    change = after_operation(record, attempt, dependencies.clock.now(), key_was_fresh=key_was_fresh, parks=parks)
    return write(Progress(record, card), change, dependencies)


def _parks_unfunded(record: Record, dependencies: Dependencies) -> bool:
    try:
        return dependencies.accounts.get(record.account).parks_unfunded
    except (AccountUnusable, InvalidInput):
        return False


def try_once(
    here: Progress,
    step: SendOperation | SendReversal | Probe,
    dependencies: Dependencies,
    budget: Budget,
    *,
    reread_key: bool = False,
    permit: Permit | None = None,
    priority: Priority = Priority.CALLER,
) -> tuple[Progress, bool]:
    """Carry out one step at Amazon; twice if it refuses the key, the key had been cached and time allows.

    Returns:
        How far it came, which is nowhere if the wait for a permit took the time of the try; and whether the record is
        still ours.
    """
    priority = _priority_of(here.record, step, priority)
    here, held, key_refused = _try_with_key(here, step, dependencies, budget, priority, fresh=reread_key, permit=permit)
    if key_refused and not reread_key and held and here.record.status.is_open and budget.allows_a_try():
        here, held, _ = _try_with_key(here, step, dependencies, budget, priority, fresh=True)
    return here, held


def _try_with_key(
    here: Progress,
    step: SendOperation | SendReversal | Probe,
    dependencies: Dependencies,
    budget: Budget,
    priority: Priority,
    *,
    fresh: bool,
    permit: Permit | None = None,
) -> tuple[Progress, bool, bool]:
    record = here.record
    try:
        account = account_of(record, dependencies, fresh=fresh)
        members = decrypted(record, dependencies.vault)
        call = reversal_call(record, members) if isinstance(step, SendReversal) else operation_call(record, members)
        never_sent = _never_executed(record, step)
        reserved = permit or take_permit(record.account, priority, dependencies, never_sent=never_sent)
        if isinstance(reserved, Frozen):
            return *write_kept_back(here, reserved, dependencies), False
        if isinstance(reserved, Full):
            return *write(here, permit_due(record, reserved.next_at, dependencies.clock.now()), dependencies), False
        if not budget.allows_a_try():
            # Permits can be missed several times over, where a machine has no time for us: the wait took all there was.
            return here, True, False
        signed = dependencies.amazon.sign(call, account)
    except (AccountUnusable, InvalidInput, VaultUnavailable) as error:
        # InvalidInput: the account or the deployment has changed since the record was opened. Whoever asks now is
        # not to blame for it, and the record must not be stuck on it.
        why = AmazonError(type=error.code, message=error.detail)
        return *write(here, postpone(record, why, dependencies.clock.now()), dependencies), False
    # A key on trial is taken back if it is refused: the next try has a better one.
    key_was_fresh = fresh and not account.on_trial
    return _send(here, step, signed, reserved, dependencies, budget=budget, key_was_fresh=key_was_fresh)


def _priority_of(record: Record, step: SendOperation | SendReversal | Probe, priority: Priority) -> Priority:
    """A request that may have been charged goes before one that was never executed, which keeps to its own priority."""
    return priority if _never_executed(record, step) and record.status is Status.PENDING else Priority.RECOVERY


def _never_executed(record: Record, step: SendOperation | SendReversal | Probe) -> bool:
    """Whether this is the send of an operation that Amazon cannot have executed: none while the account is frozen."""
    return isinstance(step, SendOperation) and not record.may_have_executed


def _send(
    here: Progress,
    step: SendOperation | SendReversal | Probe,
    signed: SignedCall,
    permit: Permit,
    dependencies: Dependencies,
    *,
    budget: Budget,
    key_was_fresh: bool,
) -> tuple[Progress, bool, bool]:
    record, call = here.record, signed.call
    mark = record_reversal_send if isinstance(step, SendReversal) else record_send
    never_sent = _never_executed(record, step)
    here, held = write(here, mark(record, signed.sent_at, dependencies.clock.now()), dependencies)
    if not held:
        return here, False, False
    kept_back_by = reacquire_if_late(permit, record.account, dependencies, never_sent=never_sent)
    if kept_back_by is not None:
        return *write_kept_back(here, kept_back_by, dependencies), False
    if isinstance(step, SendReversal):
        reversal = observed(dependencies, here.record, call, signed, dependencies.amazon.attempt_reversal)
        activity = ActivityFinding.AGREES
        if asks_activity(here.record, reversal, dependencies.clock.now()):
            # Few processes ever come here: the others need not load it.
            from incentives.usecases.recovery.look_up_activity import look_up_activity  # noqa: PLC0415

            activity = look_up_activity(here.record, reversal.amazon_date, dependencies, budget)
        change = after_reversal(here.record, reversal, dependencies.clock.now(), activity=activity)
        key_refused = isinstance(reversal.outcome, Unresolved) and (
            reversal.outcome.not_executed is NotExecutedBecause.CREDENTIALS
        )
        here, held = write(here, change, dependencies)
        return here, held, key_refused
    attempt = observed(dependencies, here.record, call, signed, dependencies.amazon.attempt)
    key_refused = is_key_refused(attempt)
    if isinstance(step, Probe):
        here, held = write(here, after_probe(here.record, attempt, dependencies.clock.now()), dependencies)
    else:
        here, held = settle(here.record, attempt, dependencies, key_was_fresh=key_was_fresh)
    return here, held, key_refused


def write_kept_back(
    here: Progress, by: Frozen | LedgerUnavailable, dependencies: Dependencies
) -> tuple[Progress, bool]:
    """Write that a send does not leave, if it was recorded, and that its request waits."""
    dependencies.telemetry.log("keptBack", requestId=here.record.request_id, account=here.record.account)
    change = keep_back if isinstance(by, Frozen) else keep_back_for_now
    return write(here, change(here.record, dependencies.clock.now()), dependencies)


def observed(
    dependencies: Dependencies, record: Record, call: Call, signed: SignedCall, send: Callable[..., Attempt[Any]]
) -> Attempt[Any]:
    """Send, and note what came of it."""
    attempt = send(signed, seconds=CALL_SECONDS)
    outcome = attempt.outcome
    on_throttled(record.account, outcome, dependencies)
    error: AmazonError = getattr(outcome, "error", AmazonError())
    dependencies.telemetry.log(
        "attempt",
        requestId=record.request_id,
        operation=call.name,
        account=record.account,
        status=record.status.value,
        outcome=type(outcome).__name__,
        because=getattr(outcome, "because", None),
        errorCode=error.code,
        errorType=error.type,
        httpStatus=attempt.evidence.http_status,
        amazonRequestId=attempt.evidence.amazon_request_id,
        attempt=record.attempts,
        reversalAttempt=record.reversal_attempts,
    )
    dependencies.telemetry.count(f"Attempt{type(outcome).__name__}", operation=call.name)
    return attempt


def is_key_refused(attempt: Attempt[Any]) -> bool:
    """Whether Amazon refused the key or its signature."""
    outcome = attempt.outcome
    return isinstance(outcome, NotExecuted) and outcome.because is NotExecutedBecause.CREDENTIALS


def _hand_off(here: Progress, dependencies: Dependencies) -> Progress:
    here, held = write(here, hand_off(here.record, dependencies.clock.now()), dependencies)
    dependencies.telemetry.log("handedOff", requestId=here.record.request_id, status=here.record.status.value)
    if held and here.record.status is not Status.PENDING:
        start(here.record, dependencies)
    elif held:
        requeue(here.record, dependencies)
    return here


def requeue(record: Record, dependencies: Dependencies, *, delay_seconds: float = 0.0) -> None:
    """A request that was never executed goes on from the backlog. If that fails, the sweep finds it.

    Args:
        record: as it was last written.
        dependencies: the ports.
        delay_seconds: not before; one that waits for more than its permit comes out when its next try is due.
    """
    now = dependencies.clock.now()
    due_in = 0.0 if record.waits_for_permit else ((record.due_at or now) - now).total_seconds()
    queued = dependencies.backlog.put(record.request_id, delay_seconds=max(delay_seconds, due_in))
    dependencies.telemetry.log("queued" if queued else "notQueued", requestId=record.request_id, account=record.account)


def start(record: Record, dependencies: Dependencies) -> None:
    """Start the recovery of a record whose epoch has just been raised for it. If that fails, the sweep finds it."""
    started = dependencies.recoveries.start(record.request_id, record.epoch)
    dependencies.telemetry.log(
        "recoveryStarted" if started else "recoveryNotStarted",
        requestId=record.request_id,
        status=record.status.value,
        epoch=record.epoch,
    )


def write(here: Progress, change: Change, dependencies: Dependencies) -> tuple[Progress, bool]:
    """Carry out a conditional write; whether the record is still ours."""
    result = dependencies.ledger.apply(change, dependencies.new_nonce())
    if isinstance(result, Lost):
        return lost(here, result, dependencies)
    if result.status is not change.before.status:
        moved(result, dependencies)
    return replace(here, record=result), True


def lost(here: Progress, beaten_by: Lost, dependencies: Dependencies) -> tuple[Progress, bool]:
    """Somebody else has the record now: how it stands. A card that we have seen is made known to its new holder."""
    current = beaten_by.current or here.record
    dependencies.telemetry.log(
        "writeLost", requestId=current.request_id, status=current.status.value, epoch=current.epoch
    )
    if here.card is not None and current.status is Status.REVERSING and not current.card_seen:
        # We have seen a card that its new holder looks for. Whoever beats this write knows more than we do.
        result = dependencies.ledger.apply(
            note_seen(current, here.card, dependencies.clock.now()), dependencies.new_nonce()
        )
        current = (result.current or current) if isinstance(result, Lost) else result
    return replace(here, record=current), False


def moved(record: Record, dependencies: Dependencies) -> None:
    """Note that a record has come to another state."""
    dependencies.telemetry.log(
        "moved",
        requestId=record.request_id,
        status=record.status.value,
        operation=record.operation.value,
        account=record.account,
        cause=record.cause.value if record.cause else None,
    )
    dependencies.telemetry.count(f"Request{record.status.value.title()}", operation=record.operation.value)
