"""POST /requests/{requestId}/recover: an operator starts another round."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.results import accepted


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Take a request over and start its recovery: 202."""
    call.query_of()
    call.refuse_body()
    dependencies = container.dependencies
    record = start_recovery(single_requests.read_request_id(call), call.caller, dependencies)
    told = accepted(record, dependencies.clock.now())
    return single_requests.accepted(told.record, told.retry_after_seconds, call)


in_init(lambda: (container.ledger, container.recoveries, client("stepfunctions")))
