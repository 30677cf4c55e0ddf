"""`make count-again`: what count_spend could not take is given to it again, and deleted only if it takes all of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest
from moto import mock_aws
from moto.backends import get_backend

from incentives.bootstrap import container
from local.__main__ import main
from local.commands import count_again
from local.signing import Caller
from local.target import Target
from tests.openapi.served import handler_of
from tests.support.fakes import FakeAccountStates
from tests.unit.accounts.test_spend import life, record, stream_of, totals_of
from tests.unit.watching import START, Company

BUCKET: Final = "gateway-failedeventsbucket-1a2b3c"
FUNCTION: Final = "gateway-CountSpendFunction-1A2B3C"
EVENTS: Final = "gateway-PublishEventsFunction-1A2B3C"
MAPPING: Final = "aws/lambda/11111111-2222-3333-4444-555555555555/shardId-1/2026/11/29"


def given_up(function: str, records: list[dict[str, Any]], *, as_text: bool = True) -> dict[str, Any]:
    """What Lambda writes of a batch that it gives up."""
    event = {"Records": records}
    return {
        "requestContext": {
            "requestId": "c0ffee",
            "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{function}",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1001,
        },
        "version": "1.0",
        "timestamp": "2026-11-29T00:13:49.717Z",
        "DDBStreamBatchInfo": {"shardId": "shardId-1", "batchSize": len(records)},
        "payload": json.dumps(event) if as_text else event,
    }


@dataclass
class Bucket:
    """The failed events of a deployment whose functions run here.

    Attributes:
        says: what the function answers in place of what it would.
        fails: how the function ends without an answer.
    """

    s3: Any
    company: Company
    says: Any = None
    fails: str = ""
    invoked: list[str] = field(default_factory=list)

    def put(self, name: str, content: object) -> str:
        key = f"{MAPPING}/{name}"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content).encode())
        return key

    @property
    def names(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"].rpartition("/")[2] for each in found]

    @property
    def spent(self) -> int:
        assert isinstance(self.company.states, FakeAccountStates)
        return totals_of(self.company.states).total()

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.invoked.append(FunctionName)
        if self.fails:
            return {"FunctionError": self.fails, "Payload": io.BytesIO(b'{"errorType": "Sandbox.Timedout"}')}
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
        said = handler_of("count_spend")(json.loads(Payload), context) if self.says is None else self.says
        return {"Payload": io.BytesIO(json.dumps(said).encode())}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "dummy")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    company = Company()
    monkeypatch.setitem(vars(container), "watch_dependencies", company.watch)
    monkeypatch.setitem(vars(container), "telemetry", company.world.telemetry)
    with mock_aws():
        get_backend("s3").reset()
        made = Bucket(boto3.client("s3"), company)
        made.s3.create_bucket(Bucket=BUCKET)
        clients = {"s3": made.s3, "lambda": made}
        target = Target(
            "gateway", "us-east-1", "", lambda: Caller("KEY", "dummy"), lambda name, _=None: clients[name],
            {"FailedEventsBucketName": BUCKET}, lambda: {"CountSpendFunction": FUNCTION}, {}, is_local=False,
        )  # fmt: skip
        monkeypatch.setattr(count_again, "find", lambda _: target)
        yield made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def command(*given: str) -> tuple[int, str]:
        code = main(["count-again", *given])
        return code, capsys.readouterr().out

    return command


def records(kind: str = "issued") -> list[dict[str, Any]]:
    return stream_of(life(kind, record(created_at=START)))


@pytest.mark.parametrize("as_text", [True, False])
def test_a_batch_is_counted_once_and_deleted(
    bucket: Bucket, run: Callable[..., tuple[int, str]], as_text: bool
) -> None:
    # given a batch that lies there twice, because somebody was cut short
    for name in ("a", "b"):
        bucket.put(name, given_up(FUNCTION, records(), as_text=as_text))
    assert run() == (0, f"2 objects in {BUCKET} ...\n2 batches were counted and deleted.\n")
    assert bucket.names == []
    assert bucket.spent == 2500
    # and once more there is nothing to do
    assert run() == (0, f"0 objects in {BUCKET} ...\nNo batches were counted and deleted.\n")


@pytest.mark.parametrize(
    ("says", "fails", "told"),
    [
        ({"batchItemFailures": [{"itemIdentifier": "1700"}]}, "", "not taken from record 1700 on"),
        (None, "Unhandled", "the function failed: Unhandled"),
        ({}, "", "did not say what it has taken"),
    ],
)
def test_what_is_not_taken_whole_stays(
    bucket: Bucket, run: Callable[..., tuple[int, str]], says: Any, fails: str, told: str
) -> None:
    bucket.put("a", given_up(FUNCTION, records()))
    bucket.says, bucket.fails = says, fails
    code, said = run()
    assert code == 1
    assert told in said
    assert "1 batch was not taken, and stays" in said
    assert bucket.names == ["a"]


def test_batches_of_others_and_what_is_none_are_left_alone(bucket: Bucket, run: Callable[..., tuple[int, str]]) -> None:
    bucket.put("events", given_up(EVENTS, records()))
    bucket.put("note", {"some": "note"})
    bucket.put("empty", given_up(FUNCTION, []))
    bucket.put("spend", given_up(FUNCTION, records()))
    code, said = run("--json")
    assert (code, json.loads(said)) == (1, {"taken": 1, "left": 0, "unreadable": 2, "ofOthers": 1})
    assert bucket.names == ["empty", "events", "note"]
    assert bucket.invoked == [FUNCTION]


def test_looking_counts_nothing(bucket: Bucket, run: Callable[..., tuple[int, str]]) -> None:
    key = bucket.put("a", given_up(FUNCTION, records()))
    code, said = run("--look")
    assert code == 1
    assert f"{key}: 2 records" in said
    assert "1 batch waits to be counted" in said
    assert (bucket.names, bucket.invoked) == (["a"], [])
