"""Reading a card's code again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incentives.domain.errors import AccountUnusable, GatewayError, NotFound, RefusedByAmazon, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Refused
from incentives.domain.single_requests.record import Status
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import CODE, World, world
from tests.unit.builders import KEY_REFUSED, REFUNDED, REFUSED, THROTTLED, TIMED_OUT, code_of, holding, order, record

S = Status


def issued() -> tuple[World, str]:
    w = world()
    issue(order(), w.dependencies, w.budget())
    (request_id,) = w.ledger.records
    w.amazon.sent.clear()
    return w, request_id


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
