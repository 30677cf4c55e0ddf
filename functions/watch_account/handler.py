"""Every hour: how much money each account has left, how long it lasts, and how old its key is."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.accounts.watch_account import watch_accounts


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Watch all accounts once."""
    try:
        default = bootstrap.settings().default_account
        return watch_accounts(default, bootstrap.watch_dependencies(), bootstrap.budget_of(context).seconds_left)
    finally:
        bootstrap.telemetry().flush()


bootstrap.in_init(bootstrap.watch_dependencies, bootstrap.rate_limiter, bootstrap.amazon)
