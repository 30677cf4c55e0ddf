"""POST /activations: ActivateGiftCard."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.invocation import api_function
from incentives.operations import issued
from incentives.usecases.dependencies import Budget
from incentives.usecases.operation_calls import CARD_NUMBER, masked


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Activate one physical card: 201 new, 200 repeated, 202 not known yet."""
    call.query_of()
    given = orders.read_activation(call)
    number = given[2].cardNumber
    return issued(
        call, budget, Operation.ACTIVATE_GIFT_CARD, given, members={CARD_NUMBER: number}, subject=masked(number)
    )


in_init(lambda: (container.ledger, container.ready_for_amazon(), container.vault, client("kms")))
