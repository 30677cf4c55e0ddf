"""The backlog's worker: issue requests that waited for their permit."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.usecases.single_requests.issue_queued import issue_messages


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401 - Lambda's context has no class
    """Take up one message. One that cannot be dealt with now raises, and comes again."""
    try:
        issue_messages(event["Records"], bootstrap.dependencies(), bootstrap.budget_of(context))
    finally:
        bootstrap.telemetry().flush()


bootstrap.in_init(bootstrap.ledger, bootstrap.rate_limiter, bootstrap.amazon)
