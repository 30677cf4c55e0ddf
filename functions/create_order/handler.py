"""POST /orders: a bulk order, and where to put its file."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import bulk_orders, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.single_requests.record import Intent
from incentives.invocation import api_function
from incentives.usecases.bulk_orders.create_order import create_order
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Make an order: 201 new, 200 repeated."""
    call.query_of()
    key, body = bulk_orders.read_order(call)
    view = create_order(
        key=key,
        account=parameters.account_or_default(body.account, container.settings.default_account),
        file_format=FileFormat(body.format),
        on_unknown=Intent(body.on_unknown),
        allow_same_rows=body.allow_same_rows,
        budget=body.budget,
        caller=call.caller,
        identity=call.identity,
        dependencies=container.order_dependencies,
        accounts=container.dependencies.accounts,
    )
    return bulk_orders.created(view, call)


in_init(lambda: (container.order_dependencies, container.accounts, client("secretsmanager"), client("s3")))
