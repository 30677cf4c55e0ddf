"""Calls to AWS that tell whether they are allowed and do nothing else: refused for what they ask, or finding nothing.

AWS and the emulator look at the caller's rights first. What is allowed fails all the same, in another way: a key that
is no table's, a number that is too large, an object that is not there, a name that is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError

from local.settings import MAIL_SENDER
from local.signing import Caller
from tests.stack.cloud import Cloud

#: What the emulator would do, where AWS refuses what is asked: only those who may not are to try.
ONLY_DENIED: Final = {
    "secretsmanager:PutSecretValue", "kms:PutKeyPolicy", "states:UpdateStateMachine", "s3:PutBucketPolicy",
    "iam:UpdateAssumeRolePolicy", "logs:CreateLogStream",
}  # fmt: skip

#: What a service calls a caller who may not: SNS has a word of its own.
DENIED: Final = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
#: In the name of no order and no request.
NOBODY: Final = "denied"
ITEM: Final = {NOBODY: {"S": NOBODY}}
#: Long enough to be any service's id.
ID: Final = NOBODY * 6
CONTEXT: Final = {"order": NOBODY}
#: Of an execution of each workflow, which is there already.
TAKEN: Final = NOBODY

Call = Callable[["Hand", str], object]


class _Signer(Credentials):
    """Credentials of whoever tries just now."""

    def __init__(self) -> None:
        super().__init__("nobody", "nothing")
        self.caller = Caller("nobody", "nothing")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Asked for with every call."""
        return ReadOnlyCredentials(self.caller.access_key_id, self.caller.secret_access_key, self.caller.session_token)


class Clients:
    """One client of each service for all who try: making them takes longer than their calls."""

    def __init__(self, cloud: Cloud) -> None:
        self._endpoint = cloud.outputs.awsEndpointUrl
        self._signer = _Signer()
        session = botocore.session.Session()
        session._credentials = self._signer
        self._session: Any = boto3.Session(botocore_session=session, region_name=cloud.outputs.region)
        self._made: dict[str, Any] = {}

    def of(self, service: str, caller: Caller) -> Any:
        """A service's client, until somebody else asks for one; nothing is tried twice."""
        if service not in self._made:
            config = Config(retries={"total_max_attempts": 1}, proxies={}, parameter_validation=False)
            self._made[service] = self._session.client(service, endpoint_url=self._endpoint, config=config)
        self._signer.caller = caller
        return self._made[service]


@dataclass
class Hand:
    """Somebody who tries."""

    cloud: Cloud
    caller: Caller
    clients: Clients
    #: By key: something encrypted for nobody's order.
    encrypted: Mapping[str, bytes] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Its client of a service, for one call."""
        return self.clients.of(service, self.caller)

    def is_denied(self, action: str, arn: str) -> bool:
        """Try; whatever else comes of it, was it denied?"""
        try:
            ATTEMPTS[action](self, arn)
        except ClientError as error:
            return error.response["Error"]["Code"] in DENIED
        return False


def name_of(arn: str) -> str:
    """The last part of an ARN."""
    return arn.rpartition("/")[2] if "/" in arn else arn.rpartition(":")[2]


def _table(arn: str) -> dict[str, str]:
    name, _, index = arn.partition(":table/")[2].partition("/index/")
    return {"TableName": name, **({"IndexName": index} if index else {})}


def _object(arn: str) -> dict[str, str]:
    bucket, _, key = arn.rpartition(":")[2].partition("/")
    return {"Bucket": bucket, **({"Key": key} if key else {})}


def _queue(hand: Hand, arn: str) -> dict[str, str]:
    account, name = arn.split(":")[-2:]
    return {"QueueUrl": f"{hand.cloud.outputs.awsEndpointUrl}/{account}/{name}"}


def _log(arn: str) -> dict[str, str]:
    return {"logGroupName": arn.partition(":log-group:")[2].removesuffix(":*")}


def _of(service: str, operation: str, arguments: Callable[[Hand, str], Mapping[str, Any]]) -> Call:
    def call(hand: Hand, arn: str) -> object:
        return getattr(hand.client(service), operation)(**arguments(hand, arn))

    return call


#: How each action is tried. Those below the line are needed by nobody.
ATTEMPTS: Final[Mapping[str, Call]] = {
    "dynamodb:GetItem": _of("dynamodb", "get_item", lambda _, arn: {**_table(arn), "Key": ITEM}),
    "dynamodb:PutItem": _of("dynamodb", "put_item", lambda _, arn: {**_table(arn), "Item": ITEM}),
    "dynamodb:UpdateItem": _of("dynamodb", "update_item", lambda _, arn: {**_table(arn), "Key": ITEM}),
    "dynamodb:BatchGetItem": _of(
        "dynamodb", "batch_get_item", lambda _, arn: {"RequestItems": {_table(arn)["TableName"]: {"Keys": [ITEM]}}}
    ),
    "dynamodb:Query": _of(
        "dynamodb", "query", lambda _, arn: {**_table(arn), "KeyConditionExpression": f"{NOBODY} = :missing"}
    ),
    "dynamodb:DescribeStream": _of("dynamodbstreams", "describe_stream", lambda _, arn: {"StreamArn": arn, "Limit": 0}),
    "dynamodb:GetShardIterator": _of(
        "dynamodbstreams",
        "get_shard_iterator",
        lambda _, arn: {"StreamArn": arn, "ShardId": ID, "ShardIteratorType": "LATEST"},
    ),
    "dynamodb:GetRecords": _of("dynamodbstreams", "get_records", lambda *_: {"ShardIterator": ID}),
    "dynamodb:ListStreams": _of("dynamodbstreams", "list_streams", lambda *_: {"Limit": 1}),
    "secretsmanager:GetSecretValue": _of("secretsmanager", "get_secret_value", lambda _, arn: {"SecretId": arn}),
    "secretsmanager:DescribeSecret": _of("secretsmanager", "describe_secret", lambda _, arn: {"SecretId": arn}),
    "secretsmanager:UpdateSecretVersionStage": _of(
        "secretsmanager",
        "update_secret_version_stage",
        lambda _, arn: {"SecretId": arn, "VersionStage": NOBODY, "MoveToVersionId": ID},
    ),
    "kms:Encrypt": _of(
        "kms", "encrypt", lambda _, arn: {"KeyId": arn, "Plaintext": b"dummy", "EncryptionContext": CONTEXT}
    ),
    "kms:Decrypt": _of(
        "kms",
        "decrypt",
        lambda hand, arn: {"KeyId": arn, "CiphertextBlob": hand.encrypted[arn], "EncryptionContext": CONTEXT},
    ),
    "kms:GenerateDataKey": _of("kms", "generate_data_key", lambda _, arn: {"KeyId": arn, "KeySpec": "AES_256"}),
    "states:StartExecution": _of(
        "stepfunctions", "start_execution", lambda _, arn: {"stateMachineArn": arn, "name": TAKEN, "input": "{}"}
    ),
    "states:DescribeExecution": _of("stepfunctions", "describe_execution", lambda _, arn: {"executionArn": arn}),
    "states:StopExecution": _of("stepfunctions", "stop_execution", lambda _, arn: {"executionArn": arn}),
    "lambda:InvokeFunction": _of(
        "lambda", "invoke", lambda _, arn: {"FunctionName": arn, "InvocationType": "DryRun", "Payload": b"{}"}
    ),
    "sqs:SendMessage": _of(
        "sqs", "send_message", lambda hand, arn: {**_queue(hand, arn), "MessageBody": NOBODY, "DelaySeconds": 10**6}
    ),
    "sqs:ReceiveMessage": _of(
        "sqs", "receive_message", lambda hand, arn: {**_queue(hand, arn), "MaxNumberOfMessages": 99}
    ),
    "sqs:DeleteMessage": _of("sqs", "delete_message", lambda hand, arn: {**_queue(hand, arn), "ReceiptHandle": NOBODY}),
    "sqs:GetQueueAttributes": _of(
        "sqs", "get_queue_attributes", lambda hand, arn: {**_queue(hand, arn), "AttributeNames": ["QueueArn"]}
    ),
    "sns:Publish": _of("sns", "publish", lambda _, arn: {"TopicArn": arn, "Message": "x" * 300_000}),
    "events:PutEvents": _of(
        "events",
        "put_events",
        lambda _, arn: {
            "Entries": [{"EventBusName": name_of(arn), "Source": f"aws.{NOBODY}", "DetailType": NOBODY, "Detail": "{}"}]
        },
    ),
    "ses:SendEmail": _of(
        "sesv2",
        "send_email",
        # Whatever the identity, it is the sender that counts.
        lambda _, arn: {"FromEmailAddress": MAIL_SENDER, "Destination": {}, "Content": {}},
    ),
    "s3:GetObject": _of("s3", "get_object", lambda _, arn: _object(arn)),
    "s3:PutObject": _of("s3", "put_object", lambda _, arn: {**_object(arn), "Body": b"", "IfMatch": f'"{NOBODY}"'}),
    "s3:ListBucket": _of("s3", "list_objects_v2", lambda _, arn: {**_object(arn), "MaxKeys": 1}),
    "logs:CreateLogStream": _of("logs", "create_log_stream", lambda _, arn: {**_log(arn), "logStreamName": "a:b"}),
    "logs:PutLogEvents": _of(
        "logs", "put_log_events", lambda _, arn: {**_log(arn), "logStreamName": NOBODY, "logEvents": []}
    ),
    "logs:DescribeLogGroups": _of("logs", "describe_log_groups", lambda *_: {"limit": 1}),
    "logs:DescribeResourcePolicies": _of("logs", "describe_resource_policies", lambda *_: {"limit": 1}),
    "logs:PutResourcePolicy": _of("logs", "put_resource_policy", lambda *_: {"policyName": "", "policyDocument": "{"}),
    # ---- needed by nobody ----
    "dynamodb:Scan": _of("dynamodb", "scan", lambda _, arn: {**_table(arn), "Limit": 1}),
    "dynamodb:DeleteItem": _of("dynamodb", "delete_item", lambda _, arn: {**_table(arn), "Key": ITEM}),
    "dynamodb:BatchWriteItem": _of(
        "dynamodb",
        "batch_write_item",
        lambda _, arn: {"RequestItems": {_table(arn)["TableName"]: [{"DeleteRequest": {"Key": ITEM}}]}},
    ),
    "dynamodb:DescribeTable": _of("dynamodb", "describe_table", lambda _, arn: _table(arn)),
    "secretsmanager:PutSecretValue": _of("secretsmanager", "put_secret_value", lambda _, arn: {"SecretId": arn}),
    "secretsmanager:DeleteSecret": _of(
        "secretsmanager", "delete_secret", lambda _, arn: {"SecretId": arn, "RecoveryWindowInDays": 1}
    ),
    "secretsmanager:TagResource": _of("secretsmanager", "tag_resource", lambda _, arn: {"SecretId": arn, "Tags": []}),
    "secretsmanager:ListSecrets": _of("secretsmanager", "list_secrets", lambda *_: {"MaxResults": 1}),
    "kms:ScheduleKeyDeletion": _of(
        "kms", "schedule_key_deletion", lambda _, arn: {"KeyId": arn, "PendingWindowInDays": 1}
    ),
    "kms:PutKeyPolicy": _of(
        "kms", "put_key_policy", lambda _, arn: {"KeyId": arn, "PolicyName": "default", "Policy": "{"}
    ),
    "states:GetExecutionHistory": _of("stepfunctions", "get_execution_history", lambda _, arn: {"executionArn": arn}),
    "states:ListExecutions": _of(
        "stepfunctions", "list_executions", lambda _, arn: {"stateMachineArn": arn, "maxResults": 1}
    ),
    "states:UpdateStateMachine": _of(
        "stepfunctions", "update_state_machine", lambda _, arn: {"stateMachineArn": arn, "definition": "{"}
    ),
    "lambda:GetFunction": _of("lambda", "get_function", lambda _, arn: {"FunctionName": arn}),
    "lambda:UpdateFunctionCode": _of(
        "lambda", "update_function_code", lambda _, arn: {"FunctionName": arn, "S3Bucket": NOBODY, "S3Key": NOBODY}
    ),
    "s3:DeleteObject": _of("s3", "delete_object", lambda _, arn: _object(arn)),
    "kms:GetKeyPolicy": _of("kms", "get_key_policy", lambda _, arn: {"KeyId": arn, "PolicyName": "default"}),
    "states:DescribeStateMachine": _of(
        "stepfunctions", "describe_state_machine", lambda _, arn: {"stateMachineArn": arn}
    ),
    "iam:GetRolePolicy": _of("iam", "get_role_policy", lambda _, arn: {"RoleName": name_of(arn), "PolicyName": NOBODY}),
    "s3:GetBucketPolicy": _of("s3", "get_bucket_policy", lambda _, arn: _object(arn)),
    "s3:PutBucketPolicy": _of("s3", "put_bucket_policy", lambda _, arn: {**_object(arn), "Policy": "{"}),
    "sns:Subscribe": _of("sns", "subscribe", lambda _, arn: {"TopicArn": arn, "Protocol": "sqs", "Endpoint": NOBODY}),
    "sqs:SetQueueAttributes": _of(
        "sqs",
        "set_queue_attributes",
        lambda hand, arn: {**_queue(hand, arn), "Attributes": {"VisibilityTimeout": NOBODY}},
    ),
    "events:PutRule": _of(
        "events", "put_rule", lambda _, arn: {"Name": NOBODY, "EventBusName": name_of(arn), "EventPattern": "{"}
    ),
    "logs:FilterLogEvents": _of("logs", "filter_log_events", lambda _, arn: {**_log(arn), "limit": 1}),
    "iam:PutRolePolicy": _of(
        "iam", "put_role_policy", lambda _, arn: {"RoleName": name_of(arn), "PolicyName": NOBODY, "PolicyDocument": "{"}
    ),
    "iam:UpdateAssumeRolePolicy": _of(
        "iam", "update_assume_role_policy", lambda _, arn: {"RoleName": name_of(arn), "PolicyDocument": "{"}
    ),
    "iam:CreateAccessKey": _of("iam", "create_access_key", lambda *_: {"UserName": NOBODY}),
    "cloudformation:DescribeStacks": _of("cloudformation", "describe_stacks", lambda *_: {}),
    "cloudwatch:ListMetrics": _of("cloudwatch", "list_metrics", lambda *_: {}),
    "scheduler:ListSchedules": _of("scheduler", "list_schedules", lambda *_: {"MaxResults": 1}),
    "apigateway:GET": _of("apigateway", "get_rest_apis", lambda *_: {"limit": 1}),
}
