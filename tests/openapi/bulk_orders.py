"""Bulk orders behind the served functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from incentives.api.models.bulk_orders import DIGEST
from incentives.domain.bulk_orders.bulk_order import Batch, Counts, FileError, OrderStatus
from incentives.domain.persons import Identity
from tests.openapi.served import BODIES, CALLER, Response, Served
from tests.support.bulk import MAKER
from tests.support.fakes import START
from tests.unit.builders import MINUTE


def approval(api: Served, function: str, status: OrderStatus = OrderStatus.AWAITING_APPROVAL, **body: Any) -> Response:
    """Approve or reject an order, as it is unless something else was seen."""
    return api.send(function, standing(api, status), body={**BODIES[function], **body})


def of_a_maker(api: Served) -> Response:
    """Approve what one has made."""
    order_id = standing(api, OrderStatus.AWAITING_APPROVAL)
    order, nonce = api.bulk.orders.orders[order_id]
    makers = (Identity(CALLER["userArn"], CALLER["caller"], CALLER["user"]),)
    api.bulk.orders.orders[order_id] = (replace(order, makers=makers), nonce)
    return api.send("approve_order", order_id, body=BODIES["approve_order"])


def with_a_budget_that(api: Served, error: Exception) -> Response:
    """Approve an order whose budget says no."""

    def refuse(*_: object, **__: object) -> Any:
        raise error

    api.bulk.orders.begin = refuse  # type: ignore[method-assign]
    return approval(api, "approve_order")


def ordered(api: Served, **members: Any) -> Response:
    """Make a bulk order."""
    return api.send("create_order", body={**BODIES["create_order"], **members}, key="bulk-1")


def standing(api: Served, status: OrderStatus, order_id: str | None = None) -> str:
    """A bulk order of 120 rows that has come this far; its id, one of one's own if wanted."""
    made: str = ordered(api).body["orderId"]
    order, nonce = api.bulk.orders.orders[made]
    order_id = order_id or made
    totals = {"USD": Decimal(120), "JPY": Decimal(0)}
    read = {"rows": 120, "row_bytes": 9, "rows_name": "rows", "totals": totals, "issuing_since": START - MINUTE}
    come: Mapping[OrderStatus, Mapping[str, Any]] = {
        OrderStatus.AWAITING_FILE: {"round": 0},
        OrderStatus.VALIDATING: {"dry_run": True},
        OrderStatus.INVALID: {"errors": (FileError(2, "amount", "is bad"), FileError(3, None, "?")), "error_count": 9},
        OrderStatus.VALIDATED: {"rows": 120, "totals": totals},
        OrderStatus.AWAITING_APPROVAL: {
            **read,
            "totals": {"USD": Decimal(120)},
            "issuing_since": None,
            "makers": (MAKER,),
            "approval_digest": DIGEST,
            "approval_until": START + MINUTE,
        },
        OrderStatus.PAUSED: {**read, "why_paused": "account 'default' has no secret", "issuing_until": START},
        OrderStatus.STOPPING: {**read, "stopped_at": START},
        OrderStatus.FINISHED: {**read, "finished_at": START},
    }
    changed = replace(order, **{"order_id": order_id, "status": status, "round": 1, **come.get(status, read)})
    api.bulk.orders.orders[order_id] = (changed, nonce)
    if changed.rows_name:
        counts = Counts(issued=40, refused=1, open=2, reversed=3, escalated=4)
        api.bulk.orders.kept[order_id, 1] = Batch(number=1, counts=counts, issued_value={"USD": Decimal("40.5")})
    return order_id
