"""Reversals from their first send to their end, against an Amazon with a memory: what is charged then, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from incentives.domain.errors import GatewayError, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.recovery.rules import GENERATIONS_MAX
from incentives.domain.recovery.waits import IN_FLIGHT_WINDOW
from incentives.domain.single_requests.record import Cause, Intent, Status
from incentives.domain.single_requests.transitions import DEADLINE
from incentives.usecases.recovery.recover import Task, recover
from incentives.usecases.single_requests.results import Accepted
from tests.support.fakes import START
from tests.support.workflow import SUPPORT
from tests.unit.amazon_model import Fault
from tests.unit.builders import MINUTE, SECOND
from tests.unit.ends import check
from tests.unit.lives import Life, Story

S, F = Status, Fault
CREATE, ACTIVATE, LOAD = Operation
INTENTS = [Intent.REVERSE, Intent.REISSUE]

#: More lost calls than any life has.
FOR_EVER = 1000


def begun(story: Story) -> Life:
    """A life after its first call."""
    life = Life(story, watched=False)
    life.stage = 1
    life.issue()
    return life


def lost(count: int = FOR_EVER) -> list[Fault]:
    return [F.LOST_BEFORE] * count


def reversing(story: Story) -> Life:
    """A life whose operation is not answered, from when it is being undone; Amazon answers from then on."""
    life = begun(replace(story, faults=(*story.faults, *lost(100))))
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    return life


def ended(life: Life, *, checked: bool = True) -> Life:
    """The life, played to its end."""
    life.play()
    if checked:
        check(life)
    return life


def told_no_such_request(life: Life) -> int:
    """How often Amazon has said so."""
    return sum(
        facts.get("outcome") == "NoSuchRequest" for event, facts in life.world.telemetry.lines if event == "attempt"
    )


# ---- an operation that arrives late -------------------------------------------------------------


@pytest.mark.parametrize("minutes", [1, 5, 14])
@pytest.mark.parametrize("intent", INTENTS)
@pytest.mark.parametrize("operation", Operation)
def test_what_lands_minutes_after_amazon_knew_nothing_of_it_is_found_and_undone(
    operation: Operation, intent: Intent, minutes: int
) -> None:
    life = Life(Story((F.LATE,), intent, operation=operation), watched=False)
    # In the minute of repeats nothing arrives; then the first reversal finds nothing, and the operation lands.
    life.amazon.late_by = timedelta(minutes=1 + minutes, seconds=5)
    life.amazon.faults += lost(100)
    life.stage = 1
    life.issue()
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    first = life.first_id
    assert first is not None
    assert not life.amazon.cards

    life.until(lambda: told_no_such_request(life) > 0 and first in life.amazon.cards)
    landed = life.amazon.cards[first].born
    life.until(lambda: first not in life.amazon.live)

    assert told_no_such_request(life) >= minutes
    assert life.amazon.now() - landed <= 61 * SECOND, "within a minute of its landing"
    ended(life)
    assert life.newest.status is (S.REVERSED if intent is Intent.REVERSE else S.SUCCEEDED)
    assert life.world.ledger.records[first].status is S.REVERSED


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
@pytest.mark.parametrize("intent", INTENTS)
def test_an_operation_that_lands_after_its_reversal_undoes_it_and_is_undone_again(
    operation: Operation, intent: Intent
) -> None:
    life = reversing(Story((F.LOST_AFTER, F.LATE), intent, operation=operation))
    first = life.first_id
    assert first is not None
    life.until(lambda: first not in life.amazon.live)
    life.until(lambda: first in life.amazon.live)

    ended(life)

    assert life.world.ledger.records[first].status is S.REVERSED
    assert life.newest.status is (S.REVERSED if intent is Intent.REVERSE else S.SUCCEEDED)


def test_a_late_create_after_its_cancel_is_refunded_and_the_cancel_counts_at_once() -> None:
    life = reversing(Story((F.LOST_AFTER, F.LATE), Intent.REVERSE))
    life.until(lambda: not life.newest.status.is_open)

    assert life.newest.status is S.REVERSED
    assert life.world.clock.now() < START + 5 * MINUTE
    ended(life)


# ---- the in-flight window ----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("intent", [*INTENTS, Intent.RETRY])
def test_what_never_arrived_is_closed_after_the_in_flight_window_and_two_responses_a_minute_apart(
    operation: Operation, intent: Intent
) -> None:
    life = begun(Story(tuple(lost(100)), intent, operation=operation))
    if intent is Intent.RETRY:
        life.story = Story(operation=operation)
        life.cancel()
    life.until(lambda: life.newest.status is S.REVERSING)
    life.amazon.faults.clear()
    first = life.newest
    assert first.last_sent_at is not None

    life.until(lambda: not life.world.ledger.records[first.request_id].status.is_open)

    assert (
        first.last_sent_at + IN_FLIGHT_WINDOW + MINUTE
        <= life.world.clock.now()
        <= first.last_sent_at + IN_FLIGHT_WINDOW + 3 * MINUTE
    )
    closed = life.world.ledger.records[first.request_id]
    assert closed.status is S.REVERSED
    assert closed.last_reversal_sent_at is not None
    assert closed.no_such_request_at is not None
    assert closed.last_reversal_sent_at - closed.no_such_request_at >= MINUTE
    assert closed.last_sent_at == first.last_sent_at, "never sent again"
    ended(life)


@pytest.mark.parametrize("ahead", [-12, 12])
def test_amazons_clock_decides_when_the_in_flight_window_is_past(ahead: int) -> None:
    """Ours leaps while the operation is on its way, which then arrives at the last moment by Amazon's."""
    life = reversing(Story((F.LATE,), Intent.REVERSE))
    life.world.clock.time -= timedelta(minutes=ahead)
    life.amazon.ahead = timedelta(minutes=ahead)

    ended(life)

    assert life.newest.status is S.REVERSED
    assert life.first_id in life.amazon.cards


# ---- a refusal after an unknown -----------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize(
    ("fault", "status"), [(F.LOST_AFTER, S.REVERSED), (F.LOST_BEFORE, S.REFUSED), (F.LATE, S.REVERSED)]
)
def test_a_refusal_after_an_unknown_ends_by_what_the_unknown_had_done(
    operation: Operation, intent: Intent, fault: Fault, status: Status
) -> None:
    life = ended(begun(Story((fault, F.REFUSED), intent, operation=operation)))

    assert (life.newest.status, life.newest.cause) == (status, Cause.REFUSED)
    assert len(life.world.ledger.records) == 1, "what is refused is not reissued"
    assert life.newest.refusal is not None


# ---- cancels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("fault", [F.LOST_AFTER, F.LOST_BEFORE, F.LATE])
@pytest.mark.parametrize("intent", [Intent.RETRY, Intent.REISSUE])
@pytest.mark.parametrize("after", [5, 70, 600])
def test_a_cancel_during_recovery_is_carried_out(
    operation: Operation, fault: Fault, intent: Intent, after: int
) -> None:
    life = begun(Story((fault, *lost()), intent, operation=operation))
    life.wait_until(START + after * SECOND)
    was = life.newest.status
    life.amazon.faults = lost(3)

    response = life.cancel()

    assert was.is_open
    assert isinstance(response, Accepted)
    ended(life)
    assert (life.newest.status, life.newest.intent) == (S.REVERSED, Intent.REVERSE)


def reissued(turns: int) -> Life | None:
    """A reissue after so many turns of its recovery; None if it has ended before."""
    life = begun(Story((F.LOST_AFTER, *lost(50)), Intent.REISSUE))
    for _ in range(turns):
        if life.newest.status is S.REVERSING or life.newest.generation > 0:
            life.amazon.faults.clear()
        if not life.turn():
            return None
    return life


def test_whatever_the_moment_at_which_a_reissue_is_cancelled_no_card_is_left_and_no_other_is_issued() -> None:
    """The cancel comes after each turn of the recovery, in a life of its own."""
    turns, seen = 0, set()
    while (life := reissued(turns)) is not None:
        seen.add((life.newest.generation, life.newest.status))
        generations = len(life.world.ledger.records)
        life.amazon.faults.clear()

        life.cancel()

        ended(life)
        assert (life.newest.status, life.newest.intent) == (S.REVERSED, Intent.REVERSE)
        assert len(life.world.ledger.records) == generations, "issued although cancelled"
        turns += 1

    assert seen == {(0, S.RECOVERING), (0, S.REVERSING), (1, S.RECOVERING), (1, S.SUCCEEDED)}


@pytest.mark.parametrize(
    ("fault", "status"), [(F.LOST_AFTER, S.REVERSED), (F.LOST_BEFORE, S.SUCCEEDED)], ids=["in time", "never arrived"]
)
@pytest.mark.parametrize("more", [8, 30], ids=["answered in line", "answered in recovery"])
def test_a_cancel_whose_response_is_lost_just_before_the_window_closes(fault: Fault, status: Status, more: int) -> None:
    life = begun(Story())
    life.wait_until(START + 14 * MINUTE + 55 * SECOND)
    life.amazon.faults = [fault, *lost(more)]

    response = life.cancel()
    life.until(lambda: False)

    assert isinstance(response, Accepted) is (more > 8)
    assert life.newest.status is status
    assert bool(life.amazon.live) is (status is S.SUCCEEDED)
    ended(life)


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
def test_activations_and_loads_are_undone_long_after(operation: Operation) -> None:
    life = begun(Story(operation=operation))
    life.wait_until(START + 50 * 60 * MINUTE)

    life.cancel()

    ended(life)
    assert life.newest.status is S.REVERSED


def test_a_card_that_was_seen_is_never_taken_for_one_that_never_was() -> None:
    """Stale reads say that there is no such request, for an hour after the in-flight window."""
    life = begun(Story(operation=LOAD))
    life.wait_until(START + 30 * MINUTE)
    life.amazon.faults = [F.STALE] * 40

    life.cancel()

    ended(life)
    assert life.newest.status is S.REVERSED


def test_a_cancel_has_a_day_of_its_own() -> None:
    life = begun(Story((F.LOST_AFTER, *lost()), operation=LOAD))
    life.wait_until(START + DEADLINE - MINUTE)
    life.cancel()
    life.wait_until(START + DEADLINE + 5 * 60 * MINUTE)
    life.amazon.faults.clear()

    ended(life)

    assert life.newest.status is S.REVERSED


# ---- reissue ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
def test_an_order_is_reissued_twice_at_most_and_within_its_first_day(operation: Operation) -> None:
    # Nothing that it sends is ever answered; every reversal is.
    life = begun(Story(tuple(lost()), Intent.REISSUE, operation=operation))
    for _ in range(GENERATIONS_MAX):
        life.until(lambda: life.newest.status is S.REVERSING)
        life.amazon.faults.clear()
        number = life.newest.generation
        life.until(lambda number=number: life.newest.generation > number or not life.newest.status.is_open)  # type: ignore[misc]
        life.amazon.faults = lost()

    ended(life)

    assert life.newest.status is S.REVERSED
    assert [each.generation for each in life.world.ledger.records.values()] == list(range(GENERATIONS_MAX))
    deadlines = {each.deadline_at for each in life.world.ledger.records.values()}
    assert len(deadlines) == 1


def test_a_physical_card_that_our_own_earlier_generation_holds_is_not_refused() -> None:
    """Its deactivation is undone by a late activation: the next generation's own is refused, which is no proof."""
    life = reversing(Story((F.LOST_AFTER,), Intent.REISSUE, operation=ACTIVATE))
    life.until(lambda: life.newest.generation == 1)
    older = life.world.ledger.records[str(life.newest.replaces)]
    life.amazon.cards[older.request_id].refunded = False

    life.turn()

    assert life.newest.status is not S.REFUSED
    assert life.newest.doubt


# ---- a second round -----------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("intent", Intent)
def test_an_execution_that_was_aborted_by_hand_is_replaced_by_the_sweep(operation: Operation, intent: Intent) -> None:
    life = begun(Story((F.LOST_AFTER,) * 25, intent, operation=operation))
    life.wait_until(START + 30 * SECOND)
    life.executions.clear()

    ended(life)

    assert life.newest.status is (S.REVERSED if intent is Intent.REVERSE else S.SUCCEEDED)


def test_an_older_execution_that_goes_on_beside_a_newer_one_sends_nothing() -> None:
    life = begun(Story((F.LOST_AFTER,) * 25))
    older = life.executions[0]
    life.executions.clear()
    life.until(lambda: life.newest.epoch > older.epoch)
    sent = life.amazon.calls

    for task in Task:
        said = recover(
            task, older.request_id, older.epoch, life.world.dependencies, life.world.budget(), support_address=SUPPORT
        )
        assert said.next is Task.DONE

    assert life.amazon.calls == sent
    ended(life)


def test_a_caller_who_repeats_during_recovery_gets_202_and_sends_nothing() -> None:
    life = begun(Story((F.LOST_AFTER, *lost(60)), Intent.REISSUE))
    seen = set()
    while life.newest.status.is_open:
        sent = life.amazon.calls
        assert isinstance(life.issue(), Accepted)
        assert life.amazon.calls == sent
        seen.add(life.newest.status)
        life.turn()

    assert seen == {S.RECOVERING, S.REVERSING}
    assert not isinstance(life.issue(), StateConflict | GatewayError)
