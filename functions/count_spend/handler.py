"""The ledger's stream: what each account spends a day, and an alert when one has run out of money."""

from __future__ import annotations

from collections.abc import Iterator

from incentives.bootstrap import container, in_init
from incentives.domain.single_requests.writes import Write
from incentives.invocation import stream_function
from incentives.usecases.accounts.count_spend import count_spend


@stream_function
def handler(writes: Iterator[Write]) -> str | None:
    """Count a batch; name the first write that must come again."""
    return count_spend(writes, container.watch_dependencies)


in_init(lambda: container.watch_dependencies)
