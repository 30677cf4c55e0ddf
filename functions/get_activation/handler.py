"""GET /activations/{requestId}: how a request stands, from the ledger alone."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.usecases.single_requests.find import find


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Read one activation."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        return single_requests.standing(
            find(single_requests.read_request_id(call), bootstrap.ledger(), operation=Operation.ACTIVATE_GIFT_CARD)
        )

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger)
