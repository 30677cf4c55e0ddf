"""A shop under load, in virtual time: real functions in processes of their own, the sandbox's model as Amazon.

Everything between a permit and Amazon takes time, at random: the table, the ledger, the way to Amazon and its response.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.agcod.amazon import Amazon
from incentives.agcod.client import SignedCall
from incentives.agcod.transport import Fault, HttpResponse
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.aws.single_requests.backlog import DELAY_SECONDS_MAX
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import Allowance, Frozen, Full, Pace, Permit, Priority
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.dependencies import Dependencies
from incentives.usecases.ports import RateLimiter
from sandbox.control.options import changed
from sandbox.http.gateway import Arrival
from tests.pacing.stage import Stage
from tests.pacing.table import Table
from tests.support.fakes import (
    START,
    FakeAccounts,
    FakeKeptPages,
    FakeLedger,
    FakeNotifier,
    FakeTelemetry,
    FakeVault,
    account,
)
from tests.support.ports import Ports
from tests.support.workflow import run_execution
from tests.workflow.amazon import ACCESS_KEY, SandboxClient, make_sandbox
from tests.workflow.scene import load

ISSUE: Final = load("create_gift_card")
ISSUE_QUEUED: Final = load("issue_queued")
CANCEL: Final = load("cancel_gift_card")
SWEEP: Final = load("sweep_requests")

#: As the template has them.
FUNCTION_SECONDS: Final = 25
BACKLOG_WORKERS: Final = 8

#: A message whose worker failed comes out again after this.
MESSAGE_BACK_AFTER_SECONDS: Final = 150.0

#: Real seconds, at random: of one call to DynamoDB each way, and from the call to Amazon's door.
DYNAMODB_SECONDS: Final = (0.001, 0.006)
TO_AMAZON_SECONDS: Final = (0.005, 0.080)

MakeRateLimiter = Callable[[Any, Pace, Callable[[], datetime]], RateLimiter]


def real_rate_limiter(table: Any, pace: Pace, now: Callable[[], datetime]) -> RateLimiter:
    return DynamoDbRateLimiter(table, "rate_limiter", pace=pace, now=now)


@dataclass(frozen=True)
class Asked:
    """A permit that was asked for: by the true time, in seconds from the beginning."""

    priority: Priority
    at: float
    permit_at: float | None


@dataclass(frozen=True)
class Load:
    """What comes to the shop.

    Attributes:
        seconds: for which callers come, and reversals.
        per_second: orders.
        reversals_per_second: of issued cards.
        amazon_seconds: until Amazon's response is here.
        skews: seconds by which each process's clock is ahead.
        limits: Amazon's calls a second, from a second on.
    """

    seconds: float
    per_second: float = 100.0
    reversals_per_second: float = 1.0
    amazon_seconds: float = 0.15
    skews: tuple[float, ...] = (0.0, 0.0, 0.0)
    limits: Mapping[float, int] = field(default_factory=dict)
    seed: int = 1


class ProcessClock:
    """`Clock` of one process."""

    def __init__(self, stage: Stage, skew: float) -> None:
        self._stage = stage
        self.skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._stage.time + self.skew

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stage.sleep(seconds)


class Slow:
    """Whatever it wraps, each call taking as long as DynamoDB takes.

    Args:
        inner: what is called.
        wait: lets the time pass.
        responses: whether others may come between the effect and its response, too; it makes for long runs.
    """

    def __init__(self, inner: Any, wait: Callable[[], None], *, responses: bool) -> None:
        self._inner = inner
        self._wait = wait
        self._responses = responses

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def slowly(*args: Any, **kwargs: Any) -> Any:
            self._wait()
            try:
                return method(*args, **kwargs)
            finally:
                if self._responses:
                    self._wait()

        return slowly


class WatchedRateLimiter:
    """A rate limiter, and a note of each permit that was asked of it."""

    def __init__(self, inner: RateLimiter, clock: ProcessClock, asked: list[Asked]) -> None:
        self._inner = inner
        self._clock = clock
        self._asked = asked
        self.line_up = inner.line_up
        self.slow_down = inner.slow_down
        self.want_activity = inner.want_activity
        self.freeze = inner.freeze

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        asked_at = self._clock.now()
        result = self._inner.reserve(account, priority, allowance=allowance, never_sent=never_sent)
        permit_at = (result.at - self._clock.skew - START).total_seconds() if isinstance(result, Permit) else None
        self._asked.append(Asked(priority, (asked_at - self._clock.skew - START).total_seconds(), permit_at))
        return result


class Wire(SandboxClient):
    """The way to Amazon and back takes its time."""

    def __init__(self, shop: Shop, clock: ProcessClock) -> None:
        super().__init__(shop.sandbox, clock)  # type: ignore[arg-type] # it asks for no more than a clock
        self.seconds_per_call = 0.0
        self._shop = shop

    def send(self, signed: SignedCall, *, seconds: float) -> HttpResponse | Fault:
        self._shop.wait(TO_AMAZON_SECONDS)
        response = super().send(signed, seconds=seconds)
        self._shop.stage.sleep(self._shop.load.amazon_seconds)
        return response

    def _arrival(self, signed: SignedCall) -> Arrival:
        # Signatures have tests of their own, and proving ten thousand takes its time.
        return Arrival(signed.call.name, signed.body, ACCESS_KEY)


class _Here:
    """`Dependencies` of whichever process the thread is."""

    def __init__(self, here: threading.local) -> None:
        self._here = here

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here.dependencies, name)


class Telemetry(FakeTelemetry):
    def flush(self) -> None:
        self.lines.clear()


class Queue:
    """`Backlog`: a queue whose messages come out in the order in which they become visible.

    Attributes:
        first_put: when each request was first put, in order.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._messages: list[tuple[datetime, int, str]] = []
        self._numbers = itertools.count()
        self.first_put: dict[str, float] = {}

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        self.first_put.setdefault(request_id, self._stage.seconds)
        visible_at = self._stage.time + timedelta(seconds=min(delay_seconds, DELAY_SECONDS_MAX))
        heapq.heappush(self._messages, (visible_at, next(self._numbers), request_id))
        return True

    def take(self) -> str | None:
        if not self._messages or self._messages[0][0] > self._stage.time:
            return None
        return heapq.heappop(self._messages)[2]

    def __len__(self) -> int:
        return len(self._messages)


class Recoveries:
    """`Recoveries` whose executions run beside everybody else."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.started: list[tuple[str, int]] = []
        self.dependencies: Dependencies | None = None

    def start(self, request_id: str, epoch: int) -> bool:
        dependencies = self.dependencies
        assert dependencies is not None
        self.started.append((request_id, epoch))
        self._stage.spawn(lambda: (run_execution(request_id, epoch, dependencies), None)[1])
        return True


class Shop:
    """Processes, callers and workers, and what came of it all.

    Attributes:
        responses: HTTP status of each caller's response, and its body, in order.
        asked: every permit that was asked for.
        swept: requests that sweeps took up.
    """

    def __init__(
        self, load: Load, *, make_rate_limiter: MakeRateLimiter = real_rate_limiter, pace: Pace | None = None
    ) -> None:
        self.load = load
        self.stage = Stage(START, START + timedelta(hours=1))
        self.chance = random.Random(load.seed)
        self.sandbox = make_sandbox(self.stage)  # type: ignore[arg-type] # it asks for no more than a clock
        self.table = Table()
        self.ledger = FakeLedger()
        self.queue = Queue(self.stage)
        self.recoveries = Recoveries(self.stage)
        self.responses: list[tuple[int, str]] = []
        self.reversals: list[tuple[str, int]] = []
        self.asked: list[Asked] = []
        self.swept: list[str] = []
        self.pace = pace or Pace()
        self._here = threading.local()
        self._busy = 0
        self._callers_left = int(load.seconds * load.per_second)
        self._processes = [self._process(skew, make_rate_limiter) for skew in load.skews]
        self.recoveries.dependencies = self._processes[0]

    def _process(self, skew: float, make_rate_limiter: MakeRateLimiter) -> Dependencies:
        clock = ProcessClock(self.stage, skew)
        numbers = itertools.count()
        rate_limiter = make_rate_limiter(
            Slow(self.table, self._wait_for_dynamodb, responses=True), self.pace, clock.now
        )
        return Ports(
            budgets=self.ledger.budgets,
            ledger=Slow(self.ledger, self._wait_for_dynamodb, responses=False),  # type: ignore[arg-type] # it has whatever it wraps
            rate_limiter=WatchedRateLimiter(rate_limiter, clock, self.asked),
            backlog=self.queue,
            amazon=Amazon(Wire(self, clock)),
            kept_pages=FakeKeptPages(),
            accounts=FakeAccounts(account()),
            vault=FakeVault(),
            recoveries=self.recoveries,
            notifier=FakeNotifier(),
            clock=clock,
            telemetry=Telemetry(),
            new_nonce=lambda: f"nonce-{skew}-{id(clock)}-{next(numbers)}",
        )

    def wait(self, between: tuple[float, float]) -> None:
        self.stage.sleep(self.chance.uniform(*between))

    def _wait_for_dynamodb(self) -> None:
        self.wait(DYNAMODB_SECONDS)

    # ---- the functions ----------------------------------------------------------------------------

    def run(self) -> Shop:
        """Let them all come, and work until nothing is left to do."""
        settings = SimpleNamespace(default_account="default", support_address=None)
        for number in range(self._callers_left):
            self.stage.spawn(lambda number=number: self._order(number), after_seconds=number / self.load.per_second)
        for number in range(int(self.load.seconds * self.load.reversals_per_second)):
            self.stage.spawn(self._reverse, after_seconds=2 + number / self.load.reversals_per_second)
        for _ in range(BACKLOG_WORKERS):
            self.stage.spawn(self._work)
        for at, limit in self.load.limits.items():
            self.stage.spawn(lambda limit=limit: self._limit(limit), after_seconds=at)
        self.stage.spawn(self._sweep)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(vars(container), "dependencies", _Here(self._here))
            patch.setitem(vars(container), "settings", settings)
            patch.setitem(vars(container), "telemetry", Telemetry())
            self.stage.run()
        return self

    def _call(self, handler: Callable[[dict[str, Any], Any], Any], event: dict[str, Any]) -> Any:
        """Invoke a function in one of the processes."""
        self._here.dependencies = self.chance.choice(self._processes)
        end = self.stage.time + timedelta(seconds=FUNCTION_SECONDS)
        left = SimpleNamespace(get_remaining_time_in_millis=lambda: (end - self.stage.time) / timedelta(milliseconds=1))
        response = handler(event, left)
        assert self.stage.time <= end, "a function took longer than it may"
        return response

    def _order(self, number: int) -> None:
        event = {
            "headers": {"Idempotency-Key": f"order-{number}"},
            "body": '{"amount": "25.00", "currencyCode": "USD"}',
            "path": "/gift-cards",
            "requestContext": {"path": "/prod/gift-cards", "identity": {"userArn": "arn:caller"}},
        }
        response = self._call(ISSUE, event)
        self.responses.append((response["statusCode"], response["body"]))
        self._callers_left -= 1

    def _reverse(self) -> None:
        reversed_before = {request_id for request_id, _ in self.reversals}
        issued = (r.request_id for r in self.ledger.records.values() if r.status is Status.SUCCEEDED)
        request_id = next((each for each in issued if each not in reversed_before), None)
        if request_id is None:
            return
        place = len(self.reversals)
        self.reversals.append((request_id, 0))
        response = self._call(
            CANCEL,
            {
                "headers": {},
                "pathParameters": {"requestId": request_id},
                "path": f"/gift-cards/{request_id}/cancel",
                "requestContext": {"path": "/prod/gift-cards/x/cancel", "identity": {"userArn": "arn:caller"}},
            },
        )
        self.reversals[place] = (request_id, response["statusCode"])

    def _work(self) -> None:
        while not self._is_over:
            request_id = self.queue.take()
            if request_id is None:
                self.stage.sleep(0.2)
                continue
            self._busy += 1
            try:
                self._call(ISSUE_QUEUED, {"Records": [{"body": json.dumps({"requestId": request_id})}]})
            except LedgerUnavailable:
                self.queue.put(request_id, delay_seconds=MESSAGE_BACK_AFTER_SECONDS)
            finally:
                self._busy -= 1

    def _sweep(self) -> None:
        while not self._is_over:
            self.stage.sleep(60)
            self.swept += self._call(SWEEP, {})["taken"]

    def _limit(self, limit: int) -> None:
        self.sandbox.world.options = changed(self.sandbox.world.options, {"perSecond": limit})

    @property
    def _is_over(self) -> bool:
        idle = not self._callers_left and not self._busy and not len(self.queue)
        return idle and not any(record.status.is_open for record in self.ledger.records.values())

    # ---- what came of it --------------------------------------------------------------------------

    @property
    def records(self) -> list[Record]:
        return list(self.ledger.records.values())
