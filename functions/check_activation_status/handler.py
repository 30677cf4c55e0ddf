"""POST /activations/status-check: ActivationStatusCheck. Card numbers are never in a URL."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import orders, queries
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.accounts.account import Secret
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.operation_calls import masked
from incentives.usecases.single_requests.check_activation_status import check_activation_status


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Read whether a physical card is active."""
    call.query_of()
    body = orders.read_status_check(call)
    account = orders.account_or_default(body.account, container.settings.default_account)
    state = check_activation_status(account, Secret(body.cardNumber), body.requestId, container.dependencies, budget)
    return queries.card_state(account, masked(body.cardNumber), state)


in_init(container.ready_for_amazon)
