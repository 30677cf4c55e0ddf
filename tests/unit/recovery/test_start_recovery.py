"""The sweep, and an operator who starts another round."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from incentives.api.problems import status_of
from incentives.domain.errors import LedgerUnavailable, StateConflict
from incentives.domain.single_requests.record import Cause, Due, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE, IN_BACKLOG, LEASE, record_send, take_over
from incentives.usecases.recovery.recover import RecoveryTask, recover
from incentives.usecases.recovery.start_recovery import SWEEP_MAX, start_recovery, sweep
from tests.support.fakes import START, World, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import MINUTE, SECOND, TIMED_OUT, before, fails, record, reversing, unknown_since

S = Status
ID = "Test1AAAA"
MAY_HAVE_EXECUTED = {
    "pending": record(),
    "pending, in doubt": record(in_flight=False, doubt=True, first_unknown_at=START),
    "recovering": unknown_since(),
    "recovering, unsent": record(S.RECOVERING, attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None),
    "reversing": reversing(),
}
NEVER_EXECUTED = {
    "pending, unsent": record(attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None),
    "pending, throttled": record(in_flight=False, wait_seconds=4, due_at=START - SECOND),
}
OPEN = MAY_HAVE_EXECUTED | NEVER_EXECUTED


def holding(*kept: Record) -> World:
    w = world()
    w.ledger.records = {each.request_id: each for each in kept}
    return w


def now(w: World) -> Record:
    return w.ledger.records[ID]


# ---- the sweep ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", MAY_HAVE_EXECUTED.values(), ids=MAY_HAVE_EXECUTED.keys())
def test_a_silent_record_is_taken_under_a_new_epoch_and_its_recovery_started(kept: Record) -> None:
    w = holding(replace(kept, wake_at=START))
    assert sweep(w.dependencies) == [ID]
    assert now(w).epoch == 1
    assert now(w).status is (S.REVERSING if kept.status is S.REVERSING else S.RECOVERING)
    assert w.recoveries.started == [(ID, 1)]
    assert now(w).wake_at == START + LEASE
    assert w.backlog.puts == []
    assert run_execution(ID, 1, w.dependencies) is RecoveryTask.DONE
    assert not now(w).status.is_open


@pytest.mark.parametrize("kept", NEVER_EXECUTED.values(), ids=NEVER_EXECUTED.keys())
def test_a_silent_record_that_was_never_executed_goes_to_the_backlog_and_stays_its_holders(kept: Record) -> None:
    w = holding(replace(kept, wake_at=START))
    assert sweep(w.dependencies) == [ID]
    assert w.backlog.puts == [(ID, 0.0)]
    assert w.recoveries.started == []
    assert (now(w).status, now(w).epoch) == (S.PENDING, 0)
    assert now(w).wake_at == START + IN_BACKLOG


def test_what_waits_for_its_next_try_comes_out_of_the_backlog_when_that_is_due() -> None:
    w = holding(record(in_flight=False, wait_seconds=60, due_at=START + MINUTE, wake_at=START))
    sweep(w.dependencies)
    assert w.backlog.puts == [(ID, 60.0)]
    assert now(w).wake_at == START + MINUTE + IN_BACKLOG


def test_what_is_in_the_backlog_is_not_swept_every_minute() -> None:
    w = holding(replace(NEVER_EXECUTED["pending, unsent"], wake_at=START))
    swept = []
    for minute in range(11):
        w.clock.time = START + minute * MINUTE
        if sweep(w.dependencies):
            swept.append(minute)
    assert swept == [0, 5, 10]
    assert w.backlog.puts == [(ID, 0.0)] * 3


def test_a_backlog_out_of_order_gets_it_at_a_later_sweep() -> None:
    w = holding(replace(NEVER_EXECUTED["pending, unsent"], wake_at=START))
    w.backlog.works = False
    sweep(w.dependencies)
    w.backlog.works = True
    w.clock.time = START + IN_BACKLOG
    assert sweep(w.dependencies) == [ID]
    assert w.backlog.puts == [(ID, 0.0)]


def test_two_sweeps_at_once_put_it_once() -> None:
    w = holding(replace(NEVER_EXECUTED["pending, unsent"], wake_at=START))
    others: list[list[str]] = []
    before(w.ledger, "apply", lambda: others.append(sweep(w.dependencies)))
    assert [sweep(w.dependencies), *others] == [[], [ID]]
    assert w.backlog.puts == [(ID, 0.0)]


def test_a_worker_that_sends_between_look_and_write_keeps_its_record_out_of_the_backlog() -> None:
    w = holding(replace(NEVER_EXECUTED["pending, unsent"], wake_at=START))
    before(w.ledger, "apply", lambda: w.ledger.apply(record_send(now(w), START, START), "worker"))
    assert sweep(w.dependencies) == []
    assert w.backlog.puts == []
    assert now(w).nonce == "worker"


@pytest.mark.parametrize("kept", OPEN.values(), ids=OPEN.keys())
def test_a_live_record_is_never_taken(kept: Record) -> None:
    w = holding(replace(kept, wake_at=START + timedelta(milliseconds=1)))
    assert sweep(w.dependencies) == []
    assert now(w).epoch == 0
    assert w.recoveries.started == []


def test_two_sweeps_at_once_start_one_recovery() -> None:
    w = holding(record(wake_at=START))
    others: list[list[str]] = []
    before(w.ledger, "apply", lambda: others.append(sweep(w.dependencies)))
    assert [sweep(w.dependencies), *others] == [[], [ID]]
    assert w.recoveries.started == [(ID, 1)]
    assert now(w).epoch == 1


def test_a_holder_that_is_heard_of_between_look_and_take_keeps_its_record() -> None:
    w = holding(record(wake_at=START))
    before(w.ledger, "apply", lambda: w.ledger.apply(record_send(now(w), START, START), "holder"))
    assert sweep(w.dependencies) == []
    assert (now(w).epoch, now(w).nonce) == (0, "holder")


@pytest.mark.parametrize(
    "meanwhile",
    [record(S.SUCCEEDED), record(S.ESCALATED), record(wake_at=START + SECOND), None],
    ids=["ended", "escalated", "heard of", "gone"],
)
def test_an_index_that_lags_takes_nothing_that_is_live_or_ended(meanwhile: Record | None) -> None:
    w = holding(*([meanwhile] if meanwhile else []))
    w.ledger.due = lambda now, limit: Due((ID,))  # type: ignore[method-assign]
    assert sweep(w.dependencies) == []
    assert w.ledger.writes == 0
    assert w.recoveries.started == []


def test_a_recovery_that_could_not_be_started_is_swept_again_under_another_epoch() -> None:
    w = holding(record(wake_at=START))
    w.recoveries.works = False
    sweep(w.dependencies)
    w.recoveries.works = True
    w.clock.time = START + LEASE
    assert sweep(w.dependencies) == [ID]
    assert w.recoveries.started == [(ID, 2)]


def test_a_sweep_takes_the_longest_silent_first_and_not_more_than_it_can() -> None:
    many = [record(request_id=f"Test1{n:04}", wake_at=START - n * SECOND) for n in range(SWEEP_MAX + 5)]
    w = holding(*many)
    taken = sweep(w.dependencies)
    assert len(taken) == SWEEP_MAX
    assert taken[0] == many[-1].request_id
    assert len(sweep(w.dependencies)) == 5


def test_every_sweep_counts_itself_also_when_there_is_nothing_to_do() -> None:
    w = holding()
    sweep(w.dependencies)
    assert w.telemetry.counts == {"Swept": 0, "OpenUnknown": 0, "OpenUnknownOldest": 0, "OpenWaiting": 0}


def test_a_sweep_tells_how_many_requests_are_open_and_since_when_the_oldest_is_unknown() -> None:
    later = {"wake_at": START + MINUTE}
    w = holding(
        record(S.RECOVERING, request_id="Test1A", phase_started_at=START - MINUTE, **later),
        record(S.REVERSING, request_id="Test1B", phase_started_at=START - 2 * MINUTE, **later),
        record(request_id="Test1C", **later),
        record(S.SUCCEEDED, request_id="Test1D", phase_started_at=START - 9 * MINUTE),
    )
    sweep(w.dependencies)
    assert w.telemetry.counts == {"Swept": 0, "OpenUnknown": 2, "OpenUnknownOldest": 120, "OpenWaiting": 1}


def test_a_sweep_that_cannot_count_what_is_open_has_swept_all_the_same() -> None:
    w = holding(replace(unknown_since(), wake_at=START))
    fails(w.ledger, "still_open")
    assert sweep(w.dependencies) == [ID]
    assert w.telemetry.counts == {"Swept": 1}


def test_a_sweep_that_cannot_read_the_ledger_fails_and_is_seen() -> None:
    w = holding(record(wake_at=START))
    fails(w.ledger, "due")
    with pytest.raises(LedgerUnavailable):
        sweep(w.dependencies)


def test_a_sweep_that_cannot_read_all_of_the_index_takes_up_the_rest_and_is_seen() -> None:
    w = holding(replace(unknown_since(), wake_at=START))
    w.ledger.due = lambda now, limit: Due((ID,), is_whole=False)  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable):
        sweep(w.dependencies)
    assert w.telemetry.counts["Swept"] == 1


# ---- an operator --------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", OPEN.values(), ids=OPEN.keys())
def test_an_operator_takes_an_open_record_at_once(kept: Record) -> None:
    w = holding(replace(kept, wake_at=START + 10 * MINUTE))
    taken = start_recovery(ID, "arn:operator", w.dependencies)
    assert (taken.epoch, taken.status.is_open) == (1, True)
    assert w.recoveries.started == [(ID, 1)]
    (facts,) = [facts for event, facts in w.telemetry.lines if event == "recoveryAsked"]
    assert (facts["caller"], facts["was"]) == ("arn:operator", kept.status.value)


def test_the_round_that_was_under_way_loses_its_hold() -> None:
    w = holding(unknown_since(due_at=START))
    start_recovery(ID, None, w.dependencies)
    assert (
        recover(RecoveryTask.REPEAT, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT).next
        is RecoveryTask.DONE
    )
    assert not w.amazon.sent


@pytest.mark.parametrize("due_at", [START, START + 14 * MINUTE])
def test_a_round_that_waits_for_its_next_try_is_not_swept_away(due_at: datetime) -> None:
    w = holding(unknown_since(due_at=due_at, wake_at=due_at + LEASE))
    start_recovery(ID, None, w.dependencies)
    w.clock.time = due_at + LEASE - SECOND
    assert sweep(w.dependencies) == []


@pytest.mark.parametrize(
    ("kept", "status"),
    [
        (replace(unknown_since(), status=S.ESCALATED, wake_at=None), S.RECOVERING),
        (replace(reversing(Cause.REVERSE, reversal_attempts=3), status=S.ESCALATED, wake_at=None), S.REVERSING),
    ],
    ids=["never reversed", "reversed before"],
)
def test_an_escalated_record_gets_a_round_with_its_own_epoch_deadline_and_case(kept: Record, status: Status) -> None:
    w = holding(replace(kept, epoch=3, case_file="{}", mailed_at=START, gave_up=True))
    w.clock.time = START + 3 * DEADLINE
    taken = start_recovery(ID, None, w.dependencies)
    assert (taken.status, taken.epoch) == (status, 4)
    assert taken.deadline_at == START + 4 * DEADLINE
    assert (taken.case_file, taken.mailed_at, taken.gave_up) == (None, None, False)
    assert w.recoveries.started == [(ID, 4)]
    assert run_execution(ID, 4, w.dependencies) is RecoveryTask.DONE


def test_a_second_round_that_settles_nothing_escalates_and_mails_again() -> None:
    w = holding(unknown_since())
    w.amazon.script = [TIMED_OUT] * 1000
    assert run_execution(ID, 0, w.dependencies) is RecoveryTask.ESCALATED
    first = now(w)
    taken = start_recovery(ID, None, w.dependencies)
    assert run_execution(ID, taken.epoch, w.dependencies) is RecoveryTask.ESCALATED
    assert now(w).case_file not in {None, first.case_file}
    assert len(w.notifier.mails) == 2


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.REFUSED, S.REVERSED])
def test_there_is_nothing_to_recover_in_what_has_ended(status: Status) -> None:
    w = holding(record(status))
    with pytest.raises(StateConflict) as told:
        start_recovery(ID, None, w.dependencies)
    assert (status_of(told.value), told.value.request_status, told.value.retryable) == (409, status, False)
    assert w.ledger.writes == 0


def test_an_operator_who_is_beaten_to_it_may_try_again() -> None:
    w = holding(unknown_since())
    before(w.ledger, "apply", lambda: w.ledger.apply(take_over(now(w), START, silent_only=False), "other"))
    with pytest.raises(StateConflict) as told:
        start_recovery(ID, None, w.dependencies)
    assert told.value.retryable
    assert w.recoveries.started == []


def test_an_operator_asks_for_any_generation_and_gets_the_newest() -> None:
    w = holding(record(S.REVERSED, replaced_by="Test1BBBB"), replace(unknown_since(), request_id="Test1BBBB"))
    assert start_recovery(ID, None, w.dependencies).request_id == "Test1BBBB"


@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_round_whose_write_is_in_doubt_is_accepted_and_one_that_certainly_failed_is_not(takes_effect: bool) -> None:
    w = holding(unknown_since())
    fails(w.ledger, "apply", takes_effect=takes_effect)
    if takes_effect:
        assert start_recovery(ID, None, w.dependencies).request_id == ID
    else:
        with pytest.raises(LedgerUnavailable):
            start_recovery(ID, None, w.dependencies)
    assert w.recoveries.started == []
    # Written or not, the sweep finds it.
    w.clock.time = START + MINUTE
    assert sweep(w.dependencies) == [ID]
