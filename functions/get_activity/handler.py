"""GET /activity: GetGiftCardActivityPage."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import accounts, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.accounts.get_activity import get_activity
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Read a page of Amazon's own activity of the account."""
    named, first, last, page = accounts.read_activity(call)
    account = parameters.account_or_default(named, container.settings.default_account)
    found = get_activity(account, first, last, index=page, dependencies=container.dependencies, budget=budget)
    return accounts.activity(account, page, found.rows, found.total, len(found.left_out))


in_init(container.ready_for_amazon)
