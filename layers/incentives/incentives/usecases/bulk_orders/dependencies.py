"""What the use cases of bulk orders need: their ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.usecases.ports import Clock, Freezes, OrderFiles, Orders, OrderWorkflows, Records, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDependencies:
    """The ports, and where nonces come from."""

    orders: Orders
    files: OrderFiles
    workflows: OrderWorkflows
    records: Records
    freezes: Freezes
    clock: Clock
    telemetry: Telemetry
    new_nonce: Callable[[], str]
