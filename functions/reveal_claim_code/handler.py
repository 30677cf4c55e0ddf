"""POST /gift-cards/{requestId}/claim-code: CreateGiftCard again, to read the code that only Amazon keeps."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.single_requests.results import Accepted
from incentives.usecases.single_requests.reveal import reveal


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Reveal the claim code of an issued card."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        call.refuse_body()
        request_id = single_requests.read_request_id(call)
        result = reveal(request_id, call.caller, bootstrap.dependencies(), bootstrap.budget_of(context))
        if isinstance(result, Accepted):
            return single_requests.accepted(result.record, result.retry_after_seconds, call)
        return single_requests.revealed(result.record, result.card)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities)
