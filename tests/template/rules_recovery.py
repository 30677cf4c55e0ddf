"""What must hold of workflows, schedules, queues, streams and events in the transformed template; see `rules.py`."""

import json
from collections.abc import Iterator
from typing import Any

from tests.template.rules import OF_THIS_ACCOUNT, Template, called_by_routes
from tests.template.transformed import of_type, resolve

# The longest that SQS keeps a message.
QUEUE_SECONDS_MAX = 14 * 24 * 3600
# A stream keeps its records for a day: who has not read them by then never will.
STREAM_SECONDS_MAX = 24 * 3600
BEFORE_AND_AFTER = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
# Each workflow by the function that does its tasks, and the variable by which functions know its ARN.
WORKFLOWS = {
    "RecoverRequest": "RECOVERY_STATE_MACHINE",
    "ProcessOrder": "ORDER_STATE_MACHINE",
    "ReconcileAccount": "RECONCILIATION_STATE_MACHINE",
}
# Each function that a schedule calls: event, the schedule's role, how often, the seconds until the next call, and how
# often a call that crashed is repeated: not at all where the next one comes soon.
SCHEDULES = {
    "SweepRequests": ("EveryMinute", "SweepScheduleRole", "rate(1 minute)", 60, 0),
    "WatchAccount": ("EveryQuarterHour", "WatchScheduleRole", "cron(0/15 * * * ? *)", 900, 0),
    "RecountBudgets": ("EveryDay", "RecountScheduleRole", "cron(20 3 * * ? *)", 86400, 2),
}
# What people invoke, and nothing else does.
INVOKED_BY_OPERATORS = {"RotateKeysFunction"}
# What of a table's stream each of its readers is called for, by function and event: items with an attribute like this,
# or the whole pattern of their images.
READERS: dict[tuple[str, str], list[tuple[str, Any] | dict[str, Any]]] = {
    ("PublishEvents", "Ledger"): [("status", {"exists": True})],
    ("PublishEvents", "Books"): [
        ("part", {"prefix": f"{part}#"}) for part in ("day", "close", "resolution", "movement")
    ],
    # An order begins to wait, or somebody decided: not each of its states and batches.
    ("PublishEvents", "Orders"): [
        {"OldImage": {"status": {"S": ["VALIDATING"]}}, "NewImage": {"status": {"S": ["AWAITING_APPROVAL"]}}},
        {"OldImage": {"status": {"S": ["AWAITING_APPROVAL"]}}, "NewImage": {"decidedAt": {"S": [{"exists": True}]}}},
    ],
    # Not what is counted with every request, nor what each takes from its budget.
    ("PublishEvents", "Account"): [("part", "freeze")],
    ("PublishEvents", "Budgets"): [("budget", "#budgets")],
    ("CountSpend", "Ledger"): [
        *((name, {"exists": True}) for name in ("answeredAt", "refusal", "error")),
        {"NewImage": {"status": {"S": [{"prefix": "REVERSED"}, {"prefix": "ESCALATED"}]}}},
        # Every end of a request with a budget.
        {
            "NewImage": {
                "budget": {"S": [{"exists": True}]},
                "status": {"S": [{"prefix": each} for each in ("SUCCEEDED", "REFUSED", "REVERSED", "ESCALATED")]},
            }
        },
    ],
}


def workflows_are_known(template: Template) -> Iterator[str]:
    """A workflow is a standard one with a role of its own; functions know its ARN, and it calls its own function."""
    machines = of_type(template, "AWS::StepFunctions::StateMachine")
    if machines.keys() != {f"{name}StateMachine" for name in WORKFLOWS}:
        yield f"workflows: {sorted(machines)}"
    for worker, variable in WORKFLOWS.items():
        machine = f"{worker}StateMachine"
        properties = machines[machine]["Properties"]
        if properties.get("StateMachineType") != "STANDARD":
            yield f"{machine} is an express workflow, which ends after five minutes"
        if properties.get("RoleArn") != {"Fn::GetAtt": [f"{machine}Role", "Arn"]}:
            yield f"{machine} has not its own role"
        arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{resolve(template, properties['StateMachineName'])}"
        for function, each in of_type(template, "AWS::Lambda::Function").items():
            known = resolve(template, each["Properties"]["Environment"]["Variables"].get(variable))
            if known != arn:
                yield f"{function} starts another workflow: {known}"
        called = properties.get("DefinitionSubstitutions", {}).get(f"{worker}FunctionArn")
        if called != {"Fn::GetAtt": [f"{worker}Function", "Arn"]}:
            yield f"{machine} calls another function, or a version of it: {called}"


def workflows_are_quiet(template: Template) -> Iterator[str]:
    """No data of an execution gets into a log or, unasked, into a trace."""
    for machine, each in of_type(template, "AWS::StepFunctions::StateMachine").items():
        properties = each["Properties"]
        logging = properties.get("LoggingConfiguration", {})
        if (logging.get("Level"), logging.get("IncludeExecutionData")) != ("ERROR", False):
            yield f"data of executions of {machine} is logged"
        group = f"{machine}LogGroup"
        if logging.get("Destinations") != [{"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": [group, "Arn"]}}}]:
            yield f"errors of {machine} go elsewhere"
        path = resolve(template, template["Resources"][group]["Properties"]["LogGroupName"])
        if not str(path).startswith("/aws/vendedlogs/states/"):
            yield "another prefix than /aws/vendedlogs/ makes the log's policy grow"
        for tracing in ("off", "on"):
            if resolve(template, properties["TracingConfiguration"], Tracing=tracing) != {"Enabled": tracing == "on"}:
                yield f"tracing of {machine} is not {tracing}"


def schedules_are_kept(template: Template) -> Iterator[str]:
    """Each schedule calls its function in time, and what did not reach it is kept."""
    schedules = of_type(template, "AWS::Scheduler::Schedule")
    wanted = {f"{name}Function{event}": name for name, (event, *_) in SCHEDULES.items()}
    if schedules.keys() != wanted.keys():
        yield f"schedules: {sorted(schedules)}"
    for schedule in schedules.keys() & wanted.keys():
        name, properties = wanted[schedule], schedules[schedule]["Properties"]
        _, role, rate, seconds, _ = SCHEDULES[name]
        if (properties["ScheduleExpression"], properties["FlexibleTimeWindow"]) != (rate, {"Mode": "OFF"}):
            yield f"{name}: another time than {rate}"
        if properties.get("ScheduleExpressionTimezone", "UTC") != "UTC":
            yield f"{name}: another time zone than UTC"
        if properties.get("State", "ENABLED") != "ENABLED":
            yield f"{name}: the schedule is off"
        target = properties["Target"]
        if target["Arn"] != {"Fn::GetAtt": [f"{name}Function", "Arn"]}:
            yield f"{name}: another target than its function"
        if target["RoleArn"] != {"Fn::GetAtt": [role, "Arn"]}:
            yield f"{name}: another role than the schedule's own"
        if target.get("DeadLetterConfig") != {"Arn": {"Fn::GetAtt": ["FailuresQueue", "Arn"]}}:
            yield f"{name}: a call that was not delivered is lost"
        if target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds") != seconds:
            yield f"{name}: a call is repeated beyond the next one"


def scheduled_calls_are_heard_of(template: Template) -> Iterator[str]:
    """What a function that a schedule calls did not do is kept, and repeated only if the next call is far."""
    invokes = [each["Properties"] for each in of_type(template, "AWS::Lambda::EventInvokeConfig").values()]
    called = sorted((each["FunctionName"]["Ref"], each["Qualifier"]) for each in invokes)
    if called != sorted((f"{name}Function", "$LATEST") for name in SCHEDULES):
        yield f"not what schedules call: {called}"
    for each in invokes:
        if each.get("DestinationConfig") != {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailuresQueue", "Arn"]}}}:
            yield f"{each['FunctionName']['Ref']}: a call that crashed is not heard of"
        repeats = {f"{name}Function": times for name, (*_, times) in SCHEDULES.items()}
        if each.get("MaximumRetryAttempts") != repeats.get(each["FunctionName"]["Ref"]):
            yield f"{each['FunctionName']['Ref']}: a call is repeated although the next one comes by itself, or is not"


def queues_are_private_and_keep(template: Template) -> Iterator[str]:
    """Queues are encrypted, keep what is in them for as long as SQS can, and nobody reaches them in the clear."""
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        if queue["Properties"].get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"
        if queue["Properties"].get("MessageRetentionPeriod") != QUEUE_SECONDS_MAX:
            yield f"{name} forgets before somebody has looked"
        policies = [
            (policy["Properties"]["Queues"], statement["Effect"], statement["Resource"], statement["Condition"])
            for policy in of_type(template, "AWS::SQS::QueuePolicy").values()
            if {"Ref": name} in policy["Properties"]["Queues"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ]
        in_the_clear = {"Bool": {"aws:SecureTransport": "false"}}
        if policies != [([{"Ref": name}], "Deny", {"Fn::GetAtt": [name, "Arn"]}, in_the_clear)]:
            yield f"{name} can be read in the clear, or by others: {policies}"


def backlog_is_worked_off(template: Template) -> Iterator[str]:
    """Each message is taken up alone, comes again only when its worker is surely dead, and in the end is set aside."""
    queue = template["Resources"]["BacklogQueue"]["Properties"]
    worker = template["Resources"]["IssueQueuedFunction"]["Properties"]
    mapping = template["Resources"]["IssueQueuedFunctionBacklog"]["Properties"]
    if queue.get("VisibilityTimeout", 30) < 6 * worker["Timeout"]:
        yield "a message comes again while it is still in hand"
    wanted: dict[str, Any] = {
        "EventSourceArn": {"Fn::GetAtt": ["BacklogQueue", "Arn"]},
        "FunctionName": {"Ref": "IssueQueuedFunction"},
        "BatchSize": 1,
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "BacklogConcurrency"}},
    }
    found = {name: mapping.get(name) for name in wanted}
    # With responses by message, a worker that raises would still be right, but one that answers nothing would not.
    if found != wanted or mapping.keys() - wanted.keys():
        yield f"requests are taken up otherwise: {mapping}"
    dead_letters = {"deadLetterTargetArn": {"Fn::GetAtt": ["BacklogDeadLetters", "Arn"]}, "maxReceiveCount": 10}
    if queue.get("RedrivePolicy") != dead_letters:
        yield "a message that always fails is tried until it is too old"
    allowed = resolve(template, template["Resources"]["BacklogDeadLetters"]["Properties"].get("RedriveAllowPolicy", {}))
    source = f"arn:aws:sqs:us-east-1:123456789012:{resolve(template, queue['QueueName'])}"
    if allowed != {"redrivePermission": "byQueue", "sourceQueueArns": [source]}:
        yield "other queues' dead letters may lie among them, or none"


def stream_is_read_at_least_once(template: Template) -> Iterator[str]:
    """Readers get every change of an item: from the start, in part if need be, repeated within bounds, then kept."""
    for (function, table), attributes in READERS.items():
        reader = f"{function}Function{table}"
        properties = template["Resources"][reader]["Properties"]
        wanted: dict[str, Any] = {
            "EventSourceArn": {"Fn::GetAtt": [f"{table}Table", "StreamArn"]},
            "FunctionName": {"Ref": f"{function}Function"},
            "StartingPosition": "TRIM_HORIZON",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailedEventsBucket", "Arn"]}}},
            "MetricsConfig": {"Metrics": ["EventCount"]},
        }
        for name, value in wanted.items():
            if properties.get(name) != value:
                yield f"{reader}: {name} is {properties.get(name)}"
        if properties.get("MaximumRetryAttempts", -1) < 0:
            yield f"{reader}: a record that cannot be read is repeated for ever"
        if not 0 < properties.get("MaximumRecordAgeInSeconds", -1) < STREAM_SECONDS_MAX:
            yield f"{reader}: a record that cannot be read holds up the others until the stream forgets them"
        patterns = [json.loads(each["Pattern"]) for each in properties.get("FilterCriteria", {}).get("Filters", [])]
        if patterns != [
            {"dynamodb": each if isinstance(each, dict) else {"NewImage": {each[0]: {"S": [each[1]]}}}}
            for each in attributes
        ]:
            yield f"{reader}: other items than it is meant for: {patterns}"
        if template["Resources"][f"{table}Table"]["Properties"].get("StreamSpecification") != BEFORE_AND_AFTER:
            yield f"{reader}: it is not told what changed"


def buckets_are_private(template: Template) -> Iterator[str]:
    """Files are kept encrypted and for nobody outside: failed events and orders for a while, the books for good."""
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        if not properties.get("BucketEncryption"):
            yield f"{name} is not encrypted"
        block = properties.get("PublicAccessBlockConfiguration", {})
        if len(block) != 4 or not all(block.values()):
            yield f"{name} may be made public"
        if properties.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            yield f"{name} takes access lists"
        lifecycle = properties.get("LifecycleConfiguration", {}).get("Rules", [])
        if name != "BooksBucket":
            whole = [rule for rule in lifecycle if not rule.get("Prefix")]
            if not any(rule.get("ExpirationInDays") and rule["Status"] == "Enabled" for rule in whole):
                yield f"{name} keeps for ever"
            if not any(rule.get("AbortIncompleteMultipartUpload") for rule in lifecycle):
                yield f"{name} keeps uploads that were broken off"
            if properties.get("VersioningConfiguration"):
                yield f"{name} keeps what has expired"
        first, *others = bucket_policy(template, name)
        everything = [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
        wanted = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything}
        wanted |= {"Sid": "OverTlsOnly", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        if first != wanted or any(each["Effect"] != "Deny" for each in others):
            yield f"{name} can be read in the clear, or by others: {first}, {others}"


def bucket_policy(template: Template, bucket: str, **parameters: str) -> list[dict[str, Any]]:
    """The statements of a bucket's policy."""
    return [
        statement
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
        if policy["Properties"]["Bucket"] == {"Ref": bucket}
        for statement in resolve(template, policy["Properties"]["PolicyDocument"]["Statement"], **parameters)
    ]


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


def functions_are_called_by_one_thing(template: Template) -> Iterator[str]:
    """A function is called by routes, a workflow, a schedule, streams or the backlog, or by operators alone."""
    routed = {*called_by_routes(template).values()}
    callers = [
        json.dumps(of_type(template, f"AWS::{kind}"))
        for kind in ("StepFunctions::StateMachine", "Scheduler::Schedule", "Lambda::EventSourceMapping")
    ]
    for name in of_type(template, "AWS::Lambda::Function"):
        refs = (json.dumps({"Ref": name}), json.dumps({"Fn::GetAtt": [name, "Arn"]}))
        found = (name in routed) + sum(any(ref in text for ref in refs) for text in callers)
        if found != (name not in INVOKED_BY_OPERATORS):
            yield f"{name} is called by others than it is meant for, or by none"
