"""Every quarter of an hour: what each account has left, how old its key is, and which days of its books are due."""

from __future__ import annotations

from typing import Any

from incentives.bootstrap import container, in_init
from incentives.invocation import Event, function
from incentives.usecases.accounts.watch_account import names_of, watch_accounts
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.due_rounds import keep_books


@function
def handler(_: Event, budget: Budget) -> dict[str, Any]:
    """Watch all accounts once, then begin the rounds of their books that are due."""
    default, watch = container.settings.default_account, container.watch_dependencies
    watched = watch_accounts(default, watch, budget.seconds_left)
    return watched | keep_books(names_of(default, watch), container.books_dependencies, budget.seconds_left)


in_init(lambda: (container.watch_dependencies, container.books_dependencies, container.ready_for_amazon()))
