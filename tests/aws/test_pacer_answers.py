"""What the pacer makes of answers that moto never gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from incentives.aws.pacer import DynamoDbPacer
from incentives.domain.errors import LedgerUnavailable
from tests.aws.scripted import Answer, Script, ok, refusal, scripted_dynamodb
from tests.contract.records import START


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_dynamodb() as server:
        yield server


def pacer_at(url: str) -> DynamoDbPacer:
    keys: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("dynamodb", endpoint_url=url, **keys)
    return DynamoDbPacer(client, "pacer", requests_per_second=8, now=lambda: START)


@pytest.mark.parametrize("tat", [{"S": "soon"}, {"N": "1.5"}, {"N": "soon"}, {"BOOL": True}])
def test_an_item_without_a_time_is_refused_by_name(tat: dict[str, Any], script: Script) -> None:
    script.answers = [refusal("ConditionalCheckFailedException", Item={"id": {"S": "uk"}, "tat": tat})]
    with pytest.raises(LedgerUnavailable, match="'uk'") as failure:
        pacer_at(script.url).reserve("uk", wait_seconds_max=2)
    assert failure.value.in_doubt is False


@pytest.mark.parametrize("answer", [ok(), Answer(200, b"<html>Welcome</html>")])
def test_an_answer_without_a_time_is_no_slot(answer: Answer, script: Script) -> None:
    script.answers = [answer]
    with pytest.raises(LedgerUnavailable, match="without a time"):
        pacer_at(script.url).reserve("uk", wait_seconds_max=2)
