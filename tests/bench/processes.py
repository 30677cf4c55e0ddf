"""One process of the load: real functions, a real rate limiter and a real client, whose orders and backlog are its own.

Its ledger and its queue are in memory: the emulated cloud could not carry them beside the rate limiter's table.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

from incentives.bootstrap import container
from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import Allowance, Full, Pace, Permit, Priority
from incentives.domain.single_requests.record import Status
from incentives.usecases.dependencies import Dependencies
from local.settings import PARTNER_ACCESS_KEY_ID, PARTNER_ID, PARTNER_SECRET_ACCESS_KEY
from tests.bench import cloud
from tests.support.fakes import FakeAccounts, FakeKeptPages, FakeLedger, FakeNotifier, FakeTelemetry, FakeVault, account
from tests.support.ports import Ports
from tests.support.workflow import run_execution
from tests.workflow.scene import load

FUNCTION_SECONDS = 25.0

#: Threads of each process. Most callers are answered at once: there is no permit for them.
CALLERS = 40
WORKERS = 3
WORKERS_WHILE_DRAINING = 16

#: Requests of which none ends for this long will not end any more.
STUCK_AFTER_SECONDS = 60.0

#: What the pace is raised to when nothing is measured any more.
PER_SECOND_WHILE_DRAINING = 200.0


@dataclass(frozen=True)
class Task:
    """What a process is to do.

    Attributes:
        number: of the process.
        dynamodb, sandbox: URLs.
        skew: seconds by which its clock is ahead.
        per_second: orders; as many in the first `seconds` as that makes.
        reversals: whether it is the one that reverses a card each second.
    """

    number: int
    dynamodb: str
    table: str
    sandbox: str
    skew: float
    per_second: float
    seconds: float
    reversals: bool


@dataclass
class Result:
    """What came of it.

    Attributes:
        responses: HTTP statuses.
        told_of_throttle: answers that speak of it.
        reversal_waits: seconds for a permit; None where there was none.
        permits_missed: while orders came, by calls that were held up on this machine.
        late: seconds by which the last order was placed later than planned.
        records: request id, card id, status.
    """

    responses: Counter[int] = field(default_factory=Counter)
    told_of_throttle: int = 0
    reversals: Counter[int] = field(default_factory=Counter)
    reversal_waits: list[float | None] = field(default_factory=list)
    permits_missed: int = 0
    late: float = 0.0
    records: list[tuple[str, str | None, str]] = field(default_factory=list)


class _Clock:
    def __init__(self, skew: float) -> None:
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skew

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class _RateLimiter(DynamoDbRateLimiter):
    """Can be told to hurry when nothing is measured any more.

    Attributes:
        waits: a thread that reverses a card has a list here, for the seconds that it waits.
    """

    waits = threading.local()

    def hurry(self, pace: Pace) -> None:
        self._pace = pace

    def reserve(self, account: str, priority: Priority, *, allowance: Allowance | None = None) -> Permit | Full:
        asked_at = self._now()
        result = super().reserve(account, priority, allowance=allowance)
        waits: list[float | None] | None = getattr(self.waits, "here", None)
        if waits is not None:
            waits.append(max(0.0, (result.at - asked_at).total_seconds()) if isinstance(result, Permit) else None)
        return result


class _Backlog:
    def __init__(self) -> None:
        self.messages: queue.Queue[str] = queue.Queue()

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        if delay_seconds:
            timer = threading.Timer(delay_seconds, self.messages.put, [request_id])
            timer.daemon = True
            timer.start()
        else:
            self.messages.put(request_id)
        return True


class _Recoveries:
    """Executions are threads. One that ends too early leaves its request open, and that is found in the end."""

    def __init__(self) -> None:
        self.dependencies: Dependencies | None = None

    def start(self, request_id: str, epoch: int) -> bool:
        dependencies = self.dependencies
        assert dependencies is not None
        threading.Thread(target=run_execution, args=(request_id, epoch, dependencies), daemon=True).start()
        return True


class _Telemetry(FakeTelemetry):
    def flush(self) -> None:
        self.lines.clear()


class Process:
    """Callers and workers of one process."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.result = Result()
        self.ledger = FakeLedger()
        self.backlog = _Backlog()
        self.telemetry = _Telemetry()
        self.draining = self.over = False
        clock = _Clock(task.skew)
        self.rate_limiter = _RateLimiter(cloud.client(task.dynamodb), task.table, pace=Pace(), now=clock.now)
        keys: dict[str, Any] = {
            "partner_id": PARTNER_ID,
            "access_key_id": PARTNER_ACCESS_KEY_ID,
            "secret_access_key": type(account().secret_access_key)(PARTNER_SECRET_ACCESS_KEY),
        }
        recoveries = _Recoveries()
        self.dependencies = recoveries.dependencies = Ports(
            ledger=self.ledger,
            rate_limiter=self.rate_limiter,
            backlog=self.backlog,
            amazon=Amazon(IncentivesClient(task.sandbox, wall=clock.now)),
            kept_pages=FakeKeptPages(),
            accounts=FakeAccounts(account(**keys)),
            vault=FakeVault(),
            recoveries=recoveries,
            notifier=FakeNotifier(),
            clock=clock,
            telemetry=self.telemetry,
            new_nonce=lambda: uuid.uuid4().hex,
        )
        vars(container).update(
            dependencies=self.dependencies,
            settings=SimpleNamespace(default_account="default", support_address=None),
            telemetry=self.telemetry,
        )
        self._issue, self._cancel = load("create_gift_card"), load("cancel_gift_card")
        self._issue_queued = load("issue_queued")
        self._lock = threading.Lock()

    def start(self) -> None:
        """Let the workers begin."""
        for number in range(WORKERS_WHILE_DRAINING):
            threading.Thread(target=self._work, args=(number,), daemon=True).start()

    def place_orders(self) -> None:
        """Place orders at their times, whether or not earlier ones have been answered."""
        begin = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as callers:
            if self.task.reversals:
                threading.Thread(target=self._reverse_each_second, args=(begin,), daemon=True).start()
            for number in range(int(self.task.seconds * self.task.per_second)):
                due = begin + number / self.task.per_second
                time.sleep(max(0.0, due - time.monotonic()))
                callers.submit(self._place, number, due)

    def drain(self) -> None:
        """Work until nothing is left."""
        self.result.permits_missed = int(self.telemetry.counts.get("PermitMissed", 0))
        self.rate_limiter.hurry(Pace(requests_per_second=PER_SECOND_WHILE_DRAINING))
        self.draining = True
        least, since = None, time.monotonic()
        while (left := self._open()) and time.monotonic() - since < STUCK_AFTER_SECONDS:
            if left != least:
                least, since = left, time.monotonic()
            time.sleep(0.2)
        self.over = True
        self.result.records = [(r.request_id, r.gc_id, r.status.value) for r in self.ledger.records.values()]

    def _open(self) -> int:
        return sum(record.status.is_open for record in list(self.ledger.records.values()))

    def _place(self, number: int, due: float) -> None:
        late = time.monotonic() - due
        key = f"order-{self.task.number}-{number}"
        response = self._call(
            self._issue,
            {
                "headers": {"Idempotency-Key": key},
                "body": '{"amount": "25.00", "currencyCode": "USD"}',
                "path": "/gift-cards",
                "requestContext": {"path": "/prod/gift-cards", "identity": {"userArn": "arn:caller"}},
            },
        )
        with self._lock:
            self.result.late = max(self.result.late, late)
            self.result.responses[response["statusCode"]] += 1
            self.result.told_of_throttle += "throttl" in response["body"].lower()

    def _reverse_each_second(self, begin: float) -> None:
        taken: set[str] = set()
        for second in range(1, int(self.task.seconds)):
            time.sleep(max(0.0, begin + second - time.monotonic()))
            issued = [r.request_id for r in list(self.ledger.records.values()) if r.status is Status.SUCCEEDED]
            request_id = next((each for each in issued if each not in taken), None)
            if request_id is not None:
                taken.add(request_id)
                threading.Thread(target=self._reverse, args=(request_id,), daemon=True).start()

    def _reverse(self, request_id: str) -> None:
        path = f"/gift-cards/{request_id}/cancel"
        context = {"path": f"/prod{path}", "identity": {"userArn": "arn:caller"}}
        event = {"headers": {}, "pathParameters": {"requestId": request_id}, "path": path, "requestContext": context}
        self.rate_limiter.waits.here = self.result.reversal_waits
        self.result.reversals[self._call(self._cancel, event)["statusCode"]] += 1

    def _work(self, number: int) -> None:
        while not self.over:
            if number >= WORKERS and not self.draining:
                time.sleep(0.2)
                continue
            try:
                request_id = self.backlog.messages.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                self._call(self._issue_queued, {"Records": [{"body": json.dumps({"requestId": request_id})}]})
            except LedgerUnavailable:
                self.backlog.put(request_id, delay_seconds=1.0)

    @staticmethod
    def _call(handler: Callable[[dict[str, Any], Any], Any], event: dict[str, Any]) -> Any:
        end = time.monotonic() + FUNCTION_SECONDS
        return handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: (end - time.monotonic()) * 1000))


def live(task: Task, parent: Connection) -> None:
    """A process's life: it begins, measures and drains when told."""
    process = Process(task)
    parent.send("ready")
    parent.recv()
    process.start()
    process.place_orders()
    parent.send("placed")
    parent.recv()
    process.drain()
    parent.send(process.result)
