"""GET /funds: what GetAvailableFunds said within the last minute, or says now."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import accounts, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.accounts.funds import funds_outlook


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Tell an account's balance."""

    def respond(call: ApiCall) -> ApiResponse:
        named = call.query_of("account").get("account")
        account = parameters.account_or_default(named, bootstrap.settings().default_account)
        return accounts.funds(
            funds_outlook(account, bootstrap.dependencies(), bootstrap.account_states(), bootstrap.budget_of(context))
        )

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.account_states)
