"""What a million cards cost on AWS, and a month without any; beside the same with a workflow for each request.

Counted calls and items, measured CPU, list prices (`prices.py`). The workflow-per-request design does the same writes
and the same call, each as a state of a Standard workflow; that its caller would have to ask again for the outcome,
because such a workflow answers nobody, is not even counted.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, Final

from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from tests.bench import prices
from tests.bench.artifact import function_properties, template
from tests.bench.events import streamed
from tests.bench.operations import OPERATIONS, measure
from tests.bench.recovery import Recovered
from tests.bench.report import Line
from tests.bench.stand import Stand

MINUTES_OF_A_MONTH: Final = 43_800
QUARTERS_OF_A_MONTH: Final = 2_920

#: The states that an ordinary request passes through if it is a workflow, and how many times as much it costs at least.
WORKFLOW_STATES: Final = ("TakeSlot", "WaitForSlot", "Record", "CallAmazon", "Judge", "Close", "Succeeded")
WORKFLOW_TIMES_LEAST: Final = 5

_KB: Final = 1024

#: What the stream calls for a card, each record in a batch of its own: the request's, the end's.
_STREAM: Final = ("publish_events", "publish_events", "count_spend")


def cost_of_cards(stand: Stand, served: Mapping[str, Any], recovered: Mapping[str, Recovered]) -> Iterable[Line]:
    """Dollars per million cards, the way of each through the stream included; `served` tells the functions' CPU."""
    size = int(function_properties("create_gift_card")["MemorySize"])
    create, *stream = (statistics.median(served[name]["cpu"][1:]) for name in ("create_gift_card", *_STREAM))
    log_bytes = 0
    for function in ("create_gift_card", *_STREAM):
        measure(next(each for each in OPERATIONS if each.function == function), stand)
        log_bytes += len(stand.log.getvalue().encode()) + prices.LAMBDA_LOG_BYTES
    invocation = invocation_of(size, seconds_of(create, size))
    lambdas = invocation + sum(
        invocation_of(size, seconds_of(cpu, size, amazon=0.0, calls=calls))
        for cpu, calls in zip(stream, (1, 1, 2), strict=True)
    )
    writes = _writes(stand)
    parts = {
        "API Gateway": prices.API_REQUEST,
        f"Lambda at {size} MB": lambdas,
        f"DynamoDB, {writes} writes": writes * prices.DYNAMODB_WRITE + prices.DYNAMODB_READ,
        "EventBridge": prices.EVENT,
        f"CloudWatch Logs, {log_bytes} bytes": log_bytes / 1e9 * prices.LOG_GB,
    }
    ours = prices.MILLION * sum(parts.values())
    workflow = ours + prices.MILLION * len(WORKFLOW_STATES) * prices.TRANSITION
    yield Line(
        "dollars per million cards",
        f"{ours:.2f}",
        f"a workflow for each >= {WORKFLOW_TIMES_LEAST} times",
        workflow >= WORKFLOW_TIMES_LEAST * ours,
        baseline=f"{workflow:.2f}, {workflow / ours:.1f} times ({len(WORKFLOW_STATES)} transitions each)",
    )
    yield from _shares({name: prices.MILLION * dollars for name, dollars in parts.items()})
    for name, each in recovered.items():
        spent = each.transitions * prices.TRANSITION + each.invocations * invocation
        yield Line(f"  more for each request answered {name}", f"{spent:.5f}", baseline="one answered at once: 0")


def cost_of_a_month(metrics: int) -> Iterable[Line]:
    """What stands still costs: one account, no card."""
    resources = template()["Resources"].values()

    def count(kind: str) -> int:
        return sum(each["Type"] == kind for each in resources)

    alarms = [each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
    alarmed = sum(max(1, sum("MetricStat" in query for query in alarm.get("Metrics", []))) for alarm in alarms)
    size = int(function_properties("sweep_requests")["MemorySize"])
    queries = 2 * len(WAKE_PARTITIONS)
    # An index is read eventually consistently: half a unit a query.
    sweep = invocation_of(size, seconds_of(5, size, amazon=0.0, calls=queries)) + queries / 2 * prices.DYNAMODB_READ
    watching = next(each for each in OPERATIONS if each.function == "watch_account").aws
    reads = watching["dynamodb.Query"] + watching["dynamodb.BatchGetItem"]
    # The rate limiter's, the account's and the books' item.
    watch = invocation_of(size, seconds_of(25, size, calls=watching.total())) + (
        reads * prices.DYNAMODB_READ + 3 * prices.DYNAMODB_WRITE
    )
    parts = {
        f"{alarmed} alarm metrics": alarmed * prices.ALARM_METRIC,
        f"{metrics} custom metrics of ordinary operations": metrics * prices.CUSTOM_METRIC,
        "dashboard": count("AWS::CloudWatch::Dashboard") * prices.DASHBOARD,
        f"{count('AWS::KMS::Key')} keys": count("AWS::KMS::Key") * prices.KMS_KEY,
        "secret": prices.SECRET,
        "sweep every minute, watch every quarter of an hour": MINUTES_OF_A_MONTH * sweep + QUARTERS_OF_A_MONTH * watch,
    }
    yield Line("dollars a month without a card", f"{sum(parts.values()):.2f}", baseline="a workflow for each: the same")
    yield from _shares(parts)


def metrics_of(log: str) -> set[tuple[str, str]]:
    """Name and dimensions of every metric in a function's log."""
    documents = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return {
        (metric["Name"], " ".join(str(document[name]) for name in names))
        for document in documents
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", [])
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def _shares(parts: Mapping[str, float]) -> Iterable[Line]:
    whole = sum(parts.values())
    for name, dollars in parts.items():
        yield Line(f"  {name}", f"{dollars:.2f}", baseline=f"{dollars / whole:.0%}")


def _writes(stand: Stand) -> int:
    """DynamoDB's units of one card, indexes included."""
    images = streamed(stand)["Records"][0]["dynamodb"]
    before, after = (units(images[name]) for name in ("OldImage", "NewImage"))
    key = units(next(item for item in stand.calls.puts if "status" not in item))
    return (
        1  # the permit
        + 2 * (key + before)  # key and record, in a transaction
        + (before + 1)  # the record in the index by day, and in the index of open ones
        + after  # its end
        + (after + 1)  # both indexes once more
        + 2 * 2  # counted, and the day's sum, in a transaction
    )


def units(item: Mapping[str, Any]) -> int:
    """Of an item as DynamoDB counts its bytes: names and values."""
    size = sum(len(name) + len(json.dumps(next(iter(value.values())))) for name, value in item.items())
    return math.ceil(size / _KB)


def seconds_of(cpu: float, size: int, *, amazon: float = prices.AMAZON_SECONDS, calls: int = 3) -> float:
    """How long an invocation takes: its own work at its share of a processor, and what it waits for."""
    return cpu / 1000 / min(1.0, size / prices.MEGABYTES_PER_PROCESSOR) + amazon + calls * prices.DYNAMODB_SECONDS


def invocation_of(size: int, seconds: float) -> float:
    return prices.LAMBDA_REQUEST + seconds * size / _KB * prices.LAMBDA_GB_SECOND
