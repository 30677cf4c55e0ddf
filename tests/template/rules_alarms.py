"""What must hold of alarms and the dashboard in the transformed template; rules as in `rules.py`.

The emulator reads no metric math and no Metrics Insights: of both only the forms that stand here are taken.
Sources: the CloudWatch guide on metric math, on the syntax, reserved words and limits of Metrics Insights, on alarms.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from incentives.aws.telemetry import FACTS
from tests.template.emitted import SERVICE, exists, logged
from tests.template.rules import Template, workers
from tests.template.transformed import ROOT, of_type, resolve

RUNBOOK = ROOT / "docs" / "operate.md"
COLUMNS = 24
# An alarm's limits: metrics in one calculation; how far it may look back, which is a week only in steps of an hour; and
# how far a query of Metrics Insights may.
METRICS_MAX = 10
HOUR = 3600
ALARM_SECONDS_MAX = 24 * HOUR
QUERY_SECONDS_MAX = 3 * HOUR
#: By metric, the parameter that says when its alarm rings.
THRESHOLDS = {
    "OpenUnknownOldest": "AlarmUnknownSeconds", "RequestRefused": "AlarmRefusals", "4XXError": "AlarmClientErrors",
    "5XXError": "AlarmServerErrors", "Latency": "AlarmLatencyMilliseconds", "DaysRemaining": "AlertDaysBelow",
    "AccessKeyAgeDays": "AlarmKeyAgeDays",
}  # fmt: skip
#: Other metrics of the stack as a whole that have an alarm.
OF_THE_WHOLE = (
    "AccountFailed", "AccountSkipped", "AlertNotTold", "KeyRefused", "Throttled", "BooksDaysLate", "BooksFailed",
    "BooksUnresolved", "BooksUnknownToLedger", "BudgetDiffers",
)  # fmt: skip
# Metric: namespace, name, and its dimensions by name.
Metric = tuple[str, str, dict[str, Any]]

_NAME = r'(?:"\w+"|\w+)'
_NAMES = rf"{_NAME}(?:, {_NAME})*"
_AGGREGATE = "(?:AVG|COUNT|MAX|MIN|SUM)"
#: Of one metric by its exact dimensions, for this stack, by every value of one dimension.
_QUERY = re.compile(
    rf"SELECT {_AGGREGATE}\((?P<metric>{_NAME})\) FROM SCHEMA\((?P<schema>{_NAMES})\) "  # noqa: S608 - a pattern
    rf"WHERE (?P<key>{_NAME}) = '(?P<value>[^']+)' GROUP BY (?P<by>{_NAME}) ORDER BY {_AGGREGATE}\(\) (?:ASC|DESC)"
)
_SUM = "SUM(METRICS())"
#: A dashboard's line: a search, or the sum of what it finds.
_SEARCH = re.compile(
    r"(?P<sum>SUM\()?SEARCH\('\{(?P<schema>\w+,\w+,\w+)\} service=\"\$\{AWS::StackName\}\" "
    r"MetricName=\"(?P<metric>\w+)\"', '(Sum|Average|Maximum)', [0-9]+\)(?(sum)\))"
)
#: An id begins with a small letter; so functions, which are in capitals, are none.
_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
#: What a dimension of an alarm has to be: of which kind of resource, and which of its attributes.
_MEANT = {
    "StateMachineArn": ("AWS::StepFunctions::StateMachine", "Ref"),
    "FunctionName": ("AWS::Lambda::Function", "Ref"),
    "EventSourceMappingUUID": ("AWS::Lambda::EventSourceMapping", "Ref"),
    # A reference to a queue is its URL.
    "QueueName": ("AWS::SQS::Queue", "QueueName"),
}
_OF_THIS_STACK = {SERVICE, "ApiName"}


@cache
def reserved() -> frozenset[str]:
    """Words that have to be quoted where they are a name; their case does not matter."""
    return frozenset(Path(__file__).with_name("metrics_insights_reserved.txt").read_text("utf-8").upper().split())


def _query(text: str) -> tuple[Metric, str] | str:
    """What a query looks at and by which dimension; or why it is not taken."""
    if (found := _QUERY.fullmatch(text)) is None:
        return f"not understood: {text}"
    schema, key, by = found["schema"].split(", "), found["key"], found["by"]
    if unquoted := {each for each in (*schema, found["metric"], key, by) if each.upper() in reserved()}:
        return f"reserved, and not quoted: {unquoted}"
    namespace, *dimensions = (each.strip('"') for each in schema)
    key, by = key.strip('"'), by.strip('"')
    value: Any = {"Ref": "AWS::StackName"} if found["value"] == "${AWS::StackName}" else found["value"]
    if {key, by} != {*dimensions}:
        return f"its schema has other dimensions than {key} and {by}"
    return (namespace, found["metric"].strip('"'), {key: value, by: "*"}), by


def _looked_at(properties: dict[str, Any]) -> Iterator[Metric]:
    """The metrics that an alarm looks at."""
    for each in [properties] if "MetricName" in properties else properties["Metrics"]:
        if "Expression" not in each:
            metric = each.get("MetricStat", {}).get("Metric", each)
            dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
            yield metric["Namespace"], metric["MetricName"], dimensions
        elif isinstance(asked := _query(_expression(each)), tuple):
            yield asked[0]


def _expression(query: dict[str, Any]) -> str:
    return str(query["Expression"].get("Fn::Sub") if isinstance(query["Expression"], dict) else query["Expression"])


def alarms_can_ring(template: Template) -> Iterator[str]:
    """Each alarm looks at a metric that somebody keeps, by the dimensions it is kept by, of what is there."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        for namespace, figure, dimensions in _looked_at(alarm["Properties"]):
            if not exists(namespace, figure, frozenset(dimensions)):
                yield f"{name} looks at what nobody keeps: {figure} by {sorted(dimensions)}"
            for dimension, value in dimensions.items():
                kind, attribute = _MEANT.get(dimension, ("", ""))
                meant: list[Any] = [
                    {"Ref": each} if attribute == "Ref" else {"Fn::GetAtt": [each, attribute]}
                    for each in of_type(template, kind)
                ]
                if dimension in _OF_THIS_STACK:
                    meant = [{"Ref": "AWS::StackName"}]
                if meant and value not in meant:
                    yield f"{name} looks at another {dimension}: {value}"
        # The emulated cloud refuses the whole stack for one that calculates.
        if (alarm.get("Condition") == "InAws") is not ("Metrics" in alarm["Properties"]):
            yield f"{name} is deployed where it cannot be, or not where it can"


def what_can_fail_is_watched(template: Template) -> Iterator[str]:
    """Each workflow, schedule, stream's reader and queue of failures has its alarms, and so has what is refused."""
    alarms = [each["Properties"] for each in of_type(template, "AWS::CloudWatch::Alarm").values()]
    watched = {
        (figure, json.dumps(value)) for each in alarms for _, figure, of in _looked_at(each) for value in of.values()
    }
    failed: dict[str, list[Any]] = {
        "ExecutionsFailed": [{"Ref": name} for name in of_type(template, "AWS::StepFunctions::StateMachine")],
        "Invocations": [
            {"Ref": each["Properties"]["Target"]["Arn"]["Fn::GetAtt"][0]}
            for each in of_type(template, "AWS::Scheduler::Schedule").values()
        ],
        "Errors": [{"Ref": name} for name in workers(template)],
        "RequestRefused": ["CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance"],
        "ApproximateNumberOfMessagesVisible": [
            {"Fn::GetAtt": [name, "QueueName"]}
            for name in of_type(template, "AWS::SQS::Queue")
            if name != "BacklogQueue"
        ],
    }
    of_the_whole = (*OF_THE_WHOLE, *(THRESHOLDS.keys() - {"RequestRefused"}))
    failed |= {figure: [{"Ref": "AWS::StackName"}] for figure in of_the_whole}
    failed["ApproximateAgeOfOldestMessage"] = [{"Fn::GetAtt": ["BacklogQueue", "QueueName"]}]
    failed["ExecutionsTimedOut"] = failed["ExecutionsAborted"] = failed["ExecutionsFailed"]
    streams = {
        name: each["Properties"]
        for name, each in of_type(template, "AWS::Lambda::EventSourceMapping").items()
        if "DestinationConfig" in each["Properties"]
    }
    failed["OnFailureDestinationDeliveredEventCount"] = [{"Ref": name} for name in streams]
    failed["IteratorAge"] = [each["FunctionName"] for each in streams.values()]
    for figure, values in failed.items():
        for value in values:
            if (figure, json.dumps(value)) not in watched:
                yield f"nobody hears of {figure} of {value}"


def alarms_ring_in_time(template: Template) -> Iterator[str]:
    """Each alarm has its own threshold. No data is bad news of schedules alone; less is bad of these and of days."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        figures = {figure for _, figure, _ in _looked_at(properties)}
        comparison = "LessThan" if figures & {"Invocations", "DaysRemaining"} else "GreaterThanOrEqualTo"
        if properties["ComparisonOperator"] != f"{comparison}Threshold":
            yield f"{name} looks the other way"
        if isinstance(properties["Threshold"], dict) or figures & THRESHOLDS.keys():
            wanted = [{"Ref": parameter} for figure, parameter in THRESHOLDS.items() if figure in figures]
            if [properties["Threshold"]] != wanted:
                yield f"{name} has the threshold of another: {properties['Threshold']}"
        if properties["TreatMissingData"] != ("breaching" if figures == {"Invocations"} else "notBreaching"):
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


def calculations_are_taken(template: Template) -> Iterator[str]:
    """CloudWatch takes what alarms calculate: their words, ids and periods, and one series or query to look at."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        queries = properties.get("Metrics", [])
        ids = [each["Id"] for each in queries]
        if len(set(ids)) != len(ids) or not all(_ID.fullmatch(each) for each in ids):
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
        asked = [_expression(each) for each in queries if "Expression" in each]
        if metrics and asked != [_SUM]:
            yield f"{name} calculates otherwise than by {_SUM}: {asked}"
        if asked and not metrics:
            yield from (f"{name}: {why}" for why in map(_query, asked) if isinstance(why, str))
        longest = ALARM_SECONDS_MAX if max(periods) < HOUR else 7 * ALARM_SECONDS_MAX
        if properties["EvaluationPeriods"] * max(periods) > (QUERY_SECONDS_MAX if asked and not metrics else longest):
            yield f"{name} looks back further than CloudWatch does"


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
        yield from _unknown_in_query(widget["properties"].get("query", ""))
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
        if (found := _SEARCH.fullmatch(row[0]["expression"])) is None:
            yield f"not understood: {row[0]['expression']}"
            return
        namespace, *dimensions = found["schema"].split(",")
        name = found["metric"]
    else:
        namespace, name, *rest = [each for each in row if not isinstance(each, dict)]
        dimensions = rest[::2]
    if not exists(namespace, name, frozenset(dimensions)):
        yield f"nobody keeps {namespace} {name} by {sorted(dimensions)}"


def _unknown_in_query(query: str) -> Iterator[str]:
    if query and re.findall(r"SOURCE '([^']+)'", query) != ["${FunctionsLogGroup}"]:
        yield f"it looks elsewhere than where functions write: {query}"
    for message in re.findall(r"message = '(\w+)'", query):
        if message not in logged():
            yield f"nobody logs {message}"
    for fields in re.findall(r" by ([^|]+)", query):
        for name in fields.split(","):
            if name.strip().strip("`") not in FACTS:
                yield f"no log line has {name.strip()}"
