"""GET /gift-cards/{requestId}: how a request stands, from the ledger alone."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.find import find


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Read one gift card's request. Its claim code has a route of its own."""
    call.query_of()
    request_id = single_requests.read_request_id(call)
    return single_requests.standing(
        find(request_id, container.dependencies.ledger, operation=Operation.CREATE_GIFT_CARD)
    )


in_init(lambda: container.ledger)
