"""Counting what is open reads page by page, and ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3

from incentives.aws.ledger import DynamoDbLedger


class Pages:
    """A client whose index has many pages, each with one request that is being recovered and ten that wait."""

    def __init__(self, number: int) -> None:
        self.number = number
        # The ledger listens for repeats of its writes there.
        self.meta = boto3.client("dynamodb", region_name="us-east-1").meta
        self.asked: list[dict[str, Any]] = []

    def query(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        page = len(self.asked)
        since = f"2026-03-01T12:{(page * 7) % 60:02}:00.000Z"
        answer = {"Count": 1, "ScannedCount": 11, "Items": [{"phaseStartedAt": {"S": since}}]}
        return answer if page == self.number else {**answer, "LastEvaluatedKey": {"id": {"S": str(page)}}}


def counted(pages: Pages) -> Any:
    return DynamoDbLedger(pages, "ledger", sleep=lambda _: None).still_open()


def test_every_page_is_counted() -> None:
    pages = Pages(12)
    found = counted(pages)
    assert (found.unknown, found.waiting) == (12, 120)
    # the ninth page has the oldest: 12:03
    assert found.oldest_unknown == datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert [each.get("ExclusiveStartKey", {}).get("id", {}).get("S") for each in pages.asked[:3]] == [None, "1", "2"]


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    pages = Pages(1_000_000)
    found = counted(pages)
    assert len(pages.asked) == 20
    assert (found.unknown, found.waiting) == (20, 200)
