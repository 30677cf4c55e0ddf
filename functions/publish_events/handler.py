"""The ledger's stream: one event on the application's bus per state that a request comes to."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.publish_events import publish_events


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Publish a batch; name the first record that must come again."""
    try:
        return publish_events(event.get("Records") or [], bootstrap.bus(), bootstrap.telemetry())
    finally:
        bootstrap.telemetry().flush()


bootstrap.in_init(bootstrap.bus)
