"""The books' table and files against a DynamoDB and an S3 with threads of their own: the same suite, and real races."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.reconciliation.books import DynamoDbBooks
from incentives.aws.reconciliation.books_files import S3BooksFiles
from incentives.domain.errors import BooksConflict
from tests.contract.books_suite import BooksContract, Kept, account
from tests.contract.dynamodb_suite import Shop, lose_first_responses
from tests.contract.subject import all_at_once
from tests.contract.tables import create_table
from tests.stack.cloud import Cloud
from tests.support.fakes import START

pytestmark = pytest.mark.stack

__all__ = ["account"]


@pytest.fixture(scope="module")
def shop(cloud: Cloud) -> Iterator[Shop]:
    """A table of our own: what this suite writes is no work for the deployed functions."""
    client = cloud.client("dynamodb")
    losing = lose_first_responses(cloud.own_client("dynamodb"), in_process=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        yield Shop(client, losing, create_table(client, "BooksTable"))


class TestBooksOnLocalCloud(BooksContract):
    @pytest.fixture
    def kept(self, shop: Shop) -> Kept:
        return Kept(_books(shop.client, shop.table), _books(shop.losing, shop.table))


def _books(client: Any, table: str) -> DynamoDbBooks:
    return DynamoDbBooks(client, table, sleep=time.sleep, new_nonce=lambda: uuid.uuid4().hex)


def test_of_all_who_write_a_file_at_once_the_bytes_of_one_stay(cloud: Cloud) -> None:
    client, bucket = cloud.own_client("s3"), f"books-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    files = S3BooksFiles(lambda: client, bucket, lock_years=None, now=lambda: START)

    def put(content: bytes) -> bytes | None:
        try:
            files.put("default/closes/2026-11/v1/manifest.json", content, "application/json")
        except BooksConflict:
            return None
        return content

    done = all_at_once(*[lambda content=b"%d" % (n // 2): put(content) for n in range(12)])

    written = {each for each in done if each is not None}
    assert written == {files.get("default/closes/2026-11/v1/manifest.json")}
