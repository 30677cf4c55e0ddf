"""POST /orders: a bulk order, and where to put its file."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import bulk_orders, parameters
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.single_requests.record import Intent
from incentives.usecases.bulk_orders.create_order import create_order


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Make an order: 201 new, 200 repeated."""

    def respond(call: ApiCall) -> ApiResponse:
        call.query_of()
        key, body = bulk_orders.read_order(call)
        view = create_order(
            key=key,
            account=parameters.account_or_default(body.account, bootstrap.settings().default_account),
            file_format=FileFormat(body.format),
            on_unknown=Intent(body.on_unknown),
            allow_same_rows=body.allow_same_rows,
            caller=call.caller,
            dependencies=bootstrap.order_dependencies(),
            accounts=bootstrap.accounts(),
        )
        return bulk_orders.created(view, call)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.accounts, bootstrap.secrets, bootstrap.order_dependencies, bootstrap.order_files)
