"""Count what accounts spend, from the ledger's stream: each request exactly once, whatever comes twice or out of order.

With it goes what a request held of its budget: to what was spent, or back to what remains.

The same stream says at once when Amazon refuses a request because an account has run out of money, and which reversals
end on a later day than their request began: on that day nobody would look for them otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from incentives.domain.accounts.alerts import Check, after_refusal
from incentives.domain.accounts.spend import charge_of, ends_with_budget
from incentives.domain.errors import BooksUnavailable, LedgerUnavailable
from incentives.domain.single_requests.parking import is_unfunded
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.accounts.raise_alerts import figures_of, raise_alerts

if TYPE_CHECKING:
    from incentives.domain.single_requests.writes import Write
    from incentives.usecases.accounts.dependencies import WatchDependencies


def count_spend(writes: Iterable[Write], watch: WatchDependencies) -> str | None:
    """Count what a batch of the ledger's stream tells.

    A note for the books that cannot be written comes again, but keeps nothing after it from being counted: spend that
    is not counted looks as if somebody else had spent it.

    Returns:
        Number of the first write that must come again. Those after it come again with it, and those that are counted by
        then are not counted twice.
    """
    telemetry = watch.dependencies.telemetry
    not_noted: str | None = None
    for write in writes:
        unreadable = write.unreadable
        try:
            if write.after:
                _count(write.before, write.after, watch)
        except BooksUnavailable:
            # All else of this write is done by then.
            telemetry.log("endNotNoted")
            not_noted = not_noted or write.number
        except LedgerUnavailable:
            telemetry.log("spendNotCounted")
            telemetry.count("SpendNotCounted")
            return not_noted or write.number
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            unreadable = type(error).__name__
        if unreadable:
            # It will not be readable the next time either: bisecting and bounded retries set it aside.
            telemetry.log("streamRecordUnreadable", exception=unreadable)
            return not_noted or write.number
    return not_noted


def _count(before: Record | None, after: Record, watch: WatchDependencies) -> None:
    was = charge_of(before) if before else None
    if was != charge_of(after) or ends_with_budget(after):
        watch.states.count(after, was, watch.dependencies.clock.now())
    if _is_short(after) and (before is None or not _is_short(before)):
        _raise_at_once(after, watch)
    if before is not None and (before.status is Status.REVERSING) != (after.status is Status.REVERSING):
        _note_reversal(after, watch)


def _note_reversal(record: Record, watch: WatchDependencies) -> None:
    """Note a reversal that began or ended, however it did, on a later booking day than its request was first sent."""
    on = watch.booking_day(record.updated_at)
    if watch.books is not None and on > watch.booking_day(record.first_sent_at or record.created_at):
        watch.books.note_ended(record.account, on, record.request_id, watch.dependencies.clock.now())


def _is_short(record: Record) -> bool:
    """Whether Amazon has refused the request for want of money, also one that is still to be tried again."""
    return is_unfunded(record.refusal) or is_unfunded(record.error)


def _raise_at_once(refused: Record, watch: WatchDependencies) -> None:
    found = figures_of(refused.account, None, watch, check=Check.UNANSWERED)
    told_since = found.told_at is not None and found.told_at > refused.updated_at
    if told_since and found.available is not None and found.available.amount >= refused.value.amount:
        # Old news that has come twice: money is there by now.
        return
    now = watch.dependencies.clock.now()
    raise_alerts(found, lambda standing: after_refusal(standing, refused.value, now), watch)
