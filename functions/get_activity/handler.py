"""GET /activity: GetGiftCardActivityPage."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import accounts, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.accounts.get_activity import get_activity


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Read a page of Amazon's own activity of the account."""

    def respond(call: ApiCall) -> ApiResponse:
        named, first, last, page = accounts.read_activity(call)
        account = parameters.account_or_default(named, bootstrap.settings().default_account)
        found = get_activity(
            account, first, last, index=page, dependencies=bootstrap.dependencies(), budget=bootstrap.budget_of(context)
        )
        return accounts.activity(account, page, found.rows, found.total, len(found.left_out))

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities)
