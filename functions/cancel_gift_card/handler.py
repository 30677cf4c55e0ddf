"""POST /gift-cards/{requestId}/cancel: CancelGiftCard."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.results import Accepted


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Cancel a card: 200 reversed, 202 not known yet."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        call.refuse_body()
        request_id = single_requests.read_request_id(call)
        result = cancel(
            request_id, Operation.CREATE_GIFT_CARD, call.caller, bootstrap.dependencies(), bootstrap.budget_of(context)
        )
        if isinstance(result, Accepted):
            return single_requests.accepted(result.record, result.retry_after_seconds, call)
        return single_requests.standing(result.record, replayed=result.replayed)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities)
