"""`make smoke` on the local cloud: every step is well, nothing is left, and what is broken is said."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from local.__main__ import main
from local.commands.smoke import FailedError, SkippedError, Smoke, run
from local.target import Target, of_local
from tests.stack.cloud import Cloud

ORDER = {"amount": "1.00", "currencyCode": "USD"}
CLAIM_CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}")


@pytest.fixture(scope="module")
def target(cloud: Cloud) -> Target:
    return of_local(cloud.outputs)


def _subscriptions(cloud: Cloud) -> set[str]:
    return {each["SubscriptionArn"] for each in cloud.client("sns").list_subscriptions()["Subscriptions"]}


def test_everything_is_well_and_nothing_is_left(cloud: Cloud, target: Target) -> None:
    # given the queues and subscriptions that are there already
    queues = cloud.client("sqs").list_queues()["QueueUrls"]
    subscriptions = _subscriptions(cloud)
    said: list[str] = []
    smoke = Smoke(target, ORDER)
    # when
    assert run(smoke, said.append), "\n".join(said)
    # then each step was tried
    assert [line.split()[0] for line in said] == ["ok"] * 11
    # and the card is no more, at Amazon neither
    (card,) = [each for each in cloud.sandbox.report()["cards"] if each["requestId"] == smoke.card["requestId"]]
    assert card["status"] != "Fulfilled"
    # and the operators were told as they would be of any alarm
    assert any("account-skipped" in str(notice) and "make smoke" in str(notice) for notice in cloud.notices())
    # and nothing else is left
    assert sorted(cloud.client("sqs").list_queues()["QueueUrls"]) == sorted(queues)
    assert _subscriptions(cloud) == subscriptions
    # and no code was shown
    assert smoke.claim_code
    assert not CLAIM_CODE.search("\n".join(said) + repr(smoke))


@contextlib.contextmanager
def _deployed_with(cloud: Cloud, **given: str) -> Iterator[Target]:
    """The same stack with other parameters, nothing else changed; put back at the end."""
    client, stack = cloud.client("cloudformation"), cloud.outputs.stackName
    before = of_local(cloud.outputs).parameters

    def deploy(parameters: Mapping[str, str]) -> None:
        client.update_stack(
            StackName=stack,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        client.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 120})

    deploy({**before, **given})
    try:
        yield of_local(cloud.outputs)
    finally:
        deploy(before)


def test_a_changed_parameter_reaches_a_running_function(cloud: Cloud, target: Target) -> None:
    # given a function that is running
    assert cloud.call("GET", "/funds").status == 200
    # when nothing but a parameter is deployed
    with _deployed_with(cloud, DefaultAccount="another") as changed:
        # then smoke says that all functions have it, and by the old one's word they have not
        assert "as deployed" in Smoke(changed, ORDER).parameters()
        with pytest.raises(FailedError, match="DefaultAccount of"):
            Smoke(target, ORDER).parameters()
        # and the running one goes by it
        response = cloud.call("GET", "/funds")
        assert response.status >= 400, response.text
        assert "another" in response.body["detail"]
    assert cloud.call("GET", "/funds").status == 200


def test_a_version_that_keeps_its_environment_is_told(cloud: Cloud, target: Target) -> None:
    # given a version that was published before a parameter changed, and a route that calls it
    function = cloud.outputs.functionNames["GetAvailableFunds"]
    client, gateway, api = cloud.client("lambda"), cloud.client("apigateway"), cloud.outputs.apiId
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=function, Environment={"Variables": {**variables, "PACE_BURST": "3"}}
    )
    version = client.publish_version(FunctionName=function)["Version"]
    client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    assert "as deployed" in Smoke(target, ORDER).parameters()
    (route,) = [
        each["id"]
        for page in gateway.get_paginator("get_resources").paginate(restApiId=api)
        for each in page["items"]
        if each["path"] == "/funds"
    ]
    called: dict[str, Any] = {"restApiId": api, "resourceId": route, "httpMethod": "GET"}
    uri = gateway.get_integration(**called)["uri"]

    def call(target_uri: str) -> None:
        gateway.update_integration(**called, patchOperations=[{"op": "replace", "path": "/uri", "value": target_uri}])

    call(uri.replace("/invocations", f":{version}/invocations"))
    try:
        # when smoke looks, then it names the parameter and what is called
        with pytest.raises(FailedError, match=f"PaceBurst of {function}:{version}"):
            Smoke(target, ORDER).parameters()
    finally:
        call(uri)


def test_a_step_that_fails_says_what_to_do_and_the_card_is_cancelled_all_the_same(cloud: Cloud, target: Target) -> None:
    # given a deployment whose workflow is not where its resources say
    found = target.resources()
    gone = {**found, "RecoverRequestStateMachine": found["RecoverRequestStateMachine"] + "-gone"}
    broken = replace(target, resources=lambda: gone)
    said: list[str] = []

    class Impatient(Smoke):
        def cancel(self) -> str:
            """Fails the first time, as if the response had been lost."""
            type(self).cancel = Smoke.cancel  # type: ignore[method-assign] # so that the next time is the real one
            raise FailedError("no answer", "Try again.")

    smoke = Impatient(broken, ORDER)
    # when
    assert not run(smoke, said.append)
    # then
    assert [line.split()[1] for line in said if line.split()[0] == "FAILED"] == ["cancel:", "recovery:"]
    (card,) = [each for each in cloud.sandbox.report()["cards"] if each["requestId"] == smoke.card["requestId"]]
    assert card["status"] != "Fulfilled"
    assert not CLAIM_CODE.search("\n".join(said))


def test_an_order_that_amazon_refuses_is_told_and_the_rest_is_tried(cloud: Cloud, target: Target) -> None:
    said: list[str] = []
    # when an account is named that does not exist
    assert not run(Smoke(target, {**ORDER, "account": "nobody"}), said.append)
    # then what needs a card is left out, and what does not is tried
    told = {line.split()[1]: line.split()[0] for line in said}
    assert (told["funds:"], told["create:"], told["cancel:"], told["alarm:"]) == ("FAILED", "FAILED", "-", "ok")


def test_mail_that_cannot_be_sent_is_told(target: Target) -> None:
    unset = replace(target, parameters={**target.parameters, "MailSender": ""})
    with pytest.raises(SkippedError, match="not set"):
        Smoke(unset, ORDER).mail()
    unverified = replace(target, parameters={**target.parameters, "MailSender": "somebody@example.org"})
    with pytest.raises(FailedError, match="not verified"):
        Smoke(unverified, ORDER).mail()


def test_a_real_card_is_not_ordered_by_mistake(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    production = replace(target, parameters={**target.parameters, "AmazonEnvironment": "production"})
    monkeypatch.setattr("local.commands.smoke.reach", lambda _: production)
    assert main(["smoke"]) == 2
    assert "REALLY=yes" in capsys.readouterr().err
