"""POST /accounts/{account}/freeze and /unfreeze: let nothing new leave for Amazon, or let it leave again."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import accounts
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.accounts.freeze import freeze, unfreeze
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Do what the last part of the route says, and tell how the account stands."""
    call.query_of()
    here, account = container.account_dependencies, accounts.read_account(call)
    if call.route.rpartition("/")[2] == "freeze":
        return accounts.freeze(account, freeze(account, accounts.read_reason(call), call.caller, here))
    call.refuse_body()
    return accounts.freeze(account, unfreeze(account, call.caller, here))


in_init(lambda: (container.account_dependencies, container.rate_limiter, client("secretsmanager"), client("sns")))
