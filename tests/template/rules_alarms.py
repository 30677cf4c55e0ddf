"""What must hold of alarms and the dashboard in the transformed template; rules as in `rules.py`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from incentives.aws.telemetry import FACTS
from tests.template.emitted import NAMESPACE, SERVICE, exists, logged
from tests.template.metric_expressions import (
    FOR_DASHBOARDS,
    FUNCTIONS,
    ID,
    NotTakenError,
    is_query,
    read_math,
    read_query,
)
from tests.template.needs import FUNCTIONS as OURS
from tests.template.rules import Rule, Template
from tests.template.transformed import ROOT, of_type, resolve

RUNBOOK = ROOT / "docs" / "operate.md"
COLUMNS = 24
THIS_STACK = "${AWS::StackName}"
# An alarm's limits: metrics in one calculation; how far it may look back, which is a week only in steps of an hour; and
# how far a query of Metrics Insights may.
METRICS_MAX = 10
HOUR = 3600
ALARM_SECONDS_MAX = 24 * HOUR
QUERY_SECONDS_MAX = 3 * HOUR
# Metric: namespace, name, and its dimensions by name.
Metric = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True)
class Rings:
    """When an alarm rings.

    Attributes:
        metrics: what it looks at; more than one are added up.
        threshold: a number, or the parameter that sets it.
        below: whether less is bad, and not more.
        silence: whether no data is bad news.
        by: it looks at every value of this dimension by itself.
    """

    metrics: tuple[Metric, ...]
    threshold: float | str = 1
    below: bool = False
    silence: bool = False
    by: str | None = None

    @property
    def calculates(self) -> bool:
        """Whether it is more than one metric's alarm."""
        return len(self.metrics) > 1 or self.by is not None


def _of(namespace: str, name: str, **dimensions: Any) -> tuple[Metric, ...]:
    return ((namespace, name, dimensions),)


def _ours(name: str, **dimensions: str) -> tuple[Metric, ...]:
    return _of(NAMESPACE, name, service={"Ref": "AWS::StackName"}, **dimensions)


def _queue(name: str, queue: str) -> tuple[Metric, ...]:
    # A reference to a queue is its URL.
    return _of("AWS/SQS", name, QueueName={"Fn::GetAtt": [queue, "QueueName"]})


def _function(name: str, function: str) -> tuple[Metric, ...]:
    return _of("AWS/Lambda", name, FunctionName={"Ref": f"{function}Function"})


def _mapping(function: str) -> tuple[Metric, ...]:
    uuid = {"Ref": f"{function}FunctionLedger"}
    return _of("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", EventSourceMappingUUID=uuid)


def _api(name: str) -> tuple[Metric, ...]:
    return _of("AWS/ApiGateway", name, ApiName={"Ref": "AWS::StackName"})


_RECOVERY = {"StateMachineArn": {"Ref": "RecoverRequestStateMachine"}}
_ORDERS = {"StateMachineArn": {"Ref": "ProcessOrderStateMachine"}}
_ISSUED = ("CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance")
FIVE_MINUTES = 300_000
ALARMS: dict[str, Rings] = {
    "RecoveryFailedAlarm": Rings(_of("AWS/States", "ExecutionsFailed", **_RECOVERY)),
    "RecoveryTimedOutAlarm": Rings(_of("AWS/States", "ExecutionsTimedOut", **_RECOVERY)),
    "RecoveryAbortedAlarm": Rings(_of("AWS/States", "ExecutionsAborted", **_RECOVERY)),
    "OrderFailedAlarm": Rings(_of("AWS/States", "ExecutionsFailed", **_ORDERS)),
    "OrderTimedOutAlarm": Rings(_of("AWS/States", "ExecutionsTimedOut", **_ORDERS)),
    "OrderAbortedAlarm": Rings(_of("AWS/States", "ExecutionsAborted", **_ORDERS)),
    "SweepSilentAlarm": Rings(_function("Invocations", "SweepRequests"), below=True, silence=True),
    "WatchSilentAlarm": Rings(_function("Invocations", "WatchAccount"), below=True, silence=True),
    "FailuresQueuedAlarm": Rings(_queue("ApproximateNumberOfMessagesVisible", "FailuresQueue")),
    "BacklogLateAlarm": Rings(_queue("ApproximateAgeOfOldestMessage", "BacklogQueue"), threshold=3600),
    "BacklogDeadLettersAlarm": Rings(_queue("ApproximateNumberOfMessagesVisible", "BacklogDeadLetters")),
    "EventsLateAlarm": Rings(_function("IteratorAge", "PublishEvents"), threshold=FIVE_MINUTES),
    "EventsFailedAlarm": Rings(_mapping("PublishEvents")),
    "SpendLateAlarm": Rings(_function("IteratorAge", "CountSpend"), threshold=FIVE_MINUTES),
    "SpendFailedAlarm": Rings(_mapping("CountSpend")),
    "AccountFailedAlarm": Rings(_ours("AccountFailed")),
    "AccountSkippedAlarm": Rings(_ours("AccountSkipped")),
    "AlertNotToldAlarm": Rings(_ours("AlertNotTold")),
    "KeyRefusedAlarm": Rings(_ours("KeyRefused")),
    "ThrottledAlarm": Rings(_ours("Throttled"), threshold=10),
    "UnknownOldAlarm": Rings(_ours("OpenUnknownOldest"), threshold="AlarmUnknownSeconds"),
    "ApiServerErrorsAlarm": Rings(_api("5XXError"), threshold="AlarmServerErrors"),
    "ApiClientErrorsAlarm": Rings(_api("4XXError"), threshold="AlarmClientErrors"),
    "ApiSlowAlarm": Rings(_api("Latency"), threshold="AlarmLatencyMilliseconds"),
    "RefusalsAlarm": Rings(
        tuple(each for name in _ISSUED for each in _ours("RequestRefused", operation=name)), threshold="AlarmRefusals"
    ),
    "WorkersFailingAlarm": Rings(
        tuple(each for name, needs in OURS.items() if not needs.routes for each in _function("Errors", name)),
        threshold=3,
    ),
    "DaysRemainingAlarm": Rings(_ours("DaysRemaining"), threshold="AlertDaysBelow", below=True, by="account"),
    "KeyAgeAlarm": Rings(_ours("AccessKeyAgeDays"), threshold="AlarmKeyAgeDays", by="account"),
}


def _looked_at(properties: dict[str, Any]) -> list[Metric]:
    """What an alarm looks at."""
    if "MetricName" in properties:
        return [_metric(properties)]
    found = []
    for query in properties["Metrics"]:
        if "MetricStat" in query:
            found.append(_metric(query["MetricStat"]["Metric"]))
        elif is_query(text := expression_of(query)):
            try:
                asked = read_query(text)
            except NotTakenError:
                found.append((text, "", {}))
                continue
            dimensions: dict[str, Any] = dict.fromkeys(asked.schema - {*asked.by}, "*") | {**asked.where}
            of_this_stack = {SERVICE: {"Ref": "AWS::StackName"}} if asked.where.get(SERVICE) == THIS_STACK else {}
            found.append((asked.namespace, asked.metric, dimensions | of_this_stack))
    return found


def _metric(metric: dict[str, Any]) -> Metric:
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
    return metric["Namespace"], metric["MetricName"], dimensions


def _targets(metric: Metric) -> Iterator[str]:
    """The resources that a metric belongs to."""
    for value in metric[2].values():
        match value:
            case {"Ref": str(name)} if not name.startswith("AWS::"):
                yield name
            case {"Fn::GetAtt": [str(name), _]}:
                yield name
            case _:
                pass


def alarms_can_ring(template: Template) -> Iterator[str]:
    """Each alarm looks at a metric that somebody keeps, by the dimensions it is kept by, of what is there."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    if alarms.keys() != ALARMS.keys():
        yield f"alarms: {sorted(alarms.keys() ^ ALARMS.keys())}"
    for name in alarms.keys() & ALARMS.keys():
        properties, wanted = alarms[name]["Properties"], ALARMS[name]
        found = _looked_at(properties)
        if sorted(found, key=str) != sorted(wanted.metrics, key=str):
            yield f"{name} looks at other things: {found}"
        for metric in found:
            namespace, figure, dimensions = metric
            if not exists(namespace, figure, frozenset(dimensions) | ({wanted.by} if wanted.by else set())):
                yield f"{name} looks at what nobody keeps: {metric}"
            if missing := set(_targets(metric)) - template["Resources"].keys():
                yield f"{name} looks at what is not there: {missing}"
        # The emulated cloud refuses the whole stack for one that calculates.
        if alarms[name].get("Condition") != ("InAws" if wanted.calculates else None):
            yield f"{name} is deployed where it cannot be, or not where it can"


def alarms_ring_in_time(template: Template) -> Iterator[str]:
    """Each alarm has its threshold, and takes silence for what it is."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties, wanted = alarm["Properties"], ALARMS.get(name, Rings(()))
        threshold = wanted.threshold if isinstance(wanted.threshold, int | float) else {"Ref": wanted.threshold}
        if properties["Threshold"] != threshold:
            yield f"{name} has another threshold: {properties['Threshold']}"
        comparison = "LessThanThreshold" if wanted.below else "GreaterThanOrEqualToThreshold"
        if properties["ComparisonOperator"] != comparison:
            yield f"{name} looks the other way"
        if properties["TreatMissingData"] != ("breaching" if wanted.silence else "notBreaching"):
            yield f"{name} takes silence for the other thing"


def alarms_are_heard(template: Template) -> Iterator[str]:
    """Each alarm tells the operators, in words, and has a section in what they read."""
    sections = set(re.findall(r"^### `([a-z0-9-]+)`$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))
    names = set()
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        names.add(str(resolve(template, properties["AlarmName"])).removeprefix("stack-"))
        if properties.get("AlarmActions") != [{"Ref": "OperatorsTopic"}] or properties.get("ActionsEnabled") is False:
            yield f"{name} tells nobody"
        # What has happened is a sentence, what to do another.
        if len(re.findall(r"[.;](?: |$)", properties.get("AlarmDescription", ""))) <= 1:
            yield f"{name} does not say what to do"
    if names != sections:
        yield f"alarms without a section in {RUNBOOK.name}, or sections of none: {sorted(names ^ sections)}"


def dashboard_shows_what_is_there(template: Template) -> Iterator[str]:
    """The dashboard is JSON of metrics that somebody keeps, of resources that are there, of alarms and log lines."""
    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    text = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in set(re.findall(r"\$\{([A-Za-z0-9:]+)", text)):
        if not name.startswith("AWS::") and name not in template["Resources"]:
            yield f"there is no {name}"
    widgets = json.loads(text)["widgets"]
    for widget in widgets:
        if widget["x"] + widget["width"] > COLUMNS:
            yield f"a widget is beyond the edge: {widget['properties']['title']}"
        for row in widget["properties"].get("metrics", []):
            yield from _unknown_in(row)
        yield from _unknown_in_query(template, widget["properties"].get("query", ""))
    (shown,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    prefix = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    if sorted(shown) != sorted(prefix + each["Properties"]["AlarmName"]["Fn::Sub"] for each in alarms):
        yield "not every alarm is shown, or one that is not there"
    errors = {row[3] for widget in widgets for row in widget["properties"].get("metrics", []) if row[1:2] == ["Errors"]}
    if errors != {f"${{{name}}}" for name in of_type(template, "AWS::Lambda::Function")}:
        yield "not every function's errors are shown"


def _unknown_in(row: list[Any]) -> Iterator[str]:
    if isinstance(row[0], dict):
        expression = row[0]["expression"]
        schema = re.search(
            r'SEARCH\(\'\{(\w+),(\w+),(\w+)\} service="\$\{AWS::StackName\}" MetricName="(\w+)"', expression
        )
        if schema is None:
            yield f"not understood: {expression}"
            return
        namespace, first, second, name = schema.groups()
        dimensions = frozenset({first, second})
    else:
        namespace, name, *rest = [each for each in row if not isinstance(each, dict)]
        dimensions = frozenset(rest[::2])
    if not exists(namespace, name, dimensions):
        yield f"nobody keeps {namespace} {name} by {sorted(dimensions)}"


def _unknown_in_query(template: Template, query: str) -> Iterator[str]:
    groups = of_type(template, "AWS::Logs::LogGroup")
    for name in re.findall(r"SOURCE '\$\{(\w+)\}'", query):
        if name not in groups:
            yield f"there is no log group {name}"
    for message in re.findall(r"message = '(\w+)'", query):
        if message not in logged():
            yield f"nobody logs {message}"
    for fields in re.findall(r" by ([^|]+)", query):
        for name in fields.split(","):
            if name.strip().strip("`") not in FACTS:
                yield f"no log line has {name.strip()}"


def expression_of(query: dict[str, Any]) -> str:
    """The text of what an alarm or a dashboard calculates."""
    expression = query["Expression"]
    return str(expression["Fn::Sub"] if isinstance(expression, dict) else expression)


def calculations_are_taken(template: Template) -> Iterator[str]:
    """CloudWatch takes what alarms calculate: their words, ids and periods, and one series or query to look at."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        queries = properties.get("Metrics", [])
        ids = [each["Id"] for each in queries]
        if len(set(ids)) != len(ids) or not all(ID.fullmatch(each) for each in ids):
            yield f"{name} has ids that are no ids: {ids}"
        # Whatever says nothing is looked at.
        if queries and sum(each.get("ReturnData", True) for each in queries) != 1:
            yield f"{name} looks at more than one series, or at none"
        metrics = [each["MetricStat"] for each in queries if "MetricStat" in each]
        if len(metrics) > METRICS_MAX or len({each["Period"] for each in metrics}) > 1:
            yield f"{name} has more than {METRICS_MAX} metrics, or of different periods"
        periods = [each["Period"] for each in (*metrics, properties, *queries) if "Period" in each]
        if not periods or not all(isinstance(each, int) and each > 0 and each % 60 == 0 for each in periods):
            yield f"{name} has no period of whole minutes: {periods}"
            continue
        for each in queries:
            if "MetricStat" not in each:
                yield from (f"{name}: {why}" for why in _not_taken(expression_of(each), set(ids), FUNCTIONS))
                if is_query(expression_of(each)) and len(queries) > 1:
                    yield f"{name} has more than its query"
        asks = any("MetricStat" not in each and is_query(expression_of(each)) for each in queries)
        longest = QUERY_SECONDS_MAX if asks else ALARM_SECONDS_MAX if max(periods) < HOUR else 7 * ALARM_SECONDS_MAX
        if properties["EvaluationPeriods"] * max(periods) > longest:
            yield f"{name} looks back further than {longest} s"


def dashboards_are_taken(template: Template) -> Iterator[str]:
    """CloudWatch takes what the dashboard calculates."""
    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]:
        rows = [each for row in widget["properties"].get("metrics", []) for each in row if isinstance(each, dict)]
        ids = {each["id"] for each in rows if "id" in each}
        for each in rows:
            if "expression" in each:
                title = widget["properties"]["title"]
                yield from (f"{title}: {why}" for why in _not_taken(each["expression"], ids, FOR_DASHBOARDS))


def _not_taken(text: str, ids: set[str], functions: set[str]) -> Iterator[str]:
    try:
        if is_query(text):
            read_query(text)
        else:
            read_math(text, ids, functions)
    except NotTakenError as why:
        yield f"{why}: {text}"


RULES: tuple[Rule, ...] = (
    alarms_can_ring,
    alarms_ring_in_time,
    alarms_are_heard,
    dashboard_shows_what_is_there,
    calculations_are_taken,
    dashboards_are_taken,
)
