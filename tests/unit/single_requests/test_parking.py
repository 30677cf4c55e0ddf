"""Requests that the balance does not cover: refused, or parked until it does, as their account wants it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from incentives.domain.errors import RefusedByAmazon, StateConflict
from incentives.domain.outcomes import AmazonError, NotExecuted, NotExecutedBecause, Refused, Unknown, UnknownBecause
from incentives.domain.single_requests.parking import INSUFFICIENT_FUNDS
from incentives.domain.single_requests.record import Status
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted
from tests.support.fakes import START, Scripted, World, account, world
from tests.unit.builders import order
from tests.unit.queued import only

UNFUNDED = Refused(AmazonError(code="F300", type=INSUFFICIENT_FUNDS, message="Insufficient Funds"))
OTHER = Refused(AmazonError(code="F300", type="IssuanceCapExceeded"))
LOST = Unknown(UnknownBecause.TIMED_OUT)
THROTTLED = NotExecuted(NotExecutedBecause.THROTTLED)


def parking(*script: Scripted) -> World:
    w = world(*script)
    w.accounts.accounts["default"] = account(parks_unfunded=True)
    return w


def take_up(w: World) -> None:
    """The backlog hands out what was put last, when it is due."""
    request_id, delay = w.backlog.puts[-1]
    w.clock.time += timedelta(seconds=delay)
    issue_queued(request_id, w.dependencies, w.budget())


def test_an_account_that_does_not_park_refuses_at_once() -> None:
    w = world(UNFUNDED)
    with pytest.raises(RefusedByAmazon) as refused:
        issue(order(), w.dependencies, w.budget())
    assert refused.value.error_type == INSUFFICIENT_FUNDS
    assert only(w).status is Status.REFUSED


def test_a_parked_request_is_issued_by_itself_once_the_balance_is_back() -> None:
    # given
    w = parking(UNFUNDED, UNFUNDED)
    # when
    response = issue(order(), w.dependencies, w.budget())
    # then its caller is told to ask again, and nothing is charged
    assert isinstance(response, Accepted)
    assert only(w).status is Status.PENDING
    assert only(w).error == UNFUNDED.error
    assert w.backlog.puts == [(only(w).request_id, 300.0)]
    # when it is tried in vain, and then with money there
    take_up(w)
    assert only(w).status is Status.PENDING
    take_up(w)
    # then
    assert only(w).status is Status.SUCCEEDED
    assert w.amazon.names == ["CreateGiftCard"] * 3
    assert len({sent.call.request_id for sent in w.amazon.sent}) == 1


def test_waits_double_to_a_quarter_of_an_hour() -> None:
    w = parking(*[UNFUNDED] * 4)
    issue(order(), w.dependencies, w.budget())
    for _ in range(3):
        take_up(w)
    assert [round(delay) for _, delay in w.backlog.puts] == [300, 600, 900, 900]


def test_it_ends_refused_for_want_of_money_within_a_day() -> None:
    # given a balance that never comes back
    w = parking(*[UNFUNDED] * 200)
    issue(order(), w.dependencies, w.budget())
    # when
    tries = 0
    while only(w).status.is_open and tries < 200:
        take_up(w)
        tries += 1
    # then
    assert only(w).status is Status.REFUSED
    assert only(w).refusal == UNFUNDED.error
    assert timedelta(hours=24) <= w.clock.time - START < timedelta(hours=24, minutes=20)


def test_a_backlog_that_loses_it_gets_it_again() -> None:
    w = parking(UNFUNDED)
    issue(order(), w.dependencies, w.budget())
    w.backlog.puts.clear()
    due_at = only(w).due_at
    assert due_at is not None
    w.clock.time = due_at
    assert sweep(w.dependencies) == [], "the backlog has its time first"
    w.clock.time = due_at + timedelta(minutes=5)
    assert sweep(w.dependencies) == [only(w).request_id]
    take_up(w)
    assert only(w).status is Status.SUCCEEDED


def test_what_may_have_been_charged_is_never_parked() -> None:
    w = parking(LOST, UNFUNDED)
    with pytest.raises(StateConflict):
        issue(order(), w.dependencies, w.budget())
    assert only(w).status is Status.REVERSED
    assert w.amazon.names == ["CreateGiftCard", "CreateGiftCard", "CancelGiftCard"], "the first may have bought a card"


def test_other_refusals_are_not_parked_also_after_a_throttle() -> None:
    w = parking(THROTTLED, OTHER)
    with pytest.raises(RefusedByAmazon):
        issue(order(), w.dependencies, w.budget())
    assert only(w).status is Status.REFUSED


def test_an_account_that_stops_parking_refuses_what_is_parked() -> None:
    w = parking(UNFUNDED, UNFUNDED)
    issue(order(), w.dependencies, w.budget())
    w.accounts.accounts["default"] = replace(account(), parks_unfunded=False)
    take_up(w)
    assert only(w).status is Status.REFUSED
