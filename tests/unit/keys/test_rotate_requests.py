"""Requests under way while keys change: what meets a refusal of a key on trial is repeated, and not closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, NotExecuted, NotExecutedBecause, Unresolved
from incentives.domain.single_requests.record import Status
from incentives.usecases.permits import on_throttled
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted, Delivered
from incentives.usecases.single_requests.reveal import reveal
from tests.support.fakes import CODE, Sent, World, account, world
from tests.unit.builders import KEY_REFUSED, code_of, order
from tests.unit.queued import only


def on_trial(w: World) -> World:
    w.accounts.accounts["default"] = account(on_trial=True)
    return w


def refusals(count: int) -> World:
    return on_trial(world(*[KEY_REFUSED] * count))


def test_an_order_whose_key_is_refused_on_trial_is_issued_once_the_old_key_is_back() -> None:
    # given a key on trial that Amazon refuses, and that is taken back meanwhile
    def refused_and_taken_back(sent: Sent) -> Any:
        w.accounts.accounts["default"] = account()
        return KEY_REFUSED

    w = on_trial(world(KEY_REFUSED, KEY_REFUSED, refused_and_taken_back))
    # when
    response = issue(order(), w.dependencies, w.budget())
    # then its caller gets the card
    assert isinstance(response, Delivered)
    assert code_of(response) == CODE
    assert only(w).status is Status.SUCCEEDED


def test_an_order_that_meets_nothing_but_refusals_on_trial_waits_in_the_backlog() -> None:
    w = refusals(100)
    response = issue(order(), w.dependencies, w.budget())
    # it is neither refused nor lost
    assert isinstance(response, Accepted)
    assert only(w).status is Status.PENDING
    assert not only(w).may_have_executed
    (request_id, delay) = w.backlog.puts[0]
    # and once the old key is back, it is issued from there
    w.amazon.script.clear()
    w.accounts.accounts["default"] = account()
    w.clock.sleep(delay)
    issue_queued(request_id, w.dependencies, w.budget())
    assert only(w).status is Status.SUCCEEDED


def test_a_code_can_be_read_once_the_old_key_is_back() -> None:
    w = world()
    issue(order(), w.dependencies, w.budget())
    (kept,) = w.ledger.records.values()
    on_trial(w)

    def back(sent: Sent) -> Any:
        w.accounts.accounts["default"] = account()
        return KEY_REFUSED

    w.amazon.script[:] = [KEY_REFUSED, KEY_REFUSED, back]
    response = reveal(kept.request_id, None, w.dependencies, w.budget())
    assert isinstance(response, Delivered)
    assert code_of(response) == CODE


def test_a_code_is_not_asked_for_longer_than_its_caller_waits() -> None:
    w = world()
    issue(order(), w.dependencies, w.budget())
    (kept,) = w.ledger.records.values()
    on_trial(w)
    w.amazon.script[:] = [KEY_REFUSED] * 100
    response = reveal(kept.request_id, None, w.dependencies, w.budget())
    assert isinstance(response, Accepted)
    assert (w.clock.now() - kept.created_at).total_seconds() < 25


# ---- what is noted ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [KEY_REFUSED, Unresolved(not_executed=NotExecutedBecause.CREDENTIALS)], ids=repr)
def test_a_refused_key_is_noted_and_slows_nothing_down(outcome: Any) -> None:
    w = world()
    on_throttled("default", outcome, w.dependencies)
    assert w.accounts.refusals == [account().key_fingerprint]
    assert w.rate_limiter.slowed_down == []
    assert w.telemetry.counts == {"KeyRefused": 1}


def test_each_refusal_is_noted_once_whatever_is_called() -> None:
    # an operation, then its key read anew; a reversal likewise
    w = world(KEY_REFUSED)
    issue(order(), w.dependencies, w.budget())
    assert len(w.accounts.refusals) == 1
    assert w.amazon.names == [Operation.CREATE_GIFT_CARD.value] * 2


def test_a_wrong_clock_is_no_refusal_of_the_key() -> None:
    w = world()
    on_throttled(
        "default", NotExecuted(NotExecutedBecause.CREDENTIALS, AmazonError(type="RequestExpired")), w.dependencies
    )
    assert w.accounts.refusals == []


def test_a_refusal_that_cannot_be_noted_stops_nobody() -> None:
    w = world(KEY_REFUSED)

    def fails(name: str) -> None:
        raise LedgerUnavailable("it could not be written", in_doubt=False)

    w.accounts.refused = fails  # type: ignore[method-assign]
    assert isinstance(issue(order(), w.dependencies, w.budget()), Delivered)
    assert ("ledgerUnavailable", {"account": "default"}) in w.telemetry.lines


def test_a_key_is_noted_by_a_print_that_tells_keys_apart_and_nothing_else() -> None:
    one, other = account(), account(access_key_id="AKIDOTHEROTHER")
    assert one.key_fingerprint == replace(one, partner_id="Test2").key_fingerprint
    assert one.key_fingerprint != other.key_fingerprint
    assert len(one.key_fingerprint) == 8
    assert one.key_fingerprint not in one.access_key_id
