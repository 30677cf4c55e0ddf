"""What stack tests know of the local cloud: calls to its API, its tables and logs, its sandbox, its processes."""

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from local import aws
from local.outputs import Outputs
from local.signing import Caller, Response, send

# Queues that keep what a test wants to see afterwards.
EVENTS_QUEUE = "events-caught"
NOTICES_QUEUE = "notices-caught"
# Ending a process takes milliseconds; on a machine under load a little more.
KILL_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class LambdaProcess:
    """A process that runs a function, warm or busy."""

    pid: int
    function_name: str

    def kill(self) -> None:
        """End it at once, as a crash would; return when it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        give_up = time.monotonic() + KILL_SECONDS_MAX
        while self._is_alive():
            assert time.monotonic() < give_up
            time.sleep(0.005)

    def _is_alive(self) -> bool:
        try:
            stat = (Path("/proc") / str(self.pid) / "stat").read_text(encoding="utf-8")
        except OSError:
            return False
        # The state follows the command's name, which stands in parentheses; Z is one that has ended.
        return stat.rpartition(")")[2].split()[0] != "Z"


@dataclass(frozen=True)
class SandboxControl:
    """The sandbox's control API; see its README for what can be asked."""

    url: str

    def get(self, path: str) -> Any:
        return self.send("GET", path, None)

    def post(self, path: str, body: object = None) -> Any:
        return self.send("POST", path, {} if body is None else body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path, None)

    def reset(self) -> None:
        self.post("reset")

    def report(self) -> Any:
        return self.get("report")

    def send(self, method: str, path: str, body: object) -> Any:
        return self._answer(method, path, body).body

    def text(self, path: str) -> str:
        """What is no JSON."""
        return self._answer("GET", path, None).text

    def _answer(self, method: str, path: str, body: object) -> Response:
        response = send(method, f"{self.url}/_sandbox/{path}", caller=None, region="", body=body)
        assert response.status == 200, f"{method} {path}: HTTP {response.status} {response.text}"
        return response


@dataclass(frozen=True)
class Cloud:
    """One deployment, shared by many tests: let them use keys and accounts of their own."""

    outputs: Outputs
    directory: Path

    def __post_init__(self) -> None:
        """Keep every event of the bus and every message to operators from now on. Doing so twice is as good as once."""
        events, bus = self.client("events"), self.outputs.eventBusName
        events.put_rule(Name=EVENTS_QUEUE, EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
        target = {"Id": "queue", "Arn": self._new_queue(EVENTS_QUEUE)}
        events.put_targets(Rule=EVENTS_QUEUE, EventBusName=bus, Targets=[target])
        self.client("sns").subscribe(
            TopicArn=self.outputs.operatorsTopicArn, Protocol="sqs", Endpoint=self._new_queue(NOTICES_QUEUE)
        )

    @cached_property
    def developer(self) -> Caller:
        return Caller(self.outputs.accessKeyId, self.outputs.secretAccessKey)

    @cached_property
    def invoker(self) -> Caller:
        return Caller(self.outputs.invokerAccessKeyId, self.outputs.invokerSecretAccessKey)

    @cached_property
    def sandbox(self) -> SandboxControl:
        assert self.outputs.sandboxUrl is not None
        return SandboxControl(self.outputs.sandboxUrl)

    def call(
        self,
        method: str,
        route: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        signed: bool = True,
    ) -> Response:
        """Send one request to the API, signed by the invoker unless told otherwise; `key` is its Idempotency-Key."""
        given = {"Idempotency-Key": key} if key is not None else {}
        return send(
            method,
            self.outputs.apiUrl + route,
            caller=(caller or self.invoker) if signed else None,
            region=self.outputs.region,
            body=body,
            headers={**given, **(headers or {})},
        )

    def client(self, service: str, caller: Caller | None = None) -> Any:
        """A boto3 client of the emulated cloud, for the developer unless told otherwise; it may be others' as well."""
        return aws.client(service, self.outputs.awsEndpointUrl, caller or self.developer)

    def own_client(self, service: str) -> Any:
        """A boto3 client of the developer's that nobody else has, so that it may be tampered with."""
        return aws.new_client(service, self.outputs.awsEndpointUrl, self.developer)

    def table(self, name: str) -> Any:
        return aws.resource("dynamodb", self.outputs.awsEndpointUrl, self.developer).Table(name)

    @cached_property
    def ledger(self) -> Any:
        return self.table(self.outputs.tableName)

    @cached_property
    def rate_limiter(self) -> Any:
        return self.table(self.outputs.pacerTableName)

    def items(self, table: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page = table.scan(ConsistentRead=True)
        found += page["Items"]
        while "LastEvaluatedKey" in page:
            page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
            found += page["Items"]
        return found

    def logs(self, function_name: str | None = None) -> list[str]:
        """All log lines of all functions, or of one; metrics are among them, in their embedded format."""
        return self.lines_of(self.log_group, stream=f"{function_name or ''}[")

    def lines_of(self, group: str, *, stream: str = "") -> list[str]:
        """All lines of a log group, stream by stream: of a whole group the emulator tells ten thousand and no more."""
        logs = self.client("logs")
        streams = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        names = [each["logStreamName"] for page in streams for each in page["logStreams"]]
        return [
            event["message"]
            for name in names
            if stream in name
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNames=[name])
            for event in page["events"]
        ]

    @property
    def log_group(self) -> str:
        """Where the log lines of all functions go; the stream of a line names its function."""
        return f"/aws/lambda/{self.outputs.stackName}"

    def invoke(self, function_name: str, payload: object = None) -> Any:
        """Call a function without the API, as schedule and workflow do: `SweepRequests`, or a function's whole name.

        Returns its response; a function that raised or whose process died fails the test.
        """
        name = self.outputs.functionNames.get(function_name, function_name)
        response = self.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps({} if payload is None else payload)
        )
        text = response["Payload"].read().decode()
        assert "FunctionError" not in response, f"{name}: {text}"
        return json.loads(text)

    def executions(self, status: str | None = None) -> list[dict[str, Any]]:
        """Executions of the recovery workflow, newest first: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or all."""
        chosen = {"statusFilter": status} if status else {}
        pages = self.client("stepfunctions").get_paginator("list_executions")
        arn = self.outputs.stateMachineArn
        return [each for page in pages.paginate(stateMachineArn=arn, **chosen) for each in page["executions"]]

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=execution_arn) for event in page["events"]]

    def mails(self) -> list[dict[str, Any]]:
        """All mails sent, oldest first, as the emulator keeps them: Source, To, Subject, BodyText, Timestamp ..."""
        accounts = self._emulator("GET", "ses/messages")["messages"]
        return [mail for mails in accounts.values() for mail in mails]

    def events(self) -> list[dict[str, Any]]:
        """All events of the application's bus since the start, oldest first, whole: `detail-type`, `detail` ..."""
        return self.queued(EVENTS_QUEUE)

    def notices(self) -> list[dict[str, Any]]:
        """All messages to the operators since the start, oldest first: `Subject`, `Message` ..."""
        return self.queued(NOTICES_QUEUE)

    def queued(self, queue_name: str) -> list[Any]:
        """What is in a queue, oldest first, each message's body read as JSON; nothing is taken out."""
        accounts = self._emulator("GET", "sqs/messages")["messages"]
        return [
            json.loads(message["Body"])
            for regions in accounts.values()
            for queues in regions.values()
            for url, messages in queues.items()
            if url.endswith(f"/{queue_name}")
            for message in messages
        ]

    def set_wait_scale(self, scale: float) -> None:
        """How long a second of a workflow's waits takes, also of those under way: 1 is a second, 0 no time."""
        applied = self._emulator("POST", "config", {"stepfunctions._SFN_WAIT_SCALE": scale})["applied"]
        assert applied == {"stepfunctions._SFN_WAIT_SCALE": scale}

    def lambda_processes(self, function_name: str | None = None) -> list[LambdaProcess]:
        """The processes that run functions now. Each holds one call at a time; idle ones are kept for the next.

        The emulator gives every process a folder in its temporary directory that is named after the function.
        """
        prefix = f"{self.outputs.temporaryDir}/ministack-lambda-"
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            script = next((word for word in words if word.startswith(prefix) and word.endswith("/_worker.py")), None)
            if script is not None:
                # The folder is ministack-lambda-<function>-<eight random characters, of which none is a hyphen>.
                name = Path(script).parent.name.removeprefix("ministack-lambda-").rsplit("-", 1)[0]
                found.append(LambdaProcess(int(entry.name), name))
        return [each for each in found if function_name in (None, each.function_name)]

    def role_name(self, function_name: str) -> str:
        role: str = self.client("lambda").get_function_configuration(FunctionName=function_name)["Role"]
        return role.rsplit("/", 1)[-1]

    def _new_queue(self, name: str) -> str:
        """Make a queue that anybody may write to; return its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return arn

    def _emulator(self, method: str, path: str, body: object = None) -> Any:
        """The emulator's own controls, which have no counterpart in AWS."""
        url = f"{self.outputs.awsEndpointUrl}/_ministack/{path}"
        response = send(method, url, caller=self.developer, region=self.outputs.region, body=body)
        assert response.status == 200, f"{method} {path}: HTTP {response.status} {response.text}"
        return response.body
