"""Ask Amazon what an account did: a page of its own book, at most once a minute."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from incentives.agcod.activity import ActivityPage
from incentives.domain.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.ask import ask
from incentives.usecases.tools import CALL_SECONDS, Budget, Tools


def activity_page(account_name: str, query: Mapping[str, object], tools: Tools, budget: Budget) -> ActivityPage:
    """Ask for one page.

    Args:
        account_name: whose book.
        query: as `agcod.activity.query_of` writes it.
        tools: the ports.
        budget: the caller's time.

    Raises:
        InvalidInput, AccountUnusable, RefusedByAmazon
        AmazonUnavailable: asked too often, or no answer.
    """
    partner_id = tools.accounts.get(account_name).partner_id
    request_id = f"{partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX]
    return ask(
        account_name,
        "activity",
        lambda account: tools.amazon.activity_page(account, request_id=request_id, query=query, seconds=CALL_SECONDS),
        tools,
        budget,
    )
