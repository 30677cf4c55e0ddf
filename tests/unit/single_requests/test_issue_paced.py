"""An order for which there is no permit: recorded once, lined up once, put into the backlog, answered 202."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from incentives.domain.errors import GatewayError, KeyReused, RefusedByAmazon, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Full, Permit, Priority
from incentives.domain.single_requests.record import Status
from incentives.domain.single_requests.transitions import IN_BACKLOG
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import CODE, START, World, usd, world
from tests.unit.builders import HOUR, MINUTE, ORDERS, REFUSAL, SECOND, code_of, fails, order
from tests.unit.queued import only

S = Status
PERMIT: Final = Permit(START)
DUE_IN: Final = timedelta(seconds=7)


def full(seconds: float = DUE_IN.total_seconds()) -> World:
    """A world that has no permit for so long."""
    w = world()
    w.rate_limiter.free_at = START + timedelta(seconds=seconds)
    return w


def place(w: World, seconds: float = 25.0, **updates: object) -> Delivered | Accepted:
    return issue(order(**updates), w.dependencies, w.budget(seconds))


def queued(w: World) -> list[str]:
    return [request_id for request_id, _ in w.backlog.puts]


# ---- the first time -----------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [25.0, 5.0])
def test_without_a_permit_it_is_recorded_lined_up_once_put_into_the_backlog_and_accepted(seconds: float) -> None:
    w = full()
    response = place(w, seconds)
    assert isinstance(response, Accepted)
    assert response.retry_after_seconds == DUE_IN.total_seconds()
    assert (response.record, only(w).status, only(w).attempts) == (only(w), S.PENDING, 0)
    assert (only(w).due_at, only(w).wake_at) == (START + DUE_IN, START + DUE_IN + IN_BACKLOG)
    assert w.backlog.puts == [(only(w).request_id, 0.0)], "whoever takes it up waits for its slot"
    assert (w.rate_limiter.lined_up, w.rate_limiter.reserved, w.ledger.writes) == (1, 0, 1)
    assert not w.amazon.sent


def test_nobody_finds_it_in_the_backlog_before_it_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    w = full()
    known: list[bool] = []

    def put(request_id: str, *, delay_seconds: float) -> bool:
        known.append(request_id in w.ledger.records)
        return True

    monkeypatch.setattr(w.backlog, "put", put)
    place(w)
    assert known == [True]


def test_a_caller_need_not_ask_more_than_once_a_minute() -> None:
    w = full(HOUR.total_seconds())
    response = place(w)
    assert isinstance(response, Accepted)
    assert response.retry_after_seconds == 60
    assert only(w).due_at == START + HOUR


def test_what_must_not_be_readable_is_encrypted_also_while_it_waits() -> None:
    w = full()
    place(w, **ORDERS[Operation.ACTIVATE_GIFT_CARD])
    assert only(w).encrypted is not None
    assert ORDERS[Operation.ACTIVATE_GIFT_CARD]["given"]["cardNumber"] not in repr(only(w))


def test_a_permit_that_was_missed_and_no_other_is_no_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    w = full()
    responses = iter([Permit(START - MINUTE), Full(START + DUE_IN, START + DUE_IN)])
    monkeypatch.setattr(w.rate_limiter, "reserve", lambda *_, **__: next(responses))
    assert isinstance(place(w), Accepted)
    assert queued(w) == [only(w).request_id]
    assert not w.amazon.sent


def test_a_backlog_that_cannot_take_it_leaves_it_to_the_sweep() -> None:
    # given
    w = full()
    w.backlog.works = False
    response = place(w)
    assert isinstance(response, Accepted)
    assert ("notQueued", {"requestId": only(w).request_id, "account": "default"}) in w.telemetry.lines
    w.backlog.works = True
    # when it is not due, and when it is
    w.clock.time = START + DUE_IN + IN_BACKLOG - SECOND
    before = sweep(w.dependencies)
    w.clock.time += SECOND
    # then
    assert before == []
    assert sweep(w.dependencies) == queued(w) == [only(w).request_id]


def test_an_order_whose_record_is_in_doubt_is_left_to_the_sweep() -> None:
    w = full()
    fails(w.ledger, "open", takes_effect=True)
    assert isinstance(place(w), Accepted)
    assert queued(w) == []
    w.clock.time = START + DUE_IN + IN_BACKLOG
    assert sweep(w.dependencies) == queued(w) == [only(w).request_id]


# ---- again --------------------------------------------------------------------------------------


def test_a_repeat_is_neither_lined_up_nor_put_again_and_keeps_its_turn() -> None:
    w = full()
    place(w)
    before = only(w)
    w.clock.time = START + 3 * SECOND
    again = place(w)
    assert isinstance(again, Accepted)
    assert again.retry_after_seconds == 4
    assert only(w) == before
    assert (w.rate_limiter.lined_up, len(w.backlog.puts), w.ledger.writes) == (1, 1, 1)


def test_a_repeat_while_there_is_a_permit_again_sends_nothing_either() -> None:
    w = full()
    place(w)
    w.clock.time = START + DUE_IN
    assert isinstance(place(w), Accepted)
    assert not w.amazon.sent
    assert len(w.backlog.puts) == 1


def ended(status: Status, **updates: object) -> World:
    """An order that waited for its permit and came to some state; there is still no permit."""
    w = full()
    place(w)
    known: dict[str, object] = {"status": status, "attempts": 1, "due_at": None}
    if not status.is_open:
        known["wake_at"] = None
    w.ledger.records[only(w).request_id] = replace(only(w), **(known | updates))  # type: ignore[arg-type]
    return w


@pytest.mark.parametrize("status", [S.PENDING, S.RECOVERING, S.REVERSING])
@pytest.mark.parametrize("later", [False, True])
def test_a_repeat_without_a_permit_of_what_is_open_is_accepted(status: Status, later: bool) -> None:
    w = ended(status)
    response = issue(order(), w.dependencies, w.budget(), later=later)
    assert isinstance(response, Accepted)
    assert response.record.status is status
    assert (w.rate_limiter.lined_up, len(w.backlog.puts), w.amazon.sent) == (1, 1, [])


@pytest.mark.parametrize(
    ("status", "error"), [(S.REFUSED, RefusedByAmazon), (S.REVERSED, StateConflict), (S.ESCALATED, StateConflict)]
)
@pytest.mark.parametrize("later", [False, True])
def test_a_repeat_without_a_permit_of_what_has_ended_badly_says_so(
    status: Status, error: type[GatewayError], later: bool
) -> None:
    w = ended(status, refusal=REFUSAL)
    with pytest.raises(error):
        issue(order(), w.dependencies, w.budget(), later=later)
    assert (w.rate_limiter.lined_up, len(w.backlog.puts), w.amazon.sent) == (1, 1, [])


def test_a_repeat_without_a_permit_of_a_success_is_told_when_its_code_can_be_read() -> None:
    w = ended(S.SUCCEEDED)
    response = place(w)
    assert isinstance(response, Accepted)
    assert response.record.status is S.SUCCEEDED
    assert response.retry_after_seconds == DUE_IN.total_seconds()
    assert (w.rate_limiter.lined_up, len(w.backlog.puts), w.amazon.sent) == (1, 1, [])


def test_a_success_without_a_code_needs_no_permit_to_be_told() -> None:
    w = full()
    load = ORDERS[Operation.LOAD_AMAZON_BALANCE]
    place(w, **load)
    w.ledger.records[only(w).request_id] = replace(only(w), status=S.SUCCEEDED, wake_at=None)
    response = place(w, **load)
    assert isinstance(response, Delivered)
    assert (response.card, response.replayed) == (None, True)


def test_whoever_does_not_want_the_card_needs_no_permit_to_be_told_of_a_success() -> None:
    w = ended(S.SUCCEEDED)
    response = issue(order(), w.dependencies, w.budget(), later=True, wants_card=False)
    assert isinstance(response, Delivered)
    assert (response.card, response.replayed) == (None, True)
    assert (w.rate_limiter.reserved, w.amazon.sent) == (0, [])


def test_a_key_of_another_order_is_refused_also_without_a_permit() -> None:
    w = full()
    place(w)
    with pytest.raises(KeyReused):
        place(w, value=usd("50.00"))
    assert (w.rate_limiter.lined_up, len(w.backlog.puts)) == (1, 1)


# ---- later --------------------------------------------------------------------------------------


def test_whoever_does_not_want_to_wait_takes_no_permit_although_there_is_one() -> None:
    w = world()
    response = issue(order(), w.dependencies, w.budget(), later=True)
    assert isinstance(response, Accepted)
    assert (w.rate_limiter.reserved, w.rate_limiter.lined_up, w.amazon.sent) == (0, 1, [])
    assert queued(w) == [only(w).request_id]
    assert (only(w).status, only(w).due_at) == (S.PENDING, START)


def test_whoever_does_not_want_to_wait_may_repeat_it_and_gets_its_card_when_it_is_there() -> None:
    w = world()
    issue(order(), w.dependencies, w.budget())
    again = issue(order(), w.dependencies, w.budget(), later=True)
    assert code_of(again) == CODE
    assert (w.rate_limiter.lined_up, w.backlog.puts) == (0, [])


def test_a_permit_that_was_taken_already_is_used() -> None:
    w = world()
    response = issue(order(), w.dependencies, w.budget(), permit=PERMIT)
    assert code_of(response) == CODE
    assert w.rate_limiter.reserved == 0


def test_a_permit_that_was_taken_already_also_reads_the_code_of_a_repeat() -> None:
    w = world()
    place(w)
    again = issue(order(), w.dependencies, w.budget(), permit=Permit(w.clock.now()))
    assert code_of(again) == CODE
    assert w.rate_limiter.priorities == [Priority.CALLER]
