"""The books' files, statements until they are read, and the workflow of a round; the doubles keep the same promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any, Final

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from incentives.aws.clients import FILES_CONFIG
from incentives.aws.reconciliation.books_files import S3BooksFiles, S3StatementUploads
from incentives.aws.reconciliation.reconciliations import StepFunctionsReconciliations
from incentives.domain.errors import BooksConflict, BooksUnavailable
from incentives.usecases.reconciliation.ports import BooksFiles, StatementUploads
from tests.contract.motos import dynamodb
from tests.support.books import FakeBooksFiles, FakeStatementUploads
from tests.support.fakes import START

BUCKET: Final = "books-of-a-test"
NAME: Final = "default/Test1/2026-11-22/r1/rows-20261122T000000-0123456789abcdef.jsonl"
_numbers = count()


def s3() -> Any:
    made: Any = boto3
    return made.client(
        "s3", config=FILES_CONFIG, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, dynamodb(patch):
        s3().create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield BUCKET


@pytest.fixture
def name() -> str:
    return f"{next(_numbers)}/{NAME}"


def on_s3(client: Any = None, lock_years: int | None = None) -> S3BooksFiles:
    return S3BooksFiles(lambda: client or s3(), BUCKET, lock_years=lock_years, now=lambda: START)


@pytest.fixture(params=["s3", "fake"])
def files(request: pytest.FixtureRequest, bucket: str) -> BooksFiles:
    return FakeBooksFiles() if request.param == "fake" else on_s3()


@pytest.fixture(params=["s3", "fake"])
def uploads(request: pytest.FixtureRequest, bucket: str) -> StatementUploads:
    return FakeStatementUploads() if request.param == "fake" else S3StatementUploads(s3, BUCKET, now=lambda: START)


def test_a_file_is_written_once_and_a_repeat_is_harmless(files: BooksFiles, name: str) -> None:
    assert files.get(name) is None
    for _ in range(2):
        files.put(name, b"rows", "application/jsonl")
    with pytest.raises(BooksConflict, match="another file"):
        files.put(name, b"other rows", "application/jsonl")
    assert files.get(name) == b"rows"


def test_a_file_is_downloaded_by_its_link(bucket: str, name: str) -> None:
    on_s3().put(name, b"a,b\r\n", "text/csv")
    link = on_s3().link(name, "summary.csv")
    response = requests.get(link.url, timeout=5)
    assert response.content == b"a,b\r\n"
    assert (response.headers["Content-Type"], response.headers["Content-Disposition"]) == (
        "text/csv",
        'attachment; filename="summary.csv"',
    )
    assert link.expires_at - START == timedelta(minutes=15)


def test_only_a_deployment_that_locks_its_files_locks_them_and_then_nobody_unlocks_them(bucket: str, name: str) -> None:
    on_s3().put(name, b"rows", "application/jsonl")
    on_s3(lock_years=7).put(f"{name}-locked", b"rows", "application/jsonl")
    free, locked = (s3().head_object(Bucket=BUCKET, Key=each) for each in (name, f"{name}-locked"))
    assert "ObjectLockMode" not in free
    assert locked["ObjectLockMode"] == "COMPLIANCE"
    assert locked["ObjectLockRetainUntilDate"].date() >= date(START.year + 7, START.month, START.day)
    version = {"Bucket": BUCKET, "Key": f"{name}-locked", "VersionId": locked["VersionId"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3().delete_object(**version, BypassGovernanceRetention=True)


class Contended:
    """S3 on which somebody else is writing the same name: the first writes are refused, and their file comes or not."""

    def __init__(self, refusals: int, there: bytes | None) -> None:
        self.refusals, self.there = refusals, there
        self.puts: list[dict[str, Any]] = []

    def put_object(self, **asked: Any) -> None:
        self.puts.append(asked)
        if len(self.puts) <= self.refusals:
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")

    def get_object(self, **_: Any) -> Any:
        if self.there is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return s3().get_object(Bucket=BUCKET, Key=self.there.decode())


def test_a_name_that_somebody_else_is_writing_is_tried_again_and_not_for_ever(bucket: str, name: str) -> None:
    # given one whose write fails
    failing = Contended(2, None)
    on_s3(failing).put(name, b"rows", "application/jsonl")
    assert [each["IfNoneMatch"] for each in failing.puts] == ["*"] * 3
    with pytest.raises(BooksUnavailable, match="by somebody else"):
        on_s3(Contended(9, None)).put(name, b"rows", "application/jsonl")
    # and one who has written the same
    on_s3().put(name, b"rows", "application/jsonl")
    on_s3(Contended(9, name.encode())).put(name, b"rows", "application/jsonl")


def test_a_statement_is_put_by_its_url_read_up_to_a_byte_beyond_its_limit_and_forgotten(
    uploads: StatementUploads,
) -> None:
    statement_id = f"S{next(_numbers)}"
    assert uploads.read(statement_id, 10) is None
    upload = uploads.upload(statement_id)
    assert (upload.method, upload.expires_at - START) == ("PUT", timedelta(hours=1))
    if isinstance(uploads, FakeStatementUploads):
        uploads.uploads[statement_id] = b"0123456789abc"
    else:
        requests.put(upload.url, data=b"0123456789abc", headers=dict(upload.headers), timeout=5).raise_for_status()
    assert uploads.read(statement_id, 10) == b"0123456789a"
    assert uploads.read(statement_id, 13) == b"0123456789abc"
    for _ in range(2):
        uploads.delete(statement_id)
    assert uploads.read(statement_id, 10) is None


def test_files_that_cannot_be_reached_are_told_as_one_kind_of_error(bucket: str, name: str) -> None:
    files = S3BooksFiles(s3, "no-such-bucket", lock_years=None, now=lambda: START)
    uploads = S3StatementUploads(s3, "no-such-bucket", now=lambda: START)
    broken, unreached = FakeBooksFiles(fails={"put", "get", "link"}), FakeStatementUploads(works=False)
    for call in (
        lambda: files.put(name, b"rows", "text/csv"),
        lambda: files.get(name),
        lambda: uploads.read("S1", 1),
        lambda: uploads.delete("S1"),
        lambda: broken.put(name, b"rows", "text/csv"),
        lambda: broken.get(name),
        lambda: broken.link(name, "a"),
        lambda: unreached.upload("S1"),
        lambda: unreached.read("S1", 1),
        lambda: unreached.delete("S1"),
    ):
        with pytest.raises(BooksUnavailable):
            call()


class Machine:
    def __init__(self, error: str | None) -> None:
        self.error, self.asked = error, list[dict[str, Any]]()

    def start_execution(self, **asked: Any) -> Any:
        self.asked.append(asked)
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "StartExecution")
        return {}


@pytest.mark.parametrize(
    ("error", "is_started"), [(None, True), ("ExecutionAlreadyExists", True), ("ExecutionLimitExceeded", False)]
)
def test_a_round_is_an_execution_of_its_own_name(error: str | None, is_started: bool) -> None:
    machine, account = Machine(error), "a" * 63
    started = StepFunctionsReconciliations(lambda: machine, "arn:machine").start(account, date(2026, 11, 22), 1234)
    assert started is is_started
    (asked,) = machine.asked
    assert (asked["stateMachineArn"], asked["name"]) == ("arn:machine", f"{account}-2026-11-22-r1234")
    assert len(asked["name"]) <= 80
    assert json.loads(asked["input"]) == {"account": account, "day": "2026-11-22", "round": 1234}
