"""POST /gift-cards: CreateGiftCard."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.invocation import api_function
from incentives.operations import issued
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Issue one gift card: 201 new, 200 repeated, 202 not known yet."""
    call.query_of()
    return issued(call, budget, Operation.CREATE_GIFT_CARD, orders.read_create(call))


in_init(lambda: (container.ledger, container.ready_for_amazon()))
