"""POST /activations: ActivateGiftCard."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import orders, requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.caller_fields import CARD_NUMBER
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Activate one physical card: 201 new, 200 repeated, 202 not known yet."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        key, value, body = orders.read_activation(call)
        request = NewRequest(
            key=key,
            operation=Operation.ACTIVATE_GIFT_CARD,
            account=orders.account_or_default(body.account, bootstrap.settings().default_account),
            value=value,
            on_unknown=Intent(body.onUnknown),
            given=body.options() | {CARD_NUMBER: body.cardNumber},
            caller=call.caller,
        )
        later = orders.prefers_async(call)
        result = issue(request, bootstrap.dependencies(), bootstrap.budget_of(context), later=later)
        if isinstance(result, Accepted):
            return requests.accepted(result.record, result.retry_after_seconds, call, preferred=later)
        return requests.issued(result.record, result.card, replayed=result.replayed)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities, bootstrap.vault)
