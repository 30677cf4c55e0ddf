"""What a reservation costs, by how many ask at once."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import Full, Pace, Permit, Priority
from tests.bench import cloud
from tests.bench.report import Line
from tests.contract.tables import create_table

WORKERS: Final = (1, 8, 32)
RUNS: Final = 3
RESERVATIONS: Final = 320

#: At a clock that stands still the account is always busy, and so many permits are never too far ahead to be taken:
#: what is measured is the reservation, not the pace.
MANY_PERMITS: Final = Pace(requests_per_second=1000)

#: Seconds for which the pace is kept, and by how many.
RATE_SECONDS: Final = 15.0
RATE_WORKERS: Final = 32


@dataclass
class Run:
    """One run: milliseconds of each reservation, and how often the table was written and refused."""

    milliseconds: list[float] = field(default_factory=list)
    written: int = 0
    refused: int = 0

    def note(self, http_response: Any, **_: object) -> None:
        """Called by the client after each update."""
        if http_response.status_code == 200:
            self.written += 1
        else:
            self.refused += 1


def cost_of_a_reservation(url: str) -> Iterable[Line]:
    """Each worker as a process that knows the account: a rate limiter and a connection of its own."""
    for workers in WORKERS:
        runs = [_run(url, workers) for _ in range(RUNS)]
        median = statistics.median(statistics.median(run.milliseconds) for run in runs)
        slow = statistics.median(statistics.quantiles(run.milliseconds, n=20)[-1] for run in runs)
        written = statistics.median(run.written / len(run.milliseconds) for run in runs)
        refused = statistics.median(run.refused / len(run.milliseconds) for run in runs)
        yield Line(f"reservation, {workers} at once: median / p95", f"{median:.1f} / {slow:.1f} ms")
        yield Line("  writes each: successful / refused", f"{written:.2f} / {refused:.2f}")


def rate_achieved(url: str) -> Iterable[Line]:
    """More callers than permits, for a while: how many of the permits are used."""
    table = create_table(cloud.client(url), "PacerTable")
    permits: list[float] = []
    end = time.monotonic() + RATE_SECONDS

    def work(client: Any) -> None:
        rate_limiter = DynamoDbRateLimiter(client, table, pace=Pace(), now=_now)
        while time.monotonic() < end:
            found = rate_limiter.reserve("default", Priority.CALLER)
            if isinstance(found, Full):
                time.sleep(max(0.05, (found.again_at - _now()).total_seconds()))
                continue
            permits.append(found.at.timestamp())
            time.sleep(max(0.0, (found.at - _now()).total_seconds()))

    _all_at_once([cloud.client(url) for _ in range(RATE_WORKERS)], work)
    rate = (len(permits) - 1) / (max(permits) - min(permits))
    allowed = Pace().requests_per_second
    yield Line(f"slots used / allowed a second, {RATE_WORKERS} callers", f"{rate:.2f} / {allowed:.0f}")


def _run(url: str, workers: int) -> Run:
    run = Run()
    clients = [cloud.client(url) for _ in range(workers)]
    table = create_table(clients[0], "PacerTable")
    lock = threading.Lock()
    standstill = _now()
    rate_limiters = {
        id(each): DynamoDbRateLimiter(each, table, pace=MANY_PERMITS, now=lambda: standstill) for each in clients
    }
    for client in clients:
        # The first one opens a connection and finds out about the account.
        rate_limiters[id(client)].reserve("default", Priority.RECOVERY)
        client.meta.events.register("after-call.dynamodb.UpdateItem", run.note)

    def work(client: Any) -> None:
        rate_limiter = rate_limiters[id(client)]
        for _ in range(RESERVATIONS // workers):
            begin = time.perf_counter()
            permit = rate_limiter.reserve("default", Priority.RECOVERY)
            took = (time.perf_counter() - begin) * 1000
            if not isinstance(permit, Permit):
                raise TypeError("the pace held somebody up: this measures something else")
            with lock:
                run.milliseconds.append(took)

    _all_at_once(clients, work)
    return run


def _all_at_once(clients: list[Any], work: Callable[[Any], None]) -> None:
    failed: list[BaseException] = []

    def watched(client: Any) -> None:
        try:
            work(client)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failed.append(error)

    threads = [threading.Thread(target=watched, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _now() -> datetime:
    return datetime.now(UTC)
