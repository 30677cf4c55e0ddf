"""What the books of one account cost a day, and what judging a busy day takes: 100 and 10,000 cards of it.

An ordinary day of them is ninety-six watches, the first round of the day before, and the total of the day before that:
the real functions and adapters under a clock of their own, in a process for each size. Amazon's page is written here.
Calls and units are counted; Lambda's seconds hold the emulator's CPU, which is in the same process: they are too high.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from botocore.client import BaseClient

from incentives.agcod.transport import HttpResponse
from incentives.domain.reconciliation.windows import EXPECTED_MAX
from incentives.usecases.reconciliation.rounds import PAGE_EVERY_SECONDS, PAGES_MAX
from local.settings import PARTNER_ID, ROOT
from sandbox.model.values import Money, java_date
from tests.bench import prices
from tests.bench.artifact import function_properties
from tests.bench.dollars import invocation_of, seconds_of
from tests.bench.events import Event, a_task, issued, item_of, request
from tests.bench.ground import Base, lay_under, like
from tests.bench.recovery import EVENTS_MAX
from tests.bench.report import Line
from tests.bench.stand import Stand, standing
from tests.books.big_day import measured_alone
from tests.support.fakes import FakeClock
from tests.workflow.engine import FUNCTION_ARN, Stage, running
from tests.workflow.histories import read_execution

SIZES: Final = (100, 10_000)

#: Rows of the busy day that is judged.
JUDGED: Final = 100_000

#: What the pace leaves of Amazon's ten requests a second, in a day.
LARGEST: Final = 700_000

#: Of the function's memory and time-out, judging a day of the largest size may take so much.
SHARE_MAX: Final = 0.5

_WATCH, _TASK, _TELL = "watch_account", "reconcile_account", "publish_events"
_PAGE: Final = "GetGiftCardActivityPage"
_INDEX: Final = "by-account-day"
_PREFIX: Final = f"{PARTNER_ID}BOOK"
_DAY: Final = timedelta(days=1)
_QUARTERS: Final = 96
_DAYS_OF_A_MONTH: Final = 365 / 12
_KB: Final = 1024

#: No card is issued in the first and in the last minute of a day: its level at midnight is known to the cent.
_STILL: Final = 60
_DOLLARS: Final = 25


@dataclass
class Spent:
    """What was counted.

    Attributes:
        aws, amazon: calls.
        reads, writes: DynamoDB's units.
        put, got: bytes of S3's objects.
        days_written: items of days; each is a call of the function that tells of them.
        invocations, dollars: of each function.
        transitions: of Step Functions.
        pages: that Amazon was asked for.
    """

    aws: Counter[str] = field(default_factory=Counter)
    amazon: int = 0
    reads: float = 0.0
    writes: int = 0
    put: int = 0
    got: int = 0
    days_written: int = 0
    invocations: Counter[str] = field(default_factory=Counter)
    gb_seconds: float = 0.0
    lambdas: float = 0.0
    transitions: int = 0
    pages: int = 0

    def note(self, service: str, operation: str, params: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """A call to AWS."""
        self.aws[f"{service}.{operation}"] += 1
        match operation:
            case "GetItem":
                self.reads += _read([response.get("Item", {})], params)
            case "BatchGetItem":
                (asked,), (items,) = params["RequestItems"].values(), response["Responses"].values()
                self.reads += sum(_read([item], asked) for item in items)
            case "Query":
                self.reads += _read(response["Items"], params)
            case "PutItem":
                self.writes += _units(params["Item"])
                self.days_written += params["Item"].get("part", {}).get("S", "").startswith("day#")
            case "UpdateItem":
                # The rate limiter's, and the account's.
                self.writes += 1
            case "PutObject":
                self.put += params["Body"].getbuffer().nbytes
            case "GetObject":
                self.got += int(response["ContentLength"])
            case "TransactWriteItems":
                raise RuntimeError("an ordinary day has no transaction")

    def run(self, function: str, cpu: float, calls: int, amazon: int) -> None:
        """A function has been called, for so many milliseconds of CPU."""
        size = int(function_properties(function)["MemorySize"])
        seconds = seconds_of(cpu, size, amazon=amazon * prices.AMAZON_SECONDS, calls=calls)
        self.invocations[function] += 1
        self.gb_seconds += seconds * size / _KB
        self.lambdas += invocation_of(size, seconds)

    def parts(self) -> dict[str, float]:
        """Dollars, by what they are for; a month's storage of the files among them."""
        return {
            "DynamoDB": self.reads * prices.DYNAMODB_READ + self.writes * prices.DYNAMODB_WRITE,
            "Lambda": self.lambdas,
            "Step Functions": self.transitions * prices.TRANSITION,
            "S3": self.aws["s3.PutObject"] * prices.S3_PUT
            + self.aws["s3.GetObject"] * prices.S3_GET
            + self.put / 1e9 * prices.S3_GB,
            "Secrets Manager": self.aws["secretsmanager.GetSecretValue"] * prices.SECRET_CALL,
        }


def _size(item: Mapping[str, Any]) -> int:
    """Of an item as DynamoDB counts its bytes: names and values."""
    return sum(len(name) + len(json.dumps(next(iter(value.values())))) for name, value in item.items())


def _units(item: Mapping[str, Any]) -> int:
    return max(1, math.ceil(_size(item) / _KB))


def _read(items: Iterable[Mapping[str, Any]], params: Mapping[str, Any]) -> float:
    return max(1, math.ceil(sum(map(_size, items)) / 4 / _KB)) * (1.0 if params.get("ConsistentRead") else 0.5)


# ---- keeping the books: in a process of its own --------------------------------------------------------------


class Keeper:
    """Three days of an account: on the first two it issues cards, and the third is counted.

    Args:
        stand: what its functions lean on.
        size: how many cards it issues a day.
    """

    def __init__(self, stand: Stand, size: int) -> None:
        self.stand, self.size, self.spent = stand, size, Spent()
        record = item_of(stand, issued(stand))
        # The last day of a month is a month to be closed.
        after = stand.clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0) + 64 * _DAY
        self.first = after.replace(day=1) - _DAY
        stand.clock.sleep((self.first - stand.clock.now()).total_seconds())
        still = (86_400 - 2 * _STILL) / size
        starts = [int(day.timestamp()) + _STILL for day in (self.first, self.first + _DAY)]
        self._times = [start + int(number * still) for start in starts for number in range(size)]
        self._started: list[Event] = []
        self._funds = Decimal(10_000_000)

        def key(number: int) -> tuple[str, str]:
            at = datetime.fromtimestamp(self._times[number], UTC)
            return f"default#{at:%Y-%m-%d}", f"{at:%Y-%m-%dT%H:%M:%S}.000Z#{_name(number)}"

        def item(partition: str, sort: str) -> dict[str, Any]:
            at, _, known = sort.partition("#")
            times = dict.fromkeys(("createdAt", "updatedAt", "firstSentAt", "lastSentAt", "answeredAt"), at)
            return like(record, id=known, accountDay=partition, createdKey=sort, **times)

        numbers = range(len(self._times))
        self._base = Base(map(key, numbers), item, lambda known, _: _number(known), _INDEX)
        lay_under(stand.environment["LEDGER_TABLE"], self._base)

    def keep(self) -> None:
        """Let the three days pass; of the last one everything is counted."""
        due: list[tuple[datetime, int, Event | None]] = [
            (self.first + quarter * timedelta(minutes=15), quarter, None) for quarter in range(3 * _QUARTERS)
        ]
        numbers = itertools.count(len(due))
        while due:
            at, _, task = heapq.heappop(due)
            self.stand.clock.sleep((at - self.stand.clock.now()).total_seconds())
            if at == self.first + 2 * _DAY:
                self.spent = Spent()
            if task is None:
                self._pay()
            told = self.run(_TASK if task else _WATCH, task or {})
            after = [(self.stand.clock.now(), a_task(each)) for each in self._started]
            if task:
                done = told["next"] == "Done"
                # The states of the task and of what comes next, a wait, and those at both ends.
                self.spent.transitions += 2 + bool(told["waitSeconds"]) + done + (task["task"] == "Plan")
                wait = timedelta(seconds=told["waitSeconds"])
                after += [] if done else [(self.stand.clock.now() + wait, a_task(told))]
            self._started.clear()
            for moment, event in after:
                heapq.heappush(due, (moment, next(numbers), event))
        for _ in range(self.spent.days_written):
            self.spent.run(_TELL, 5.0, 1, 0)

    def run(self, function: str, event: Event) -> Any:
        """Invoke a function, counted and priced."""
        calls, begun = self.stand.fresh_count(), time.process_time()
        told = self.stand.run(function, event)
        cpu = (time.process_time() - begun) * 1000
        self.spent.run(function, cpu, calls.aws.total(), len(calls.amazon))
        self.spent.amazon += len(calls.amazon)
        self.spent.pages += calls.amazon.count(_PAGE)
        return told

    def close(self) -> Spent:
        """Close the month, whose last day it is that was first."""
        self.spent = Spent()
        month = f"{self.first:%Y-%m}"
        opening = {"opening": {"amount": str(self._funds), "source": "portal"}}
        response = self.run(
            "close_month", request("/closes/{account}/{month}", opening, account="default", month=month)
        )
        if response["statusCode"] != 202:
            raise RuntimeError(f"the month was not closed: {response['body']}")
        return self.spent

    def note(self, service: str, operation: str, params: dict[str, Any], response: dict[str, Any]) -> None:
        """A call to AWS has been answered."""
        self.spent.note(service, operation, params, response)
        if operation == "StartExecution":
            self._started.append(json.loads(params["input"]) | {"next": "Plan", "pages": 0})

    def cards(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A page of the ledger's cards of a day: what moto makes of a thousand of them takes minutes."""
        values = {name: value["S"] for name, value in params["ExpressionAttributeValues"].items()}
        partition, limit = values.pop(":partition"), params["Limit"]
        condition = "<" if values else None
        found = self._base.between(partition, condition, [*values.values()], forward=False, limit=limit)
        return {"Items": found[:limit]} | ({"LastEvaluatedKey": {}} if len(found) > limit else {})

    def _pay(self) -> None:
        """Have the sandbox's balance follow the cards, and what is counted of each day."""
        now = self.stand.clock.now()
        issued_by_now = bisect_right(self._times, int(now.timestamp()))
        self.stand.sandbox.world.set_balance(PARTNER_ID, now, Money(self._funds - _DOLLARS * issued_by_now, "USD"))
        for number in range(2):
            count = min(max(issued_by_now - number * self.size, 0), self.size)
            counted = {"USD#CreateGiftCard#minor": _DOLLARS * 100 * count, "USD#CreateGiftCard#count": count}
            key = {"account": {"S": "default"}, "part": {"S": f"day#{self.first + number * _DAY:%Y-%m-%d}"}}
            item = key | {name: {"N": str(value)} for name, value in counted.items()}
            self.stand.client().put_item(TableName=self.stand.environment["ACCOUNT_TABLE"], Item=item)

    def page(self, asked: Mapping[str, Any]) -> HttpResponse:
        """Amazon's page, ends included."""
        start, end = (
            int(datetime.fromisoformat(asked[name]).replace(tzinfo=UTC).timestamp())
            for name in ("utcStartDate", "utcEndDate")
        )
        numbers = range(bisect_left(self._times, start), bisect_right(self._times, end))
        page = {
            "cardActivityList": [self._row(number) for number in numbers[: asked["pageSize"]]],
            "pageIndex": 0,
            "requestId": asked["requestId"],
            "status": "SUCCESS",
            "totalNumberOfTransactionsInRequestedTimeFrame": len(numbers),
        }
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(page).encode())

    def _row(self, number: int) -> dict[str, Any]:
        return {
            "activityStatus": "Success",
            "activityTime": java_date(datetime.fromtimestamp(self._times[number], UTC)),
            "activityType": "GCCreation",
            "cardNumber": None,
            "cardValue": {"amount": float(_DOLLARS), "currencyCode": "USD"},
            "failureCode": None,
            "gcId": f"A{number:013d}",
            "isRealOp": "true",
            "partnerId": PARTNER_ID,
            "requestId": _name(number),
        }


def _name(number: int) -> str:
    return f"{_PREFIX}{number:031d}"


def _number(known: str) -> int | None:
    return int(known.removeprefix(_PREFIX)) if known.startswith(_PREFIX) else None


def _kept(size: int) -> dict[str, Any]:
    """What is to be told of the books of so many cards a day."""
    keeper: Keeper | None = None
    make_call = BaseClient._make_api_call  # type: ignore[attr-defined] # the stubs leave it out

    def called(client: Any, operation: str, params: dict[str, Any]) -> Any:
        is_of_cards = keeper is not None and operation == "Query" and params.get("IndexName") == _INDEX
        return keeper.cards(params) if keeper is not None and is_of_cards else make_call(client, operation, params)

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        # Below the stand, which counts it.
        patch.setattr(BaseClient, "_make_api_call", called)
        stand = stack.enter_context(standing())
        keeper = Keeper(stand, size)
        note, send = stand.note, stand.send

        def noted(*call: Any) -> None:
            note(*call)
            keeper.note(*call)

        def sent(signed: Any, *, seconds: float) -> Any:
            if signed.call.name == _PAGE:
                stand.calls.amazon.append(_PAGE)
                return keeper.page(json.loads(signed.body))
            return send(signed, seconds=seconds)

        patch.setattr(stand, "note", noted)
        patch.setattr(stand, "send", sent)
        keeper.keep()
        day = keeper.spent
        close = keeper.close() if size == SIZES[0] else Spent()
    return {"day": vars(day), "parts": day.parts(), "close": vars(close)}


# ---- what is told --------------------------------------------------------------------------------------------


def cost_of_books() -> Iterable[Line]:
    """Each size, a month's close, judging the largest day of them, and a larger one by calculation."""
    found = {size: _in_a_process(size) for size in SIZES}
    for size, told in found.items():
        yield from _of_a_day(size, told)
    close = found[SIZES[0]]["close"]
    yield Line(
        "a month's close",
        f"{sum(close['aws'].values())} AWS",
        baseline=", ".join(f"{name.partition('.')[2]} {number}" for name, number in sorted(close["aws"].items()))
        + "; a month of one day: one more object is read for each more",
    )
    yield from _of_judging()
    yield from _of_the_largest()


def _in_a_process(size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.books", str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the books of {size} cards were not kept:\n{done.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _of_a_day(size: int, told: Mapping[str, Any]) -> Iterator[Line]:
    day, parts = told["day"], told["parts"]
    dollars = sum(parts.values())
    yield Line(
        f"books, {size:,} cards a day: calls a day",
        f"{sum(day['aws'].values()):,} AWS, {day['amazon']} Amazon",
        baseline=f"{_QUARTERS} balances, {day['pages']} pages",
    )
    yield Line(
        "  of DynamoDB and S3",
        f"{day['reads']:,.0f} read units, {day['writes']:,} write units",
        baseline=f"{day['aws'].get('s3.PutObject', 0)} files of {day['put'] / 1e6:.2f} MB put, "
        f"{day['aws'].get('s3.GetObject', 0)} of {day['got'] / 1e6:.2f} MB read",
    )
    yield Line(
        "  of Lambda and Step Functions",
        f"{day['gb_seconds']:,.0f} GB seconds, {day['transitions']} transitions",
        baseline=", ".join(f"{name} {number}" for name, number in sorted(day["invocations"].items())),
    )
    yield Line(
        "  dollars a day",
        f"{dollars:.4f}",
        baseline=f"{dollars * _DAYS_OF_A_MONTH:.2f} a month; "
        + ", ".join(f"{name} {part / dollars:.0%}" for name, part in parts.items()),
    )


def _of_judging() -> Iterator[Line]:
    properties = function_properties(_TASK)
    memory, timeout = int(properties["MemorySize"]), int(properties["Timeout"])
    seconds, megabytes, rows = map(float, measured_alone(JUDGED))
    if rows != JUDGED:
        raise RuntimeError(f"of {JUDGED} rows {rows:.0f} were judged")
    yield Line(
        f"judging {JUDGED:,} rows",
        f"{seconds:.0f} s, {megabytes:.0f} MB",
        f"<= {SHARE_MAX * timeout:.0f} s, {SHARE_MAX * memory:.0f} MB",
        seconds <= SHARE_MAX * timeout and megabytes <= SHARE_MAX * memory,
        baseline=f"the function's: {timeout} s, {memory} MB; AWS's answers come at once here",
    )


def _of_the_largest() -> Iterator[Line]:
    pages = math.ceil(LARGEST / EXPECTED_MAX) + 1
    yield Line(
        f"a day of {LARGEST:,} rows, calculated",
        f"{pages} pages, {pages * PAGE_EVERY_SECONDS // 60} minutes",
        "within a day",
        pages * PAGE_EVERY_SECONDS <= 86_400,
        baseline=f"{math.ceil(pages / PAGES_MAX)} executions of at most {PAGES_MAX} pages",
    )
    states, events_ = _execution(PAGES_MAX)
    yield Line(
        f"an execution of {PAGES_MAX} pages",
        f"{events_:,} events, {states:,} transitions",
        f"<= {EVENTS_MAX:,} events",
        events_ <= EVENTS_MAX,
        baseline="the real definition",
    )


def _execution(pages: int) -> tuple[int, int]:
    """States and events of the real definition, for so many pages."""
    text = (ROOT / "functions" / _TASK / f"{_TASK}.asl.json").read_text(encoding="utf-8")

    def task(event: dict[str, Any]) -> dict[str, Any]:
        fetched = event["pages"] + (event["task"] == "Fetch")
        following = "Done" if event["task"] == "Judge" else "Fetch" if fetched < pages else "Judge"
        told = {name: event[name] for name in ("account", "day", "round")}
        return told | {"pages": fetched, "next": following, "waitSeconds": 60 if event["task"] == "Fetch" else 0}

    with running(text.replace("${ReconcileAccountFunctionArn}", FUNCTION_ARN)) as engine:
        engine.stage, engine.function = Stage(FakeClock()), task
        given = json.dumps({"account": "default", "day": "2026-11-22", "round": 1})
        engine.client.start_execution(stateMachineArn=engine.state_machine_arn, name="bench-1", input=given)
        engine.stage.run()
        execution = read_execution(engine, "bench", 1)
        return len(execution.states), len(execution.events)


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(_kept(int(sys.argv[1])))}\n")
