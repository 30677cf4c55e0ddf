"""The backlog on SQS as moto has it: what is put comes out, after its delay, and what cannot be put is said."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from incentives.aws.clients import CLIENT_CONFIG
from incentives.aws.single_requests.backlog import DELAY_SECONDS_MAX, SqsBacklog, read_message

ID: Final = "Test1AAAA"


def make_client(**options: Any) -> Any:
    made: Any = boto3
    return made.client(
        "sqs",
        # What the functions leave to AWS to check is checked here.
        config=CLIENT_CONFIG.merge(Config(parameter_validation=True)),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        **options,
    )


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield make_client()


@pytest.fixture
def queue_url(sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName="backlog")["QueueUrl"]
    return url


def come_out(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """The messages that are to be had now, as Lambda hands them over."""
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    return [{"messageId": each["MessageId"], "body": each["Body"]} for each in messages]


def test_what_is_put_comes_out(sqs: Any, queue_url: str) -> None:
    backlog = SqsBacklog(lambda: sqs, queue_url)
    assert backlog.put(ID)
    assert backlog.put("Test1BBBB")
    assert sorted(map(read_message, come_out(sqs, queue_url))) == [ID, "Test1BBBB"]


def test_a_message_names_the_request_and_nothing_else(sqs: Any, queue_url: str) -> None:
    SqsBacklog(lambda: sqs, queue_url).put(ID)
    (message,) = come_out(sqs, queue_url)
    assert message["body"] == '{"requestId": "Test1AAAA"}'


def test_what_is_put_with_a_delay_does_not_come_out_yet(sqs: Any, queue_url: str) -> None:
    assert SqsBacklog(lambda: sqs, queue_url).put(ID, delay_seconds=60)
    assert come_out(sqs, queue_url) == []
    counted = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessagesDelayed"] == "1"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (0.0, 0),
        (0.001, 1),
        (1.0, 1),
        (59.2, 60),
        (DELAY_SECONDS_MAX - 0.5, 900),
        (DELAY_SECONDS_MAX, 900),
        (DELAY_SECONDS_MAX + 0.1, 900),
        (86_400.0, 900),
    ],
)
def test_a_delay_is_whole_seconds_never_too_short_and_no_longer_than_sqs_allows(
    sqs: Any, queue_url: str, asked: float, sent: int
) -> None:
    told: list[object] = []
    sqs.meta.events.register(
        "provide-client-params.sqs.SendMessage", lambda params, **_: told.append(params["DelaySeconds"])
    )
    assert SqsBacklog(lambda: sqs, queue_url).put(ID, delay_seconds=asked)
    assert told == [sent]


def test_a_queue_that_is_not_there_is_told_as_not_put(sqs: Any, queue_url: str) -> None:
    sqs.delete_queue(QueueUrl=queue_url)
    assert SqsBacklog(lambda: sqs, queue_url).put(ID) is False


def test_a_queue_that_cannot_be_reached_is_told_as_not_put() -> None:
    # given a port on which nobody listens, because it is bound here
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = make_client(endpoint_url=endpoint)
        # then
        assert SqsBacklog(lambda: client, f"{endpoint}/queue/backlog").put(ID) is False


def test_a_client_is_made_when_it_is_first_needed(sqs: Any, queue_url: str) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(sqs)
        return sqs

    backlog = SqsBacklog(make, queue_url)
    assert made == []
    backlog.put(ID)
    assert made == [sqs]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"body": None},
        {"body": 7},
        {"body": ""},
        {"body": "Test1AAAA"},
        {"body": "null"},
        {"body": "[]"},
        {"body": '["requestId"]'},
        {"body": '"requestId"'},
        {"body": "{}"},
        {"body": '{"requestId": null}'},
        {"body": '{"requestId": ""}'},
        {"body": '{"requestId": 7}'},
        {"body": '{"requestId": ["Test1AAAA"]}'},
        {"body": '{"requestId": "Test1AAAA"'},
        {"Body": '{"requestId": "Test1AAAA"}'},
        pytest.param({"body": "[" * 100_000}, id="deeper than can be read"),
    ],
    ids=repr,
)
def test_a_message_that_names_no_request_is_none_of_ours(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="names no request") as refused:
        read_message(message)
    assert refused.value.__cause__ is None
    assert "Test1" not in str(refused.value)


def test_a_message_may_say_more_than_is_read() -> None:
    assert read_message({"body": '{"requestId": "Test1AAAA", "since": 1}', "messageId": "1"}) == ID
