"""What a million cards cost on AWS, and a month without any; beside the same with a workflow for each request.

Counted calls and items, measured CPU, list prices (`prices.py`). The workflow-per-request design does the same writes
and the same call, each as a state of a Standard workflow; that its caller would have to ask again for the outcome,
because such a workflow answers nobody, is not even counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from local.settings import ROOT
from local.template import read
from tests.bench import prices
from tests.bench.artifact import function_properties
from tests.bench.events import create, streamed
from tests.bench.growth import emulator_watched, measured_cpu
from tests.bench.operations import OPERATIONS, measure
from tests.bench.recovery import Recovered
from tests.bench.report import Line
from tests.bench.stand import Stand

MINUTES_OF_A_MONTH: Final = 43_800
HOURS_OF_A_MONTH: Final = 730

#: The states that an ordinary request passes through if it is a workflow.
WORKFLOW_STATES: Final = ("TakeSlot", "WaitForSlot", "Record", "CallAmazon", "Judge", "Close", "Succeeded")

#: Lambda sizes to compare.
SIZES: Final = (128, 256, 512, 1024, 1769)

_KB: Final = 1024


@dataclass(frozen=True)
class Card:
    """What one card uses.

    Attributes:
        cpu: milliseconds of a create's; stream_cpu: of the functions that the stream calls for it, together.
        invocations: of those.
        writes, reads: DynamoDB's units, indexes and the stream's readers included.
        events: on the bus.
        log_bytes: written by all of them.
    """

    cpu: float
    stream_cpu: float
    invocations: int
    writes: float
    reads: float
    events: int
    log_bytes: int


def a_card(stand: Stand) -> Card:
    """Count and measure one card, its way through the stream included, each record in a batch of its own."""
    with emulator_watched() as emulator:
        cpu = measured_cpu(stand, "create_gift_card", lambda _: create(), emulator, times=15)
        publish = measured_cpu(stand, "publish_events", streamed, emulator, times=5)
        count = measured_cpu(stand, "count_spend", streamed, emulator, times=5)
    log_bytes = 0
    for function in ("create_gift_card", "publish_events", "publish_events", "count_spend"):
        measure(next(each for each in OPERATIONS if each.function == function), stand)
        log_bytes += len(stand.log.getvalue().encode()) + prices.LAMBDA_LOG_BYTES
    event = streamed(stand)
    images = event["Records"][0]["dynamodb"]
    before, after = (size_of(images[name]) for name in ("OldImage", "NewImage"))
    key = next(item for item in stand.calls.puts if "status" not in item)
    writes = (
        1  # the permit
        + 2 * (_units(size_of(key)) + _units(before))  # key and record, in a transaction
        + (_units(before) + 1)  # the record in the index by day, and in the index of open ones
        + _units(after)  # its end
        + (_units(after) + 1)  # both indexes once more
        + 2 * 2  # counted, and the day's sum, in a transaction
    )
    return Card(cpu, 2 * publish + count, 3, writes, reads=1, events=1, log_bytes=log_bytes)


def cost_of_cards(card: Card, recoveries: Mapping[str, Recovered]) -> Iterable[Line]:
    """Dollars per million cards."""
    size = int(function_properties("create_gift_card")["MemorySize"])
    parts = parts_of(card, size)
    ours = sum(parts.values())
    workflow = ours + prices.MILLION * len(WORKFLOW_STATES) * prices.TRANSITION
    yield Line(
        "dollars per million cards",
        f"{ours:.2f}",
        baseline=f"a workflow for each: {workflow:.2f}, {workflow / ours:.1f} times "
        f"({len(WORKFLOW_STATES)} transitions each)",
    )
    for name, dollars in parts.items():
        yield Line(f"  {name}", f"{dollars:.2f}", baseline=f"{dollars / ours:.0%}")
    for name, each in recoveries.items():
        spent = each.transitions * prices.TRANSITION + each.invocations * _invocation(size, _seconds(card.cpu, size))
        yield Line(f"  more for each request answered {name}", f"{spent:.5f}", baseline="one answered at once: 0")


def parts_of(card: Card, size: int) -> dict[str, float]:
    """Dollars per million cards, by service."""
    lambdas = _invocation(size, _seconds(card.cpu, size))
    # What the stream calls for waits for one or two calls to AWS each.
    stream = _seconds(card.stream_cpu, size, amazon=0.0, calls=5)
    lambdas += card.invocations * prices.LAMBDA_REQUEST + stream * size / _KB * prices.LAMBDA_GB_SECOND
    return {
        "API Gateway": prices.MILLION * prices.API_REQUEST,
        f"Lambda at {size} MB": prices.MILLION * lambdas,
        f"DynamoDB, {card.writes:.0f} writes": prices.MILLION
        * (card.writes * prices.DYNAMODB_WRITE + card.reads * prices.DYNAMODB_READ),
        "EventBridge": prices.MILLION * card.events * prices.EVENT,
        f"CloudWatch Logs, {card.log_bytes} bytes": prices.MILLION * card.log_bytes / 1e9 * prices.LOG_GB,
    }


def cost_of_sizes(card: Card) -> Iterable[Line]:
    """What another size of the create would cost, in dollars and in time."""
    template = int(function_properties("create_gift_card")["MemorySize"])
    for size in SIZES:
        seconds = _seconds(card.cpu, size)
        yield Line(
            f"a create at {size} MB{' (the template)' if size == template else ''}",
            f"{seconds * 1000:.0f} ms",
            baseline=f"{prices.MILLION * _invocation(size, seconds):.2f} dollars of Lambda a million; "
            f"{_share_ms(card.cpu, size):.0f} ms of it are our own work",
        )


def cost_of_a_month(metrics: int) -> Iterable[Line]:
    """What stands still costs: one account, no card."""
    resources = read(ROOT / "template.yaml")["Resources"].values()

    def count(kind: str) -> int:
        return sum(each["Type"] == kind for each in resources)

    alarms = sum(_metrics_of(each["Properties"]) for each in resources if each["Type"] == "AWS::CloudWatch::Alarm")
    size = int(function_properties("sweep_requests")["MemorySize"])
    queries = 2 * len(WAKE_PARTITIONS)
    # An index is read eventually consistently: half a unit a query.
    sweep = _invocation(size, _seconds(5, size, amazon=0.0, calls=queries)) + queries / 2 * prices.DYNAMODB_READ
    watch = _invocation(size, _seconds(15, size, calls=6)) + 3 * prices.DYNAMODB_WRITE
    parts = {
        f"{alarms} alarm metrics": alarms * prices.ALARM_METRIC,
        f"{metrics} custom metrics of ordinary operations": metrics * prices.CUSTOM_METRIC,
        "dashboard": count("AWS::CloudWatch::Dashboard") * prices.DASHBOARD,
        f"{count('AWS::KMS::Key')} keys": count("AWS::KMS::Key") * prices.KMS_KEY,
        "secret": prices.SECRET,
        "sweep every minute, watch every hour": MINUTES_OF_A_MONTH * sweep + HOURS_OF_A_MONTH * watch,
    }
    fixed = sum(parts.values())
    yield Line("dollars a month without a card", f"{fixed:.2f}", baseline=f"a workflow for each: {fixed:.2f}, the same")
    for name, dollars in parts.items():
        yield Line(f"  {name}", f"{dollars:.2f}", baseline=f"{dollars / fixed:.0%}")


def metrics_of(log: str) -> set[tuple[str, str]]:
    """Name and dimensions of every metric in a function's log."""
    found = set()
    for line in log.splitlines():
        document = json.loads(line) if line.startswith("{") else {}
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in directive["Dimensions"]:
                values = " ".join(str(document[name]) for name in names)
                found |= {(metric["Name"], values) for metric in directive["Metrics"]}
    return found


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item as DynamoDB counts them: names and values."""
    return sum(len(name) + len(json.dumps(next(iter(value.values())))) for name, value in item.items())


def _units(size: int) -> int:
    return math.ceil(size / _KB)


def _seconds(cpu: float, size: int, *, amazon: float = prices.AMAZON_SECONDS, calls: int = 3) -> float:
    """How long an invocation takes: its own work at its share of a processor, and what it waits for."""
    return _share_ms(cpu, size) / 1000 + amazon + calls * prices.DYNAMODB_SECONDS


def _share_ms(cpu: float, size: int) -> float:
    return cpu / min(1.0, size / prices.MEGABYTES_PER_PROCESSOR)


def _invocation(size: int, seconds: float) -> float:
    return prices.LAMBDA_REQUEST + seconds * size / _KB * prices.LAMBDA_GB_SECOND


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    return max(1, sum("MetricStat" in each for each in alarm.get("Metrics", [])))
