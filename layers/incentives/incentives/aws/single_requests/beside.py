"""What the ledger's transactions check in other tables, and the budgets that they take from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from incentives.aws.items import Expression, Item, encode

if TYPE_CHECKING:
    from incentives.aws.budgets.holds import DynamoDbHolds
    from incentives.domain.single_requests.record import OrderRow, Record


def counted_key(account: str, request_id: str) -> Item:
    """The item of the accounts' table that says what a request was counted as, and whether it gave back its hold."""
    return encode({"account": account, "part": f"counted#{request_id}"})


def closed_key(order_id: str, batch: int) -> Item:
    """The item of the orders' table that says that a batch takes no more rows."""
    return encode({"orderId": order_id, "part": f"closed#{batch:05}"})


@dataclass(frozen=True, slots=True)
class Beside:
    """The other tables.

    Attributes:
        holds: what takes from budgets.
        account_table, orders_table: their names.
    """

    holds: DynamoDbHolds
    account_table: str
    orders_table: str

    def not_closed(self, row: OrderRow) -> dict[str, Any]:
        """An action that checks that a row's batch still takes rows."""
        return {
            "ConditionCheck": {
                "TableName": self.orders_table,
                "Key": closed_key(row.order_id, row.batch),
                "ConditionExpression": "attribute_not_exists(part)",
            }
        }

    def given_back(self, record: Record, *, is_so: bool) -> dict[str, Any]:
        """An action that checks that a request's hold was given back, or that it was not. Once it was, it stays so."""
        expression = Expression(yes=True) if is_so else Expression()
        name = expression.name("givenBack")
        holds = f"{name} = :yes" if is_so else f"attribute_not_exists({name})"
        return {
            "ConditionCheck": {
                "TableName": self.account_table,
                "Key": counted_key(record.account, record.request_id),
                "ConditionExpression": holds,
                **expression.arguments,
            }
        }
