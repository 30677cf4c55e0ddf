"""POST /activations/status-check: ActivationStatusCheck. Card numbers are never in a URL."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import orders, questions
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.accounts import Secret
from incentives.usecases.calls import masked
from incentives.usecases.check_activation_status import check_activation_status


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Read whether a physical card is active."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        body = orders.read_status_check(call)
        account = orders.account_or_default(body.account, bootstrap.settings().default_account)
        state = check_activation_status(
            account, Secret(body.cardNumber), body.requestId, bootstrap.tools(), bootstrap.budget_of(context)
        )
        return questions.card_state(account, masked(body.cardNumber), state)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.pacer, bootstrap.amazon, bootstrap.authorities)
