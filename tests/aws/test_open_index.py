"""The index of open records is read partition by partition: fairly, whole or told not to be, and to an end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import Due
from tests.support.holds import beside

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)


class Partitions:
    """A client whose index has some records in each partition, a page of them, or many such pages."""

    def __init__(self, rows: dict[str, list[str]], *, pages: int = 1, unread: frozenset[str] = frozenset()) -> None:
        self.rows, self.pages, self.unread = rows, pages, unread
        # The ledger listens for repeats of its writes there.
        self.meta = boto3.client("dynamodb", region_name="us-east-1").meta
        self.asked: Counter[str] = Counter()

    def query(self, **asked: Any) -> dict[str, Any]:
        partition = asked["ExpressionAttributeValues"][":open"]["S"]
        self.asked[partition] += 1
        page = self.asked[partition]
        if partition in self.unread:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "Query")
        assert asked.get("ExclusiveStartKey", {"id": {"S": str(page - 1)}}) == {"id": {"S": str(page - 1)}}
        items = [
            {"id": {"S": f"{partition}-{number}"}, "wakeAt": {"S": at}, "phaseStartedAt": {"S": at}}
            for number, at in enumerate(self.rows.get(partition, []))
        ][: asked.get("Limit", 100)]
        response = {"Count": len(items), "ScannedCount": len(items) + 10, "Items": items}
        return response if page == self.pages else {**response, "LastEvaluatedKey": {"id": {"S": str(page)}}}

    def ledger(self) -> DynamoDbLedger:
        return DynamoDbLedger(self, "ledger", beside=beside(self), sleep=lambda _: None)


def at(second: int) -> str:
    return f"2026-03-01T12:{second // 60:02}:{second % 60:02}.000Z"


seconds = st.lists(st.integers(0, 3599), max_size=6).map(sorted)


@given(rows=st.dictionaries(st.sampled_from(WAKE_PARTITIONS), seconds), limit=st.integers(1, 30))
def test_no_partition_keeps_another_from_its_turn(rows: dict[str, list[int]], limit: int) -> None:
    index = Partitions({name: [at(second) for second in each] for name, each in rows.items()})
    due = index.ledger().due(NOW, limit)
    times = {f"{name}-{number}": second for name, each in rows.items() for number, second in enumerate(each)}
    # as many as may be, longest silent first
    assert len(due.request_ids) == len({*due.request_ids}) == min(limit, len(times))
    assert [times[each] for each in due.request_ids] == sorted(times[each] for each in due.request_ids)
    # and of each its own longest silent, before any other has more
    taken = Counter(each.rpartition("-")[0] for each in due.request_ids)
    assert all(f"{name}-{number}" in due.request_ids for name in taken for number in range(taken[name]))
    short = [taken[name] for name, each in rows.items() if taken[name] < len(each)]
    assert not short or max(taken.values(), default=0) <= min(short) + 1


def test_a_partition_that_cannot_be_read_hides_no_other() -> None:
    index = Partitions({name: [at(1)] for name in WAKE_PARTITIONS}, unread=frozenset({"open#3", "open"}))
    due = index.ledger().due(NOW, 100)
    assert not due.is_whole
    assert due.request_ids == tuple(f"{name}-0" for name in sorted({*WAKE_PARTITIONS} - index.unread))
    # while of a count a part would be a wrong figure
    with pytest.raises(LedgerUnavailable):
        index.ledger().still_open()


def test_an_index_that_cannot_be_read_at_all_is_an_error() -> None:
    with pytest.raises(LedgerUnavailable):
        Partitions({}, unread=frozenset(WAKE_PARTITIONS)).ledger().due(NOW, 100)
    assert Partitions({}).ledger().due(NOW, 100) == Due(())


def test_what_is_open_is_counted_over_all_partitions_and_pages() -> None:
    found = Partitions({"open#3": [at(9)], "open": [at(61), at(7)]}, pages=2).ledger().still_open()
    # two pages of each of the eleven, ten that wait on each
    assert (found.unknown, found.waiting) == (6, 220)
    assert found.oldest_unknown == datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    index = Partitions({"open#0": [at(1)]}, pages=1_000_000)
    found = index.ledger().still_open()
    assert {*index.asked.values()} == {2}
    assert (found.unknown, found.waiting) == (2, 220)


def test_what_is_at_risk_is_not_known_of_a_line_without_end() -> None:
    # given a partition with more pages than are read, or more of the account's requests in all of them
    endless = Partitions({"open#0": [at(1)]}, pages=1_000_000)
    crowded = Partitions({name: [at(1)] * 100 for name in WAKE_PARTITIONS})
    assert endless.ledger().amount_at_risk("default") is None
    assert crowded.ledger().amount_at_risk("default") is None
