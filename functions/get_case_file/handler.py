"""GET /requests/{requestId}/case-file: what Amazon's support needs to settle an escalated request."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.recovery.escalate import get_case_file


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Read the case file of one request."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        return single_requests.case(get_case_file(single_requests.read_request_id(call), bootstrap.ledger()))

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger)
