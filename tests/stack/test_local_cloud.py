"""The local cloud is the real thing: signed calls only, IAM enforced, errors in our words, nothing left behind."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from local import settings
from local.cloud import deployment
from local.cloud.processes import belongs_to
from local.signing import Caller
from tests.stack.cloud import Cloud

pytestmark = pytest.mark.stack

ORDER = {"amount": "25.00", "currencyCode": "USD"}


def new_key() -> str:
    return f"local-cloud-{uuid.uuid4().hex}"


@contextmanager
def without_permission(cloud: Cloud, function_name: str, sid: str) -> Iterator[None]:
    """A function whose role lacks one statement for a while."""
    iam = cloud.client("iam")
    role = cloud.role_name(function_name)
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    kept = [statement for statement in document["Statement"] if statement["Sid"] != sid]
    assert len(kept) == len(document["Statement"]) - 1
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps({**document, "Statement": kept}))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def test_signed_call_issues_a_card(cloud: Cloud) -> None:
    # when an order is sent, signed by a caller who may do nothing but call
    response = cloud.call("POST", "/gift-cards", ORDER, key=new_key())
    # then there is a card
    assert response.status == 201, response.text
    assert response.body["status"] == "SUCCEEDED"
    # and the ledger knows it
    assert cloud.ledger.get_item(Key={"id": response.body["requestId"]}, ConsistentRead=True)["Item"]


def test_unsigned_call_is_refused(cloud: Cloud) -> None:
    response = cloud.call("POST", "/gift-cards", ORDER, key=new_key(), signed=False)
    assert response.status == 403


def test_wrongly_signed_call_is_refused(cloud: Cloud) -> None:
    response = cloud.call("GET", "/funds", caller=Caller(cloud.invoker.access_key_id, "not-the-secret"))
    assert response.status == 403


def test_unknown_route_is_a_problem(cloud: Cloud) -> None:
    response = cloud.call("GET", "/no-such-route")
    assert response.status == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert response.body["status"] == 403
    assert response.body["errorCode"] is None
    assert response.body["errorType"] == "NotSigned"
    assert response.body["requestId"]
    assert response.body["retryable"] is False


def test_caller_who_may_only_call_can_do_nothing_else(cloud: Cloud) -> None:
    table = cloud.client("dynamodb", cloud.invoker)
    with pytest.raises(table.exceptions.ClientError, match="AccessDenied"):
        table.scan(TableName=cloud.outputs.tableName)


def test_role_needs_its_ledger_permission(cloud: Cloud) -> None:
    # given a function whose role lacks its permission on the ledger
    function = cloud.outputs.functionNames["GetGiftCard"]
    route = f"/gift-cards/{cloud.outputs.partnerId}{uuid.uuid4().hex}"
    with without_permission(cloud, function, "Ledger"):
        # when it is called, then it cannot read
        denied = cloud.call("GET", route)
    assert denied.status >= 500, denied.text
    # and with the permission the same call works: there is no such request
    allowed = cloud.call("GET", route)
    assert allowed.status == 404, allowed.text


def test_vault_opens_in_the_name_of_an_order_only(cloud: Cloud) -> None:
    # given somebody who has the vault permission of a function's role
    iam, name = cloud.client("iam"), f"vault-{uuid.uuid4().hex[:8]}"
    role = cloud.role_name(cloud.outputs.functionNames["ActivateGiftCard"])
    document = iam.get_role_policy(RoleName=role, PolicyName="own-needs")["PolicyDocument"]
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    kms = cloud.client("kms", Caller(key["AccessKeyId"], key["SecretAccessKey"]))
    encrypting = {"KeyId": cloud.outputs.cardVaultKeyArn, "Plaintext": b"dummy"}
    # when something is encrypted without naming an order, then it is refused
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        kms.encrypt(**encrypting)
    # and what was encrypted for one order does not open for another
    encrypted = kms.encrypt(**encrypting, EncryptionContext={"order": "one"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=encrypted, EncryptionContext={"order": "one"})["Plaintext"] == b"dummy"
    with pytest.raises(kms.exceptions.ClientError, match="InvalidCiphertext"):
        kms.decrypt(CiphertextBlob=encrypted, EncryptionContext={"order": "another"})


def test_sweep_is_scheduled_and_can_be_called_by_hand(cloud: Cloud) -> None:
    schedules = cloud.client("scheduler").list_schedules()["Schedules"]
    arn_ends_with = f":function:{cloud.outputs.functionNames['SweepRequests']}"
    (schedule,) = [each for each in schedules if each["Target"]["Arn"].endswith(arn_ends_with)]
    assert schedule["State"] == "ENABLED"
    assert isinstance(cloud.invoke("SweepRequests"), dict)


def test_nothing_is_built_twice(cloud: Cloud) -> None:
    # given the build that this cloud was deployed from
    built = settings.Settings(cloud.directory)
    # when it is asked for again, then there is nothing to do
    assert deployment.build(built) is False


def test_function_survives_the_death_of_its_process(cloud: Cloud) -> None:
    # given a function that has run
    function = cloud.outputs.functionNames["GetGiftCard"]
    route = f"/gift-cards/{cloud.outputs.partnerId}{uuid.uuid4().hex}"
    assert cloud.call("GET", route).status == 404
    processes = cloud.lambda_processes(function)
    assert processes
    # when its processes are killed
    for process in processes:
        process.kill()
    # then the next call gets another one
    assert cloud.call("GET", route).status == 404
    assert not {each.pid for each in processes} & {each.pid for each in cloud.lambda_processes(function)}


def test_services_and_functions_are_known_as_ours(cloud: Cloud) -> None:
    pids = [cloud.outputs.ministackPid, *(each.pid for each in cloud.lambda_processes())]
    assert all(belongs_to(pid, cloud.directory) for pid in pids)
    assert not any(belongs_to(pid, cloud.directory.with_name("another")) for pid in pids)


def test_keys_do_not_show_in_a_description(cloud: Cloud) -> None:
    assert cloud.developer.secret_access_key not in repr(cloud.developer)
    assert replace(cloud.developer) == cloud.developer
