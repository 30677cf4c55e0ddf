"""GET /funds: GetAvailableFunds."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import funds as api
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.errors import InvalidInput
from incentives.usecases.funds import available_funds


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Read an account's balance at Amazon."""

    def respond(call: ApiCall) -> ApiAnswer:
        account = call.query_of("account").get("account") or bootstrap.settings().default_account
        if account is None:
            raise InvalidInput("account", "is required: this deployment has no default account")
        return api.funds(available_funds(account, bootstrap.tools(), bootstrap.budget_of(context)))

    return bootstrap.answer(event, respond)
