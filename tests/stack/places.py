"""Every place in which a deployment leaves something behind, read whole; and how a mark gets into each.

What a place holds comes as one text. A mark that was put into a place and is not found there later says that the place
is not really read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from local.settings import MAIL_SENDER, SUPPORT_ADDRESS
from tests.stack.cloud import Cloud
from tests.stack.console import SERVED, keep

#: Of the emulated cloud's folder: what was built from the sources, what tools keep for the next build, and what has a
#: place of its own.
NOT_RUNNING: Final = {"build", "cache", "sam", SERVED}

MACHINE: Final = "AWS::StepFunctions::StateMachine"
BUCKET: Final = "AWS::S3::Bucket"


def _tables(cloud: Cloud) -> object:
    return {name: cloud.items(cloud.table(name)) for name in _table_names(cloud)}


def _table_names(cloud: Cloud) -> list[str]:
    return _named(cloud, "AWS::DynamoDB::Table")


def _named(cloud: Cloud, kind: str) -> list[str]:
    """The names, of workflows the ARNs, of all resources of a kind."""
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources")
    return [
        each["PhysicalResourceId"]
        for page in pages.paginate(StackName=cloud.outputs.stackName)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == kind
    ]


def read_logs(cloud: Cloud) -> dict[str, list[str]]:
    """All groups: of functions, of workflows, and any other."""
    logs = cloud.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    return {group: cloud.lines_of(group) for group in groups}


def _metrics(cloud: Cloud) -> object:
    return [
        metric
        for page in cloud.client("cloudwatch").get_paginator("list_metrics").paginate()
        for metric in page["Metrics"]
    ]


def _alarms(cloud: Cloud) -> object:
    return list(cloud.client("cloudwatch").get_paginator("describe_alarms").paginate())


def _workflows(cloud: Cloud) -> object:
    """Inputs, outputs and histories of all executions of all of them."""
    states = cloud.client("stepfunctions")
    found = []
    for machine in _named(cloud, MACHINE):
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine):
            for each in page["executions"]:
                arn = each["executionArn"]
                found.append((states.describe_execution(executionArn=arn), cloud.history(arn)))
    return found


def _queues(cloud: Cloud) -> object:
    """Dead letters, the backlog, and the queues that catch events and notices; nothing is taken out."""
    return cloud._emulator("GET", "sqs/messages")


def _objects(cloud: Cloud) -> object:
    """Files of orders and of the books, events that could not be told: all versions. Not the code that was deployed."""
    s3 = cloud.client("s3")
    return [
        (f"{bucket}/{each['Key']}", s3.get_object(**_version(bucket, each))["Body"].read().decode(errors="replace"))
        for bucket in _named(cloud, BUCKET)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for each in page.get("Versions", [])
    ]


def _version(bucket: str, listed: Mapping[str, Any]) -> dict[str, Any]:
    named = {"Bucket": bucket, "Key": listed["Key"]}
    return named if listed["VersionId"] == "null" else {**named, "VersionId": listed["VersionId"]}


def _files(cloud: Cloud) -> object:
    """What the emulator and the functions' processes write on this machine."""
    files: Iterator[Any] = (
        file
        for file in cloud.directory.rglob("*")
        if file.is_file() and not NOT_RUNNING & set(file.relative_to(cloud.directory).parts)
    )
    return {str(file.relative_to(cloud.directory)): file.read_bytes().decode(errors="replace") for file in files}


def _served(cloud: Cloud) -> object:
    """What consoles have shown to people, if this cloud's tests had any."""
    return [file.read_text(encoding="utf-8") for file in sorted((cloud.directory / SERVED).glob("*"))]


PLACES: Final[Mapping[str, Callable[[Cloud], object]]] = {
    "tables": _tables,
    "logs": read_logs,
    "metrics": _metrics,
    "alarms": _alarms,
    "workflows": _workflows,
    "events": lambda cloud: cloud.events(),
    "notices": lambda cloud: cloud.notices(),
    "mails": lambda cloud: cloud.mails(),
    "queues": _queues,
    "objects": _objects,
    "files": _files,
    "served": _served,
}


def read_places(cloud: Cloud) -> dict[str, str]:
    return {name: json.dumps(read(cloud), default=str, ensure_ascii=False).lower() for name, read in PLACES.items()}


def put_marks(cloud: Cloud, mark: str) -> dict[str, list[str]]:
    """Put a mark of its own into every part of every place; by place, all that must be found there."""
    marks: dict[str, list[str]] = {name: [] for name in PLACES}

    def new(place: str) -> str:
        marks[place].append(f"{mark}-{place}-{len(marks[place])}")
        return marks[place][-1]

    for name in _table_names(cloud):
        keys = cloud.client("dynamodb").describe_table(TableName=name)["Table"]["KeySchema"]
        cloud.table(name).put_item(Item={key["AttributeName"]: new("tables") for key in keys})
    logs = cloud.client("logs")
    at = {"logGroupName": cloud.log_group, "logStreamName": mark}
    logs.create_log_stream(**at)
    logs.put_log_events(**at, logEvents=[{"timestamp": int(time.time() * 1000), "message": new("logs")}])
    metrics = cloud.client("cloudwatch")
    dimensions = [{"Name": "of", "Value": new("metrics")}]
    metrics.put_metric_data(Namespace=mark, MetricData=[{"MetricName": "m", "Dimensions": dimensions, "Value": 1.0}])
    metrics.put_metric_alarm(
        AlarmName=new("alarms"), Namespace=mark, MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", ActionsEnabled=False,
    )  # fmt: skip
    for machine in _named(cloud, MACHINE):
        # Nobody's request, order and books: it ends at once.
        name = new("workflows")
        nobody = {"requestId": name, "epoch": 0, "orderId": name, "account": name, "day": "2026-01-31", "round": 0}
        cloud.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(nobody))
    cloud.client("events").put_events(
        Entries=[
            {
                "EventBusName": cloud.outputs.eventBusName,
                "Source": "canary",
                "DetailType": "Canary",
                "Detail": json.dumps({"mark": new("events")}),
                "Time": datetime.now(UTC),
            }
        ]
    )
    cloud.client("sns").publish(TopicArn=cloud.outputs.operatorsTopicArn, Message=new("notices"))
    cloud.client("sesv2").send_email(
        FromEmailAddress=MAIL_SENDER,
        Destination={"ToAddresses": [SUPPORT_ADDRESS]},
        Content={"Simple": {"Subject": {"Data": mark}, "Body": {"Text": {"Data": new("mails")}}}},
    )
    for queue in (cloud.outputs.failuresQueueUrl, cloud.outputs.backlogDeadLettersUrl):
        cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=new("queues"))
    s3 = cloud.client("s3")
    for bucket in _named(cloud, BUCKET):
        # What has been overwritten is still there where there are versions.
        for _ in range(1 + (s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")):
            s3.put_object(Bucket=bucket, Key=mark, Body=new("objects").encode())
    (cloud.directory / "logs" / f"{mark}.log").write_text(new("files"), encoding="utf-8")
    keep(cloud, new("served"))
    return marks
