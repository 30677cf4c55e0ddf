"""`make load`: more orders than Amazon takes, in real time, from several processes; exits 1 if a promise is broken.

Real functions, a real rate limiter and a real client in each process. Its ledger and its queue are in memory: the
emulated cloud could not carry them beside the rate limiter's table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

from incentives.bootstrap import container
from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Allowance, Full, Pace, Permit, Priority
from incentives.domain.single_requests.record import Status
from local.settings import PARTNER_ACCESS_KEY_ID, PARTNER_ID, PARTNER_SECRET_ACCESS_KEY
from tests.bench import cloud, events
from tests.bench.pacing import rate_lines
from tests.bench.report import Line, show
from tests.contract.tables import create_table
from tests.support.fakes import FakeAccounts, FakeKeptPages, FakeLedger, FakeNotifier, FakeTelemetry, FakeVault, account
from tests.support.ports import Ports
from tests.support.workflow import run_execution
from tests.workflow.scene import load

#: Seconds by which the processes' clocks are ahead.
SKEWS: Final = (-0.2, 0.0, 0.2)

FUNCTION_SECONDS: Final = 25.0

#: Threads of each process. Most callers are answered at once: there is no permit for them.
CALLERS: Final = 40
WORKERS: Final = 3

#: Of a call to Amazon, more than it ever takes: whatever is under way ends meanwhile.
UNDER_WAY_SECONDS: Final = 30.0


@dataclass
class Result:
    """What came of a process.

    Attributes:
        responses: HTTP statuses; to reversals.
        told_of_throttle: answers that speak of it.
        reversal_waits: seconds for a permit; None where there was none.
        late: seconds by which the last order was placed later than planned.
        records: request id, card id, status.
    """

    responses: Counter[int] = field(default_factory=Counter)
    told_of_throttle: int = 0
    reversals: Counter[int] = field(default_factory=Counter)
    reversal_waits: list[float | None] = field(default_factory=list)
    late: float = 0.0
    records: list[tuple[str, str | None, str]] = field(default_factory=list)


class _RateLimiter(DynamoDbRateLimiter):
    """Tells `waits.here`, a list of the thread that reverses a card, for how long it waits for its permit."""

    waits = threading.local()

    def reserve(self, account: str, priority: Priority, *, allowance: Allowance | None = None) -> Permit | Full:
        asked_at = self._now()
        result = super().reserve(account, priority, allowance=allowance)
        if hasattr(self.waits, "here"):
            permit = isinstance(result, Permit)
            self.waits.here.append(max(0.0, (result.at - asked_at).total_seconds()) if permit else None)
        return result


class _Backlog(queue.Queue[Any]):
    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:  # type: ignore[override] # it is a port
        timer = threading.Timer(delay_seconds, super().put, [request_id])
        timer.daemon = True
        timer.start()
        return True


class _Telemetry(FakeTelemetry):
    def flush(self) -> None:
        self.lines.clear()


class _Process:
    """Callers and workers of one process, the first of which reverses a card each second."""

    def __init__(self, number: int, dynamodb: str, table: str, sandbox: str) -> None:
        self.number, self.result = number, Result()
        self.ledger, self.backlog, self.telemetry = FakeLedger(), _Backlog(), _Telemetry()
        clock = SimpleNamespace(
            now=lambda: datetime.now(UTC) + timedelta(seconds=SKEWS[number]),
            sleep=lambda seconds: time.sleep(max(0.0, seconds)),
        )
        keys: dict[str, Any] = {
            "partner_id": PARTNER_ID,
            "access_key_id": PARTNER_ACCESS_KEY_ID,
            "secret_access_key": type(account().secret_access_key)(PARTNER_SECRET_ACCESS_KEY),
        }
        dependencies = Ports(
            ledger=self.ledger,
            rate_limiter=_RateLimiter(cloud.client(dynamodb), table, pace=Pace(), now=clock.now),
            backlog=self.backlog,
            amazon=Amazon(IncentivesClient(sandbox, wall=clock.now)),
            kept_pages=FakeKeptPages(),
            accounts=FakeAccounts(account(**keys)),
            vault=FakeVault(),
            recoveries=SimpleNamespace(start=lambda request_id, epoch: self._recover(request_id, epoch, dependencies)),  # type: ignore[arg-type]
            notifier=FakeNotifier(),
            clock=clock,
            telemetry=self.telemetry,
            new_nonce=lambda: uuid.uuid4().hex,
        )
        vars(container).update(
            dependencies=dependencies,
            settings=SimpleNamespace(default_account="default", support_address=None),
            telemetry=self.telemetry,
        )
        self._issue, self._cancel, self._issue_queued = map(
            load, ("create_gift_card", "cancel_gift_card", "issue_queued")
        )

    def live(self, per_second: float, seconds: float) -> Result:
        """Place orders at their times, whether or not earlier ones have been answered, and work meanwhile."""
        begin, over = time.monotonic(), threading.Event()
        with ThreadPoolExecutor(WORKERS) as workers, ThreadPoolExecutor(CALLERS) as callers:
            under_way = [workers.submit(self._work, over) for _ in range(WORKERS)]
            if not self.number:
                threading.Thread(target=self._reverse_each_second, args=(begin, seconds), daemon=True).start()
            for order in range(int(seconds * per_second)):
                due = begin + order / per_second
                time.sleep(max(0.0, due - time.monotonic()))
                under_way.append(callers.submit(self._place, due))
            time.sleep(max(0.0, begin + seconds - time.monotonic()))
            over.set()
        for each in under_way:
            each.result()
        end = time.monotonic() + UNDER_WAY_SECONDS
        while any(r.status.is_open and r.in_flight for r in self.ledger.records.values()) and time.monotonic() < end:
            time.sleep(0.2)
        self.result.records = [(r.request_id, r.gc_id, r.status.value) for r in self.ledger.records.values()]
        return self.result

    def _place(self, due: float) -> None:
        self.result.late = max(self.result.late, time.monotonic() - due)
        response = self._call(self._issue, events.create(uuid.uuid4().hex))
        self.result.responses[response["statusCode"]] += 1
        self.result.told_of_throttle += "throttl" in response["body"].lower()

    def _reverse_each_second(self, begin: float, seconds: float) -> None:
        taken: set[str] = set()
        for second in range(1, int(seconds)):
            time.sleep(max(0.0, begin + second - time.monotonic()))
            issued = {r.request_id for r in list(self.ledger.records.values()) if r.status is Status.SUCCEEDED} - taken
            for request_id in sorted(issued)[:1]:
                taken.add(request_id)
                threading.Thread(target=self._reverse, args=(request_id,), daemon=True).start()

    def _reverse(self, request_id: str) -> None:
        _RateLimiter.waits.here = self.result.reversal_waits
        event = events.request("/gift-cards/{requestId}/cancel", requestId=request_id)
        self.result.reversals[self._call(self._cancel, event)["statusCode"]] += 1

    def _work(self, over: threading.Event) -> None:
        while not over.is_set():
            with suppress(queue.Empty):
                request_id = self.backlog.get(timeout=0.2)
                try:
                    self._call(self._issue_queued, {"Records": [{"body": json.dumps({"requestId": request_id})}]})
                except LedgerUnavailable:
                    self.backlog.put(request_id, delay_seconds=1.0)

    @staticmethod
    def _recover(request_id: str, epoch: int, dependencies: Ports) -> bool:
        threading.Thread(target=run_execution, args=(request_id, epoch, dependencies), daemon=True).start()
        return True

    def _call(self, handler: Callable[[dict[str, Any], Any], Any], event: dict[str, Any]) -> Any:
        end = time.monotonic() + FUNCTION_SECONDS
        return handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: (end - time.monotonic()) * 1000))


def _live(task: tuple[Any, ...]) -> Result:
    number, dynamodb, table, sandbox, per_second, seconds = task
    return _Process(number, dynamodb, table, sandbox).live(per_second / len(SKEWS), seconds)


def main(arguments: list[str]) -> int:
    """Run the load and print what was measured."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__.partition("\n")[0])
    parser.add_argument("--per-second", type=float, default=100.0, help="orders a second, of all processes together")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which orders come")
    options = parser.parse_args(arguments)
    with cloud.dynamodb() as dynamodb, cloud.sandbox() as sandbox:
        table = create_table(cloud.client(dynamodb), "PacerTable")
        tasks = [(n, dynamodb, table, sandbox, options.per_second, options.seconds) for n in range(len(SKEWS))]
        with multiprocessing.get_context("spawn").Pool(len(SKEWS)) as pool:
            results = pool.map(_live, tasks, chunksize=1)
        report = cloud.ask_sandbox(sandbox, "report")
    planned = sum(int(options.seconds * options.per_second / len(SKEWS)) for _ in SKEWS)
    return 0 if show(_lines(planned, results, report)) else 1


def _lines(planned: int, results: list[Result], report: dict[str, Any]) -> Iterable[Line]:
    responses, reversals = (
        sum((getattr(r, name) for r in results), Counter[int]()) for name in ("answers", "reversals")
    )
    told, placed = sum(result.told_of_throttle for result in results), responses.total()
    yield Line("orders placed", f"{placed} of {planned}", "all", placed == planned)
    yield Line("the last one later than planned by", f"{max(result.late for result in results):.1f} s")
    yield Line("answers", _counts(responses), "201 or 202", set(responses) <= {201, 202})
    yield Line("answers that speak of a throttle", str(told), "none", not told)
    yield from rate_lines("calls while orders came", (call["tick"] for call in report["calls"]))
    throttled = sum(call["outcome"] == "ThrottlingException" for call in report["calls"])
    yield Line("  throttled", str(throttled), "none", not throttled)
    waits = [wait for result in results for wait in result.reversal_waits]
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    yield Line("reversals", _counts(reversals))
    yield Line("  longest wait for a permit", f"{longest:.2f} s", "at most 2 s", longest <= WAIT_SECONDS_MAX)
    yield Line("  without a permit", str(waits.count(None)), "none", None not in waits)
    records = sorted(record for result in results for record in result.records if not Status(record[2]).is_open)
    activity = sorted(
        (card["requestId"], card["gcId"], "REVERSED" if card["status"] == "RefundedToPurchaser" else "SUCCEEDED")
        for card in report["cards"]
    )
    yield Line(
        "closed in the ledger / cards at Amazon", f"{len(records)} / {len(activity)}", "the same", records == activity
    )


def _counts(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
