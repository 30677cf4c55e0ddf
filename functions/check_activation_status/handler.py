"""POST /activations/status-check: ActivationStatusCheck. Card numbers are never in a URL."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import accounts, parameters, single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.caller_fields import masked
from incentives.domain.secret_text import Secret
from incentives.usecases.single_requests.check_activation_status import check_activation_status


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Read whether a physical card is active."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        body = single_requests.read_status_check(call)
        account = parameters.account_or_default(body.account, bootstrap.settings().default_account)
        state = check_activation_status(
            account, Secret(body.card_number), body.request_id, bootstrap.dependencies(), bootstrap.budget_of(context)
        )
        return accounts.card_state(account, masked(body.card_number), state)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities)
