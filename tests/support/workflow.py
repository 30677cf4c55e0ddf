"""The recovery workflow without Step Functions: the same tasks, called as the definition calls them, on a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.recovery.recover import RecoveryProgress, RecoveryTask, recover

SUPPORT = "support@amazon.test"

#: A workflow that takes more steps than this never ends.
STEPS_MAX = 2000


def run_execution(
    request_id: str,
    epoch: int,
    dependencies: Dependencies,
    *,
    seconds: float = float("inf"),
    seen: Callable[[RecoveryTask, RecoveryProgress], None] | None = None,
) -> RecoveryTask:
    """Run one execution to its end, or until the time is over; the last task that it came to."""
    end = None if seconds == float("inf") else dependencies.clock.now() + timedelta(seconds=seconds)
    task = RecoveryTask.LOOK
    for _ in range(STEPS_MAX):
        done = recover(task, request_id, epoch, dependencies, _budget(dependencies), support_address=SUPPORT)
        if seen is not None:
            seen(task, done)
        request_id, epoch, task = done.request_id, done.epoch, done.next
        if task in {RecoveryTask.DONE, RecoveryTask.ESCALATED}:
            return task
        if end is not None and dependencies.clock.now() + timedelta(seconds=done.wait_seconds) > end:
            return task
        dependencies.clock.sleep(done.wait_seconds)
    raise AssertionError("the workflow does not end")


def _budget(dependencies: Dependencies) -> Budget:
    """The time of one task that begins now."""
    end = dependencies.clock.now() + timedelta(seconds=25)
    return Budget(lambda: (end - dependencies.clock.now()).total_seconds())  # noqa: PLW0108 - the clock is read anew each time
