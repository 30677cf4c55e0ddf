from __future__ import annotations

from datetime import timedelta

import pytest

from incentives.api.problems import status_of
from incentives.domain.errors import CancelWindowOver, InvalidInput, LedgerUnavailable, NotFound, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    AmazonError,
    NoSuchRequest,
    ReversalOutcome,
    Reversed,
    TooLate,
    UnknownBecause,
    Unresolved,
)
from incentives.domain.recovery.rules import after_operation
from incentives.domain.single_requests.record import Cause, Intent, Lost, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE, LEASE, take_over
from incentives.usecases.recovery.recover import RecoveryTask
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.cancel import RACES_MAX, cancel
from incentives.usecases.single_requests.results import Accepted, Standing
from tests.support.fakes import START, Sent, World, account, world
from tests.support.workflow import run_execution
from tests.unit.builders import (
    KEY_REFUSED,
    MINUTE,
    REFUNDED,
    SECOND,
    SUCCESS,
    attempt,
    before,
    fails,
    holding,
    record,
    reversing,
    unknown_since,
)

S = Status
CREATE = Operation.CREATE_GIFT_CARD
UNRESOLVED = Unresolved(unknown=UnknownBecause.TIMED_OUT)


def issued(**updates: object) -> Record:
    known = {"in_flight": False, "card_seen": True, "gc_id": "GC1", "answered_at": START}
    return record(S.SUCCEEDED, **(known | updates))


def cancelled(w: World, seconds: float = 25.0) -> Standing | Accepted:
    return cancel("Test1AAAA", CREATE, "arn:caller", w.dependencies, w.budget(seconds))


def recovered(w: World) -> Record:
    """The record after the recovery that was started last."""
    assert run_execution(*w.recoveries.started[-1], w.dependencies) is RecoveryTask.DONE
    return now(w)


def now(w: World) -> Record:
    return w.ledger.records["Test1AAAA"]


def test_an_issued_card_is_reversed_at_once() -> None:
    w = holding(issued(), Reversed())
    response = cancelled(w)
    assert isinstance(response, Standing)
    assert (response.record.status, response.replayed) == (S.REVERSED, False)
    assert (now(w).cause, now(w).intent) == (Cause.CANCEL, Intent.REVERSE)
    assert w.amazon.names == ["CancelGiftCard"]
    assert w.amazon.sent[0].call.request_id == "Test1AAAA"


def test_reversing_is_in_the_ledger_before_the_reversal_leaves() -> None:
    seen: list[Record] = []

    def look(sent: Sent) -> Reversed:
        seen.append(now(w))
        return Reversed()

    w = world(look)
    w.ledger.records["Test1AAAA"] = issued()
    cancelled(w)
    (recorded,) = seen
    assert (recorded.status, recorded.reversal_attempts) == (S.REVERSING, 1)
    assert recorded.last_reversal_sent_at == w.amazon.sent[0].sent_at
    assert recorded.wake_at is not None


def test_a_second_cancel_is_a_replay() -> None:
    w = holding(issued())
    cancelled(w)
    w.amazon.sent.clear()
    response = cancelled(w)
    assert isinstance(response, Standing)
    assert response.replayed
    assert not w.amazon.sent


@pytest.mark.parametrize("kept", [record(), unknown_since()], ids=lambda r: r.status)
def test_a_cancel_of_what_is_open_is_accepted_fixed_and_left_to_a_recovery(kept: Record) -> None:
    w = holding(kept)
    response = cancelled(w)
    assert isinstance(response, Accepted)
    assert (now(w).status, now(w).intent) == (S.REVERSING, Intent.REVERSE)
    assert now(w).epoch == 1, "its holder loses every write"
    assert w.recoveries.started == [("Test1AAAA", 1)]
    assert now(w).wake_at == START + LEASE
    assert now(w).deadline_at == START + DEADLINE
    assert not w.amazon.sent


def test_an_accepted_cancel_is_not_undone_by_the_success_that_comes_after_it() -> None:
    kept = record()
    w = holding(kept)
    cancelled(w)
    late = w.ledger.apply(after_operation(kept, attempt(SUCCESS), START), "late")
    assert isinstance(late, Lost)
    assert now(w).status is S.REVERSING


def test_an_accepted_cancel_is_carried_out_by_the_recovery_that_it_starts() -> None:
    w = holding(unknown_since(intent=Intent.REISSUE))
    cancelled(w)
    ended = recovered(w)
    assert (ended.status, ended.replaced_by) == (S.REVERSED, None)
    assert w.amazon.names == ["CancelGiftCard"]


def test_an_order_that_was_never_sent_is_reversed_without_asking_amazon() -> None:
    w = holding(record(attempts=0, in_flight=False, first_sent_at=None, last_sent_at=None))
    cancelled(w)
    ended = recovered(w)
    assert ended.status is S.REVERSED
    assert not w.amazon.sent


@pytest.mark.parametrize("kept", [record(), unknown_since()], ids=lambda r: r.status)
def test_an_accepted_cancel_whose_recovery_did_not_start_is_found_by_the_sweep(kept: Record) -> None:
    w = holding(kept)
    w.recoveries.works = False
    assert isinstance(cancelled(w), Accepted)
    w.recoveries.works = True
    w.clock.time = START + LEASE
    assert sweep(w.dependencies) == ["Test1AAAA"]
    assert recovered(w).status is S.REVERSED
    assert w.amazon.names == ["CancelGiftCard"]


@pytest.mark.parametrize("cause", [Cause.REISSUE, Cause.REFUSED, Cause.REVERSE])
def test_a_cancel_of_what_is_being_reversed_withdraws_any_reissue(cause: Cause) -> None:
    w = holding(reversing(cause, intent=Intent.REISSUE))
    response = cancelled(w)
    assert isinstance(response, Accepted)
    assert now(w).intent is Intent.REVERSE
    assert run_execution("Test1AAAA", now(w).epoch, w.dependencies) is RecoveryTask.DONE
    assert (now(w).status.is_open, now(w).replaced_by) == (False, None)


@pytest.mark.parametrize("status", [S.REFUSED, S.ESCALATED])
def test_there_is_nothing_to_cancel(status: Status) -> None:
    w = holding(record(status))
    with pytest.raises(StateConflict) as told:
        cancelled(w)
    assert (status_of(told.value), told.value.request_status) == (409, status)
    assert now(w).version == 1


def test_another_operations_request_is_not_found_here() -> None:
    w = holding(issued(operation=Operation.ACTIVATE_GIFT_CARD))
    with pytest.raises(NotFound):
        cancelled(w)
    assert not w.amazon.sent


# ---- the window ---------------------------------------------------------------------------------


def test_a_cancel_whose_15_minutes_are_surely_over_is_refused_here_and_names_the_deadline() -> None:
    w = holding(issued(answered_at=START + SECOND))
    w.clock.time = START + 15 * MINUTE + SECOND
    with pytest.raises(CancelWindowOver, match="2026-03-01T12:15:01Z") as told:
        cancelled(w)
    assert status_of(told.value) == 409
    assert not w.amazon.sent
    assert now(w).status is S.SUCCEEDED


def test_a_second_before_that_amazon_is_asked() -> None:
    w = holding(issued(answered_at=START + SECOND))
    w.clock.time = START + 15 * MINUTE
    assert isinstance(cancelled(w), Standing)


def test_other_reversals_have_no_such_window() -> None:
    w = holding(issued(operation=Operation.LOAD_AMAZON_BALANCE))
    w.clock.time = START + 600 * MINUTE
    w.amazon.date_offset = timedelta()
    response = cancel("Test1AAAA", Operation.LOAD_AMAZON_BALANCE, None, w.dependencies, w.budget())
    assert isinstance(response, Standing)
    assert w.amazon.names == ["VoidAmazonBalanceLoad"]


def test_too_late_twice_around_a_live_card_leaves_it_its_owners() -> None:
    w = holding(issued(), TooLate())
    w.amazon.script += [SUCCESS, TooLate()]
    with pytest.raises(CancelWindowOver) as told:
        cancelled(w)
    assert w.amazon.names == ["CancelGiftCard", "CreateGiftCard", "CancelGiftCard"]
    assert now(w).status is S.SUCCEEDED
    assert "Z" not in told.value.detail, "no deadline is named that nobody knows"


def test_too_late_of_a_card_that_is_refunded_was_a_cancel_that_had_worked() -> None:
    w = holding(issued(), TooLate())
    w.amazon.script += [REFUNDED]
    response = cancelled(w)
    assert isinstance(response, Standing)
    assert response.record.status is S.REVERSED


# ---- no clear response ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome", [UNRESOLVED, NoSuchRequest(), Unresolved(AmazonError("F300", "OperationNotPermitted"))], ids=repr
)
def test_without_a_clear_response_the_cancel_is_accepted_and_somebody_goes_on(outcome: ReversalOutcome) -> None:
    w = holding(issued(), *[outcome] * 50)
    response = cancelled(w)
    assert isinstance(response, Accepted)
    assert (now(w).status, now(w).intent) == (S.REVERSING, Intent.REVERSE)
    assert now(w).wake_at is not None


@pytest.mark.parametrize("seconds", [11.0, 12.5, 25.0])
@pytest.mark.parametrize("seconds_per_call", [0.2, 8.0])
@pytest.mark.parametrize("outcome", [UNRESOLVED, Unresolved(not_executed=KEY_REFUSED.because)], ids=["lost", "key"])
def test_no_reversal_starts_with_less_than_11_seconds_left(
    seconds: float, seconds_per_call: float, outcome: Unresolved
) -> None:
    w = holding(issued(), *[outcome] * 50)
    w.amazon.seconds_per_call = seconds_per_call
    cancelled(w, seconds)
    end = START + timedelta(seconds=seconds)
    assert w.amazon.sent
    assert all((end - sent.at).total_seconds() >= 11.0 for sent in w.amazon.sent)


def test_a_refused_key_is_read_anew_and_the_reversal_repeated() -> None:
    w = holding(issued(), Unresolved(not_executed=KEY_REFUSED.because))
    assert isinstance(cancelled(w), Standing)
    assert w.accounts.reread == 1


def test_an_account_without_a_key_leaves_the_cancel_accepted() -> None:
    w = holding(issued())
    del w.accounts.accounts["default"]
    response = cancelled(w)
    assert isinstance(response, Accepted)
    assert now(w).status is S.REVERSING
    error = now(w).error
    assert error is not None
    assert error.type == "AccountUnusable"


def test_an_account_that_became_another_partners_is_not_used() -> None:
    w = holding(issued())
    w.accounts.accounts["default"] = account(partner_id="Other")
    assert isinstance(cancelled(w), Accepted)
    assert not w.amazon.sent


def test_a_call_that_can_no_longer_be_signed_is_not_the_callers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    w = holding(issued())

    def fail(*_: object) -> None:
        raise InvalidInput("marketplace", "must be another")

    monkeypatch.setattr(w.amazon, "sign", fail)
    assert isinstance(cancelled(w), Accepted)
    assert now(w).status is S.REVERSING


# ---- races and a ledger that fails --------------------------------------------------------------


def test_a_cancel_that_loses_to_the_success_reverses_the_card() -> None:
    w = holding(record())
    before(w.ledger, "apply", lambda: w.ledger.records.update({"Test1AAAA": issued()}))
    response = cancelled(w)
    assert isinstance(response, Standing)
    assert response.record.status is S.REVERSED


def test_a_cancel_that_loses_to_a_refusal_says_so() -> None:
    w = holding(record())
    before(w.ledger, "apply", lambda: w.ledger.records.update({"Test1AAAA": record(S.REFUSED)}))
    with pytest.raises(StateConflict):
        cancelled(w)


def test_a_request_that_is_gone_when_the_cancel_is_written_is_not_found() -> None:
    # given a ledger that is put back, between the look and the write, to before the order
    w = holding(unknown_since())
    before(w.ledger, "apply", w.ledger.records.clear)
    with pytest.raises(NotFound):
        cancelled(w)
    # then nobody is told that anything will be reversed, and nothing is
    assert w.ledger.records == {}
    assert w.recoveries.started == []
    assert w.amazon.sent == []


def test_a_cancel_that_keeps_losing_asks_to_try_again() -> None:
    w = holding(unknown_since())

    def taken() -> None:
        w.ledger.records["Test1AAAA"] = take_over(now(w), w.clock.now()).after

    before(w.ledger, "apply", taken, times=99)
    with pytest.raises(StateConflict) as told:
        cancelled(w)
    assert told.value.retryable
    assert now(w).epoch == RACES_MAX


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("kept", [issued(), record()], ids=lambda r: r.status)
def test_a_cancel_whose_write_is_in_doubt_looks_before_it_answers(kept: Record, takes_effect: bool) -> None:
    w = holding(kept)
    fails(w.ledger, "apply", takes_effect=takes_effect, in_doubt=True)
    response = cancelled(w)
    assert now(w).intent is Intent.REVERSE
    assert isinstance(response, Accepted if takes_effect or kept.status is S.PENDING else Standing)


def test_a_cancel_that_was_certainly_not_written_is_a_503() -> None:
    w = holding(issued())
    fails(w.ledger, "apply")
    with pytest.raises(LedgerUnavailable):
        cancelled(w)
    assert not w.amazon.sent


def test_a_cancel_that_is_written_stays_accepted_when_the_ledger_fails_afterwards() -> None:
    w = holding(issued())
    before(w.ledger, "apply", lambda: fails(w.ledger, "apply", at=None, in_doubt=True))
    response = cancelled(w)
    assert isinstance(response, Accepted)
    assert now(w).intent is Intent.REVERSE
