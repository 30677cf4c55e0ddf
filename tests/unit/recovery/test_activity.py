"""Before Amazon's "no such request" is believed, its own activity is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.domain.accounts.account import Activity
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
from incentives.domain.rate_limit import Allowance
from incentives.domain.recovery.kept_page import ASKED_EARLIER, CLOCKS_APART, KeptPage
from incentives.domain.recovery.rules import ActivityFinding
from incentives.domain.recovery.waits import IN_FLIGHT_WINDOW
from incentives.domain.single_requests.record import Cause, Intent, Record, Status
from incentives.usecases.recovery.look_up_activity import look_up_activity
from incentives.usecases.single_requests.issue import NewRequest, issue
from tests.support.fakes import START, World, usd, world
from tests.support.workflow import run_execution
from tests.unit.builders import HOUR, MINUTE, reversing

NOTHING = NoSuchRequest(AmazonError("F300", "OperationNotPermitted"))
DISABLED = Refused(AmazonError("F300", "APIGetGiftCardActivityPageIsDisabled"))
BLOCKED = Refused(AmazonError("F300", "OperationNotPermitted"))
SILENT = Unknown(UnknownBecause.TIMED_OUT)
THROTTLED = NotExecuted(NotExecutedBecause.THROTTLED)


def lost_order() -> tuple[World, Record]:
    """An order that Amazon never answers and whose cancel finds nothing, with the intent to reverse it."""

    def response(sent: Any) -> Any:
        return NOTHING if sent.call.name == "CancelGiftCard" else SILENT

    w = world(*[response] * 2000)
    order = NewRequest(
        key="order-1",
        operation=Operation.CREATE_GIFT_CARD,
        account="default",
        value=usd("25"),
        on_unknown=Intent.REVERSE,
    )
    return w, issue(order, w.dependencies, w.budget()).record


def row(request_id: str, **updates: Any) -> Activity:
    values: dict[str, Any] = {
        "request_id": request_id, "type": "GCCreation", "status": "Success", "time": START, "value": usd("25"),
        "gc_id": "GC1", "failure": None, "is_real": True,
    }  # fmt: skip
    return Activity(**{**values, **updates})


def utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def end_of(w: World, order: Record) -> Record:
    run_execution(order.request_id, w.ledger.records[order.request_id].epoch, w.dependencies)
    return w.ledger.records[order.request_id]


@pytest.mark.parametrize("page", [ActivityPage((), 0), DISABLED], ids=["agrees", "not to be had"])
def test_nothing_found_and_nothing_in_the_activity_is_nothing(page: Any) -> None:
    w, order = lost_order()
    w.amazon.pages = [page]
    ended = end_of(w, order)
    assert ended.status is Status.REVERSED
    # asked once, about a time in which every send lies
    (asked,) = w.amazon.pages_asked
    assert asked["utcStartDate"] == utc(START - CLOCKS_APART - ASKED_EARLIER)


def test_a_card_in_the_activity_is_not_nothing() -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row("another"), row(order.request_id)), 2)]
    ended = end_of(w, order)
    # it is charged, and its cancel will not find it: people must settle it
    assert ended.card_seen
    assert ended.status is Status.ESCALATED
    assert len(w.amazon.pages_asked) == 1


@pytest.mark.parametrize(
    ("mark", "status"),
    [
        ({"status": "Failed", "failure": "OperationNotPermitted"}, Status.REVERSED),
        ({"status": "Failed"}, Status.REVERSED),
        # A success is one, whatever stands beside it.
        ({"failure": "None"}, Status.ESCALATED),
    ],
)
def test_a_failure_in_the_activity_is_no_card(mark: dict[str, str], status: Status) -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row(order.request_id, is_real=False, **mark),), 1)]
    assert end_of(w, order).status is status


def test_a_page_that_lacks_rows_of_its_own_total_proves_nothing() -> None:
    w = shown_once(ActivityPage((row("Test1CCCC"),), 5))
    assert read(w, looked_for()) is ActivityFinding.UNANSWERED
    assert w.kept_pages.pages == {}
    assert told(w)[-1]["because"] == "rowsMissing"


@pytest.mark.parametrize("page", [SILENT, THROTTLED, BLOCKED], ids=["silent", "throttled", "account blocked"])
def test_a_activity_that_does_not_answer_is_asked_again(page: Any) -> None:
    w, order = lost_order()
    w.amazon.pages = [page, page]
    ended = end_of(w, order)
    assert ended.status is Status.REVERSED
    assert len(w.amazon.pages_asked) == 3


def test_an_account_that_may_do_nothing_ends_with_people() -> None:
    w, order = lost_order()
    w.amazon.pages = [BLOCKED] * 500
    assert end_of(w, order).status is Status.ESCALATED


def test_a_activity_too_long_for_one_page_is_none() -> None:
    w, order = lost_order()
    w.amazon.pages = [ActivityPage((row("another"),), 5000)]
    assert end_of(w, order).status is Status.REVERSED


# ---- one page for all -------------------------------------------------------------------------------

#: When the in-flight window of what was sent at START is past, and Amazon has just said that there is no such request.
LATELY = START + IN_FLIGHT_WINDOW + MINUTE


def looked_for(request_id: str = "Test1AAAA", **updates: Any) -> Record:
    """A request that was sent at START, and that its reversal has not found."""
    return reversing(Cause.REVERSE, request_id=request_id, **updates)


def read(w: World, record: Record, answered_at: Any = LATELY, *, seconds: float = 25.0) -> ActivityFinding:
    return look_up_activity(record, answered_at, w.dependencies, w.budget(seconds))


def told(w: World) -> list[dict[str, object]]:
    return [facts for event, facts in w.telemetry.lines if event == "activityRead"]


def shown_once(*pages: Any) -> World:
    """Amazon shows these pages, and then refuses to show any more that minute."""
    w = world()
    w.amazon.pages = [*pages, *[THROTTLED] * 100]
    return w


def test_a_page_that_was_shown_is_kept_for_the_others() -> None:
    w = shown_once(ActivityPage((row("Test1CCCC"), row("Test1DDDD", status="Failed")), 2))
    assert read(w, looked_for()) is ActivityFinding.AGREES
    # without another call, or a permit for one
    assert read(w, looked_for("Test1BBBB")) is ActivityFinding.AGREES
    assert read(w, looked_for("Test1CCCC")) is ActivityFinding.DISAGREES
    assert read(w, looked_for("Test1DDDD")) is ActivityFinding.AGREES
    assert len(w.amazon.pages_asked) == 1
    assert w.rate_limiter.allowances == [Allowance.ACTIVITY]
    # and the log tells whose page it was
    assert [facts["where"] for facts in told(w)] == ["asked", "kept", "kept", "kept"]
    assert [facts["outcome"] for facts in told(w)] == ["agrees", "agrees", "disagrees", "agrees"]


@pytest.mark.parametrize("fails", [set(), {"want_activity"}], ids=["left", "lost"])
def test_who_finds_the_page_taken_asks_that_it_be_left_to_recovery(fails: set[str]) -> None:
    w = shown_once()
    w.rate_limiter.full_for, w.rate_limiter.fails = 60.0, fails
    assert read(w, looked_for()) is ActivityFinding.UNANSWERED
    assert told(w)[-1]["because"] == "RateInUse"
    assert w.rate_limiter.wanted == ([] if fails else ["default"])


def test_of_the_page_only_what_is_needed_is_kept() -> None:
    w = shown_once(ActivityPage((row("Test1CCCC"),), 1))
    read(w, looked_for())
    assert w.kept_pages.pages == {
        "default": KeptPage(
            partner_id="Test1",
            # Amazon's clock, not ours: it is START here
            as_of=LATELY,
            since=START - CLOCKS_APART - ASKED_EARLIER,
            request_ids=frozenset({"Test1CCCC"}),
        )
    }


def test_its_time_frame_ends_by_amazons_clock() -> None:
    w = shown_once(ActivityPage((), 0))
    # given a clock of ours that is far behind
    w.clock.time = START - HOUR
    read(w, looked_for())
    (asked,) = w.amazon.pages_asked
    assert asked["utcEndDate"] == utc(LATELY + CLOCKS_APART)


def test_a_page_that_is_not_to_be_had_is_asked_for_again_by_whoever_is_sent_later() -> None:
    w = shown_once(DISABLED, ActivityPage((), 0))
    assert read(w, looked_for()) is ActivityFinding.UNAVAILABLE
    assert read(w, looked_for("Test1BBBB")) is ActivityFinding.UNAVAILABLE
    assert len(w.amazon.pages_asked) == 1
    later = looked_for("Test1CCCC", first_sent_at=START + HOUR, last_sent_at=START + HOUR)
    assert read(w, later, LATELY + HOUR) is ActivityFinding.AGREES


def test_a_page_with_a_row_that_names_nobody_is_no_proof_and_is_not_kept() -> None:
    w = shown_once(ActivityPage((row("Test1CCCC"),), 2, (row("", time=None),)))
    assert read(w, looked_for()) is ActivityFinding.UNANSWERED
    assert w.kept_pages.pages == {}
    assert told(w)[-1]["because"] == "rowsLeftOut"
    # but of what it names it is one, and as whole as ever
    w.amazon.pages = [ActivityPage((row("Test1CCCC"),), 2, (row("", time=None),))]
    assert read(w, looked_for("Test1CCCC")) is ActivityFinding.DISAGREES


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        # a row that is left out for want of a time or an amount names its request all the same
        ({"request_id": "Test1AAAA", "time": None}, ActivityFinding.DISAGREES),
        ({"request_id": "Test1AAAA", "value": None, "status": None}, ActivityFinding.DISAGREES),
        ({"request_id": "Test1CCCC", "value": None}, ActivityFinding.AGREES),
        # and of what failed nobody was charged
        ({"request_id": "", "status": "Failed"}, ActivityFinding.AGREES),
        ({"request_id": "Test1AAAA", "failure": "OperationNotPermitted", "time": None}, ActivityFinding.DISAGREES),
    ],
)
def test_a_row_that_is_left_out_tells_what_it_names(odd: dict[str, Any], said: ActivityFinding) -> None:
    w = shown_once(ActivityPage((), 1, (row(**odd),)))
    assert read(w, looked_for()) is said
    assert len(w.kept_pages.pages) == 1


def test_rows_that_are_left_out_count_for_the_length_of_a_page() -> None:
    odd = row("Test1CCCC", time=None)
    assert read(shown_once(ActivityPage((), 1, (odd,))), looked_for()) is ActivityFinding.AGREES
    assert read(shown_once(ActivityPage((), None, (odd,) * 1000)), looked_for()) is ActivityFinding.UNAVAILABLE


@pytest.mark.parametrize(
    ("response", "because"),
    [
        (SILENT, "timedOut"),
        (THROTTLED, "throttled"),
        (BLOCKED, "refused"),
        (Unknown(UnknownBecause.UNREADABLE), "unreadable"),
    ],
)
def test_the_log_tells_why_there_is_no_page(response: Any, because: str) -> None:
    w = shown_once(response)
    read(w, looked_for())
    assert told(w)[-1]["because"] == because


def test_a_page_is_asked_for_only_with_time_to_write_down_what_it_says() -> None:
    w = shown_once(ActivityPage((), 0))
    assert read(w, looked_for(), seconds=12.9) is ActivityFinding.UNANSWERED
    assert (w.amazon.pages_asked, w.rate_limiter.reserved) == ([], 0)
    assert read(w, looked_for(), seconds=13.0) is ActivityFinding.AGREES
    # while a kept one takes none
    assert read(w, looked_for("Test1BBBB"), seconds=1.0) is ActivityFinding.AGREES


def test_no_permit_no_page() -> None:
    w = shown_once()
    w.rate_limiter.full_for = 60
    assert read(w, looked_for()) is ActivityFinding.UNANSWERED
    assert w.amazon.pages_asked == []
    # while a kept one needs none
    w.rate_limiter.full_for = None
    w.amazon.pages = [ActivityPage((), 0)]
    read(w, looked_for())
    w.rate_limiter.full_for = 60
    assert read(w, looked_for("Test1BBBB")) is ActivityFinding.AGREES


@pytest.mark.parametrize("fails", [{"keep"}, {"kept"}, {"keep", "kept"}])
def test_what_cannot_be_kept_is_asked_for_by_each(fails: set[str]) -> None:
    w = world()
    w.kept_pages.fails = fails
    assert [read(w, looked_for(each)) for each in ("Test1AAAA", "Test1BBBB")] == [ActivityFinding.AGREES] * 2
    assert len(w.amazon.pages_asked) == 2


def test_an_response_without_a_date_is_no_reason_to_ask() -> None:
    w = world()
    assert read(w, looked_for(), None) is ActivityFinding.UNANSWERED
    assert w.amazon.pages_asked == []


def test_a_record_of_another_partner_than_the_keys_asks_for_nothing() -> None:
    w = world()
    assert read(w, looked_for(partner_id="Test2")) is ActivityFinding.UNANSWERED
    assert w.amazon.pages_asked == []
