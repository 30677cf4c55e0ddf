"""Look a request up in Amazon's activity page before believing that Amazon knows nothing of it.

A reversal that finds nothing is told with the same error as an account that may do nothing at all, so that response
alone proves nothing. The page shows the thousand oldest rows of a time frame and may be asked for once a minute. So
each page is kept for whoever comes next: to a request that could land no more when it was shown, it is as good as one
of its own.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from incentives.agcod.activity import FAILED, PAGE_SIZE_MAX, ActivityPage, query_of
from incentives.domain.errors import AccountUnusable, LedgerUnavailable, RateInUse
from incentives.domain.outcomes import Refused
from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Allowance, Full, Priority
from incentives.domain.recovery.kept_page import (
    ASKED_EARLIER,
    CLOCKS_APART,
    KeptPage,
    first_row_at,
    said_of,
    speaks_for,
)
from incentives.domain.recovery.rules import ActivityFinding
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.dependencies import CALL_SECONDS, Budget, Dependencies
from incentives.usecases.operation_calls import account_of
from incentives.usecases.permits import take_permit

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Activity
    from incentives.domain.single_requests.record import Record

#: The errorType of a partner for whom the page is not switched on. Any other refusal may be the account's trouble.
DISABLED: Final = "APIGetGiftCardActivityPageIsDisabled"


def look_up_activity(
    record: Record, answered_at: datetime | None, dependencies: Dependencies, budget: Budget
) -> ActivityFinding:
    """What Amazon's activity page says of a request. It never raises: no response is `UNANSWERED`.

    Args:
        record: as it stands after the send of its reversal was recorded.
        answered_at: the date of Amazon's response to it. Without one that response counts for nothing anyway.
        dependencies: the ports.
        budget: the holder's time.
    """
    if answered_at is None:
        return ActivityFinding.UNANSWERED
    where, activity, because = "kept", _kept(record, answered_at, dependencies), ""
    if activity is None:
        where, (activity, because) = "asked", _asked(record, answered_at, dependencies, budget)
    dependencies.telemetry.log(
        "activityRead", requestId=record.request_id, outcome=activity.value, where=where, because=because or None
    )
    return activity


def _kept(record: Record, answered_at: datetime, dependencies: Dependencies) -> ActivityFinding | None:
    try:
        page = dependencies.kept_pages.kept(record.account)
    except LedgerUnavailable:
        dependencies.telemetry.log("ledgerUnavailable", account=record.account)
        return None
    return said_of(page, record) if page is not None and speaks_for(page, record, answered_at) else None


def _asked(
    record: Record, answered_at: datetime, dependencies: Dependencies, budget: Budget
) -> tuple[ActivityFinding, str]:
    """What the page says; where that is nothing, why."""
    page = _ask(record, answered_at, dependencies, budget)
    if isinstance(page, str):
        return ActivityFinding.UNANSWERED, page
    try:
        if page.names_all:
            dependencies.kept_pages.keep(record.account, page)
    except LedgerUnavailable:
        # The next one asks for a page of its own.
        dependencies.telemetry.log("ledgerUnavailable", account=record.account)
    return said_of(page, record), "" if page.names_all else "rowsLeftOut"


def _ask(  # noqa: PLR0911 - one return per reason
    record: Record, answered_at: datetime, dependencies: Dependencies, budget: Budget
) -> KeptPage | str:
    """The page; or why there is none."""
    if not budget.allows_a_try(WAIT_SECONDS_MAX):
        # Not after a reversal that took long: its response is still to be written.
        return "noTime"
    try:
        account = account_of(record, dependencies)
        permit = take_permit(record.account, Priority.RECOVERY, dependencies, allowance=Allowance.ACTIVITY)
    except (AccountUnusable, LedgerUnavailable) as error:
        return error.code
    if isinstance(permit, Full):
        _leave_wish(record.account, dependencies)
        return RateInUse.code
    since = first_row_at(record) - ASKED_EARLIER
    response = dependencies.amazon.activity_page(
        account,
        request_id=f"{account.partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX],
        # The end is by Amazon's clock: whatever ours says, all that it is believed for lies before it.
        query=query_of(start=since, end=answered_at + CLOCKS_APART, index=0),
        seconds=CALL_SECONDS,
    )
    # Amazon has written it after its response to the reversal.
    page = KeptPage(partner_id=account.partner_id, as_of=answered_at, since=since)
    if isinstance(response, Refused) and response.error.type == DISABLED:
        return replace(page, is_available=False)
    if not isinstance(response, ActivityPage):
        return "refused" if isinstance(response, Refused) else response.because.value
    rows = (*response.rows, *response.left_out)
    if len(rows) < min(response.total or 0, PAGE_SIZE_MAX):
        # Shorter than a page, and yet not all that there is: what is missing may be anybody's.
        return "rowsMissing"
    request_ids = frozenset(row.request_id for row in rows if _is_real(row))
    return replace(
        page, is_whole=len(rows) < PAGE_SIZE_MAX, names_all="" not in request_ids, request_ids=request_ids - {""}
    )


def _leave_wish(account: str, dependencies: Dependencies) -> None:
    """Have reconciliation, which asks for page after page, take none until this recovery comes again."""
    try:
        dependencies.rate_limiter.want_activity(account)
    except LedgerUnavailable:
        # The next one that finds the page taken leaves it.
        dependencies.telemetry.log("ledgerUnavailable", account=account)


def _is_real(row: Activity) -> bool:
    """Whether a row may tell of something that happened: all but those that are marked as failed."""
    return row.status != FAILED
