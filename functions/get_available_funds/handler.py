"""GET /funds: what GetAvailableFunds said within the last minute, or says now."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import orders, questions
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.usecases.funds import funds_outlook


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Tell an account's balance."""

    def respond(call: ApiCall) -> ApiAnswer:
        named = call.query_of("account").get("account")
        account = orders.account_or_default(named, bootstrap.settings().default_account)
        return questions.funds(
            funds_outlook(account, bootstrap.tools(), bootstrap.account_states(), bootstrap.budget_of(context))
        )

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.account_states)
