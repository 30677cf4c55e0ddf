"""The index by account and day, as the template declares it, on moto; and the ledger's own search over it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from incentives.aws.single_requests.index import DynamoDbIndex
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_key, encode_record
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import KeyItem, Record, Status
from incentives.usecases.single_requests.search import PAGE_SIZE, Query, search
from tests.contract.motos import client, dynamodb
from tests.contract.tables import create_table
from tests.support.fakes import as_kept
from tests.support.holds import beside
from tests.unit.builders import record
from tests.unit.searching import FakeIndex, sort_key
from tests.unit.single_requests.test_search import index_of

TODAY: Final = date(2026, 3, 10)
DAY: Final = timedelta(days=1)


class Table:
    """A ledger's table with some records, and the index on it."""

    def __init__(self, made: Any) -> None:
        self.client = made
        self.name = create_table(made, "LedgerTable")
        self.index = DynamoDbIndex(made, self.name)

    def put(self, *records: Record) -> None:
        for each in records:
            self.client.put_item(TableName=self.name, Item=encode_record(each))


@pytest.fixture
def table() -> Iterator[Table]:
    with pytest.MonkeyPatch.context() as patch, dynamodb(patch):
        yield Table(client())


def made(second: int, day: date = TODAY, **updates: Any) -> Record:
    created = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second, milliseconds=7)
    known = {"request_id": f"Test1{uuid.uuid4().hex}", "created_at": created, "wake_at": None}
    return record(updates.pop("status", Status.SUCCEEDED), **(known | updates))


def found(rows: list[tuple[str, Record]]) -> list[str]:
    return [each.request_id for _, each in rows]


def test_a_day_is_told_newest_first_with_its_sort_keys(table: Table) -> None:
    kept = [made(n) for n in (5, 1, 3)]
    table.put(*kept, made(9, TODAY + DAY), made(9, TODAY - DAY), made(9, account="other"))
    rows, more = table.index.day("default", TODAY, None, 10)
    newest_first = sorted(kept, key=lambda each: each.created_at, reverse=True)
    assert found(rows) == [each.request_id for each in newest_first]
    assert [key for key, _ in rows] == [sort_key(each) for each in newest_first]
    assert not more


def test_a_record_comes_back_whole(table: Table) -> None:
    kept = made(1, details={"externalReference": "po-7"}, gc_id="G1", subject="*1234", encrypted="x")
    table.put(kept)
    (row,), _ = table.index.day("default", TODAY, None, 10)
    assert row[1] == as_kept(kept)


def test_before_a_key_are_only_older_ones(table: Table) -> None:
    kept = [made(n) for n in range(4)]
    table.put(*kept)
    rows, more = table.index.day("default", TODAY, sort_key(kept[2]), 10)
    assert (found(rows), more) == ([kept[1].request_id, kept[0].request_id], False)


def test_a_limit_leaves_more(table: Table) -> None:
    kept = [made(n) for n in range(4)]
    table.put(*kept)
    rows, more = table.index.day("default", TODAY, None, 3)
    assert (len(rows), more) == (3, True)


def test_two_of_one_moment_are_two(table: Table) -> None:
    kept = [made(1), made(1)]
    table.put(*kept)
    first, more = table.index.day("default", TODAY, None, 1)
    rest, _ = table.index.day("default", TODAY, first[0][0], 1)
    assert more
    assert sorted(found(first) + found(rest)) == sorted(each.request_id for each in kept)


def test_key_items_are_in_no_index(table: Table) -> None:
    item = encode_key(
        KeyItem(
            key_hash="0" * 64, request_id="X", account="default", operation=Operation.CREATE_GIFT_CARD, fingerprint={}
        )
    )
    table.client.put_item(TableName=table.name, Item=item)
    assert table.index.day("default", TODAY, None, 10) == ([], False)


def test_what_the_ledger_writes_is_found(table: Table) -> None:
    kept = made(1)
    ledger = DynamoDbLedger(table.client, table.name, beside=beside(table.client), sleep=lambda _: None)
    key = KeyItem(
        key_hash=kept.key_hash, request_id=kept.request_id, account="default", operation=kept.operation, fingerprint={}
    )
    ledger.open(kept, key, "nonce-1")
    rows, _ = table.index.day("default", TODAY, None, 10)
    assert found(rows) == [kept.request_id]


@pytest.mark.parametrize("status", [None, Status.REFUSED])
def test_a_search_over_it_is_the_one_over_the_double(table: Table, status: Status | None) -> None:
    kept = [
        made(n, TODAY - n % 3 * DAY, status=Status.REFUSED if n % 4 else Status.SUCCEEDED)
        for n in range(PAGE_SIZE + 20)
    ]
    table.put(*kept)
    double = index_of(*kept)

    def walk(index: DynamoDbIndex | FakeIndex) -> list[list[str]]:
        pages, cursor = [], None
        while True:
            asked = Query(account="default", first=TODAY - 2 * DAY, last=TODAY, status=status, cursor=cursor)
            page = search(asked, index)
            pages.append([each.request_id for each in page.records])
            cursor = page.cursor
            if cursor is None:
                return pages

    assert [each for page in walk(table.index) for each in page] == [each for page in walk(double) for each in page]


def test_an_index_that_cannot_be_read_is_a_503_that_was_not_in_doubt(table: Table) -> None:
    index = DynamoDbIndex(table.client, "no-such-table")
    with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException") as told:
        index.day("default", TODAY, None, 10)
    assert told.value.in_doubt is False
