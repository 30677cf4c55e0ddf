"""The tasks of the recovery workflow: each carries out one step, if the policy still says so, and says what comes next.

The workflow waits and calls; the policy (`incentives.domain.recovery.rules`) decides. A task whose epoch is no longer
the record's does nothing and ends its execution: somebody else has the record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.recovery.rules import (
    Done,
    Escalate,
    Probe,
    SendOperation,
    SendReversal,
    Settle,
    Step,
    Wait,
    next_step,
)
from incentives.domain.recovery.waits import WAIT_INSIDE_WINDOW_SECONDS_MAX
from incentives.domain.single_requests.record import Lost, Record, Reissue, Status
from incentives.domain.single_requests.transitions import take_over
from incentives.usecases.recovery.escalate import escalate, mail_case, seconds_until_case
from incentives.usecases.single_requests.drive import Progress, moved, try_once, write

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Budget, Dependencies


class RecoveryTask(StrEnum):
    """What the workflow can do; the names of its states."""

    LOOK = "Look"
    REPEAT = "Repeat"
    REVERSE = "Reverse"
    PROBE = "Probe"
    SETTLE = "Settle"
    REISSUE = "Reissue"
    ESCALATE = "Escalate"
    MAIL = "Mail"
    DONE = "Done"
    ESCALATED = "Escalated"


class Pause(StrEnum):
    """The waits before a task, by how long they are; the names of the workflow's waiting states."""

    NONE = "None"
    A_SECOND = "WaitASecond"
    DOUBLING = "WaitDoubling"
    A_MINUTE = "WaitAMinute"
    LONGER = "WaitLonger"


#: Between two tries when the ledger itself cannot be reached.
LEDGER_WAIT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryProgress:
    """What the workflow carries from state to state: ids, counters, what comes next. Nothing of the card.

    Attributes:
        next: the task to run, after the wait.
        pause: which waiting state comes first.
        wait_seconds: how long.
        status: of the record, for the operator who reads the execution.
        attempts, reversal_attempts: the same.
    """

    request_id: str
    epoch: int
    next: RecoveryTask
    pause: Pause = Pause.NONE
    wait_seconds: int = 0
    status: str = ""
    attempts: int = 0
    reversal_attempts: int = 0


def recover(
    task: RecoveryTask,
    request_id: str,
    epoch: int,
    dependencies: Dependencies,
    budget: Budget,
    *,
    support_address: str | None,
) -> RecoveryProgress:
    """Run one task and say what comes next. It raises nothing that could be an outcome.

    Args:
        task: what the workflow was told to do next.
        request_id: of the record.
        epoch: that this execution holds.
        dependencies: the ports.
        budget: the function's time.
        support_address: Amazon's, for cases; None if nobody is to be mailed.
    """
    try:
        record = dependencies.ledger.get(request_id)
        if record is None or record.epoch != epoch:
            return RecoveryProgress(request_id=request_id, epoch=epoch, next=RecoveryTask.DONE)
        record = _run(task, record, dependencies, budget, support_address)
    except LedgerUnavailable:
        # What was sent is in the ledger; what came back is asked for again.
        dependencies.telemetry.log("ledgerUnavailable", requestId=request_id, epoch=epoch)
        return RecoveryProgress(
            request_id=request_id,
            epoch=epoch,
            next=RecoveryTask.LOOK,
            pause=Pause.DOUBLING,
            wait_seconds=LEDGER_WAIT_SECONDS,
        )
    if record.request_id == request_id and record.epoch != epoch:
        return RecoveryProgress(request_id=request_id, epoch=epoch, next=RecoveryTask.DONE, status=record.status.value)
    return progress(record, dependencies.clock.now())


def progress(record: Record, now: datetime) -> RecoveryProgress:
    """What comes next for a record that this execution holds."""
    step = next_step(record, now)
    seconds = 0
    if isinstance(step, Wait):
        seconds = max(1, math.ceil((step.until - now).total_seconds()))
        step = next_step(record, step.until)
    task = _task_of(step)
    if task is RecoveryTask.DONE and record.status is Status.ESCALATED:
        seconds = seconds_until_case(record, now)
        task = RecoveryTask.MAIL if record.mailed_at is None else RecoveryTask.ESCALATED
    return RecoveryProgress(
        request_id=record.request_id,
        epoch=record.epoch,
        next=task,
        pause=_pause_of(seconds),
        wait_seconds=seconds,
        status=record.status.value,
        attempts=record.attempts,
        reversal_attempts=record.reversal_attempts,
    )


def _task_of(step: Step) -> RecoveryTask:  # noqa: PLR0911 - one return per step of the policy
    match step:
        case SendOperation():
            return RecoveryTask.REPEAT
        case SendReversal():
            return RecoveryTask.REVERSE
        case Probe():
            return RecoveryTask.PROBE
        case Settle():
            return RecoveryTask.SETTLE
        case Reissue():
            return RecoveryTask.REISSUE
        case Escalate():
            return RecoveryTask.ESCALATE
        case Wait():
            # A wait that ends in a wait: look again when it is over.
            return RecoveryTask.LOOK
        case Done():
            return RecoveryTask.DONE


def _pause_of(seconds: int) -> Pause:
    if seconds <= 0:
        return Pause.NONE
    if seconds == 1:
        return Pause.A_SECOND
    if seconds < WAIT_INSIDE_WINDOW_SECONDS_MAX:
        return Pause.DOUBLING
    return Pause.A_MINUTE if seconds == WAIT_INSIDE_WINDOW_SECONDS_MAX else Pause.LONGER


def _run(  # noqa: PLR0911 - one return per step of the policy
    task: RecoveryTask, record: Record, dependencies: Dependencies, budget: Budget, support_address: str | None
) -> Record:
    """Carry out the policy's step if it is the one that the workflow was told."""
    step = next_step(record, dependencies.clock.now())
    if task is RecoveryTask.MAIL and record.status is Status.ESCALATED:
        return mail_case(record, dependencies, support_address)
    if _task_of(step) is not task:
        return record
    match step:
        case SendOperation() | SendReversal() | Probe():
            # The claim code, if one came, ends here: its owner fetches it by its own route.
            return try_once(Progress(record), step, dependencies, budget)[0].record
        case Settle(change):
            return write(Progress(record), change, dependencies)[0].record
        case Reissue():
            return _reissue(step, dependencies)
        case Escalate(change):
            return escalate(record, change, dependencies)
        case Wait() | Done():
            return record


def _reissue(plan: Reissue, dependencies: Dependencies) -> Record:
    result = dependencies.ledger.reissue(plan, dependencies.new_nonce())
    if isinstance(result, Lost):
        return result.current or plan.close.before
    moved(plan.close.after, dependencies)
    # The successor goes on in this execution, under an epoch of its own; unless somebody else has it already, under
    # an epoch that is not ours to share. Then what this execution had is closed.
    taken = dependencies.ledger.apply(take_over(result, dependencies.clock.now()), dependencies.new_nonce())
    return plan.close.after if isinstance(taken, Lost) else taken
