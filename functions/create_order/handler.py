"""POST /orders: a bulk order, and where to put its file."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import bulk, orders
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.domain.bulk import FileFormat
from incentives.domain.ledger import Intent
from incentives.usecases.create_order import create_order


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Make an order: 201 new, 200 repeated."""

    def respond(call: ApiCall) -> ApiAnswer:
        call.query_of()
        key, body = bulk.read_order(call)
        view = create_order(
            key=key,
            account=orders.account_or_default(body.account, bootstrap.settings().default_account),
            file_format=FileFormat(body.format),
            on_unknown=Intent(body.onUnknown),
            allow_same_rows=body.allowSameRows,
            caller=call.caller,
            tools=bootstrap.order_tools(),
            accounts=bootstrap.accounts(),
        )
        return bulk.created(view, call)

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.accounts, bootstrap.secrets, bootstrap.order_tools, bootstrap.order_files)
