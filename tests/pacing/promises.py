"""What the rate limiter promises of a run, by what the sandbox counts. A broken promise raises AssertionError."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, Final

from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Priority
from incentives.domain.single_requests.record import Status
from sandbox.control.report import report
from sandbox.http.gateway import CallRecord
from sandbox.model.throttle import most_in_any_second
from tests.pacing.shop import BACKLOG_WORKERS, Shop

#: Amazon's limit.
CALLS_IN_A_SECOND_MAX: Final = 10

#: How much of the configured rate is used while there is work.
RATE_USED_LEAST: Final = 0.95

#: The queue's order is approximate, and each worker may have taken up a request and wait with it for its permit; so may
#: those that were on their way into the queue at the same time.
OVERTAKEN_MAX: Final = 4 * BACKLOG_WORKERS


def calls_between(shop: Shop, begin: float, end: float) -> list[CallRecord]:
    """Amazon's calls by when they came, in seconds from the beginning."""
    return [call for call in shop.sandbox.calls if begin <= call.tick < end]


def no_second_is_too_full(shop: Shop, most: int = CALLS_IN_A_SECOND_MAX) -> None:
    """All that came, whether Amazon took it or not."""
    busiest = most_in_any_second(call.tick for call in shop.sandbox.calls)
    assert busiest <= most, f"{busiest} calls in one second"


def nothing_is_throttled(shop: Shop) -> None:
    throttled = sum(call.throttled for call in shop.sandbox.calls)
    assert not throttled, f"{throttled} calls were throttled"


def callers_see_no_throttle(shop: Shop) -> None:
    statuses = Counter(status for status, _ in shop.responses)
    assert set(statuses) <= {201, 202}, statuses
    assert sum(statuses.values()) == int(shop.load.seconds * shop.load.per_second)
    assert not [body for _, body in shop.responses if "throttl" in body.lower()]


def the_rate_is_used(shop: Shop, begin: float = 0.0) -> None:
    """From a moment on until the last call: there was work all the time."""
    calls = calls_between(shop, begin, float("inf"))
    achieved = len(calls) / (calls[-1].tick - begin)
    allowed = shop.pace.requests_per_second
    assert achieved >= RATE_USED_LEAST * allowed, f"{achieved:.2f} calls a second of {allowed}"


def each_order_is_issued_once(shop: Shop) -> None:
    """The sandbox's activity and the ledger say the same, and nothing is left open."""
    told: Any = report(shop.sandbox)
    cards = [(card["requestId"], card["gcId"], card["status"] == "RefundedToPurchaser") for card in told["cards"]]
    records = [(r.request_id, r.gc_id, r.status is Status.REVERSED) for r in shop.records]
    assert sorted(cards) == sorted(records, key=lambda each: each[0]), "the books differ"
    assert len(records) == int(shop.load.seconds * shop.load.per_second)
    assert {r.status for r in shop.records} <= {Status.SUCCEEDED, Status.REVERSED}
    succeeded = sum((r.value.amount for r in shop.records if r.status is Status.SUCCEEDED), Decimal())
    assert Decimal(told["charges"]["USD"]) == succeeded


def reversals_do_not_wait(shop: Shop) -> None:
    asked = [each for each in shop.asked if each.priority is Priority.RECOVERY]
    assert len(asked) >= len(shop.reversals) > 0
    assert all(each.permit_at is not None for each in asked), "a reversal found no slot"
    longest = max(each.permit_at - each.at for each in asked if each.permit_at is not None)
    assert longest <= WAIT_SECONDS_MAX, f"a reversal waited for {longest:.1f} s"


def reversals_are_carried_out(shop: Shop) -> None:
    asked = {request_id for request_id, _ in shop.reversals}
    assert len(asked) >= shop.load.seconds * shop.load.reversals_per_second * 0.9
    assert {record.request_id for record in shop.records if record.status is Status.REVERSED} == asked


def orders_keep_their_turn(shop: Shop, most: int = OVERTAKEN_MAX) -> None:
    """By when they were accepted, and when they first came to Amazon."""
    came: dict[str | None, int] = {}
    for call in shop.sandbox.calls:
        if call.operation == "CreateGiftCard":
            came.setdefault(call.request_id, len(came))
    overtaken = max(came[record.request_id] - place for place, record in enumerate(shop.records))
    assert overtaken <= most, f"one order was overtaken by {overtaken} others"


def sweeps_find_nothing(shop: Shop) -> None:
    assert not shop.swept, f"{len(shop.swept)} requests were thought to be lost"
    assert not shop.recoveries.started
