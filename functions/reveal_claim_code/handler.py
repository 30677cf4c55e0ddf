"""POST /gift-cards/{requestId}/claim-code: CreateGiftCard again, to read the code that only Amazon keeps."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.results import Accepted
from incentives.usecases.single_requests.reveal import reveal


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Reveal the claim code of an issued card."""
    call.query_of()
    call.refuse_body()
    result = reveal(single_requests.read_request_id(call), call.caller, container.dependencies, budget)
    if isinstance(result, Accepted):
        return single_requests.accepted(result.record, result.retry_after_seconds, call)
    return single_requests.revealed(result.record, result.card)


in_init(lambda: (container.ledger, container.ready_for_amazon()))
