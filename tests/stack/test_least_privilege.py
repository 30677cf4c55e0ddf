"""The rights of the deployed roles hold: none does what no function needs, takes another role or calls the API.

What each role may do is asked of the template, as data. Here the same credentials are refused by what is deployed.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.signing import Caller
from local.target import of_local
from tests.stack.cloud import Cloud
from tests.template.rules import api_document
from tests.template.transformed import resolve, source, transform

pytestmark = pytest.mark.stack


def _account(cloud: Cloud) -> str:
    account: str = cloud.client("sts").get_caller_identity()["Account"]
    return account


def _as(cloud: Cloud, service: str, caller: Caller) -> Any:
    return boto3.client(  # type: ignore[call-overload] # a service's name that is no literal
        service,
        region_name=cloud.outputs.region,
        endpoint_url=cloud.outputs.awsEndpointUrl,
        aws_access_key_id=caller.access_key_id,
        aws_secret_access_key=caller.secret_access_key,
        aws_session_token=caller.session_token,
        config=Config(retries={"total_max_attempts": 1}, proxies={}, parameter_validation=False),
    )


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> dict[str, Caller]:
    """The credentials of each role, by its name in the template. For that moment its trust takes the developer in."""
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources")
    found = [
        each for page in pages.paginate(StackName=cloud.outputs.stackName) for each in page["StackResourceSummaries"]
    ]
    iam, sts = cloud.client("iam"), cloud.client("sts")
    return {
        each["LogicalResourceId"]: _assume(iam, sts, each["PhysicalResourceId"].rpartition("/")[2])
        for each in found
        if each["ResourceType"] == "AWS::IAM::Role"
    }


def _assume(iam: Any, sts: Any, name: str) -> Caller:
    role = iam.get_role(RoleName=name)["Role"]
    trust, developer = role["AssumeRolePolicyDocument"], sts.get_caller_identity()["Arn"]
    # Unless its trust says so, nobody takes it: not even who may do anything in the account.
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=role["Arn"], RoleSessionName="tries")
    statement = {"Effect": "Allow", "Principal": {"AWS": developer}, "Action": "sts:AssumeRole"}
    opened = {**trust, "Statement": [*trust["Statement"], statement]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        given: Any = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="tries")["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return Caller(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def test_no_role_may_read_a_table_whole_take_another_role_or_call_the_api(
    cloud: Cloud, roles: dict[str, Caller]
) -> None:
    assert len(roles) > 20
    other = cloud.client("iam").get_role(RoleName=cloud.role_name(cloud.outputs.functionNames["CreateGiftCard"]))
    for role, caller in roles.items():
        assert cloud.call("GET", "/requests", caller=caller).status == 403, role
        sts, dynamodb = _as(cloud, "sts", caller), _as(cloud, "dynamodb", caller)
        with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=other["Role"]["Arn"], RoleSessionName="tries")
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            dynamodb.scan(TableName=cloud.outputs.tableName)
    assert cloud.call("GET", "/requests").status == 200


@pytest.mark.parametrize("sender", ["somebody@example.com", "gateway@mail.example.com"])
def test_cases_are_mailed_as_their_sender_only(cloud: Cloud, roles: dict[str, Caller], sender: str) -> None:
    ses = _as(cloud, "sesv2", roles["RecoverRequestRole"])
    # when who may mail cases does so in somebody else's name, even of the same domain, then it is not allowed to
    with pytest.raises(ses.exceptions.ClientError, match="AccessDenied"):
        ses.send_email(FromEmailAddress=sender, Destination={}, Content={})


DEVELOPER = "the developer, who may do anything"

#: Who begins rounds, judges them, and closes: none of them can bring the ledger in line with what Amazon says.
KEEPERS = ("WatchAccountRole", "ReconcileAccountRole", "ControlBooksRole", "CloseMonthRole", "GetBooksRole")


def test_who_keeps_the_books_cannot_write_the_ledger(cloud: Cloud, roles: dict[str, Caller]) -> None:
    table, key = cloud.outputs.tableName, {"id": {"S": "SandbOFNOBODY"}}
    for role in KEEPERS:
        dynamodb = _as(cloud, "dynamodb", roles[role])
        for write in (
            lambda to: to.put_item(TableName=table, Item=key),
            lambda to: to.update_item(TableName=table, Key=key),
            lambda to: to.delete_item(TableName=table, Key=key),
            lambda to: to.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": key}}]}),
            lambda to: to.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": key}}]),
        ):
            with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
                write(dynamodb)
    assert "Item" not in cloud.client("dynamodb").get_item(TableName=table, Key=key)


def test_nobody_deletes_or_overwrites_a_file_of_the_books(cloud: Cloud, roles: dict[str, Caller]) -> None:
    resources = of_local(cloud.outputs).resources()
    bucket, name = resources["BooksBucket"], f"nobody/{uuid.uuid4().hex}/rows-1.jsonl"
    s3 = cloud.client("s3")
    version = s3.put_object(Bucket=bucket, Key=name, Body=b"as it was written", IfNoneMatch="*")["VersionId"]
    could_write = set()
    for role, caller in {**roles, DEVELOPER: cloud.developer}.items():
        its = _as(cloud, "s3", caller)
        for given in ({}, {"VersionId": version}):
            with pytest.raises(its.exceptions.ClientError, match="AccessDenied"):
                its.delete_object(Bucket=bucket, Key=name, **given)
            # Several at once are answered one by one; what came of it is looked at below.
            with contextlib.suppress(its.exceptions.ClientError):
                its.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name, **given}]})
        # Nor are they left to expire.
        with pytest.raises(its.exceptions.ClientError, match="AccessDenied"):
            its.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": []})
        with pytest.raises(its.exceptions.ClientError) as refused:
            its.put_object(Bucket=bucket, Key=name, Body=b"otherwise", IfNoneMatch="*")
        if refused.value.response["Error"]["Code"] == "PreconditionFailed":
            could_write.add(role)
        else:
            assert refused.value.response["Error"]["Code"] == "AccessDenied"
    # A file of a day's rows is written by who reads pages and statements, once.
    assert could_write == {"ReconcileAccountRole", "ControlBooksRole", DEVELOPER}
    # Who does not say If-None-Match is refused by a policy that is not deployed here: the emulator's never know that it
    # was said, and would refuse everybody. tests/template holds it.
    assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == b"as it was written"
    found = s3.list_object_versions(Bucket=bucket, Prefix=name)
    assert [each["VersionId"] for each in found["Versions"]] == [version]
    assert "DeleteMarkers" not in found


def test_nobody_deletes_from_the_books_table(cloud: Cloud, roles: dict[str, Caller]) -> None:
    table = of_local(cloud.outputs).resources()["BooksTable"]
    for caller in roles.values():
        dynamodb = _as(cloud, "dynamodb", caller)
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            dynamodb.delete_item(TableName=table, Key={"account": {"S": "nobody"}, "part": {"S": "day#2026-01-31"}})


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
def test_policy_lets_this_accounts_callers_in_from_where_they_may_be(cloud: Cloud, networks: str, status: int) -> None:
    with _under_policy(cloud, _account(cloud), ApiCallerNetworks=networks):
        response = cloud.call("GET", "/requests")
        assert response.status == status, response.text
        # and it opens nothing: who does not sign is refused as before
        assert cloud.call("GET", "/requests", signed=False).status == 403


def test_policy_denies_who_is_of_another_account_whatever_iam_says(cloud: Cloud) -> None:
    # given an API whose account is another one than its callers', who have the leave of IAM
    with _under_policy(cloud, "222222222222"):
        assert cloud.call("GET", "/requests").status == 403
    # when their account is named, then they are let in
    with _under_policy(cloud, "222222222222", ApiCallerAccounts=_account(cloud)):
        assert cloud.call("GET", "/requests").status == 200
