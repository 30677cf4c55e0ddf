"""Each role of the stack tries everything that any role may do, and much that none may: it can do what it needs, only.

What a role needs is what `tests/template/rights.txt` says, not the policy that was deployed. The calls are made
with the role's own credentials and do nothing; see `attempts`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from local.settings import ACCOUNT_NAME, ACCOUNT_SECRET_PREFIX, MAIL_SENDER
from local.signing import Caller
from tests.stack.attempts import ATTEMPTS, CONTEXT, DENIED, NOBODY, ONLY_DENIED, TAKEN, Clients, Hand
from tests.stack.cloud import Cloud
from tests.template.rights import SENDER, Grants, agreed
from tests.template.rules import api_document
from tests.template.transformed import resolve, source, transform

pytestmark = pytest.mark.stack

#: A role's name in the template -> actions by patterns of resources.
Needed = dict[str, Grants]

#: No program calls these: only the services themselves do, in the name of a state machine.
UNCALLABLE: Final = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
}  # fmt: skip
#: Not tried: the emulator asks for another resource than AWS does, as it names no stream of a table or of a log, and
#: denies even those who may. The template's tests hold each role to these, too.
DENIED_TO_ALL: Final = {
    "dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords", "logs:CreateLogStream",
    "logs:PutLogEvents",
}  # fmt: skip
#: Lent for what SNS does with it when a role publishes; by itself none may use it.
ONLY_VIA_SNS: Final = "OperatorsKey"
#: What nobody needs, by what the ARNs look like that it is tried on.
FORBIDDEN: Final[Mapping[str, tuple[str, ...]]] = {
    ":table/[^/]+$": ("Scan", "DeleteItem", "BatchWriteItem", "DescribeTable"),
    ":secret:": ("PutSecretValue", "DeleteSecret", "TagResource", "ListSecrets"),
    ":key/": ("ScheduleKeyDeletion", "PutKeyPolicy", "GetKeyPolicy"),
    ":stateMachine:": ("ListExecutions", "DescribeStateMachine", "UpdateStateMachine"),
    ":execution:": ("GetExecutionHistory",),
    ":function:": ("GetFunction", "UpdateFunctionCode"),
    ":s3:::[^/]+$": ("GetBucketPolicy", "PutBucketPolicy"),
    ":s3:::.+/": ("DeleteObject",),
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
            case "AWS::Lambda::Function":
                return f"arn:aws:lambda:{self._here}:function:{physical}"
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
        """A resource as it was agreed to, in terms of what is deployed."""
        if (found := re.fullmatch(r"\$\{(\w+)\.?(\w*)\}(.*)", resource)) is not None:
            return self.arn(found[1], found[2]) + found[3]
        text = resource.replace("us-east-1:123456789012", self._here).replace(SENDER, MAIL_SENDER)
        return text.replace("stack-process-order", f"{self._cloud.outputs.stackName}-process-order")


@pytest.fixture(scope="module")
def stack(cloud: Cloud) -> Stack:
    return Stack(cloud)


@pytest.fixture(scope="module")
def needed(stack: Stack) -> Needed:
    """What each role needs: of what was agreed to all that is set up here."""
    return {
        role: {
            stack.pattern(resource): {action for action in actions if not action.startswith("xray:")}
            for resource, actions in grants.items()
            if resource != f"${{{ONLY_VIA_SNS}.Arn}}" and not resource.startswith("taken by ")
        }
        for role, grants in agreed().items()
    }


@pytest.fixture(scope="module")
def cells(needed: Needed, stack: Stack) -> list[tuple[str, str]]:
    """Every action on every resource that some role needs it on, and what nobody needs on all of these."""
    everything = {
        (action, _example(pattern))
        for grants in needed.values()
        for pattern, actions in grants.items()
        for action in actions - UNCALLABLE - DENIED_TO_ALL
    }
    # Of roles there is one for each function: this stands for all.
    resources = {arn for _, arn in everything} | {stack.arn("FunctionsLogGroup"), stack.arn("RecoverRequestRole")}
    forbidden = {
        (f"{_service(arn)}:{action}", arn)
        for arn in resources
        for pattern, actions in FORBIDDEN.items()
        if re.search(pattern, arn)
        for action in actions
    }
    directly = {(f"kms:{action}", stack.arn(ONLY_VIA_SNS)) for action in ("Encrypt", "Decrypt", "GenerateDataKey")}
    return sorted(everything | forbidden | directly | {(action, "*") for action in ANYWHERE})


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
    kms = cloud.client("kms")
    encrypted = {
        arn: kms.encrypt(KeyId=arn, Plaintext=b"dummy", EncryptionContext=CONTEXT)["CiphertextBlob"]
        for arn in map(stack.arn, stack.of_type("AWS::KMS::Key"))
    }
    states = cloud.client("stepfunctions")
    for machine in (cloud.outputs.stateMachineArn, cloud.outputs.orderStateMachineArn):
        # Of nobody's request and nobody's order: it ends at once.
        nobody = {"requestId": NOBODY, "epoch": 0, "orderId": NOBODY, "round": 0}
        with contextlib.suppress(states.exceptions.ExecutionAlreadyExists):
            states.start_execution(stateMachineArn=machine, name=TAKEN, input=json.dumps(nobody))
    clients = Clients(cloud)
    iam, sts = cloud.client("iam"), cloud.client("sts")
    found = {
        name: Hand(cloud, _assume(iam, sts, stack.arn(name)), clients, encrypted)
        for name in stack.of_type("AWS::IAM::Role")
    }
    yield found
    bucket = cloud.client("s3")
    for each in bucket.list_objects_v2(Bucket=cloud.outputs.ordersBucketName).get("Contents", []):
        if NOBODY in each["Key"]:
            bucket.delete_object(Bucket=cloud.outputs.ordersBucketName, Key=each["Key"])


def _assume(iam: Any, sts: Any, role_arn: str) -> Caller:
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


def test_every_action_is_tried(cells: list[tuple[str, str]], needed: Needed, stack: Stack) -> None:
    assert {action for action, _ in cells} == ATTEMPTS.keys() - DENIED_TO_ALL
    assert set(stack.of_type("AWS::IAM::Role")) == needed.keys()


def test_each_role_can_do_what_it_needs_and_nothing_else(
    cells: list[tuple[str, str]], needed: Needed, hands: dict[str, Hand]
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
            if denied == needs:
                wrong.append(f"{role}: {action} on {arn} is {'denied' if denied else 'allowed'}")
    print(f"\n{len(needed)} roles x {len(cells)} actions: {denied_count} denied, {allowed_count} allowed")  # noqa: T201 - the size of the proof
    assert "\n".join(wrong) == ""


def test_who_may_do_anything_is_denied_nothing(
    cloud: Cloud, cells: list[tuple[str, str]], hands: dict[str, Hand]
) -> None:
    # given somebody who may do anything
    developer = replace(next(iter(hands.values())), caller=cloud.developer)
    tried = [(action, arn) for action, arn in cells if action not in ONLY_DENIED]
    # when the same calls are theirs, then none is denied: it is the role that makes the difference
    assert [(action, arn) for action, arn in tried if developer.is_denied(action, arn)] == []


def test_what_is_not_tried_could_not_be_told(needed: Needed, hands: dict[str, Hand]) -> None:
    for role, grants in needed.items():
        for pattern, actions in grants.items():
            for action in actions & DENIED_TO_ALL:
                assert hands[role].is_denied(action, pattern), f"{action} can be told by now: take it off the list"


@pytest.mark.parametrize("sender", ["somebody@example.com", "gateway@mail.example.com"])
def test_cases_are_mailed_as_their_sender_only(hands: dict[str, Hand], sender: str) -> None:
    ses = hands["RecoverRequestRole"].client("sesv2")
    # when who may mail cases does so in somebody else's name, even of the same domain
    with pytest.raises(ses.exceptions.ClientError) as refused:
        ses.send_email(FromEmailAddress=sender, Destination={}, Content={})
    # then it is not allowed to
    assert refused.value.response["Error"]["Code"] in DENIED


def test_no_role_may_call_the_api_or_take_another_role(cloud: Cloud, stack: Stack, hands: dict[str, Hand]) -> None:
    other = stack.arn("CreateGiftCardRole")
    for role, hand in hands.items():
        assert cloud.call("GET", "/requests", caller=hand.caller).status == 403, role
        sts = hand.client("sts")
        with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=other, RoleSessionName="tries")
    assert cloud.call("GET", "/requests").status == 200


@contextlib.contextmanager
def _under_policy(cloud: Cloud, account: str, **given: str) -> Iterator[None]:
    """The API of an account under the policy that the template gives it: the emulator takes none from the template."""
    template = source()
    for name, value in given.items():
        template["Parameters"][name]["Default"] = value
    policy = json.dumps(resolve(template, api_document(transform(template))["x-amazon-apigateway-policy"]))
    split = re.sub(r'\{"Fn::Split": \[",", "([^"]*)"\]\}', lambda found: json.dumps(found[1].split(",")), policy)
    gateway, api = cloud.client("apigateway"), cloud.outputs.apiId
    changed = {"op": "replace", "path": "/policy", "value": split.replace("123456789012", account)}
    gateway.update_rest_api(restApiId=api, patchOperations=[changed])
    try:
        yield
    finally:
        gateway.update_rest_api(restApiId=api, patchOperations=[{**changed, "value": ""}])


@pytest.mark.parametrize(
    ("networks", "status"), [("", 200), ("127.0.0.0/8,198.51.100.0/24", 200), ("198.51.100.0/24", 403)]
)
def test_policy_lets_this_accounts_callers_in_from_where_they_may_be(
    cloud: Cloud, stack: Stack, networks: str, status: int
) -> None:
    with _under_policy(cloud, stack.account, ApiCallerNetworks=networks):
        response = cloud.call("GET", "/requests")
        assert response.status == status, response.text
        # and it opens nothing: who does not sign is refused as before
        assert cloud.call("GET", "/requests", signed=False).status == 403


def test_policy_denies_who_is_of_another_account_whatever_iam_says(cloud: Cloud, stack: Stack) -> None:
    # given an API whose account is another one than its callers', who have the leave of IAM
    with _under_policy(cloud, "222222222222"):
        assert cloud.call("GET", "/requests").status == 403
    # when their account is named, then they are let in
    with _under_policy(cloud, "222222222222", ApiCallerAccounts=stack.account):
        assert cloud.call("GET", "/requests").status == 200
