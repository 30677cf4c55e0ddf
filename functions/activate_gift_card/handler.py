"""POST /activations: ActivateGiftCard."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import orders, requests
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.ledger import Intent
from incentives.domain.operations import Operation
from incentives.usecases.answers import Accepted
from incentives.usecases.calls import CARD_NUMBER, masked
from incentives.usecases.issue import Order, issue


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Activate one physical card: 201 new, 200 repeated, 202 not known yet."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        key, value, body = orders.read_activation(call)
        order = Order(
            key=key,
            operation=Operation.ACTIVATE_GIFT_CARD,
            account=orders.account_or_default(body.account, bootstrap.settings().default_account),
            value=value,
            on_unknown=Intent(body.onUnknown),
            options=body.options(),
            members={CARD_NUMBER: body.cardNumber},
            subject=masked(body.cardNumber),
            caller=call.caller,
        )
        later = orders.prefers_async(call)
        result = issue(order, bootstrap.tools(), bootstrap.budget_of(context), later=later)
        if isinstance(result, Accepted):
            return requests.accepted(result.record, result.retry_after_seconds, call, preferred=later)
        return requests.issued(result.record, result.card, replayed=result.replayed)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.pacer, bootstrap.amazon, bootstrap.authorities, bootstrap.vault)
