"""Permits: taken before every call, on time, each by its priority; and a pace that gives way when Amazon throttles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.agcod.reading.responses import Funds
from incentives.domain.accounts.account import CardState
from incentives.domain.errors import AmazonUnavailable, LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Reversed,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.rate_limit import LATE_SECONDS, Allowance, Frozen, Full, Permit, Priority
from incentives.domain.secret_text import Secret
from incentives.domain.single_requests.record import Cause, Intent, Record, Status, TooLateStage
from incentives.usecases.accounts.funds import available_funds
from incentives.usecases.accounts.get_activity import get_activity
from incentives.usecases.permits import PERMITS_MISSED_MAX, on_throttled, reacquire_if_late, take_permit
from incentives.usecases.recovery.recover import Pause, RecoveryTask, recover
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.check_activation_status import check_activation_status
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import START, World, world
from tests.support.workflow import run_execution
from tests.unit.builders import (
    HOUR,
    KEY_REFUSED,
    MINUTE,
    NOT_SENT,
    REFUNDED,
    REFUSED,
    SUCCESS,
    THROTTLED,
    TIMED_OUT,
    before,
    holding,
    order,
    record,
    reversing,
    unknown_since,
)

ID: Final = "Test1AAAA"
THROTTLED_REVERSAL: Final = Unresolved(not_executed=NotExecutedBecause.THROTTLED)
BALANCE: Final = Funds(Money(Decimal("10.00"), "USD"), START)
UNSENT: Final = record(attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None, due_at=START)


def since(w: World) -> float:
    """Seconds that have gone by."""
    return (w.clock.now() - START).total_seconds()


# ---- a permit is waited for -----------------------------------------------------------------------


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("allowance", [None, *Allowance])
def test_a_permit_is_taken_in_its_priority_and_waited_for(priority: Priority, allowance: Allowance | None) -> None:
    w = world()
    w.rate_limiter.begins_in = [1.5]
    permit = take_permit("default", priority, w.dependencies, allowance=allowance)
    assert permit == Permit(START + timedelta(seconds=1.5))
    assert w.clock.now() == permit.at
    assert w.rate_limiter.priorities == [priority]
    assert w.rate_limiter.allowances == ([allowance] if allowance else [])
    assert w.telemetry.counts == {"PermitWait": 1500}


def test_without_a_permit_nobody_waits() -> None:
    w = world()
    w.rate_limiter.full_for = 7.0
    full = take_permit("default", Priority.CALLER, w.dependencies)
    assert isinstance(full, Full)
    assert full.next_at == START + timedelta(seconds=7)
    assert (since(w), w.rate_limiter.reserved, w.telemetry.counts) == (0, 0, {})


def test_without_a_pace_there_is_no_permit() -> None:
    w = world()
    w.rate_limiter.fails = {"reserve"}
    with pytest.raises(LedgerUnavailable):
        take_permit("default", Priority.CALLER, w.dependencies)


# ---- being on time ------------------------------------------------------------------------------


def test_a_permit_that_was_missed_is_taken_anew_in_the_same_priority() -> None:
    w = world()
    w.rate_limiter.begins_in = [-1.0, 0.5]
    permit = take_permit("default", Priority.BULK, w.dependencies, allowance=Allowance.FUNDS)
    assert permit == Permit(START + timedelta(seconds=0.5))
    assert w.clock.now() == permit.at
    assert w.rate_limiter.priorities == [Priority.BULK] * 2
    assert w.rate_limiter.allowances == [Allowance.FUNDS] * 2
    assert w.telemetry.counts["PermitMissed"] == 1


@pytest.mark.parametrize(("late", "taken"), [(LATE_SECONDS, 1), (LATE_SECONDS + 0.001, 2)])
def test_a_little_late_is_on_time(late: float, taken: int) -> None:
    w = world()
    w.rate_limiter.begins_in = [-late]
    take_permit("default", Priority.CALLER, w.dependencies)
    assert w.rate_limiter.reserved == taken


def test_whoever_is_always_late_leaves_in_the_end() -> None:
    w = world()
    w.rate_limiter.begins_in = [-1.0] * 20
    permit = take_permit("default", Priority.CALLER, w.dependencies)
    assert isinstance(permit, Permit)
    assert w.rate_limiter.reserved == 1 + PERMITS_MISSED_MAX == 4
    assert w.telemetry.counts["PermitMissed"] == PERMITS_MISSED_MAX


def test_whoever_was_late_may_find_no_other_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    full = Full(START + 7 * MINUTE, START + 6 * MINUTE)
    responses = iter([Permit(START - MINUTE), full])
    monkeypatch.setattr(w.rate_limiter, "reserve", lambda *_, **__: next(responses))
    assert take_permit("default", Priority.CALLER, w.dependencies) is full


def test_a_call_that_is_on_time_leaves_on_its_permit() -> None:
    w = world()
    reacquire_if_late(Permit(START - timedelta(seconds=LATE_SECONDS)), "default", w.dependencies)
    assert (w.rate_limiter.reserved, since(w)) == (0, 0)


def test_a_call_that_was_held_up_takes_another_permit_before_all_others() -> None:
    w = world()
    w.rate_limiter.begins_in = [1.0]
    reacquire_if_late(Permit(START - MINUTE), "default", w.dependencies)
    assert (w.rate_limiter.priorities, since(w)) == ([Priority.RECOVERY], 1.0)
    assert w.telemetry.counts == {"PermitMissed": 1}


@pytest.mark.parametrize(("full_for", "fails"), [(5.0, set()), (None, {"reserve"})], ids=["full", "no pace"])
def test_a_call_that_is_written_down_leaves_at_once_if_there_is_no_permit(
    full_for: float | None, fails: set[str]
) -> None:
    w = world()
    w.rate_limiter.full_for, w.rate_limiter.fails = full_for, fails
    reacquire_if_late(Permit(START - MINUTE), "default", w.dependencies)
    assert since(w) == 0


# ---- a frozen account ---------------------------------------------------------------------------


def test_what_was_never_sent_finds_no_permit_in_a_frozen_account_and_does_not_wait() -> None:
    w = world()
    w.freeze()
    assert take_permit("default", Priority.RECOVERY, w.dependencies, never_sent=True) == Frozen()
    assert (since(w), w.rate_limiter.reserved) == (0, 0)
    assert isinstance(take_permit("default", Priority.BULK, w.dependencies), Permit)


def test_whoever_was_late_finds_the_account_frozen() -> None:
    w = world()
    w.rate_limiter.begins_in = [1.0]
    before(w.clock, "sleep", lambda: (w.clock.sleep(1.0), w.freeze()))
    assert take_permit("default", Priority.CALLER, w.dependencies, never_sent=True) == Frozen()


@pytest.mark.parametrize("late", [0.0, 60.0])
@pytest.mark.parametrize("never_sent", [True, False])
def test_a_recorded_call_that_is_late_leaves_unless_it_was_never_sent(late: float, never_sent: bool) -> None:
    w = world()
    w.freeze()
    permit = Permit(START - timedelta(seconds=late))
    kept_back_by = reacquire_if_late(permit, "default", w.dependencies, never_sent=never_sent)
    assert kept_back_by == (Frozen() if late and never_sent else None)


def test_nor_does_it_if_nobody_can_tell_whether_the_account_is_frozen() -> None:
    w = world()
    w.rate_limiter.fails = {"reserve"}
    kept_back_by = reacquire_if_late(Permit(START - MINUTE), "default", w.dependencies, never_sent=True)
    assert isinstance(kept_back_by, LedgerUnavailable)


def test_a_full_account_is_not_frozen() -> None:
    w = world()
    w.rate_limiter.full_for = 5.0
    assert reacquire_if_late(Permit(START - MINUTE), "default", w.dependencies, never_sent=True) is None


def test_a_ledger_that_stalls_costs_the_call_its_permit_and_not_its_response() -> None:
    # given a first write that takes a second, and later one of a recovery that does
    w = world()
    slowly(w, "open")
    # when
    issue(order(), w.dependencies, w.budget())
    # then
    assert w.rate_limiter.priorities == [Priority.CALLER, Priority.RECOVERY]
    assert w.amazon.names == ["CreateGiftCard"]
    # ... and the same for a recovery's
    w = holding(unknown_since())
    slowly(w, "apply")
    run_execution(ID, 0, w.dependencies)
    assert w.rate_limiter.priorities == [Priority.RECOVERY, Priority.RECOVERY]
    assert w.amazon.names == ["CreateGiftCard"]


def slowly(w: World, method: str) -> None:
    real = getattr(w.ledger, method)

    def stalled(*args: Any, **named: Any) -> Any:
        w.clock.sleep(1.0)
        return real(*args, **named)

    setattr(w.ledger, method, stalled)


# ---- who goes first -----------------------------------------------------------------------------


def issued(*script: Any) -> World:
    """An order that has succeeded; the permits that it took are forgotten."""
    w = world()
    issue(order(), w.dependencies, w.budget())
    w.rate_limiter.priorities.clear()
    w.amazon.script = list(script)
    return w


def place(w: World) -> None:
    issue(order(), w.dependencies, w.budget())


def recovery(w: World) -> None:
    run_execution(ID, 0, w.dependencies)


def from_backlog(w: World) -> None:
    issue_queued(ID, w.dependencies, w.budget())


def cancelled(w: World) -> None:
    (request_id,) = w.ledger.records
    cancel(request_id, Operation.CREATE_GIFT_CARD, None, w.dependencies, w.budget())


def revealed(w: World) -> None:
    (request_id,) = w.ledger.records
    reveal(request_id, None, w.dependencies, w.budget())


C, R, B = Priority.CALLER, Priority.RECOVERY, Priority.BACKLOG
PROBED: Final = reversing(card_seen=True, gc_id="GC1", too_late=TooLateStage.ANSWERED)
NEVER_EXECUTED: Final = record(Status.RECOVERING, in_flight=False, due_at=START)

PRIORITIES: Final[dict[str, tuple[Callable[[], World], Callable[[World], None], list[Priority]]]] = {
    "an order": (world, place, [C]),
    "an order, throttled": (lambda: world(THROTTLED), place, [C, C]),
    "an order, its key refused": (lambda: world(KEY_REFUSED), place, [C, C]),
    "an order, unknown": (lambda: world(TIMED_OUT), place, [C, R]),
    "an order, unknown and throttled": (lambda: world(TIMED_OUT, THROTTLED), place, [C, R, R]),
    "a repeat": (issued, place, [C]),
    "a code read again": (issued, revealed, [C]),
    "a code read again, unknown": (lambda: issued(TIMED_OUT), revealed, [C, C]),
    "a cancel": (lambda: issued(Reversed()), cancelled, [R]),
    "a cancel, throttled": (lambda: issued(THROTTLED_REVERSAL, Reversed()), cancelled, [R, R]),
    "a recovery": (lambda: holding(unknown_since()), recovery, [R]),
    "a recovery of what was never executed": (lambda: holding(NEVER_EXECUTED), recovery, [R]),
    "a recovery's reversal": (lambda: holding(reversing(), Reversed()), recovery, [R]),
    "a recovery's probe": (lambda: holding(PROBED, REFUNDED), recovery, [R]),
    "from the backlog": (lambda: holding(UNSENT), from_backlog, [B]),
    "from the backlog, throttled": (lambda: holding(UNSENT, THROTTLED), from_backlog, [B, B]),
    "from the backlog, its key refused": (lambda: holding(UNSENT, KEY_REFUSED), from_backlog, [B, B]),
    "from the backlog, unknown": (lambda: holding(UNSENT, TIMED_OUT), from_backlog, [B, R]),
}


@pytest.mark.parametrize(("begun", "happens", "priorities"), PRIORITIES.values(), ids=PRIORITIES)
def test_each_call_goes_by_its_priority(
    begun: Callable[[], World], happens: Callable[[World], None], priorities: list[Priority]
) -> None:
    w = begun()
    happens(w)
    assert w.rate_limiter.priorities == priorities
    assert w.rate_limiter.allowances == []


def test_the_activity_has_an_allowance_of_its_own_and_goes_with_the_recovery() -> None:
    w = holding(reversing(Cause.REVERSE, intent=Intent.REVERSE), *[NoSuchRequest()] * 200)
    recovery(w)
    assert w.ledger.records[ID].status is Status.REVERSED
    assert w.rate_limiter.allowances == [Allowance.ACTIVITY]
    assert set(w.rate_limiter.priorities) == {Priority.RECOVERY}
    assert len(w.rate_limiter.priorities) == len(w.amazon.sent) + 1


# ---- queries ----------------------------------------------------------------------------------


def asking(query: str, *responses: Any) -> World:
    """An Amazon that answers one kind of query."""
    w = world()
    left = list(responses)
    setattr(w.amazon, query, lambda *_, **__: left.pop(0))
    return w


def status_asked(w: World) -> None:
    check_activation_status("default", Secret("6006490000000001234"), None, w.dependencies, w.budget())


def page_asked(w: World) -> None:
    get_activity("default", START, START + HOUR, index=0, dependencies=w.dependencies, budget=w.budget())


def funds_asked(w: World) -> None:
    available_funds("default", w.dependencies, w.budget())


QUERIES: Final[dict[str, tuple[Callable[[World], None], str, Any, list[Allowance]]]] = {
    "a card's state": (status_asked, "activation_status", CardState("Activated", None, None), []),
    "the activity": (page_asked, "activity_page", ActivityPage((), 0), [Allowance.ACTIVITY]),
    "the balance": (funds_asked, "funds", BALANCE, [Allowance.FUNDS]),
}
each_query = pytest.mark.parametrize(("ask", "port", "response", "allowances"), QUERIES.values(), ids=QUERIES.keys())


@each_query
def test_a_query_is_a_callers_and_uses_its_allowance(
    ask: Callable[[World], None], port: str, response: Any, allowances: list[Allowance]
) -> None:
    w = asking(port, response)
    ask(w)
    assert w.rate_limiter.priorities == [Priority.CALLER]
    assert w.rate_limiter.allowances == allowances


@each_query
def test_a_query_waits_two_seconds_for_a_permit_and_no_longer(
    ask: Callable[[World], None], port: str, response: Any, allowances: list[Allowance]
) -> None:
    soon, late = asking(port, response), asking(port, response)
    soon.rate_limiter.free_at = START + timedelta(seconds=2)
    late.rate_limiter.free_at = START + timedelta(seconds=2, milliseconds=1)
    ask(soon)
    with pytest.raises(AmazonUnavailable) as told:
        ask(late)
    assert since(soon) == 2
    assert since(late) == 0
    assert told.value.retry_after_seconds == 3
    assert late.rate_limiter.reserved == 0


@each_query
def test_only_a_query_without_an_allowance_tells_of_the_accounts_pace(
    ask: Callable[[World], None], port: str, response: Any, allowances: list[Allowance]
) -> None:
    w = asking(port, THROTTLED, THROTTLED, response)
    ask(w)
    assert w.rate_limiter.slowed_down == ([] if allowances else ["default"] * 2)


# ---- giving way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome",
    [THROTTLED, THROTTLED_REVERSAL, Unknown(UnknownBecause.OVERLOADED), Unresolved(unknown=UnknownBecause.OVERLOADED)],
    ids=["operation", "reversal", "overloaded", "overloaded reversal"],
)
def test_a_throttle_slows_the_account_down(outcome: NotExecuted | Unknown | Unresolved) -> None:
    w = world()
    on_throttled("uk", outcome, w.dependencies)
    assert w.rate_limiter.slowed_down == ["uk"]
    assert w.telemetry.counts == {"Throttled": 1}
    assert w.telemetry.lines == [("throttled", {"account": "uk"})]


@pytest.mark.parametrize(
    "outcome",
    [
        SUCCESS,
        REFUSED,
        REFUNDED,
        NOT_SENT,
        *(Unknown(because) for because in UnknownBecause if because is not UnknownBecause.OVERLOADED),
        Reversed(),
        NoSuchRequest(),
        Unresolved(),
        Unresolved(unknown=UnknownBecause.TIMED_OUT),
        Unresolved(not_executed=NotExecutedBecause.NOT_SENT),
        BALANCE,
        ActivityPage((), 0),
    ],
    ids=repr,
)
def test_no_other_response_slows_it_down(outcome: Any) -> None:
    w = world()
    on_throttled("default", outcome, w.dependencies)
    assert w.rate_limiter.slowed_down == []
    assert w.telemetry.counts == {}


def test_a_pace_that_cannot_be_slowed_down_stops_nobody() -> None:
    w = world(THROTTLED)
    w.rate_limiter.fails = {"slow_down"}
    place(w)
    assert w.amazon.names == ["CreateGiftCard"] * 2
    assert ("ledgerUnavailable", {"account": "default"}) in w.telemetry.lines


THROTTLES: Final[dict[str, tuple[Callable[[], World], Callable[[World], None]]]] = {
    "an order": (lambda: world(THROTTLED, THROTTLED), place),
    "an order, unknown": (lambda: world(THROTTLED, TIMED_OUT, THROTTLED), place),
    "a code read again": (lambda: issued(THROTTLED, THROTTLED), revealed),
    "a repeat": (lambda: issued(THROTTLED, THROTTLED), place),
    "a cancel": (lambda: issued(THROTTLED_REVERSAL, THROTTLED_REVERSAL, Reversed()), cancelled),
    "a recovery": (lambda: holding(unknown_since(), THROTTLED, THROTTLED), recovery),
    "a recovery's reversal": (
        lambda: holding(reversing(), THROTTLED_REVERSAL, THROTTLED_REVERSAL, Reversed()), recovery
    ),
    "a recovery's probe": (lambda: holding(PROBED, THROTTLED, THROTTLED, REFUNDED), recovery),
    "from the backlog": (lambda: holding(UNSENT, THROTTLED, THROTTLED), from_backlog),
}  # fmt: skip


@pytest.mark.parametrize(("begun", "happens"), THROTTLES.values(), ids=THROTTLES)
def test_every_throttled_call_slows_down_once(begun: Callable[[], World], happens: Callable[[World], None]) -> None:
    w = begun()
    happens(w)
    assert w.rate_limiter.slowed_down == ["default"] * 2
    assert w.telemetry.counts["Throttled"] == 2


def test_a_throttled_book_says_nothing_of_the_pace() -> None:
    w = holding(reversing(Cause.REVERSE, intent=Intent.REVERSE), *[NoSuchRequest()] * 200)
    w.amazon.pages = [THROTTLED, THROTTLED]
    recovery(w)
    assert len(w.amazon.pages_asked) == 3
    assert w.rate_limiter.slowed_down == []


# ---- in time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "kept"),
    [
        (RecoveryTask.REPEAT, unknown_since()),
        (RecoveryTask.REVERSE, reversing()),
        (RecoveryTask.PROBE, reversing(too_late=TooLateStage.ANSWERED)),
    ],
    ids=["repeat", "reverse", "probe"],
)
def test_a_permit_that_took_the_time_of_the_try_leaves_it_to_the_next_run(task: RecoveryTask, kept: Record) -> None:
    w = world()
    w.ledger.records[ID] = kept
    w.rate_limiter.begins_in = [14.5]
    said = recover(task, ID, 0, w.dependencies, w.budget(), support_address=None)
    assert (w.amazon.sent, w.ledger.records[ID]) == ([], kept)
    assert (said.next, said.pause) == (task, Pause.NONE)
    recover(task, ID, 0, w.dependencies, w.budget(), support_address=None)
    assert len(w.amazon.sent) == 1
