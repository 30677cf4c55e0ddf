"""Reading a card's code again, taking up what somebody left, and asking for the balance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from incentives.agcod.responses import Failure, Funds
from incentives.domain.errors import (
    AccountUnusable,
    GatewayError,
    NotFound,
    RefusedByAmazon,
    StateConflict,
)
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Refused
from incentives.domain.single_requests.record import Change, Lost, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE, take_over
from incentives.usecases.accounts.funds import available_funds
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import CODE, START, World, world
from tests.support.workflow import resume
from tests.unit.builders import (
    KEY_REFUSED,
    MINUTE,
    REFUNDED,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    code_of,
    order,
    past_deadline,
    record,
    reversing,
    unknown_since,
)

S = Status


def issued() -> tuple[World, str]:
    w = world()
    issue(order(), w.dependencies, w.budget())
    (request_id,) = w.ledger.records
    w.amazon.sent.clear()
    return w, request_id


def holding(kept: Record) -> World:
    w = world()
    w.ledger.records[kept.request_id] = kept
    return w


# ---- reveal -------------------------------------------------------------------------------------


def test_a_reveal_sends_the_same_request_again_and_is_logged_with_who_asked() -> None:
    w, request_id = issued()

    response = reveal(request_id, "arn:caller", w.dependencies, w.budget())

    assert code_of(response) == CODE
    assert w.amazon.sent[0].call.request_id == request_id
    (facts,) = [facts for event, facts in w.telemetry.lines if event == "reveal"]
    assert (facts["requestId"], facts["caller"]) == (request_id, "arn:caller")
    assert CODE not in repr(w.telemetry.lines)


@pytest.mark.parametrize("status", sorted(set(S) - {S.SUCCEEDED}))
def test_a_reveal_runs_only_from_succeeded(status: Status) -> None:
    w = holding(record(status))

    with pytest.raises((StateConflict, RefusedByAmazon)):
        reveal("Test1AAAA", None, w.dependencies, w.budget())

    assert not w.amazon.sent


@pytest.mark.parametrize("outcome", [TIMED_OUT, THROTTLED, REFUSED, KEY_REFUSED, REFUNDED], ids=repr)
def test_a_reveal_that_fails_changes_no_state(outcome: Refused) -> None:
    w, request_id = issued()
    before = w.ledger.records[request_id]
    w.amazon.script = [outcome] * 50

    try:
        response = reveal(request_id, None, w.dependencies, w.budget())
    except GatewayError:
        pass
    else:
        assert isinstance(response, Accepted)

    assert w.ledger.records[request_id] == before


@pytest.mark.parametrize("seconds", [5.0, 11.0, 25.0])
@pytest.mark.parametrize("seconds_per_call", [0.2, 8.0])
def test_no_reveal_starts_with_less_than_11_seconds_left(seconds: float, seconds_per_call: float) -> None:
    w, request_id = issued()
    w.amazon.script, w.amazon.seconds_per_call = [TIMED_OUT] * 50, seconds_per_call
    end = w.clock.now() + timedelta(seconds=seconds)

    response = reveal(request_id, None, w.dependencies, w.budget(seconds))

    assert isinstance(response, Accepted)
    assert all((end - sent.at).total_seconds() >= 11.0 for sent in w.amazon.sent)
    assert bool(w.amazon.sent) is (seconds >= 11.0)


def test_a_reveal_reads_a_refused_key_anew_once() -> None:
    w, request_id = issued()
    w.amazon.script = [KEY_REFUSED]

    assert isinstance(reveal(request_id, None, w.dependencies, w.budget()), Delivered)

    w.amazon.script = [KEY_REFUSED] * 50
    w.amazon.sent.clear()
    with pytest.raises(AccountUnusable):
        reveal(request_id, None, w.dependencies, w.budget())
    assert len(w.amazon.sent) == 2


def test_an_activation_has_no_code_to_reveal() -> None:
    w = holding(record(S.SUCCEEDED, operation=Operation.ACTIVATE_GIFT_CARD))

    with pytest.raises(NotFound):
        reveal("Test1AAAA", None, w.dependencies, w.budget())


# ---- resume -------------------------------------------------------------------------------------


def test_a_record_whose_holder_lives_is_not_taken() -> None:
    w = holding(record(wake_at=START + MINUTE))

    with pytest.raises(StateConflict) as told:
        resume("Test1AAAA", w.dependencies, w.budget())

    assert told.value.retryable
    assert w.ledger.records["Test1AAAA"].epoch == 0


@pytest.mark.parametrize("kept", [record(), unknown_since(), reversing()], ids=lambda r: r.status)
def test_a_record_whose_holder_is_silent_is_carried_on_under_a_new_epoch(kept: Record) -> None:
    w = holding(kept)
    w.clock.time = START + MINUTE

    ended = resume("Test1AAAA", w.dependencies, w.budget())

    assert ended.epoch == 1
    assert ended.status is (S.REVERSED if kept.status is S.REVERSING else S.SUCCEEDED)
    assert CODE not in repr(ended)


def test_two_that_take_the_same_record_are_one() -> None:
    w = holding(record())
    w.clock.time = START + MINUTE
    apply = w.ledger.apply

    def racing(change: Change, nonce: str) -> Record | Lost:
        w.ledger.apply = apply  # type: ignore[method-assign]
        apply(take_over(w.ledger.records["Test1AAAA"], w.clock.now()), "other")
        return apply(change, nonce)

    w.ledger.apply = racing  # type: ignore[method-assign]

    with pytest.raises(StateConflict) as told:
        resume("Test1AAAA", w.dependencies, w.budget())
    assert told.value.retryable
    assert not w.amazon.sent


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.REFUSED, S.REVERSED])
def test_what_has_ended_is_left_alone(status: Status) -> None:
    w = holding(record(status))

    assert resume("Test1AAAA", w.dependencies, w.budget()).status is status
    assert w.ledger.writes == 0


def test_an_escalated_record_gets_another_round() -> None:
    w = holding(replace(unknown_since(), status=S.ESCALATED, wake_at=None))
    w.clock.time = START + 2 * DEADLINE

    ended = resume("Test1AAAA", w.dependencies, w.budget())

    assert (ended.status, ended.epoch) == (S.SUCCEEDED, 1)


@pytest.mark.parametrize("kept", [unknown_since(), reversing()], ids=lambda r: r.status)
def test_a_record_whose_account_has_no_key_still_ends_at_its_deadline(kept: Record) -> None:
    w = holding(kept)
    w.accounts.accounts.clear()
    w.clock.time = past_deadline(kept)

    ended = resume("Test1AAAA", w.dependencies, w.budget())

    assert (ended.status, ended.wake_at) == (S.ESCALATED, None)


# ---- funds --------------------------------------------------------------------------------------

BALANCE = Funds(Money(Decimal("0.00"), "USD"), START)


def asking(*responses: Funds | Failure) -> World:
    w = world()
    left = list(responses)

    def funds(*_: object, **__: object) -> Funds | Failure:
        w.clock.sleep(0.2)
        return left.pop(0) if len(left) > 1 else left[0]

    w.amazon.funds = funds  # type: ignore[method-assign]
    return w


@pytest.mark.parametrize("before", [(), (TIMED_OUT,), (THROTTLED, THROTTLED), (KEY_REFUSED,)], ids=repr)
def test_the_balance_is_asked_for_until_it_is_told(before: tuple[Failure, ...]) -> None:
    w = asking(*before, BALANCE)

    funds = available_funds("default", w.dependencies, w.budget())

    assert (funds.account, funds.available, funds.as_of) == ("default", BALANCE.value, START)
    assert w.accounts.reread == (before == (KEY_REFUSED,))


def test_a_balance_without_a_time_is_of_now() -> None:
    w = asking(replace(BALANCE, timestamp=None))

    assert available_funds("default", w.dependencies, w.budget()).as_of == w.clock.now()


def test_without_an_account_nothing_is_asked() -> None:
    w = asking(BALANCE)

    with pytest.raises(AccountUnusable):
        available_funds("nobody", w.dependencies, w.budget())
