"""Carry an open record forward, one step of the recovery policy at a time, while the function's time allows.

Every step is: ask the policy, take a slot, sign, record the send, send, write down what the answer means. A process
that dies anywhere in between leaves a record from which the next holder goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from incentives.domain.errors import AccountUnusable, InvalidInput, VaultUnavailable
from incentives.domain.ledger import Change, Lost, Record, Status
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    NotExecuted,
    NotExecutedBecause,
    Refused,
    Succeeded,
    Unresolved,
)
from incentives.domain.pacing import Full, Lane, Slot
from incentives.domain.recovery import (
    Book,
    Done,
    Escalate,
    Probe,
    Reissue,
    SendOperation,
    SendReversal,
    Settle,
    Wait,
    after_operation,
    after_probe,
    after_reversal,
    asks_the_book,
    held_up,
    next_step,
    note_seen,
    slot_due,
)
from incentives.domain.transitions import hand_over, record_reversal_send, record_send
from incentives.domain.values import frozen
from incentives.usecases.calls import account_of, operation_call, reversal_call, unsealed
from incentives.usecases.pace import heed, keep_time, take_slot
from incentives.usecases.tools import CALL_SECONDS, Budget, Tools

if TYPE_CHECKING:
    from incentives.agcod.amazon import SignedCall
    from incentives.domain.calls import Attempt, Call


@frozen
class Driven:
    """How far a record came.

    Attributes:
        record: as the ledger has it, by our write or by the write that beat ours.
        card: what Amazon last showed us of it, to be delivered only if `record` is SUCCEEDED.
    """

    record: Record
    card: Card | None = field(default=None, repr=False)


def drive(  # noqa: C901 - one branch per step of the policy
    record: Record,
    tools: Tools,
    budget: Budget,
    *,
    card: Card | None = None,
    reread_key: bool = False,
    slot: Slot | None = None,
    lane: Lane = Lane.CALLER,
) -> Driven:
    """Carry a record forward until it ends, time runs out, or somebody else holds it.

    Args:
        record: as its holder last wrote it.
        tools: the ports.
        budget: the holder's time.
        card: what an earlier attempt has shown of it.
        reread_key: Amazon has just refused the account's key: the next try reads it anew.
        slot: taken already for the first try.
        lane: for tries of what was never executed.

    Raises:
        LedgerUnavailable: the record stays as it was last written; its `wake_at` brings it back.
    """
    here = Driven(record, card)
    while True:
        now = tools.clock.now()
        step = next_step(here.record, now)
        match step:
            case Done():
                return here
            case Wait(until):
                seconds = (until - now).total_seconds()
                if not budget.allows_a_try(seconds):
                    return _hand_over(here, tools)
                tools.clock.sleep(seconds)
            case Settle(change):
                here, held = write(here, change, tools)
                if not held:
                    return here
            case Reissue() | Escalate():
                # Neither can fall due while somebody waits for an answer; both are the recovery's.
                return _hand_over(here, tools)
            case SendOperation() | SendReversal() | Probe():
                if not budget.allows_a_try():
                    return _hand_over(here, tools)
                here, held = try_once(here, step, tools, budget, reread_key=reread_key, slot=slot, lane=lane)
                reread_key, slot = False, None
                if not held:
                    return here


def settle(record: Record, attempt: Attempt[Any], tools: Tools, *, key_was_fresh: bool) -> tuple[Driven, bool]:
    """Write down what the answer to a recorded send of the operation means."""
    card = attempt.outcome.card if isinstance(attempt.outcome, Succeeded) else None
    parks = isinstance(attempt.outcome, Refused) and _parks_unfunded(record, tools)
    change = after_operation(record, attempt, tools.clock.now(), key_was_fresh=key_was_fresh, parks=parks)
    return write(Driven(record, card), change, tools)


def _parks_unfunded(record: Record, tools: Tools) -> bool:
    try:
        return tools.accounts.get(record.account).parks_unfunded
    except (AccountUnusable, InvalidInput):
        return False


def try_once(
    here: Driven,
    step: SendOperation | SendReversal | Probe,
    tools: Tools,
    budget: Budget,
    *,
    reread_key: bool = False,
    slot: Slot | None = None,
    lane: Lane = Lane.CALLER,
) -> tuple[Driven, bool]:
    """Carry out one step at Amazon; twice if it refuses the key, the key had been cached and time allows.

    Returns:
        How far it came, which is nowhere if the wait for a slot took the time of the try; and whether the record is
        still ours.
    """
    lane = _lane_of(here.record, step, lane)
    here, held, key_refused = _try_with_key(here, step, tools, budget, lane, fresh=reread_key, slot=slot)
    if key_refused and not reread_key and held and here.record.status.is_open and budget.allows_a_try():
        here, held, _ = _try_with_key(here, step, tools, budget, lane, fresh=True)
    return here, held


def _try_with_key(
    here: Driven,
    step: SendOperation | SendReversal | Probe,
    tools: Tools,
    budget: Budget,
    lane: Lane,
    *,
    fresh: bool,
    slot: Slot | None = None,
) -> tuple[Driven, bool, bool]:
    record = here.record
    try:
        account = account_of(record, tools, fresh=fresh)
        members = unsealed(record, tools.vault)
        call = reversal_call(record, members) if isinstance(step, SendReversal) else operation_call(record, members)
        reserved = slot or take_slot(record.account, lane, tools)
        if isinstance(reserved, Full):
            return *write(here, slot_due(record, reserved.next_at, tools.clock.now()), tools), False
        if not budget.allows_a_try():
            # Slots can be missed several times over, where a machine has no time for us: the wait took all there was.
            return here, True, False
        signed = tools.amazon.sign(call, account)
    except (AccountUnusable, InvalidInput, VaultUnavailable) as error:
        # InvalidInput: the account or the deployment has changed since the record was opened. Whoever asks now is
        # not to blame for it, and the record must not be stuck on it.
        why = AmazonError(type=error.code, message=error.detail)
        return *write(here, held_up(record, why, tools.clock.now()), tools), False
    # A key on trial is taken back if it is refused: the next try has a better one.
    key_was_fresh = fresh and not account.on_trial
    return _send(here, step, signed, reserved, tools, budget=budget, key_was_fresh=key_was_fresh)


def _lane_of(record: Record, step: SendOperation | SendReversal | Probe, lane: Lane) -> Lane:
    """A request that may have been charged goes before one that was never executed, which keeps to its own lane."""
    never_executed = isinstance(step, SendOperation) and not record.may_have_executed
    return lane if never_executed and record.status is Status.PENDING else Lane.RECOVERY


def _send(
    here: Driven,
    step: SendOperation | SendReversal | Probe,
    signed: SignedCall,
    slot: Slot,
    tools: Tools,
    *,
    budget: Budget,
    key_was_fresh: bool,
) -> tuple[Driven, bool, bool]:
    record, call = here.record, signed.call
    mark = record_reversal_send if isinstance(step, SendReversal) else record_send
    here, held = write(here, mark(record, signed.sent_at, tools.clock.now()), tools)
    if not held:
        return here, False, False
    keep_time(slot, record.account, tools)
    if isinstance(step, SendReversal):
        reversal = observed(tools, here.record, call, signed, tools.amazon.attempt_reversal)
        book = Book.AGREES
        if asks_the_book(here.record, reversal, tools.clock.now()):
            # Few processes ever come here: the others need not load it.
            from incentives.usecases.book import read_book  # noqa: PLC0415

            book = read_book(here.record, reversal.amazon_date, tools, budget)
        change = after_reversal(here.record, reversal, tools.clock.now(), book=book)
        key_refused = isinstance(reversal.outcome, Unresolved) and (
            reversal.outcome.not_executed is NotExecutedBecause.CREDENTIALS
        )
        here, held = write(here, change, tools)
        return here, held, key_refused
    attempt = observed(tools, here.record, call, signed, tools.amazon.attempt)
    key_refused = is_key_refused(attempt)
    if isinstance(step, Probe):
        here, held = write(here, after_probe(here.record, attempt, tools.clock.now()), tools)
    else:
        here, held = settle(here.record, attempt, tools, key_was_fresh=key_was_fresh)
    return here, held, key_refused


def observed(
    tools: Tools,
    record: Record,
    call: Call,
    signed: SignedCall,
    send: Callable[..., Attempt[Any]],
) -> Attempt[Any]:
    """Send, and note what came of it."""
    attempt = send(signed, seconds=CALL_SECONDS)
    outcome = attempt.outcome
    heed(record.account, outcome, tools)
    error: AmazonError = getattr(outcome, "error", AmazonError())
    tools.telemetry.log(
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
    tools.telemetry.count(f"Attempt{type(outcome).__name__}", operation=call.name)
    return attempt


def is_key_refused(attempt: Attempt[Any]) -> bool:
    """Whether Amazon refused the key or its signature."""
    outcome = attempt.outcome
    return isinstance(outcome, NotExecuted) and outcome.because is NotExecutedBecause.CREDENTIALS


def _hand_over(here: Driven, tools: Tools) -> Driven:
    here, held = write(here, hand_over(here.record, tools.clock.now()), tools)
    tools.telemetry.log("handedOver", requestId=here.record.request_id, status=here.record.status.value)
    if held and here.record.status is not Status.PENDING:
        start(here.record, tools)
    elif held:
        put_back(here.record, tools)
    return here


def put_back(record: Record, tools: Tools, *, delay_seconds: float = 0.0) -> None:
    """A request that was never executed goes on from the backlog. If that fails, the sweep finds it.

    Args:
        record: as it was last written.
        tools: the ports.
        delay_seconds: not before; one that waits for more than its slot comes out when its next try is due.
    """
    now = tools.clock.now()
    due_in = 0.0 if record.waits_for_slot else ((record.due_at or now) - now).total_seconds()
    queued = tools.backlog.put(record.request_id, delay_seconds=max(delay_seconds, due_in))
    tools.telemetry.log("queued" if queued else "notQueued", requestId=record.request_id, account=record.account)


def start(record: Record, tools: Tools) -> None:
    """Start the recovery of a record whose epoch has just been raised for it. If that fails, the sweep finds it."""
    started = tools.recoveries.start(record.request_id, record.epoch)
    tools.telemetry.log(
        "recoveryStarted" if started else "recoveryNotStarted",
        requestId=record.request_id,
        status=record.status.value,
        epoch=record.epoch,
    )


def write(here: Driven, change: Change, tools: Tools) -> tuple[Driven, bool]:
    """Carry out a conditional write; whether the record is still ours."""
    result = tools.ledger.apply(change, tools.new_nonce())
    if isinstance(result, Lost):
        return lost(here, result, tools)
    if result.status is not change.before.status:
        moved(result, tools)
    return replace(here, record=result), True


def lost(here: Driven, beaten_by: Lost, tools: Tools) -> tuple[Driven, bool]:
    """Somebody else has the record now: how it stands. A card that we have seen is made known to its new holder."""
    current = beaten_by.current or here.record
    tools.telemetry.log("writeLost", requestId=current.request_id, status=current.status.value, epoch=current.epoch)
    if here.card is not None and current.status is Status.REVERSING and not current.card_seen:
        # We have seen a card that its new holder looks for. Whoever beats this write knows more than we do.
        result = tools.ledger.apply(note_seen(current, here.card, tools.clock.now()), tools.new_nonce())
        current = (result.current or current) if isinstance(result, Lost) else result
    return replace(here, record=current), False


def moved(record: Record, tools: Tools) -> None:
    """Note that a record has come to another state."""
    tools.telemetry.log(
        "moved",
        requestId=record.request_id,
        status=record.status.value,
        operation=record.operation.value,
        account=record.account,
        cause=record.cause.value if record.cause else None,
    )
    tools.telemetry.count(f"Request{record.status.value.title()}", operation=record.operation.value)
