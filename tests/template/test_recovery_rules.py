"""Workflows, schedules, queues, streams and events keep every rule, and each rule notices when it is broken."""

import copy

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
SPEND = ("CountSpendFunction", "Events", "Ledger", "Properties")
WATCH = ("WatchAccountFunction", "Events", "EveryHour", "Properties")
BUCKET = "FailedEventsBucket"
BACKLOG = "BacklogQueue"
WORKER = ("IssueQueuedFunction", "Events", "Backlog", "Properties")


def _wider(role: str) -> Mutation:
    def mutate(template: Template) -> None:
        statements(template, role)[0]["Action"].append("lambda:UpdateFunctionCode")

    return mutate


def _childless(template: Template) -> None:
    found = statements(template, "ProcessOrderStateMachineRole")
    found[:] = [each for each in found if each["Sid"] != "Children"]


def _another_route_to_the_sweep(template: Template) -> None:
    events = resource(template, "SweepRequestsFunction")["Events"]
    events["Api"] = {"Type": "Api", "Properties": {"RestApiId": {"Ref": "Api"}, "Method": "post", "Path": "/sweep"}}


def _rotated_by_itself(template: Template) -> None:
    events = copy.deepcopy(resource(template, "SweepRequestsFunction")["Events"])
    resource(template, "RotateKeysFunction")["Events"] = events


def _public_statement(template: Template) -> None:
    found = resource(template, "FailedEventsBucketPolicy")["PolicyDocument"]["Statement"]
    found.append({**found[0], "Effect": "Allow"})


def _environment(template: Template) -> None:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["RECOVERY_STATE_MACHINE"] = {"Fn::Sub": "arn:aws:states:us-east-1:123456789012:stateMachine:another"}


BROKEN: dict[str, tuple[Rule, Mutation]] = {
    "an express workflow": (rules.workflows_are_known, put(WORKFLOW, "Type", value="EXPRESS")),
    "another workflow's ARN": (rules.workflows_are_known, _environment),
    "data in the log": (
        rules.workflows_are_quiet,
        put(WORKFLOW, "Logging", "IncludeExecutionData", value=True),
    ),
    "every state in the log": (rules.workflows_are_quiet, put(WORKFLOW, "Logging", "Level", value="ALL")),
    "traced unasked": (rules.workflows_are_quiet, put(WORKFLOW, "Tracing", "Enabled", value=True)),
    "another log group": (
        rules.workflows_are_quiet,
        put("RecoverRequestStateMachineLogGroup", "LogGroupName", value="/aws/states/recover-request"),
    ),
    "another function": (
        rules.workflows_are_known,
        put(
            WORKFLOW,
            "DefinitionSubstitutions",
            value={"RecoverRequestFunctionArn": {"Fn::GetAtt": ["ProcessOrderFunction", "Arn"]}},
        ),
    ),
    "a workflow that may do more": (rules.services_may_do_just_enough, _wider("RecoverRequestStateMachineRole")),
    "another workflow of orders": (
        rules.workflows_are_known,
        put("ProcessOrderStateMachine", "Name", value="orders"),
    ),
    "a borrowed role": (
        rules.workflows_are_known,
        put("ProcessOrderStateMachine", "Role", value={"Fn::GetAtt": [f"{WORKFLOW}Role", "Arn"]}),
    ),
    "a workflow without children": (rules.services_may_do_just_enough, _childless),
    "a schedule that may do more": (rules.services_may_do_just_enough, _wider("SweepScheduleRole")),
    "a role for another account": (
        rules.services_may_do_just_enough,
        drop("SweepScheduleRole", "AssumeRolePolicyDocument", "Statement", 0, "Condition"),
    ),
    "a watch every day": (rules.schedules_are_kept, put(*WATCH, "ScheduleExpression", value="rate(1 day)")),
    "a watch repeated": (
        rules.scheduled_calls_are_heard_of,
        put("WatchAccountFunction", "EventInvokeConfig", "MaximumRetryAttempts", value=2),
    ),
    "a crash of nobody": (rules.scheduled_calls_are_heard_of, drop("WatchAccountFunction", "EventInvokeConfig")),
    "a schedule less": (rules.schedules_are_kept, drop("WatchAccountFunction", "Events", "EveryHour")),
    "every hour": (rules.schedules_are_kept, put(*SCHEDULE, "ScheduleExpression", value="rate(1 hour)")),
    "switched off": (rules.schedules_are_kept, put(*SCHEDULE, "State", value="DISABLED")),
    "undelivered and lost": (rules.schedules_are_kept, drop(*SCHEDULE, "DeadLetterConfig")),
    "repeated for a day": (rules.schedules_are_kept, drop(*SCHEDULE, "RetryPolicy")),
    "crashed and lost": (
        rules.scheduled_calls_are_heard_of,
        drop("SweepRequestsFunction", "EventInvokeConfig", "DestinationConfig"),
    ),
    "a queue in the clear": (rules.queues_are_private_and_keep, drop("FailuresQueue", "SqsManagedSseEnabled")),
    "a queue that forgets": (
        rules.queues_are_private_and_keep,
        put("FailuresQueue", "MessageRetentionPeriod", value=60),
    ),
    "a queue in plain http": (
        rules.queues_are_private_and_keep,
        put(f"{BACKLOG}Policy", "PolicyDocument", "Statement", 0, "Effect", value="Allow"),
    ),
    "a queue without a policy": (rules.queues_are_private_and_keep, put(f"{BACKLOG}Policy", "Queues", value=[])),
    "taken up twice": (rules.backlog_is_worked_off, drop(BACKLOG, "VisibilityTimeout")),
    "taken up in batches": (rules.backlog_is_worked_off, put(*WORKER, "BatchSize", value=10)),
    "taken up all at once": (rules.backlog_is_worked_off, drop(*WORKER, "ScalingConfig")),
    "answered by message": (
        rules.backlog_is_worked_off,
        put(*WORKER, "FunctionResponseTypes", value=["ReportBatchItemFailures"]),
    ),
    "tried for two weeks": (rules.backlog_is_worked_off, drop(BACKLOG, "RedrivePolicy")),
    "set aside by anybody": (rules.backlog_is_worked_off, drop("BacklogDeadLetters", "RedriveAllowPolicy")),
    "all or nothing": (rules.stream_is_read_at_least_once, drop(*STREAM, "FunctionResponseTypes")),
    "no bisecting": (rules.stream_is_read_at_least_once, put(*STREAM, "BisectBatchOnFunctionError", value=False)),
    "from now on": (rules.stream_is_read_at_least_once, put(*STREAM, "StartingPosition", value="LATEST")),
    "repeated for ever": (rules.stream_is_read_at_least_once, drop(*STREAM, "MaximumRetryAttempts")),
    "as old as they come": (rules.stream_is_read_at_least_once, put(*STREAM, "MaximumRecordAgeInSeconds", value=-1)),
    "given up and lost": (rules.stream_is_read_at_least_once, drop(*STREAM, "DestinationConfig")),
    "unfiltered": (rules.stream_is_read_at_least_once, drop(*STREAM, "FilterCriteria")),
    "spend counted from now on": (
        rules.stream_is_read_at_least_once,
        put(*SPEND, "StartingPosition", value="LATEST"),
    ),
    "refusals unread": (rules.stream_is_read_at_least_once, drop(*SPEND, "FilterCriteria", "Filters", 1)),
    "uncounted": (rules.stream_is_read_at_least_once, drop(*STREAM, "MetricsConfig")),
    "a public bucket": (
        rules.buckets_are_private,
        put(BUCKET, "PublicAccessBlockConfiguration", "BlockPublicPolicy", value=False),
    ),
    "a bucket in the clear": (rules.buckets_are_private, drop(BUCKET, "BucketEncryption")),
    "a bucket that keeps for ever": (rules.buckets_are_private, drop(BUCKET, "LifecycleConfiguration")),
    "a bucket that keeps pieces": (
        rules.buckets_are_private,
        drop("OrdersBucket", "LifecycleConfiguration", "Rules", 0, "AbortIncompleteMultipartUpload"),
    ),
    "a bucket that forgets no more": (
        rules.buckets_are_private,
        put("OrdersBucket", "LifecycleConfiguration", "Rules", 0, "Status", value="Disabled"),
    ),
    "a bucket with versions": (
        rules.buckets_are_private,
        put("OrdersBucket", "VersioningConfiguration", value={"Status": "Enabled"}),
    ),
    "a bucket with access lists": (rules.buckets_are_private, drop(BUCKET, "OwnershipControls")),
    "a bucket that others read": (rules.buckets_are_private, _public_statement),
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
    "keys rotated by a schedule": (rules.unasked_functions_are_called_by_one_thing, _rotated_by_itself),
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
