"""Recovery, events and alarms keep every rule, and each rule notices when it is broken."""

import pytest

from tests.template import rules_recovery as rules
from tests.template.mutations import Mutation, Template, drop, of_resource, put, resource, statements
from tests.template.rules import Rule
from tests.template.transformed import source, transform, transform_variant


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


WORKFLOW = "RecoverRequestStateMachine"
STREAM = ("PublishEventsFunction", "Events", "Ledger", "Properties")
SCHEDULE = ("SweepRequestsFunction", "Events", "EveryMinute", "Properties")
BUCKET = "FailedEventsBucket"


def _wider(role: str) -> Mutation:
    def mutate(template: Template) -> None:
        statements(template, role)[0]["Action"].append("lambda:UpdateFunctionCode")

    return mutate


def _another_route_to_the_sweep(template: Template) -> None:
    events = resource(template, "SweepRequestsFunction")["Events"]
    events["Api"] = {"Type": "Api", "Properties": {"RestApiId": {"Ref": "Api"}, "Method": "post", "Path": "/sweep"}}


def _public_statement(template: Template) -> None:
    found = resource(template, "FailedEventsBucketPolicy")["PolicyDocument"]["Statement"]
    found.append({**found[0], "Effect": "Allow"})


def _alarm_of_nothing(template: Template) -> None:
    dimension = resource(template, "RecoveryFailedAlarm")["Dimensions"][0]
    dimension["Value"] = {"Fn::GetAtt": [WORKFLOW, "Name"]}


def _one_alarm_less(template: Template) -> None:
    del template["Resources"]["RecoveryAbortedAlarm"]


def _environment(template: Template) -> None:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["RECOVERY_STATE_MACHINE"] = {"Fn::Sub": "arn:aws:states:us-east-1:123456789012:stateMachine:another"}


BROKEN: dict[str, tuple[Rule, Mutation]] = {
    "an express workflow": (rules.workflow_is_quiet_and_known, put(WORKFLOW, "Type", value="EXPRESS")),
    "another workflow's ARN": (rules.workflow_is_quiet_and_known, _environment),
    "data in the log": (
        rules.workflow_is_quiet_and_known,
        put(WORKFLOW, "Logging", "IncludeExecutionData", value=True),
    ),
    "every state in the log": (rules.workflow_is_quiet_and_known, put(WORKFLOW, "Logging", "Level", value="ALL")),
    "traced unasked": (rules.workflow_is_quiet_and_known, put(WORKFLOW, "Tracing", "Enabled", value=True)),
    "another log group": (
        rules.workflow_is_quiet_and_known,
        put("RecoverRequestStateMachineLogGroup", "LogGroupName", value="/aws/states/recover-request"),
    ),
    "the unpublished function": (
        rules.workflow_is_quiet_and_known,
        put(
            WORKFLOW,
            "DefinitionSubstitutions",
            value={"RecoverRequestFunctionArn": {"Fn::GetAtt": ["RecoverRequestFunction", "Arn"]}},
        ),
    ),
    "a workflow that may do more": (rules.services_may_do_just_enough, _wider("RecoverRequestStateMachineRole")),
    "a schedule that may do more": (rules.services_may_do_just_enough, _wider("SweepScheduleRole")),
    "a role for another account": (
        rules.services_may_do_just_enough,
        drop("SweepScheduleRole", "AssumeRolePolicyDocument", "Statement", 0, "Condition"),
    ),
    "every hour": (rules.sweep_runs_every_minute, put(*SCHEDULE, "ScheduleExpression", value="rate(1 hour)")),
    "switched off": (rules.sweep_runs_every_minute, put(*SCHEDULE, "State", value="DISABLED")),
    "undelivered and lost": (rules.sweep_runs_every_minute, drop(*SCHEDULE, "DeadLetterConfig")),
    "repeated for a day": (rules.sweep_runs_every_minute, drop(*SCHEDULE, "RetryPolicy")),
    "crashed and lost": (
        rules.sweep_runs_every_minute,
        drop("SweepRequestsFunction", "EventInvokeConfig", "DestinationConfig"),
    ),
    "a queue in the clear": (rules.failures_are_kept, drop("FailuresQueue", "SqsManagedSseEnabled")),
    "a queue that forgets": (rules.failures_are_kept, put("FailuresQueue", "MessageRetentionPeriod", value=60)),
    "all or nothing": (rules.stream_is_told_at_least_once, drop(*STREAM, "FunctionResponseTypes")),
    "no bisecting": (rules.stream_is_told_at_least_once, put(*STREAM, "BisectBatchOnFunctionError", value=False)),
    "from now on": (rules.stream_is_told_at_least_once, put(*STREAM, "StartingPosition", value="LATEST")),
    "repeated for ever": (rules.stream_is_told_at_least_once, drop(*STREAM, "MaximumRetryAttempts")),
    "as old as they come": (rules.stream_is_told_at_least_once, put(*STREAM, "MaximumRecordAgeInSeconds", value=-1)),
    "given up and lost": (rules.stream_is_told_at_least_once, drop(*STREAM, "DestinationConfig")),
    "unfiltered": (rules.stream_is_told_at_least_once, drop(*STREAM, "FilterCriteria")),
    "uncounted": (rules.stream_is_told_at_least_once, drop(*STREAM, "MetricsConfig")),
    "a public bucket": (
        rules.failed_events_are_private,
        put(BUCKET, "PublicAccessBlockConfiguration", "BlockPublicPolicy", value=False),
    ),
    "a bucket in the clear": (rules.failed_events_are_private, drop(BUCKET, "BucketEncryption")),
    "a bucket that keeps for ever": (rules.failed_events_are_private, drop(BUCKET, "LifecycleConfiguration")),
    "a bucket with access lists": (rules.failed_events_are_private, drop(BUCKET, "OwnershipControls")),
    "a bucket deleted": (rules.failed_events_are_private, of_resource(BUCKET, "DeletionPolicy", "Delete")),
    "a bucket that others read": (rules.failed_events_are_private, _public_statement),
    "a topic under SNS's key": (
        rules.operators_can_be_reached,
        put("OperatorsTopic", "KmsMasterKeyId", value="alias/aws/sns"),
    ),
    "a topic for anybody": (
        rules.operators_can_be_reached,
        drop("OperatorsTopicPolicy", "PolicyDocument", "Statement", 0, "Condition"),
    ),
    "nobody subscribed": (
        rules.operators_can_be_reached,
        of_resource("OperatorsSubscription", "Condition", "IsProd"),
    ),
    "an alarm less": (rules.alarms_can_ring, _one_alarm_less),
    "an alarm of nothing": (rules.alarms_can_ring, _alarm_of_nothing),
    "an alarm by two dimensions": (
        rules.alarms_can_ring,
        put("SweepSilentAlarm", "Dimensions", 0, "Name", value="Resource"),
    ),
    "an alarm nobody hears": (rules.alarms_can_ring, put("EventsLateAlarm", "AlarmActions", value=[])),
    "silence taken for peace": (
        rules.alarms_can_ring,
        put("SweepSilentAlarm", "TreatMissingData", value="notBreaching"),
    ),
    "another metric": (rules.alarms_can_ring, put("EventsFailedAlarm", "MetricName", value="Errors")),
    "a route to the sweep": (rules.unasked_functions_are_called_by_one_thing, _another_route_to_the_sweep),
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
