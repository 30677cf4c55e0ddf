"""POST /requests/{requestId}/recover: an operator starts another round."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import requests
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.usecases.answers import accepted
from incentives.usecases.start_recovery import start_recovery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Take a request over and start its recovery: 202."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        call.refuse_body()
        tools = bootstrap.tools()
        record = start_recovery(requests.read_request_id(call), call.caller, tools)
        told = accepted(record, tools.clock.now())
        return requests.accepted(told.record, told.retry_after_seconds, call)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.recoveries)
