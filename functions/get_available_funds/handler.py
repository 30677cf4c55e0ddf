"""GET /funds: what GetAvailableFunds said within the last minute, or says now."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import accounts, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.accounts.funds import funds_outlook
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Tell an account's balance."""
    named = call.query_of("account").get("account")
    account = parameters.account_or_default(named, container.settings.default_account)
    return accounts.funds(funds_outlook(account, container.dependencies, container.account_states, budget))


in_init(lambda: container.account_states)
