"""What is beside the ledger, in DynamoDB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from incentives.aws.budgets.budget_items import (
    decode_budget,
    decode_period,
    definition_key,
    encode_budget,
    encode_period,
    period_key,
    spent_key,
)
from incentives.aws.items import decode
from incentives.aws.single_requests.beside import closed_key
from incentives.domain.budgets.budget import Budget
from tests.contract.subject import Figures


@dataclass(frozen=True)
class DynamoDbDesk:
    """`Desk` on the tables of the template."""

    client: Any
    budgets: str
    orders: str

    def define(self, budget: Budget) -> None:
        self.client.put_item(TableName=self.budgets, Item=encode_budget(budget))

    def figures(self, name: str, period: str) -> Figures | None:
        found, spent = self._get(period_key(name, period)), self._get(spent_key(name, period))
        return Figures(found["limit"], found["remaining"], spent["spent"] if spent else 0) if found else None

    def set_limit(self, name: str, period: str, minor: int, *, active: bool = True) -> None:
        """By one who has the table for himself."""
        values = self._get(definition_key(name))
        assert values is not None
        before = decode_budget(values)
        self.define(replace(before, limit=minor, active=active, version=before.version + 1))
        values = self._get(period_key(name, period))
        if values is not None:
            found = decode_period(values)
            remaining = found.remaining + minor - found.limit
            changed = replace(found, limit=minor, remaining=remaining, active=active, version=found.version + 1)
            self.client.put_item(TableName=self.budgets, Item=encode_period(changed))

    def close(self, order_id: str, batch: int) -> None:
        self.client.put_item(TableName=self.orders, Item=closed_key(order_id, batch))

    def _get(self, key: Any) -> dict[str, Any] | None:
        item = self.client.get_item(TableName=self.budgets, Key=key, ConsistentRead=True).get("Item")
        return decode(item) if item else None
