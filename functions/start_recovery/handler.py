"""POST /requests/{requestId}/recover: an operator starts another round."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.results import accepted


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Take a request over and start its recovery: 202."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        call.refuse_body()
        dependencies = bootstrap.dependencies()
        record = start_recovery(single_requests.read_request_id(call), call.caller, dependencies)
        told = accepted(record, dependencies.clock.now())
        return single_requests.accepted(told.record, told.retry_after_seconds, call)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.recoveries)
