"""What must hold of recovery, events and alarms in the transformed template; rules as in `rules.py`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.template.needs import FUNCTIONS, arn_of, ref
from tests.template.rules import LOG_DELIVERY, OF_THIS_ACCOUNT, TRACING, Rule, Template, role_grants
from tests.template.transformed import of_type, resolve

# The longest that SQS keeps a message.
QUEUE_SECONDS_MAX = 14 * 24 * 3600
# A stream keeps its records for a day: who has not read them by then never will.
STREAM_SECONDS_MAX = 24 * 3600


def workflow_is_quiet_and_known(template: Template) -> Iterator[str]:
    """The workflow is a standard one, its functions know its ARN, and no data of an execution gets into a log."""
    (machine,) = of_type(template, "AWS::StepFunctions::StateMachine").values()
    properties = machine["Properties"]
    if properties.get("StateMachineType") != "STANDARD":
        yield "an express workflow ends after five minutes"
    name = resolve(template, properties["StateMachineName"])
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
    for function, each in of_type(template, "AWS::Lambda::Function").items():
        known = resolve(template, each["Properties"]["Environment"]["Variables"].get("RECOVERY_STATE_MACHINE"))
        if known != arn:
            yield f"{function} starts another workflow: {known}"
    if properties.get("DefinitionSubstitutions") != {
        "RecoverRequestFunctionArn": {"Ref": "RecoverRequestFunctionAliaslive"}
    }:
        yield "the workflow does not call the published function"
    logging = properties.get("LoggingConfiguration", {})
    if (logging.get("Level"), logging.get("IncludeExecutionData")) != ("ERROR", False):
        yield "data of executions is logged"
    group = "RecoverRequestStateMachineLogGroup"
    if logging.get("Destinations") != [{"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": [group, "Arn"]}}}]:
        yield "the workflow's errors go elsewhere"
    path = resolve(template, template["Resources"][group]["Properties"]["LogGroupName"])
    if not str(path).startswith("/aws/vendedlogs/states/"):
        yield "another prefix than /aws/vendedlogs/ makes the log's policy grow"
    for tracing in ("off", "on"):
        if resolve(template, properties["TracingConfiguration"], Tracing=tracing) != {"Enabled": tracing == "on"}:
            yield f"tracing is not {tracing}"


def services_may_do_just_enough(template: Template) -> Iterator[str]:
    """Workflow and schedule have roles of their own, which nobody else takes and which allow just the one call."""
    called = {
        "RecoverRequestStateMachineRole": (
            "states.amazonaws.com",
            {ref("RecoverRequestFunctionAliaslive"): {"lambda:InvokeFunction"}, "*": LOG_DELIVERY},
        ),
        "SweepScheduleRole": (
            "scheduler.amazonaws.com",
            {
                ref("SweepRequestsFunctionAliaslive"): {"lambda:InvokeFunction"},
                arn_of("FailuresQueue"): {"sqs:SendMessage"},
            },
        ),
    }
    for name, (service, wanted) in called.items():
        role = template["Resources"][name]
        if (found := role_grants(template, role)) != wanted:
            yield f"{name} allows other things than it needs: {found}"
        traced = role_grants(template, role, Tracing="on")
        if name.startswith("RecoverRequest") and traced.get("*") != LOG_DELIVERY | TRACING:
            yield f"{name} cannot trace"
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        if role["Properties"]["AssumeRolePolicyDocument"]["Statement"] != [{**statement, "Condition": OF_THIS_ACCOUNT}]:
            yield f"{name} may be taken by others"


def sweep_runs_every_minute(template: Template) -> Iterator[str]:
    """The sweep is called every minute; what did not reach it and what it did not do are kept, by different means."""
    (schedule,) = of_type(template, "AWS::Scheduler::Schedule").values()
    properties = schedule["Properties"]
    if (properties["ScheduleExpression"], properties["FlexibleTimeWindow"]) != ("rate(1 minute)", {"Mode": "OFF"}):
        yield "another time than every minute"
    if properties.get("State", "ENABLED") != "ENABLED":
        yield "the schedule is off"
    target = properties["Target"]
    if target["Arn"] != {"Ref": "SweepRequestsFunctionAliaslive"}:
        yield "another target than the published function"
    if target["RoleArn"] != {"Fn::GetAtt": ["SweepScheduleRole", "Arn"]}:
        yield "another role than the schedule's own"
    queue = {"Fn::GetAtt": ["FailuresQueue", "Arn"]}
    if target.get("DeadLetterConfig") != {"Arn": queue}:
        yield "a call that was not delivered is lost"
    if target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds") != 60:
        yield "a call is repeated beyond the next one"
    invokes = of_type(template, "AWS::Lambda::EventInvokeConfig")
    if [(each["Properties"]["FunctionName"], each["Properties"]["Qualifier"]) for each in invokes.values()] != [
        ({"Ref": "SweepRequestsFunction"}, "live")
    ]:
        yield f"not the sweep's alias: {sorted(invokes)}"
    for each in invokes.values():
        if each["Properties"].get("DestinationConfig") != {"OnFailure": {"Destination": queue}}:
            yield "a sweep that crashed is not heard of"


def failures_are_kept(template: Template) -> Iterator[str]:
    """The queue of failures is encrypted and keeps what is in it for as long as SQS can."""
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        if queue["Properties"].get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"
        if queue["Properties"].get("MessageRetentionPeriod") != QUEUE_SECONDS_MAX:
            yield f"{name} forgets before somebody has looked"


def stream_is_told_at_least_once(template: Template) -> Iterator[str]:
    """Every change of a request is told: from the start, in part if need be, repeated within bounds, and then kept."""
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    properties = mapping["Properties"]
    wanted: dict[str, Any] = {
        "EventSourceArn": {"Fn::GetAtt": ["LedgerTable", "StreamArn"]},
        "FunctionName": {"Ref": "PublishEventsFunctionAliaslive"},
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailedEventsBucket", "Arn"]}}},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }
    for name, value in wanted.items():
        if properties.get(name) != value:
            yield f"{name} is {properties.get(name)}"
    if properties.get("MaximumRetryAttempts", -1) < 0:
        yield "a record that cannot be told is repeated for ever"
    if not 0 < properties.get("MaximumRecordAgeInSeconds", -1) < STREAM_SECONDS_MAX:
        yield "a record that cannot be told holds up the others until the stream forgets them"
    patterns = [json.loads(each["Pattern"]) for each in properties.get("FilterCriteria", {}).get("Filters", [])]
    if patterns != [{"dynamodb": {"NewImage": {"status": {"S": [{"exists": True}]}}}}]:
        yield f"other items than requests are told of: {patterns}"


def failed_events_are_private(template: Template) -> Iterator[str]:
    """What could not be told is kept for a while, encrypted, and for nobody outside."""
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        if bucket.get("DeletionPolicy") != "RetainExceptOnCreate":
            yield f"{name} is deleted with the stack, which fails while there is anything in it"
        if not properties.get("BucketEncryption"):
            yield f"{name} is not encrypted"
        block = properties.get("PublicAccessBlockConfiguration", {})
        if len(block) != 4 or not all(block.values()):
            yield f"{name} may be made public"
        if properties.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            yield f"{name} takes access lists"
        if not any(
            rule.get("ExpirationInDays") for rule in properties.get("LifecycleConfiguration", {}).get("Rules", [])
        ):
            yield f"{name} keeps for ever"
        policies = [
            statement
            for policy in of_type(template, "AWS::S3::BucketPolicy").values()
            if policy["Properties"]["Bucket"] == {"Ref": name}
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ]
        if [(each["Effect"], each["Condition"]) for each in policies] != [
            ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        ]:
            yield f"{name} can be read in the clear, or by others: {policies}"


def operators_can_be_reached(template: Template) -> Iterator[str]:
    """The operators' topic takes this account's alarms, under a key that alarms may use."""
    (topic,) = of_type(template, "AWS::SNS::Topic").values()
    if topic["Properties"].get("KmsMasterKeyId") != {"Fn::GetAtt": ["OperatorsKey", "Arn"]}:
        yield "alarms cannot publish under another key"
    (policy,) = of_type(template, "AWS::SNS::TopicPolicy").values()
    statement = {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": "OperatorsTopic"},
        "Condition": OF_THIS_ACCOUNT,
    }
    if policy["Properties"]["Topics"] != [{"Ref": "OperatorsTopic"}]:
        yield "the policy is another topic's"
    if policy["Properties"]["PolicyDocument"]["Statement"] != [statement]:
        yield "others than alarms may publish, or alarms may not"
    (subscription,) = of_type(template, "AWS::SNS::Subscription").values()
    if subscription.get("Condition") != "HasOperatorsEmail":
        yield "nobody is subscribed by an empty address"


@dataclass(frozen=True)
class Rings:
    """When an alarm rings.

    Attributes:
        metric: namespace and name.
        dimension: the one dimension by which AWS keeps that metric, and the resource it belongs to.
        silence: whether no data is bad news.
    """

    metric: tuple[str, str]
    dimension: tuple[str, dict[str, Any]]
    silence: bool = False


_MACHINE = ("StateMachineArn", {"Ref": "RecoverRequestStateMachine"})
# An alarm by a dimension that AWS does not keep the metric by never rings. A reference gives a state machine's ARN, the
# name of a function, the id of a mapping, but the URL of a queue: hence its name by attribute.
ALARMS: dict[str, Rings] = {
    "RecoveryFailedAlarm": Rings(("AWS/States", "ExecutionsFailed"), _MACHINE),
    "RecoveryTimedOutAlarm": Rings(("AWS/States", "ExecutionsTimedOut"), _MACHINE),
    "RecoveryAbortedAlarm": Rings(("AWS/States", "ExecutionsAborted"), _MACHINE),
    "SweepSilentAlarm": Rings(
        ("AWS/Lambda", "Invocations"), ("FunctionName", {"Ref": "SweepRequestsFunction"}), silence=True
    ),
    "FailuresQueuedAlarm": Rings(
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("QueueName", {"Fn::GetAtt": ["FailuresQueue", "QueueName"]}),
    ),
    "EventsLateAlarm": Rings(("AWS/Lambda", "IteratorAge"), ("FunctionName", {"Ref": "PublishEventsFunction"})),
    "EventsFailedAlarm": Rings(
        ("AWS/Lambda", "OnFailureDestinationDeliveredEventCount"),
        ("EventSourceMappingUUID", {"Ref": "PublishEventsFunctionLedger"}),
    ),
}


def alarms_can_ring(template: Template) -> Iterator[str]:
    """Each alarm looks at a metric that exists, by the dimension it is kept by, and tells the operators."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    if alarms.keys() != ALARMS.keys():
        yield f"alarms: {sorted(alarms)}"
    for name in alarms.keys() & ALARMS.keys():
        properties, wanted = alarms[name]["Properties"], ALARMS[name]
        if (properties["Namespace"], properties["MetricName"]) != wanted.metric:
            yield f"{name} looks at another metric"
        if properties.get("Dimensions") != [dict(zip(("Name", "Value"), wanted.dimension, strict=True))]:
            yield f"{name} looks at nothing: {properties.get('Dimensions')}"
        (target,) = wanted.dimension[1].values()
        if (target if isinstance(target, str) else target[0]) not in template["Resources"]:
            yield f"{name} looks at what is not there"
        if properties.get("AlarmActions") != [{"Ref": "OperatorsTopic"}] or properties.get("ActionsEnabled") is False:
            yield f"{name} tells nobody"
        if not properties.get("AlarmDescription"):
            yield f"{name} does not say what has happened"
        silence = ("breaching", "LessThanThreshold")
        noise = ("notBreaching", "GreaterThanOrEqualToThreshold")
        if (properties["TreatMissingData"], properties["ComparisonOperator"]) != (silence if wanted.silence else noise):
            yield f"{name} takes silence for the other thing"


def unasked_functions_are_called_by_one_thing(template: Template) -> Iterator[str]:
    """What no route calls is called by the workflow, the schedule or the stream, and permitted to nobody else."""
    unasked = {f"{name}FunctionAliaslive" for name, needs in FUNCTIONS.items() if needs.route is None}
    callers = [
        *of_type(template, "AWS::StepFunctions::StateMachine").values(),
        *of_type(template, "AWS::Scheduler::Schedule").values(),
        *of_type(template, "AWS::Lambda::EventSourceMapping").values(),
    ]
    for name in sorted(unasked):
        if sum(ref(name) in json.dumps(caller) for caller in callers) != 1:
            yield f"{name} is called by none, or by two"
    for permission in of_type(template, "AWS::Lambda::Permission").values():
        if permission["Properties"]["FunctionName"] in [{"Ref": name} for name in unasked]:
            yield f"{permission['Properties']['FunctionName']} may be called by others"


RULES: tuple[Rule, ...] = (
    workflow_is_quiet_and_known,
    services_may_do_just_enough,
    sweep_runs_every_minute,
    failures_are_kept,
    stream_is_told_at_least_once,
    failed_events_are_private,
    operators_can_be_reached,
    alarms_can_ring,
    unasked_functions_are_called_by_one_thing,
)
