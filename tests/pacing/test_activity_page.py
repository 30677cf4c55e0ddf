"""The activity page is given once a minute: a recovery has it although reconciliation asks for it all day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from incentives.agcod.activity import ActivityPage
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import ACTIVITY_YIELDED_MILLISECONDS, Allowance, Pace, Permit, Priority
from incentives.domain.recovery.rules import ActivityFinding
from incentives.domain.recovery.waits import IN_FLIGHT_WINDOW
from incentives.domain.single_requests.record import Cause
from incentives.usecases.recovery.look_up_activity import look_up_activity
from tests.pacing.table import Table
from tests.support.fakes import START, world
from tests.unit.builders import MINUTE, reversing

A_DAY = timedelta(days=1)

#: Every three hours a reversal finds nothing, and its recovery asks for the page each minute, as recoveries do.
RECOVERY_EVERY = timedelta(hours=3)


def test_a_recovery_has_the_page_within_two_minutes_of_a_day_that_reconciliation_asks_for_it_each_minute() -> None:
    # given reconciliation, which comes first each time that the page is free again, and one process of recovery
    w = world()
    w.amazon.pages = [ActivityPage((), 0)] * 100
    table: Any = Table()
    reconciliation = DynamoDbRateLimiter(table, "rate_limiter", pace=Pace(), now=w.clock.now)
    recovery = replace(
        w.dependencies, rate_limiter=DynamoDbRateLimiter(table, "rate_limiter", pace=Pace(), now=w.clock.now)
    )
    pages, waited, wanted_since = 0, [], None
    # when
    while w.clock.now() < START + A_DAY:
        taken = reconciliation.reserve("default", Priority.BULK, allowance=Allowance.ACTIVITY)
        pages += isinstance(taken, Permit)
        w.clock.sleep(1)
        if (w.clock.now() - START) % RECOVERY_EVERY < MINUTE:
            wanted_since = w.clock.now()
        if wanted_since is not None:
            now = w.clock.now()
            sent = reversing(Cause.REVERSE, first_sent_at=now - IN_FLIGHT_WINDOW, last_sent_at=now - IN_FLIGHT_WINDOW)
            found = look_up_activity(sent, now + MINUTE, recovery, w.budget(25.0))
            if found is ActivityFinding.AGREES:
                waited.append(now - wanted_since)
                wanted_since = None
        w.clock.sleep(59)
    # then none waits longer, and reconciliation has all that recovery does not want
    assert len(waited) == A_DAY // RECOVERY_EVERY
    assert max(waited) <= 2 * MINUTE
    yielded = timedelta(milliseconds=ACTIVITY_YIELDED_MILLISECONDS) + 2 * MINUTE
    assert A_DAY // MINUTE - pages <= len(waited) * (yielded // MINUTE)
