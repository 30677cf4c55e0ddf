"""GET /requests/{requestId}/case-file: what Amazon's support needs to settle an escalated request."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.recovery.escalate import get_case_file


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Read the case file of one request."""
    call.query_of()
    return single_requests.case(get_case_file(single_requests.read_request_id(call), container.dependencies.ledger))


in_init(lambda: container.ledger)
