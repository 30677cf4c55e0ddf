"""List bulk orders, newest first."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from incentives.domain.bulk_orders.approval import as_of
from incentives.domain.bulk_orders.bulk_order import ORDER_ID_LENGTH
from incentives.domain.errors import InvalidInput

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import BulkOrder, OrderStatus
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies

#: Orders read at a time.
_READ_AT_ONCE: Final = 100

#: Orders looked at for one page, however few of them are those asked for.
LOOKED_AT_MAX: Final = 500

#: Far above any cursor; a longer text is none, and is not parsed.
_CURSOR_LENGTH_MAX: Final = 256
_ORDER_ID: Final = re.compile(f"[A-Z2-7]{{{ORDER_ID_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersQuery:
    """Which orders are asked for; None: of whatever account or status."""

    account: str | None = None
    status: OrderStatus | None = None
    cursor: str | None = None
    limit: int


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """Orders, newest first.

    Attributes:
        cursor: what to ask for next; None at the end.
    """

    orders: tuple[BulkOrder, ...]
    cursor: str | None


def list_orders(query: OrdersQuery, dependencies: OrderDependencies) -> OrdersPage:
    """One page. It may be short, even empty, while there is a cursor. It lags behind the orders by a moment.

    Raises:
        InvalidInput: names `cursor`.
        OrderUnavailable
    """
    before, now = _read_cursor(query.cursor), dependencies.clock.now()
    found: list[BulkOrder] = []
    looked_at = 0
    while True:
        page, more = dependencies.orders.newest(before, min(_READ_AT_ONCE, LOOKED_AT_MAX - looked_at))
        for stored in page:
            order = as_of(stored, now)
            looked_at, before = looked_at + 1, (order.created_at, order.order_id)
            if query.account in (None, order.account) and query.status in (None, order.status):
                found.append(order)
            if len(found) == query.limit:
                return OrdersPage(tuple(found), _cursor(before))
        if not page or not more:
            return OrdersPage(tuple(found), None)
        if looked_at >= LOOKED_AT_MAX and before is not None:
            return OrdersPage(tuple(found), _cursor(before))


def _cursor(place: tuple[datetime, str]) -> str:
    text = json.dumps([place[0].astimezone(UTC).isoformat(), place[1]])
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    refused = InvalidInput("cursor", "must be a cursor that this route returned")
    if len(cursor) > _CURSOR_LENGTH_MAX:
        raise refused
    try:
        text, order_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        created_at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise refused from None
    if not isinstance(order_id, str) or not _ORDER_ID.fullmatch(order_id):
        raise refused
    return created_at, order_id
