"""POST /activations/{requestId}/deactivate: DeactivateGiftCard."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import requests
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.operations import Operation
from incentives.usecases.answers import Accepted
from incentives.usecases.cancel import cancel


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Deactivate a physical card: 200 reversed, 202 not known yet."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        call.refuse_body()
        request_id = requests.read_request_id(call)
        result = cancel(
            request_id, Operation.ACTIVATE_GIFT_CARD, call.caller, bootstrap.tools(), bootstrap.budget_of(context)
        )
        if isinstance(result, Accepted):
            return requests.accepted(result.record, result.retry_after_seconds, call)
        return requests.standing(result.record, replayed=result.replayed)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.pacer, bootstrap.amazon, bootstrap.authorities, bootstrap.vault)
