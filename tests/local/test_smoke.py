"""What `make smoke` says of responses and subscriptions that the local cloud does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.__main__ import main
from local.commands import smoke as commands
from local.commands.smoke import FailedError, SkippedError, Smoke, run
from local.signing import Caller, Response
from local.target import Target

TOPIC = "arn:aws:sns:us-east-1:123456789012:stack-operators"
CODE = "AAAA-BBBBBB-CCCC"


@dataclass
class Sns:
    """A topic with these subscriptions."""

    arns: list[str]

    def get_paginator(self, _: str) -> Sns:
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield {"Subscriptions": [{"SubscriptionArn": arn} for arn in self.arns]}


@dataclass(frozen=True)
class Scripted(Target):
    """A deployment whose API gives these responses in turn, and of whose AWS only the topic is reached."""

    responses: list[Response] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def call(self, method: str, route: str, body: object = None, *, key: str | None = None) -> Response:
        self.asked.append(f"{method} {route}")
        return self.responses.pop(0)


def target(*responses: Response, arns: tuple[str, ...] = (), is_local: bool = False) -> Scripted:
    def client(service: str) -> Sns:
        if service != "sns":
            raise EndpointConnectionError(endpoint_url=f"https://{service}.example")
        return Sns(list(arns))

    return Scripted(
        stack="stack",
        region="us-east-1",
        api_url="https://api.example",
        caller=lambda: Caller("AKIDEXAMPLE", "dummy"),
        client=client,
        outputs={"OperatorsTopicArn": TOPIC},
        resources=lambda: {"RecoverRequestStateMachine": ""},
        parameters={},
        is_local=is_local,
        responses=list(responses),
    )


def smoke(deployment: Target) -> Smoke:
    return Smoke(deployment, {"amount": "1.00", "currencyCode": "USD"}, sleep=lambda _: None)


def response(http_status: int, **body: object) -> Response:
    return Response(http_status, {"content-type": "application/json"}, json.dumps(body))


def test_who_has_not_confirmed_does_not_count() -> None:
    with pytest.raises(FailedError, match="has not confirmed"):
        Smoke(target(arns=("PendingConfirmation",)), {}).people()
    assert Smoke(target(arns=("PendingConfirmation", f"{TOPIC}:1")), {}).people() == "1 confirmed subscription(s)"


def test_nobody_is_a_failure_but_on_the_local_cloud() -> None:
    with pytest.raises(FailedError, match="nobody hears"):
        Smoke(target(), {}).people()
    with pytest.raises(SkippedError):
        Smoke(target(is_local=True), {}).people()


def test_a_refused_caller_is_told_which_right_is_missing() -> None:
    with pytest.raises(FailedError) as refused:
        smoke(target(response(403, message="User is not authorized"))).funds()
    assert "execute-api:Invoke" in refused.value.to_do


def test_a_card_that_was_not_expected_is_neither_shown_nor_forgotten() -> None:
    # given a response whose status is not one of a create, with a card in it
    said: list[str] = []
    deployment = target(
        response(503),
        response(200, requestId="Test1A", status="SUCCEEDED", gcId="1", gcClaimCode=CODE),
        # and then, for what is left: read, cancelled, read
        response(200, requestId="Test1A", status="SUCCEEDED"),
        response(200, requestId="Test1A", status="REVERSED"),
        response(200, requestId="Test1A", status="REVERSED"),
    )
    # when
    assert not run(smoke(deployment), said.append)
    # then the card is cancelled
    assert deployment.asked[-2:] == ["POST /gift-cards/Test1A/cancel", "GET /gift-cards/Test1A"]
    # and its code is nowhere
    assert CODE not in "\n".join(said)


def test_where_a_budget_is_a_must_nothing_is_tried_without_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[Smoke] = []
    monkeypatch.setattr(commands, "reach", lambda _: replace(target(), parameters={"RequireBudget": "true"}))
    monkeypatch.setattr(commands, "run", lambda smoke, _: tried.append(smoke) or True)
    for name in ("ACCOUNT", "AMOUNT", "CURRENCY", "BUDGET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["smoke", "--stack", "stack"]) == 2
    assert ("BUDGET=" in capsys.readouterr().err, tried) == (True, [])
    # and named, it is part of the order
    assert main(["smoke", "--stack", "stack", "--budget", "smoke"]) == 0
    assert tried[0].order == {"amount": "1.00", "currencyCode": "USD", "budget": "smoke"}


def test_a_second_card_for_one_key_is_a_failure() -> None:
    card = {"requestId": "Test1A", "status": "SUCCEEDED", "gcId": "1", "gcClaimCode": CODE}
    tried = smoke(target(response(201, **card), response(200, **{**card, "gcId": "2"})))
    tried.create()
    with pytest.raises(FailedError, match="another one"):
        tried.repeat()


def test_a_card_that_cannot_be_cancelled_is_left_to_people() -> None:
    said: list[str] = []
    card = {"requestId": "Test1A", "status": "SUCCEEDED", "gcId": "1", "gcClaimCode": CODE}
    refused = response(500)
    assert not run(smoke(target(response(200), response(201, **card), *[refused] * 10)), said.append)
    assert said[-1].startswith("  LEFT")
    assert "Test1A" in said[-1]
