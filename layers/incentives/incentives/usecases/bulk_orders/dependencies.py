"""What the use cases of bulk orders need: their ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.usecases.budgets.ports import BudgetDefinitions
    from incentives.usecases.bulk_orders.ports import OrderFiles, Orders, OrderWorkflows
    from incentives.usecases.ports import Budgets, Clock, Freezes, Records, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDependencies:
    """The ports, where nonces come from, and what the deployment sets.

    Attributes:
        approvals: by account, the highest sum of an order that needs no second person; that of "" is every other
            account's. Without one no order of the account does.
    """

    orders: Orders
    files: OrderFiles
    workflows: OrderWorkflows
    records: Records
    budgets: Budgets
    definitions: BudgetDefinitions
    freezes: Freezes
    clock: Clock
    telemetry: Telemetry
    new_nonce: Callable[[], str]
    approvals: Mapping[str, Decimal]
