"""POST /balance-loads: LoadAmazonBalance."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import parameters, single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models.single_requests import LoadAmazonBalanceBody
from incentives.domain.caller_fields import CUSTOMER_ACCOUNT
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Load one customer's balance: 201 new, 200 repeated, 202 not known yet."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        key, value, body = single_requests.read_issue(call, LoadAmazonBalanceBody)
        request = NewRequest(
            key=key,
            operation=Operation.LOAD_AMAZON_BALANCE,
            account=parameters.account_or_default(body.account, bootstrap.settings().default_account),
            value=value,
            on_unknown=Intent(body.on_unknown),
            given=body.options() | {CUSTOMER_ACCOUNT: body.customer_account.model_dump()},
            caller=call.caller,
        )
        later = parameters.prefers_async(call)
        result = issue(request, bootstrap.dependencies(), bootstrap.budget_of(context), later=later)
        if isinstance(result, Accepted):
            return single_requests.accepted(result.record, result.retry_after_seconds, call, preferred=later)
        return single_requests.issued(result.record, result.card, replayed=result.replayed)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon, bootstrap.authorities, bootstrap.vault)
