"""POST /activations/status-check: ActivationStatusCheck. Card numbers are never in a URL."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import accounts, parameters, single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.caller_fields import masked
from incentives.domain.secret_text import Secret
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.check_activation_status import check_activation_status


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Read whether a physical card is active."""
    call.query_of()
    body = single_requests.read_status_check(call)
    account = parameters.account_or_default(body.account, container.settings.default_account)
    state = check_activation_status(account, Secret(body.card_number), body.request_id, container.dependencies, budget)
    return accounts.card_state(account, masked(body.card_number), state)


in_init(container.ready_for_amazon)
