"""What the functions of the three operations share: issuing, and taking back what was issued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incentives.bootstrap import container
from incentives.api import parameters, single_requests
from incentives.domain.single_requests.record import Intent
from incentives.invocation import api_function
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted

if TYPE_CHECKING:
    from incentives.api.gateway import ApiCall, ApiResponse
    from incentives.api.models.single_requests import IssueBody
    from incentives.domain.operations import Operation
    from incentives.invocation import Function
    from incentives.usecases.dependencies import Budget


def issue_of(operation: Operation, model: type[IssueBody]) -> Function[dict[str, Any]]:
    """The function that carries out an operation: 201 new, 200 repeated, 202 not known yet."""

    @api_function
    def handler(call: ApiCall, budget: Budget) -> ApiResponse:
        call.query_of()
        key, value, body = single_requests.read_issue(call, model)
        request = NewRequest(
            key=key,
            operation=operation,
            account=parameters.account_or_default(body.account, container.settings.default_account),
            value=value,
            on_unknown=Intent(body.on_unknown),
            given=body.given(),
            budget=body.budget,
            caller=call.caller,
        )
        later = parameters.prefers_async(call)
        result = issue(request, container.dependencies, budget, later=later)
        if isinstance(result, Accepted):
            return single_requests.accepted(result.record, result.retry_after_seconds, call, preferred=later)
        return single_requests.issued(result.record, result.card, replayed=result.replayed)

    return handler


def reversal_of(operation: Operation) -> Function[dict[str, Any]]:
    """The function that takes back a request of an operation: 200 reversed, 202 not known yet."""

    @api_function
    def handler(call: ApiCall, budget: Budget) -> ApiResponse:
        call.query_of()
        call.refuse_body()
        request_id = single_requests.read_request_id(call)
        result = cancel(request_id, operation, call.caller, container.dependencies, budget)
        if isinstance(result, Accepted):
            return single_requests.accepted(result.record, result.retry_after_seconds, call)
        return single_requests.standing(result.record, replayed=result.replayed)

    return handler
