"""GET /accounts: which accounts there are, and how each stands."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import accounts
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.accounts.get_accounts import get_accounts
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Tell a page of accounts."""
    return accounts.listed(get_accounts(call.query_of("cursor").get("cursor"), container.account_dependencies))


in_init(lambda: (container.account_dependencies, client("secretsmanager")))
