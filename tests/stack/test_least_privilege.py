"""Each role of the stack tries everything that any role may do, and much that none may: it can do what it needs, only.

What a role needs is the table of the template's tests, not the policy that was deployed. The calls are made with the
role's own credentials and do nothing; see `attempts`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from local.settings import ACCOUNT_NAME, ACCOUNT_SECRET_PREFIX, MAIL_SENDER
from local.signing import Caller
from tests.stack.attempts import ATTEMPTS, CONTEXT, NOBODY, ONLY_DENIED, TAKEN, Hand
from tests.stack.cloud import Cloud
from tests.template.needs import FUNCTIONS, arn_of, ref
from tests.template.rules import LOG_DELIVERY, SENDER, wanted_grants

pytestmark = pytest.mark.stack

#: A role's name in the template -> actions by patterns of resources.
Grants = dict[str, dict[str, set[str]]]

# What workflows and schedules need, as the template's tests hold them to it.
_INVOKES: Final = {
    "RecoverRequestStateMachineRole": "RecoverRequest",
    "ProcessOrderStateMachineRole": "ProcessOrder",
    "SweepScheduleRole": "SweepRequests",
    "WatchScheduleRole": "WatchAccount",
}
#: No program calls these: only the services themselves do, in the name of a state machine.
UNCALLABLE: Final = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
}  # fmt: skip
#: Where the emulator asks for another resource than AWS does, so that it denies even those who may: it names no stream
#: of a table or of a log.
DENIED_TO_ALL: Final = {
    "dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords", "logs:CreateLogStream",
    "logs:PutLogEvents",
}  # fmt: skip
#: On what each action that nobody needs is tried: a part of the ARN of every resource of its kind.
FORBIDDEN: Final[Mapping[str, tuple[str, ...]]] = {
    ":table/": ("Scan", "DeleteItem", "BatchWriteItem", "DescribeTable"),
    ":secret:": ("PutSecretValue", "DeleteSecret", "TagResource", "ListSecrets"),
    ":key/": ("ScheduleKeyDeletion", "PutKeyPolicy", "GetKeyPolicy"),
    ":stateMachine:": ("ListExecutions", "DescribeStateMachine", "UpdateStateMachine"),
    ":execution:": ("GetExecutionHistory",),
    ":function:": ("GetFunction", "UpdateFunctionCode"),
    ":s3:::": ("DeleteObject", "GetBucketPolicy", "PutBucketPolicy"),
    ":sns:": ("Subscribe",),
    ":sqs:": ("SetQueueAttributes",),
    ":event-bus/": ("PutRule",),
    ":log-group:": ("FilterLogEvents",),
    ":role/": ("PutRolePolicy", "GetRolePolicy", "UpdateAssumeRolePolicy"),
}
ANYWHERE: Final = (
    "iam:CreateAccessKey", "cloudformation:DescribeStacks", "cloudwatch:ListMetrics", "scheduler:ListSchedules",
    "apigateway:GET",
)  # fmt: skip


class Stack:
    """The deployed resources, by their names in the template."""

    def __init__(self, cloud: Cloud) -> None:
        pages = cloud.client("cloudformation").get_paginator("list_stack_resources")
        found = [
            each
            for page in pages.paginate(StackName=cloud.outputs.stackName)
            for each in page["StackResourceSummaries"]
        ]
        self._cloud = cloud
        self.ids: dict[str, str] = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
        self.types: dict[str, str] = {each["LogicalResourceId"]: each["ResourceType"] for each in found}
        identity = cloud.client("sts").get_caller_identity()
        self.account: str = identity["Account"]
        self._here = f"{cloud.outputs.region}:{self.account}"

    def of_type(self, kind: str) -> list[str]:
        """Names of the resources of a type."""
        return sorted(name for name, each in self.types.items() if each == kind)

    def arn(self, name: str, attribute: str = "Arn") -> str:  # noqa: PLR0911 - one return a type
        """The ARN of a resource."""
        physical = self.ids[name]
        if attribute == "StreamArn":
            table = self._cloud.client("dynamodb").describe_table(TableName=physical)["Table"]
            return str(table["LatestStreamArn"])
        match self.types[name]:
            case "AWS::DynamoDB::Table":
                return f"arn:aws:dynamodb:{self._here}:table/{physical}"
            case "AWS::Logs::LogGroup":
                return f"arn:aws:logs:{self._here}:log-group:{physical}:*"
            case "AWS::KMS::Key":
                return f"arn:aws:kms:{self._here}:key/{physical}"
            case "AWS::SQS::Queue":
                return f"arn:aws:sqs:{self._here}:{physical.rpartition('/')[2]}"
            case "AWS::S3::Bucket":
                return f"arn:aws:s3:::{physical}"
            case "AWS::Events::EventBus":
                return f"arn:aws:events:{self._here}:event-bus/{physical.rpartition('/')[2]}"
            case "AWS::IAM::Role":
                return f"arn:aws:iam::{self.account}:role/{physical.rpartition('/')[2]}"
            case _:
                assert physical.startswith("arn:"), (name, physical)
                return physical

    def pattern(self, resource: str) -> str:
        """A resource as the table names it, in terms of what is deployed."""
        if not resource.startswith("{"):
            text = resource.replace("us-east-1:123456789012", self._here).replace(SENDER, MAIL_SENDER)
            return text.replace("stack-process-order", f"{self._cloud.outputs.stackName}-process-order")
        match json.loads(resource):
            case {"Fn::GetAtt": [name, attribute]}:
                return self.arn(name, attribute)
            case {"Ref": name}:
                return self.arn(name)
            case {"Fn::Sub": text}:
                name, _, rest = text.removeprefix("${").partition(".Arn}")
                return self.arn(name) + str(rest)
            case other:
                raise AssertionError(other)


@pytest.fixture(scope="module")
def stack(cloud: Cloud) -> Stack:
    return Stack(cloud)


@pytest.fixture(scope="module")
def needed(stack: Stack) -> Grants:
    """What each role needs, by the tables of the template's tests."""
    orders = "arn:aws:states:us-east-1:123456789012:{}:stack-process-order"
    wanted = {f"{name}Role": wanted_grants(name, needs) for name, needs in FUNCTIONS.items()}
    for role, function in _INVOKES.items():
        wanted[role] = {ref(f"{function}FunctionAliaslive"): {"lambda:InvokeFunction"}}
        wanted[role] |= (
            {"*": set(LOG_DELIVERY)} if "StateMachine" in role else {arn_of("FailuresQueue"): {"sqs:SendMessage"}}
        )
    wanted["ProcessOrderStateMachineRole"] |= {
        orders.format("stateMachine"): {"states:StartExecution"},
        **{
            orders.format("execution") + each: {"states:DescribeExecution", "states:StopExecution"}
            for each in (":*", "/*")
        },
    }
    return {
        role: {stack.pattern(resource): set(actions) for resource, actions in grants.items()}
        for role, grants in wanted.items()
    }


@pytest.fixture(scope="module")
def cells(needed: Grants, stack: Stack) -> list[tuple[str, str]]:
    """Every action on every resource that some role needs it on, and what nobody needs on all of these."""
    everything = {
        (action, _example(pattern))
        for grants in needed.values()
        for pattern, actions in grants.items()
        for action in actions - UNCALLABLE
    }
    resources = {arn for _, arn in everything} | {stack.arn(name) for name in stack.of_type("AWS::IAM::Role")}
    forbidden = {
        (f"{_service(arn)}:{action}", arn)
        for arn in resources
        for part, actions in FORBIDDEN.items()
        if part in arn
        for action in actions
        # An object of a bucket is deleted, and a bucket has a policy; an index is a part of its table.
        if ("Object" in action) == (part == ":s3:::" and "/" in arn) and "/index/" not in arn and "/stream/" not in arn
    }
    return sorted(everything | forbidden | {(action, "*") for action in ANYWHERE})


def _example(pattern: str) -> str:
    """A resource that a pattern fits."""
    if f":secret:{ACCOUNT_SECRET_PREFIX}/" in pattern:
        return pattern.replace("*", ACCOUNT_NAME)
    if pattern == "*" or ":log-group:" in pattern:
        return pattern
    return pattern.replace("*", NOBODY)


def _service(arn: str) -> str:
    return arn.split(":")[2]


def _fits(action: str, arn: str, grants: Mapping[str, set[str]]) -> bool:
    return any(action in actions and fnmatch.fnmatchcase(arn, pattern) for pattern, actions in grants.items())


@pytest.fixture(scope="module")
def hands(cloud: Cloud, stack: Stack) -> Iterator[dict[str, Hand]]:
    """Somebody with the credentials of each role. For that moment its trust takes the developer in."""
    sealed = cloud.client("kms").encrypt(
        KeyId=cloud.outputs.cardVaultKeyArn, Plaintext=b"dummy", EncryptionContext=CONTEXT
    )["CiphertextBlob"]
    states = cloud.client("stepfunctions")
    for machine in (cloud.outputs.stateMachineArn, cloud.outputs.orderStateMachineArn):
        # Of nobody's request and nobody's order: it ends at once.
        nobody = {"requestId": NOBODY, "epoch": 0, "orderId": NOBODY, "round": 0}
        with contextlib.suppress(states.exceptions.ExecutionAlreadyExists):
            states.start_execution(stateMachineArn=machine, name=TAKEN, input=json.dumps(nobody))
    found = {name: Hand(cloud, _assume(cloud, stack.arn(name)), sealed) for name in stack.of_type("AWS::IAM::Role")}
    yield found
    bucket = cloud.client("s3")
    for each in bucket.list_objects_v2(Bucket=cloud.outputs.ordersBucketName).get("Contents", []):
        if NOBODY in each["Key"]:
            bucket.delete_object(Bucket=cloud.outputs.ordersBucketName, Key=each["Key"])


def _assume(cloud: Cloud, role_arn: str) -> Caller:
    iam, sts = cloud.client("iam"), cloud.client("sts")
    name = role_arn.rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    developer = sts.get_caller_identity()["Arn"]
    # Unless its trust says so, nobody takes it: not even who may do anything in the account.
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=role_arn, RoleSessionName="tries")
    statement = {"Effect": "Allow", "Principal": {"AWS": developer}, "Action": "sts:AssumeRole"}
    opened = {**trust, "Statement": [*trust["Statement"], statement]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        given: Any = sts.assume_role(RoleArn=role_arn, RoleSessionName="tries")["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return Caller(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def test_every_action_is_tried(cells: list[tuple[str, str]], needed: Grants, stack: Stack) -> None:
    assert {action for action, _ in cells} == set(ATTEMPTS)
    assert set(stack.of_type("AWS::IAM::Role")) == needed.keys()


def test_each_role_can_do_what_it_needs_and_nothing_else(
    cells: list[tuple[str, str]], needed: Grants, hands: dict[str, Hand]
) -> None:
    # given everything that any role may do, and much that none may
    wrong: list[str] = []
    denied_count = allowed_count = 0
    # when each role tries it
    for role, grants in needed.items():
        for action, arn in cells:
            needs = _fits(action, arn, grants)
            denied = hands[role].is_denied(action, arn)
            denied_count += denied
            allowed_count += not denied
            # then it can do what it needs, and nothing else
            if denied == needs and action not in DENIED_TO_ALL:
                wrong.append(f"{role}: {action} on {arn} is {'denied' if denied else 'allowed'}")
            if not denied and action in DENIED_TO_ALL:
                wrong.append(f"{role}: {action} on {arn}: the emulator can tell by now, take it off the list")
    print(f"\n{len(needed)} roles x {len(cells)} actions: {denied_count} denied, {allowed_count} allowed")  # noqa: T201 - the size of the proof
    assert wrong == []


def test_what_is_denied_is_denied_for_who_asks(
    cloud: Cloud, cells: list[tuple[str, str]], hands: dict[str, Hand]
) -> None:
    # given somebody who may do anything
    developer = Hand(cloud, cloud.developer, next(iter(hands.values())).sealed)
    tried = [(action, arn) for action, arn in cells if action not in ONLY_DENIED]
    # when the same calls are theirs, then none is denied: it is the role that makes the difference
    assert [(action, arn) for action, arn in tried if developer.is_denied(action, arn)] == []


def test_no_role_may_call_the_api_or_take_another_role(cloud: Cloud, stack: Stack, hands: dict[str, Hand]) -> None:
    other = stack.arn("CreateGiftCardRole")
    for role, hand in hands.items():
        assert cloud.call("GET", "/requests", caller=hand.caller).status == 403, role
        with pytest.raises(hand.client("sts").exceptions.ClientError, match="AccessDenied"):
            hand.client("sts").assume_role(RoleArn=other, RoleSessionName="tries")
    assert cloud.call("GET", "/requests").status == 200
