"""What the rate limiter makes of responses that moto never gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from incentives.aws.rate_limiter import TRIES_MAX, DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import Full, Pace, Permit, Priority, to_milliseconds
from tests.aws.scripted import Hangup, Response, Script, ok, refusal, scripted_dynamodb
from tests.contract.records import START


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_dynamodb() as server:
        yield server


def rate_limiter_at(url: str) -> DynamoDbRateLimiter:
    keys: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("dynamodb", endpoint_url=url, **keys)
    return DynamoDbRateLimiter(client, "rate_limiter", pace=Pace(), now=lambda: START)


@pytest.mark.parametrize("tat", [{"S": "soon"}, {"N": "1.5"}, {"N": "soon"}, {"BOOL": True}])
def test_an_item_without_a_time_is_refused_by_name(tat: dict[str, Any], script: Script) -> None:
    script.responses = [refusal("ConditionalCheckFailedException", Item={"id": {"S": "uk"}, "tat": tat})]
    with pytest.raises(LedgerUnavailable, match="'uk'") as failure:
        rate_limiter_at(script.url).reserve("uk", Priority.CALLER)
    assert failure.value.in_doubt is False


@pytest.mark.parametrize("response", [ok(), Response(200, b"<html>Welcome</html>")])
def test_an_response_without_a_time_is_no_permit(response: Response, script: Script) -> None:
    script.responses = [response]
    with pytest.raises(LedgerUnavailable, match="without a time"):
        rate_limiter_at(script.url).reserve("uk", Priority.CALLER)


@pytest.mark.parametrize("act", ["line_up", "slow_down", "want_activity"])
def test_that_holds_for_whatever_else_is_written_too(act: str, script: Script) -> None:
    script.responses = [refusal("ConditionalCheckFailedException", Item={"id": {"S": "uk"}, "lineTat": {"S": "soon"}})]
    with pytest.raises(LedgerUnavailable, match="'uk'"):
        getattr(rate_limiter_at(script.url), act)("uk")
    script.responses = [ok()]
    with pytest.raises(LedgerUnavailable, match="without a time"):
        getattr(rate_limiter_at(script.url), act)("uk")


def test_who_is_refused_without_being_told_why_looks_again_and_gives_up(script: Script) -> None:
    # given a table whose refusals never show the item
    script.responses = [refusal("ConditionalCheckFailedException")] * TRIES_MAX
    # when
    result = rate_limiter_at(script.url).reserve("uk", Priority.CALLER)
    # then nothing was taken
    assert isinstance(result, Full)
    assert not script.responses


def test_a_lost_response_costs_a_permit_and_nothing_else(script: Script) -> None:
    # given an update that takes effect and loses its response; the SDK's repeat finds the account busy by it
    now = to_milliseconds(START)
    item = {"id": {"S": "uk"}, "tat": {"N": str(now + 125)}, "clockAt": {"N": str(now)}}
    after = item | {"tat": {"N": str(now + 250)}, "clockBefore": {"N": str(now)}}
    script.responses = [Hangup(), refusal("ConditionalCheckFailedException", Item=item), ok(Attributes=after)]
    # when
    permit = rate_limiter_at(script.url).reserve("uk", Priority.CALLER)
    # then it has the next one
    assert permit == Permit(START + timedelta(milliseconds=125))
