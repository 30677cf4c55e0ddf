"""The ledger's stream: what each account spends a day, and an alert when one has run out of money."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.accounts.count_spend import count_spend


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Count a batch; name the first record that must come again."""
    try:
        return count_spend(event.get("Records") or [], bootstrap.watch_dependencies())
    finally:
        bootstrap.telemetry().flush()


bootstrap.in_init(bootstrap.watch_dependencies)
