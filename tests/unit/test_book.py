"""Before Amazon's "no such request" is believed, its own book is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.domain.accounts import Activity
from incentives.domain.ledger import Intent, Record, Status
from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    AmazonError,
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Refused,
    Unknown,
    UnknownBecause,
)
from incentives.usecases.issue import Order, issue
from tests.support.fakes import START, World, usd, world
from tests.support.workflow import run_execution

NOTHING = NoSuchRequest(AmazonError("F300", "OperationNotPermitted"))
DISABLED = Refused(AmazonError("F300", "APIGetGiftCardActivityPageIsDisabled"))
BLOCKED = Refused(AmazonError("F300", "OperationNotPermitted"))
SILENT = Unknown(UnknownBecause.TIMED_OUT)
THROTTLED = NotExecuted(NotExecutedBecause.THROTTLED)


def lost_order() -> tuple[World, Record]:
    """An order that Amazon never answers and whose cancel finds nothing, with the intent to reverse it."""

    def answer(sent: Any) -> Any:
        return NOTHING if sent.call.name == "CancelGiftCard" else SILENT

    w = world(*[answer] * 2000)
    order = Order(
        key="order-1",
        operation=Operation.CREATE_GIFT_CARD,
        account="default",
        value=usd("25"),
        on_unknown=Intent.REVERSE,
    )
    return w, issue(order, w.tools, w.budget()).record


def row(request_id: str, **updates: Any) -> Activity:
    values: dict[str, Any] = {
        "request_id": request_id, "type": "GCCreation", "status": "Success", "time": START, "value": usd("25"),
        "gc_id": "GC1", "failure": None, "is_real": True,
    }  # fmt: skip
    return Activity(**{**values, **updates})


def end_of(w: World, order: Record) -> Record:
    run_execution(order.request_id, w.ledger.records[order.request_id].epoch, w.tools)
    return w.ledger.records[order.request_id]


@pytest.mark.parametrize("page", [ActivityPage((), 0), DISABLED], ids=["agrees", "not to be had"])
def test_nothing_found_and_nothing_in_the_book_is_nothing(page: Any) -> None:
    w, order = lost_order()
    w.amazon.pages = [page]

    ended = end_of(w, order)

    assert ended.status is Status.REVERSED
    # asked once, about a time in which every send lies
    (asked,) = w.amazon.pages_asked
    assert asked["utcStartDate"] == (START - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_card_in_the_book_is_not_nothing() -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row("another"), row(order.request_id)), 2)]

    ended = end_of(w, order)

    # it is charged, and its cancel will not find it: people must settle it
    assert ended.card_seen
    assert ended.status is Status.ESCALATED
    assert len(w.amazon.pages_asked) == 1


@pytest.mark.parametrize("mark", [{"failure": "OperationNotPermitted"}, {"status": "Failed"}])
def test_a_failure_in_the_book_is_no_card(mark: dict[str, str]) -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row(order.request_id, is_real=False, **mark),), 1)]

    assert end_of(w, order).status is Status.REVERSED


@pytest.mark.parametrize("page", [SILENT, THROTTLED, BLOCKED], ids=["silent", "throttled", "account blocked"])
def test_a_book_that_does_not_answer_is_asked_again(page: Any) -> None:
    w, order = lost_order()
    w.amazon.pages = [page, page]

    ended = end_of(w, order)

    assert ended.status is Status.REVERSED
    assert len(w.amazon.pages_asked) == 3


def test_an_account_that_may_do_nothing_ends_with_people() -> None:
    w, order = lost_order()
    w.amazon.pages = [BLOCKED] * 500

    assert end_of(w, order).status is Status.ESCALATED


def test_a_book_too_long_for_one_page_is_none() -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row("another"),), 5000)]

    assert end_of(w, order).status is Status.REVERSED
