"""POST /balance-loads: LoadAmazonBalance."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import orders
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.operations import Operation
from incentives.invocation import api_function
from incentives.operations import issued
from incentives.usecases.dependencies import Budget
from incentives.usecases.operation_calls import CUSTOMER_ACCOUNT, masked


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Load one customer's balance: 201 new, 200 repeated, 202 not known yet."""
    call.query_of()
    given = orders.read_balance_load(call)
    customer = given[2].customerAccount
    members = {CUSTOMER_ACCOUNT: customer.given()}
    return issued(call, budget, Operation.LOAD_AMAZON_BALANCE, given, members=members, subject=masked(customer.id))


in_init(lambda: (container.ledger, container.ready_for_amazon(), container.vault, client("kms")))
