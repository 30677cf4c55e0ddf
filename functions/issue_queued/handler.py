"""The backlog's worker: issue requests that waited for their permit."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.invocation import queue_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.issue_queued import issue_queued


@queue_function
def handler(request_id: str, budget: Budget) -> None:
    """Take up one message. One that cannot be dealt with now raises, and comes again."""
    issue_queued(request_id, container.dependencies, budget)


in_init(lambda: (container.ledger, container.ready_for_amazon()))
