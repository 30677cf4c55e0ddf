"""Every quarter of an hour: how much money each account has left, how long it lasts, and how old its key is."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.accounts.watch_account import watch_accounts
from incentives.usecases.dependencies import Budget


@function
def handler(_: Event, budget: Budget) -> dict[str, Any]:
    """Watch all accounts once."""
    return watch_accounts(container.settings.default_account, container.watch_dependencies, budget.seconds_left)


in_init(lambda: (container.watch_dependencies, container.ready_for_amazon()))
