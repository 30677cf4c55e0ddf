"""The recovery workflow without Step Functions: the same tasks, called as the definition calls them, on a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from incentives.domain.errors import StateConflict
from incentives.domain.ledger import Lost, Record, Status
from incentives.domain.transitions import reopen, take_over
from incentives.usecases.find import find
from incentives.usecases.recover import Progress, Task, recover
from incentives.usecases.tools import Budget, Tools

SUPPORT = "support@amazon.test"

#: A workflow that takes more steps than this never ends.
STEPS_MAX = 2000


def run_execution(
    request_id: str,
    epoch: int,
    tools: Tools,
    *,
    seconds: float = float("inf"),
    seen: Callable[[Task, Progress], None] | None = None,
) -> Task:
    """Run one execution to its end, or until the time is over; the last task that it came to."""
    end = None if seconds == float("inf") else tools.clock.now() + timedelta(seconds=seconds)
    task = Task.LOOK
    for _ in range(STEPS_MAX):
        done = recover(task, request_id, epoch, tools, _budget(tools), support_address=SUPPORT)
        if seen is not None:
            seen(task, done)
        request_id, epoch, task = done.request_id, done.epoch, done.next
        if task in {Task.DONE, Task.ESCALATED}:
            return task
        if end is not None and tools.clock.now() + timedelta(seconds=done.wait_seconds) > end:
            return task
        tools.clock.sleep(done.wait_seconds)
    raise AssertionError("the workflow does not end")


def _budget(tools: Tools) -> Budget:
    """The time of one task that begins now."""
    end = tools.clock.now() + timedelta(seconds=25)
    return Budget(lambda: (end - tools.clock.now()).total_seconds())  # noqa: PLW0108 - the clock is read anew each time


def resume(request_id: str, tools: Tools, budget: Budget) -> Record:
    """Take a record whose holder is silent and run its recovery for as long as the budget says."""
    record = find(request_id, tools.ledger)
    now = tools.clock.now()
    if record.status is Status.ESCALATED:
        change = reopen(record, now)
    elif not record.status.is_open:
        return record
    elif record.wake_at is not None and record.wake_at > now:
        raise StateConflict("in hand", request_id=record.request_id, status=record.status, retryable=True)
    else:
        change = take_over(record, now)
    taken = tools.ledger.apply(change, tools.new_nonce())
    if isinstance(taken, Lost):
        raise StateConflict("taken", request_id=record.request_id, status=record.status, retryable=True)
    run_execution(taken.request_id, taken.epoch, tools, seconds=budget.seconds_left())
    return find(request_id, tools.ledger)
