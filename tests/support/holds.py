"""The real adapter of budgets for tests that ask for none of its waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from incentives.aws.accounts.account_states import DynamoDbAccountStates
from incentives.aws.budgets.holds import DynamoDbHolds
from incentives.aws.single_requests.beside import Beside
from tests.support.fakes import START


def holds_of(
    client: Any,
    table: str = "budgets",
    *,
    now: Callable[[], datetime] = lambda: START,
    sleep: Callable[[float], None] = lambda _: None,
    random: Callable[[], float] = lambda: 0.5,
    zone: str = "UTC",
) -> DynamoDbHolds:
    """What takes from the budgets of a table."""
    return DynamoDbHolds(
        client, table, zone=lambda: ZoneInfo(zone), required=False, now=now, sleep=sleep, random=random
    )


def states_of(
    client: Any,
    table: str,
    ledger: str = "ledger",
    budgets: str = "budgets",
    *,
    sleep: Callable[[float], None] = lambda _: None,
    random: Callable[[], float] = lambda: 0.5,
) -> DynamoDbAccountStates:
    """What is known of accounts, in a table; of a test that needs no budget, with tables that there are not."""
    return DynamoDbAccountStates(
        client, table, ledger_table=ledger, holds=holds_of(client, budgets), sleep=sleep, random=random
    )


def beside(client: Any, budgets: str = "budgets", accounts: str = "accounts", orders: str = "orders") -> Beside:
    """The ledger's other tables; of a test that needs none of them, tables that there are not."""
    return Beside(holds_of(client, budgets), accounts, orders)
