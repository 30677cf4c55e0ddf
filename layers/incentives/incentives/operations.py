"""What the functions of the three operations share: issuing, and taking back what was issued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incentives.bootstrap import container
from incentives.api import orders, requests
from incentives.domain.single_requests.record import Intent
from incentives.invocation import api_function
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import Order, issue
from incentives.usecases.single_requests.results import Accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incentives.api.gateway import ApiCall, ApiResponse
    from incentives.api.models import ActivateGiftCardBody, CreateGiftCardBody, LoadAmazonBalanceBody
    from incentives.domain.money import Money
    from incentives.domain.operations import Operation
    from incentives.invocation import Function
    from incentives.usecases.dependencies import Budget


def issued(
    call: ApiCall,
    budget: Budget,
    operation: Operation,
    given: tuple[str, Money, CreateGiftCardBody | ActivateGiftCardBody | LoadAmazonBalanceBody],
    *,
    members: Mapping[str, Any] | None = None,
    subject: str | None = None,
) -> ApiResponse:
    """Issue what a call asks for (idempotency key, amount and body): 201 new, 200 repeated, 202 not known yet."""
    key, value, body = given
    order = Order(
        key=key,
        operation=operation,
        account=orders.account_or_default(body.account, container.settings.default_account),
        value=value,
        on_unknown=Intent(body.onUnknown),
        options=body.options(),
        members=members or {},
        subject=subject,
        caller=call.caller,
    )
    later = orders.prefers_async(call)
    result = issue(order, container.dependencies, budget, later=later)
    if isinstance(result, Accepted):
        return requests.accepted(result.record, result.retry_after_seconds, call, preferred=later)
    return requests.issued(result.record, result.card, replayed=result.replayed)


def reversal_of(operation: Operation) -> Function[dict[str, Any]]:
    """The function that takes back a request of an operation: 200 reversed, 202 not known yet."""

    @api_function
    def handler(call: ApiCall, budget: Budget) -> ApiResponse:
        call.query_of()
        call.refuse_body()
        request_id = requests.read_request_id(call)
        result = cancel(request_id, operation, call.caller, container.dependencies, budget)
        if isinstance(result, Accepted):
            return requests.accepted(result.record, result.retry_after_seconds, call)
        return requests.standing(result.record, replayed=result.replayed)

    return handler
