"""A page of Amazon's activity, kept for all requests that it can speak for.

Amazon shows a page a minute. After an outage thousands of requests want one, and what one of them is shown tells of the
others too:

    since                                                       as_of
    |<------------------------ the page ----------------------->|
       |<- 15 min ->| first sent ... last sent |<- 20 min ->|
       its first row, at the earliest              its in-flight window: nothing lands any more

A request whose whole time lies within the page's is in it if it ever was executed. Of any other the page says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.recovery.rules import ActivityFinding, is_after_in_flight_window

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record

#: Amazon's clock and ours may differ by as much as Amazon tolerates in a signature.
CLOCKS_APART: Final = timedelta(minutes=15)

#: A page for one request begins so much earlier than that one needs: most that are due with it need no more.
ASKED_EARLIER: Final = timedelta(minutes=15)

#: A page too long to be shown whole is no response to a request whose own page would begin that much later: that one
#: may be short enough.
EARLIER_MAX: Final = timedelta(minutes=30)

#: Responses overtake each other. A page that is ahead of one by more has a date that Amazon's clock never showed.
RESPONSES_APART: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """What a page that was read tells.

    Attributes:
        partner_id: whose activity it is: an account's keys may become another partner's.
        as_of: it is not older than this, by Amazon's own clock.
        since: where its time frame begins.
        is_available: whether the page is switched on for the partner; if not, there is nothing more to it.
        is_whole: whether it holds all rows of its time frame.
        names_all: whether each row of what happened names its request. One that does not may be anybody's, so that such
            a page is proof of what it names and of nothing else; it is not kept.
        request_ids: of what happened.
    """

    partner_id: str
    as_of: datetime
    since: datetime
    is_available: bool = True
    is_whole: bool = True
    names_all: bool = True
    request_ids: frozenset[str] = frozenset()


def first_row_at(record: Record) -> datetime:
    """Since when Amazon may have a row of a request."""
    return (record.first_sent_at or record.created_at) - CLOCKS_APART


def speaks_for(page: KeptPage, record: Record, answered_at: datetime) -> bool:
    """Whether a kept page tells as much of a request as a page of its own would.

    Args:
        page: shown to whomever, whenever.
        record: as it stands after the send of its reversal was recorded.
        answered_at: the date of Amazon's response to that.
    """
    if page.partner_id != record.partner_id or page.as_of > answered_at + RESPONSES_APART:
        return False
    if not is_after_in_flight_window(record, page.as_of):
        return False
    if not page.is_available:
        return True
    begins_at = first_row_at(record)
    if page.since > begins_at:
        return False
    return page.is_whole or record.request_id in page.request_ids or page.since >= begins_at - EARLIER_MAX


def said_of(page: KeptPage, record: Record) -> ActivityFinding:
    """What a page that speaks for a request says of it."""
    if not page.is_available:
        return ActivityFinding.UNAVAILABLE
    if record.request_id in page.request_ids:
        return ActivityFinding.DISAGREES
    if not page.names_all:
        # Not as if there were no page: this one might show the request if it could be read.
        return ActivityFinding.UNANSWERED
    return ActivityFinding.AGREES if page.is_whole else ActivityFinding.UNAVAILABLE
