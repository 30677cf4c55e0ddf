"""More orders than Amazon takes, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import Allowance, Pace, Permit, Priority
from tests.pacing import promises
from tests.pacing.shop import Load, Shop

pytestmark = pytest.mark.slow

#: A hundred orders a second, of which eight can be issued: the backlog takes five minutes.
CROWD = Load(seconds=25)

#: Amazon answers after 400 ms; the processes' clocks are 200 ms apart.
CLOCKS_APART = Load(seconds=8, amazon_seconds=0.4, skews=(-0.2, 0.0, 0.2))

#: Amazon allows only four a second from the tenth second to the fortieth.
TIGHTER = Load(seconds=7, limits={10.0: 4, 40.0: 10})


def in_time(shop: Shop) -> None:
    """What holds as long as Amazon keeps to its word."""
    promises.no_second_is_too_full(shop)
    promises.nothing_is_throttled(shop)
    promises.the_rate_is_used(shop)
    promises.reversals_do_not_wait(shop)
    promises.orders_keep_their_turn(shop)
    promises.sweeps_find_nothing(shop)


def all_the_same(shop: Shop) -> None:
    """What holds whatever Amazon does."""
    promises.callers_see_no_throttle(shop)
    promises.reversals_are_carried_out(shop)
    promises.each_order_is_issued_once(shop)


def the_pace_follows(shop: Shop) -> None:
    """Amazon's limit falls to four at 10 s and rises again at 40 s."""
    # Within ten seconds it is under the new limit; now and then one call finds out whether there is room for more.
    settled = promises.calls_between(shop, 20, 40)
    throttled = sum(call.throttled for call in settled)
    assert throttled <= 0.1 * len(settled), f"{throttled} of {len(settled)} calls were throttled"
    assert len(settled) >= 0.5 * 4 * 20, "it gives away more than half of what is allowed"
    # When there is room again nothing is throttled, and after a minute it is all used.
    assert not any(call.throttled for call in promises.calls_between(shop, 41, float("inf")))
    promises.the_rate_is_used(shop, begin=105.0)


def test_twelve_times_what_amazon_takes() -> None:
    shop = Shop(CROWD).run()
    in_time(shop)
    all_the_same(shop)


@pytest.mark.parametrize("seed", range(2))
def test_clocks_that_differ_and_slow_answers(seed: int) -> None:
    shop = Shop(replace(CLOCKS_APART, seed=seed)).run()
    in_time(shop)
    all_the_same(shop)


def test_the_pace_follows_what_amazon_allows() -> None:
    shop = Shop(TIGHTER).run()
    the_pace_follows(shop)
    promises.orders_keep_their_turn(shop)
    all_the_same(shop)


# ---- the judges can condemn ---------------------------------------------------------------------


class NoPace(DynamoDbRateLimiter):
    """Everybody goes at once."""

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit:
        return Permit(self._now())


def test_without_a_rate_limiter_amazon_throttles() -> None:
    def no_pace(table: Any, pace: Pace, now: Callable[[], datetime]) -> DynamoDbRateLimiter:
        return NoPace(table, "rate_limiter", pace=pace, now=now)

    shop = Shop(replace(CROWD, seconds=2), make_rate_limiter=no_pace).run()
    with pytest.raises(AssertionError, match="calls in one second"):
        promises.no_second_is_too_full(shop)
    with pytest.raises(AssertionError, match="were throttled"):
        promises.nothing_is_throttled(shop)


def test_half_a_pace_is_not_the_rate() -> None:
    shop = Shop(replace(CROWD, seconds=1), pace=Pace(requests_per_second=4)).run()
    promises.the_rate_is_used(shop)
    shop.pace = Pace()
    with pytest.raises(AssertionError, match="calls a second"):
        promises.the_rate_is_used(shop)


def test_a_card_too_many_is_found() -> None:
    shop = Shop(replace(CROWD, seconds=1)).run()
    promises.each_order_is_issued_once(shop)
    value = {"currencyCode": "USD", "amount": 25}
    shop.sandbox.call("CreateGiftCard", {"creationRequestId": "Test1more", "partnerId": "Test1", "value": value})
    with pytest.raises(AssertionError, match="books differ"):
        promises.each_order_is_issued_once(shop)
