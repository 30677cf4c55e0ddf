"""POST /gift-cards: CreateGiftCard."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import gift_cards
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.errors import InvalidInput
from incentives.domain.ledger import Intent
from incentives.domain.operations import Operation
from incentives.usecases.answers import Accepted
from incentives.usecases.issue import Order, issue


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Issue one gift card: 201 new, 200 repeated, 202 not known yet."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        key, value, body = gift_cards.read_create(call)
        account = body.account or bootstrap.settings().default_account
        if account is None:
            raise InvalidInput("account", "is required: this deployment has no default account")
        order = Order(
            key=key,
            operation=Operation.CREATE_GIFT_CARD,
            account=account,
            value=value,
            on_unknown=Intent(body.onUnknown),
            options={"externalReference": body.externalReference} if body.externalReference else {},
            caller=call.caller,
        )
        result = issue(order, bootstrap.tools(), bootstrap.budget_of(context))
        if isinstance(result, Accepted):
            return gift_cards.accepted(result.record, result.retry_after_seconds, call)
        status = 200 if result.replayed else 201
        return gift_cards.delivered(result.record, result.card, status=status, replayed=result.replayed)

    return bootstrap.answer(event, respond)
