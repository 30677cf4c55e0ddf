"""Ask Amazon what an account did: a page of its activity, at most once a minute."""

from __future__ import annotations

import uuid
from datetime import datetime

from incentives.agcod.activity import ActivityPage, query_of
from incentives.domain.rate_limit import Allowance
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.ask import ask
from incentives.usecases.dependencies import CALL_SECONDS, Budget, Dependencies


def get_activity(
    account_name: str, start: datetime, end: datetime, *, index: int, dependencies: Dependencies, budget: Budget
) -> ActivityPage:
    """Ask for one page of up to a thousand rows.

    Args:
        account_name: whose activity.
        start: aware, included.
        end: aware, included.
        index: Amazon's pageIndex, from 0.
        dependencies: the ports.
        budget: the caller's time.

    Raises:
        InvalidInput, AccountUnusable, RefusedByAmazon
        AmazonUnavailable: asked too often, or no response; its subclasses say which.
    """
    partner_id = dependencies.accounts.get(account_name).partner_id
    request_id = f"{partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX]
    query = query_of(start=start, end=end, index=index)
    return ask(
        account_name,
        "activity",
        lambda account: dependencies.amazon.activity_page(
            account, request_id=request_id, query=query, seconds=CALL_SECONDS
        ),
        dependencies,
        budget,
        allowance=Allowance.ACTIVITY,
    )
