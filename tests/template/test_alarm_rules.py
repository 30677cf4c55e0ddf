"""Alarms and the dashboard keep every rule, and each rule notices when it is broken; what they look at is counted."""

import json

import pytest

from incentives.aws.telemetry import PowertoolsTelemetry
from tests.template import rules_alarms as rules
from tests.template.emitted import FAMILIES, NAMESPACE, counted, exists, logged, ours
from tests.template.mutations import Mutation, Template, drop, of_resource, put, resource
from tests.template.rules import Rule
from tests.template.transformed import source, transform, transform_variant


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


def _alarm_of_nothing(template: Template) -> None:
    dimension = resource(template, "RecoveryFailedAlarm")["Dimensions"][0]
    dimension["Value"] = {"Fn::GetAtt": ["RecoverRequestStateMachine", "Name"]}


def _one_alarm_less(template: Template) -> None:
    del template["Resources"]["RecoveryAbortedAlarm"]


def _one_alarm_more(template: Template) -> None:
    resources = template["Resources"]
    resources["AnotherAlarm"] = json.loads(json.dumps(resources["KeyRefusedAlarm"]))
    resources["AnotherAlarm"]["Properties"]["AlarmName"] = {"Fn::Sub": "${AWS::StackName}-another"}


def _in_dashboard(old: str, new: str) -> Mutation:
    def mutate(template: Template) -> None:
        body = resource(template, "Dashboard")["DashboardBody"]
        assert old in body["Fn::Sub"]
        body["Fn::Sub"] = body["Fn::Sub"].replace(old, new)

    return mutate


def _in_query(alarm: str, old: str, new: str) -> Mutation:
    def mutate(template: Template) -> None:
        expression = resource(template, alarm)["Metrics"][0]["Expression"]
        assert old in expression["Fn::Sub"]
        expression["Fn::Sub"] = expression["Fn::Sub"].replace(old, new)

    return mutate


def _eleven_metrics(template: Template) -> None:
    metrics = resource(template, "WorkersFailingAlarm")["Metrics"]
    metrics += [{**metrics[1], "Id": f"more{number}"} for number in range(3)]


BROKEN: dict[str, tuple[Rule, Mutation]] = {
    "an alarm less": (rules.alarms_can_ring, _one_alarm_less),
    "an alarm more": (rules.alarms_can_ring, _one_alarm_more),
    "an alarm of nothing": (rules.alarms_can_ring, _alarm_of_nothing),
    "an alarm by another dimension": (
        rules.alarms_can_ring,
        put("SweepSilentAlarm", "Dimensions", 0, "Name", value="Resource"),
    ),
    "an alarm without a dimension": (rules.alarms_can_ring, drop("KeyRefusedAlarm", "Dimensions")),
    "another metric": (rules.alarms_can_ring, put("EventsFailedAlarm", "MetricName", value="Errors")),
    "a metric that nobody counts": (
        rules.alarms_can_ring,
        put("KeyRefusedAlarm", "MetricName", value="KeysRefused"),
    ),
    "one operation less": (rules.alarms_can_ring, drop("RefusalsAlarm", "Metrics", 1)),
    "a calculation everywhere": (rules.alarms_can_ring, of_resource("KeyAgeAlarm", "Condition", "IsProd")),
    "all stacks together": (
        rules.alarms_can_ring,
        put(
            "KeyAgeAlarm",
            "Metrics",
            0,
            "Expression",
            value={"Fn::Sub": 'SELECT MAX(AccessKeyAgeDays) FROM SCHEMA("IncentivesGateway", account, service)'},
        ),
    ),
    "an account unquoted in the schema": (
        rules.calculations_are_taken,
        _in_query("DaysRemainingAlarm", '"account", service)', "account, service)"),
    ),
    "an account unquoted where it groups": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", 'BY "account"', "BY account"),
    ),
    "a reserved word of any case, unquoted, as a condition": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", "WHERE service", "WHERE Account = 'a' AND service"),
    ),
    "a reserved metric unquoted": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", "(AccessKeyAgeDays)", "(Threshold)"),
    ),
    "ordered by what is no function": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", "MAX() DESC", '"account" DESC'),
    ),
    "a value in double quotes": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", "'${AWS::StackName}'", '"${AWS::StackName}"'),
    ),
    "grouped by what is not in the schema": (
        rules.calculations_are_taken,
        _in_query("KeyAgeAlarm", 'BY "account"', 'BY "operation"'),
    ),
    "looking back further than a query may": (
        rules.calculations_are_taken,
        put("KeyAgeAlarm", "EvaluationPeriods", value=4),
    ),
    "a query without a period": (rules.calculations_are_taken, drop("KeyAgeAlarm", "Metrics", 0, "Period")),
    "an unknown function": (
        rules.calculations_are_taken,
        put("RefusalsAlarm", "Metrics", 0, "Expression", value="TOTAL(METRICS())"),
    ),
    "a search": (
        rules.calculations_are_taken,
        put("RefusalsAlarm", "Metrics", 0, "Expression", value="SUM(SEARCH('{AWS/Lambda} Errors', 'Sum', 60))"),
    ),
    "an id of nothing": (
        rules.calculations_are_taken,
        put("RefusalsAlarm", "Metrics", 0, "Expression", value="createGiftCard + another"),
    ),
    "a bracket left open": (
        rules.calculations_are_taken,
        put("RefusalsAlarm", "Metrics", 0, "Expression", value="SUM(METRICS()"),
    ),
    "an id in capitals": (rules.calculations_are_taken, put("RefusalsAlarm", "Metrics", 1, "Id", value="Cards")),
    "two results": (rules.calculations_are_taken, put("RefusalsAlarm", "Metrics", 1, "ReturnData", value=True)),
    "two results unasked": (rules.calculations_are_taken, drop("RefusalsAlarm", "Metrics", 1, "ReturnData")),
    "different periods": (
        rules.calculations_are_taken,
        put("RefusalsAlarm", "Metrics", 1, "MetricStat", "Period", value=60),
    ),
    "more metrics than an alarm takes": (rules.calculations_are_taken, _eleven_metrics),
    "a dashboard's query of a reserved word": (
        rules.dashboards_are_taken,
        _in_dashboard(
            '"expression": "SEARCH(\'{IncentivesGateway,account,service} service=\\"${AWS::StackName}\\" '
            "MetricName=\\\"DaysRemaining\\\"', 'Average', 3600)\"",
            '"expression": "SELECT MIN(DaysRemaining) FROM SCHEMA(IncentivesGateway, account)"',
        ),
    ),
    "a dashboard that adds up wrongly": (rules.dashboards_are_taken, _in_dashboard('"SUM(SEARCH', '"TOTAL(SEARCH')),
    "silence taken for peace": (
        rules.alarms_ring_in_time,
        put("SweepSilentAlarm", "TreatMissingData", value="notBreaching"),
    ),
    "peace taken for silence": (
        rules.alarms_ring_in_time,
        put("KeyRefusedAlarm", "TreatMissingData", value="breaching"),
    ),
    "the other way": (
        rules.alarms_ring_in_time,
        put("DaysRemainingAlarm", "ComparisonOperator", value="GreaterThanOrEqualToThreshold"),
    ),
    "a fixed threshold": (rules.alarms_ring_in_time, put("UnknownOldAlarm", "Threshold", value=3600)),
    "an alarm nobody hears": (rules.alarms_are_heard, put("EventsLateAlarm", "AlarmActions", value=[])),
    "an alarm that is off": (rules.alarms_are_heard, put("EventsLateAlarm", "ActionsEnabled", value=False)),
    "an alarm without a word": (rules.alarms_are_heard, drop("EventsLateAlarm", "AlarmDescription")),
    "an alarm without advice": (
        rules.alarms_are_heard,
        put("EventsLateAlarm", "AlarmDescription", value="Events are late."),
    ),
    "an alarm nobody can look up": (rules.alarms_are_heard, _one_alarm_more),
    "a dashboard of another metric": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard('"OpenUnknown"', '"OpenUnknowns"'),
    ),
    "a dashboard by another dimension": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard("{IncentivesGateway,account,service}", "{IncentivesGateway,operation,service}"),
    ),
    "a dashboard of what is gone": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard("${FailuresQueue.QueueName}", "${Failures.QueueName}"),
    ),
    "a dashboard of a line nobody logs": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard("message = 'attempt'", "message = 'tried'"),
    ),
    "a dashboard by a field nobody logs": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard("by errorType,", "by kind,"),
    ),
    "an alarm not shown": (rules.dashboard_shows_what_is_there, _in_dashboard("-key-age", "-key-old")),
    "a function not shown": (
        rules.dashboard_shows_what_is_there,
        _in_dashboard('"${RotateKeysFunction}"', '"${WatchAccountFunction}"'),
    ),
    "a widget beyond the edge": (rules.dashboard_shows_what_is_there, _in_dashboard('"x": 18', '"x": 19')),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    # given the template with one rule broken
    rule, break_it = BROKEN[name]
    template = source()
    break_it(template)
    # when it is transformed and looked at
    broken = list(rule(transform_variant(template)))
    # then the rule says so
    assert broken


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(rules.RULES)


# ---- what is counted ----------------------------------------------------------------------------


def test_what_is_read_off_the_code_is_what_it_counts() -> None:
    # plain ones, by operation, put together, and of one account: each kind of call is understood
    assert {
        ("Swept", frozenset[str]()),
        ("CardWithheld", frozenset({"operation"})),
        ("Request*", frozenset({"operation"})),
        ("Account*", frozenset[str]()),
        ("DaysRemaining", frozenset({"account"})),
    } <= counted()
    assert {name for name, _ in counted() if name.endswith("*")} == FAMILIES.keys()
    assert {"RequestSucceeded", "AttemptUnknown", "AccountFailed"} <= ours().keys()
    assert {"attempt", "failed", "alertNotTold"} <= logged()


@pytest.mark.parametrize("dimensions", [{}, {"operation": "CreateGiftCard"}, {"account": "default"}])
def test_a_metric_is_kept_by_the_dimensions_that_alarms_look_at(
    dimensions: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = PowertoolsTelemetry("stack", NAMESPACE)
    name = {"operation": "RequestRefused", "account": "DaysRemaining"}.get(next(iter(dimensions), ""), "KeyRefused")
    # when it is counted
    telemetry.count(name, **dimensions)
    telemetry.flush()
    # then the log line says: by these dimensions and the service, together
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], [each["Name"] for each in directive["Metrics"]]) == (NAMESPACE, [name])
    (kept_by,) = directive["Dimensions"]
    assert set(kept_by) == {"service", *dimensions}
    # and so they say
    assert exists(NAMESPACE, name, frozenset(kept_by))
    assert not exists(NAMESPACE, name, frozenset(dimensions))
