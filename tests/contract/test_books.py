"""The books' table on moto, and the one in memory. What moto cannot show, real races, is shown on the local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.reconciliation.books import DynamoDbBooks
from incentives.domain.errors import BooksUnavailable
from tests.contract import motos
from tests.contract.books_suite import (
    DAY,
    FULL_DAY,
    FULL_NAME,
    BooksContract,
    Kept,
    account,
    begun_day,
    resolution,
    snapshot,
    unreachable,
)
from tests.contract.dynamodb_suite import Shop, lose_first_responses
from tests.contract.tables import create_table
from tests.support.books import FakeBooks
from tests.support.fakes import START

__all__ = ["account"]

_nonces = count()


def books_on(client: Any, table: str) -> DynamoDbBooks:
    return DynamoDbBooks(client, table, sleep=lambda _: None, new_nonce=lambda: f"nonce-{next(_nonces)}")


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        client = motos.client()
        yield Shop(client, lose_first_responses(motos.client(), in_process=True), create_table(client, "BooksTable"))


class TestBooksOnMoto(BooksContract):
    @pytest.fixture
    def kept(self, shop: Shop) -> Kept:
        return Kept(books_on(shop.client, shop.table), books_on(shop.losing, shop.table))


class TestBooksInMemory(BooksContract):
    @pytest.fixture
    def kept(self) -> Kept:
        books = FakeBooks()
        # In memory no response is ever lost.
        return Kept(books, books)


def test_a_table_that_cannot_be_reached_is_told(shop: Shop) -> None:
    unreachable(books_on(shop.client, "no-such-table"))
    names = [name for name in vars(FakeBooks) if not name.startswith("_") and callable(getattr(FakeBooks, name))]
    unreachable(FakeBooks(fails=set(names)))


def test_what_cannot_be_read_is_told(shop: Shop, account: str) -> None:
    key = {"account": {"S": account}, "part": {"S": f"day#{DAY}"}}
    shop.client.put_item(TableName=shop.table, Item=key | {"revision": {"N": "1"}})
    with pytest.raises(BooksUnavailable, match="KeyError"):
        books_on(shop.client, shop.table).day(account, DAY)


def test_what_is_forgotten_has_its_time_and_nothing_else_has(shop: Shop, account: str) -> None:
    books = books_on(shop.client, shop.table)
    books.keep_balance(snapshot(account))
    books.note_ended(account, DAY, "R1", START)
    books.note_rows(account, DAY, ["R1"])
    books.keep_day(None, replace(FULL_DAY, account=account))
    found = shop.client.query(
        TableName=shop.table,
        KeyConditionExpression="account = :account",
        ExpressionAttributeValues={":account": {"S": account}},
    )["Items"]

    until = {item["part"]["S"].partition("#")[0]: item.get("expiresAt", {}).get("N") for item in found}

    ends = int((START + timedelta(days=400)).timestamp())
    assert until == {"balance": str(ends + 1), "ended": str(ends), "rows": None, "day": None}


def test_what_was_said_of_a_movement_stays_beside_what_is_said_now(shop: Shop, account: str) -> None:
    books, name = books_on(shop.client, shop.table), replace(FULL_NAME, account=account)
    books.keep_movement_name(None, name)
    for revision, by in ((2, "b"), (3, "c")):
        after = replace(name, revision=revision, by=by)
        assert books.keep_movement_name(name, after)
        name = after
    key = {"account": {"S": account}, "part": {"S": "movement#M1"}}
    item = shop.client.get_item(TableName=shop.table, Key=key)["Item"]
    assert [each["M"]["by"]["S"] for each in item["before"]["L"]] == ["a", "b"]


@contextmanager
def in_the_way(shop: Shop, operation: str, *codes: str) -> Iterator[Iterator[str]]:
    """Calls end in these errors, one after the other, before any is carried out; yields what is left of them.

    A transaction is refused for them, by its second write.
    """
    left = iter(codes)

    def refuse(**_: object) -> Any:
        code = next(left, None)
        if code is None:
            return None
        error: dict[str, Any] = {"Error": {"Code": code}}
        if operation == "TransactWriteItems":
            reasons = [{"Code": "None"}, {"Code": code}]
            error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        return type("Response", (), {"status_code": 400}), error | {"ResponseMetadata": {}}

    shop.client.meta.events.register(f"before-call.dynamodb.{operation}", refuse)
    try:
        yield left
    finally:
        shop.client.meta.events.unregister(f"before-call.dynamodb.{operation}", refuse)


def test_a_write_that_another_is_in_the_way_of_is_tried_again_and_not_for_ever(shop: Shop, account: str) -> None:
    waits: list[float] = []
    books = DynamoDbBooks(shop.client, shop.table, sleep=waits.append, new_nonce=lambda: "nonce")
    with in_the_way(shop, "PutItem", *["TransactionConflictException"] * 2):
        day = begun_day(books, account)
    assert waits == [0.05, 0.1]
    busy = in_the_way(shop, "PutItem", *["TransactionConflictException"] * 6)
    with busy, pytest.raises(BooksUnavailable, match="busy"):
        books.keep_day(day, replace(day, revision=2))
    # what the SDK has waited for is not waited for once more
    throttled = in_the_way(shop, "PutItem", "ThrottlingException")
    with throttled, pytest.raises(BooksUnavailable, match="ThrottlingException"):
        books.keep_day(day, replace(day, revision=2))


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_is_throttled_is_tried_again_and_not_for_ever(shop: Shop, account: str, code: str) -> None:
    books = books_on(shop.client, shop.table)
    day = begun_day(books, account)
    after = replace(day, revision=2)
    with in_the_way(shop, "TransactWriteItems", code, code):
        assert books.keep_day(day, after, [resolution(account)])
    with in_the_way(shop, "TransactWriteItems", *[code] * 6), pytest.raises(BooksUnavailable, match="busy"):
        books.keep_day(after, replace(after, revision=3), [resolution(account, "d2")])


def test_notes_are_written_each_for_itself_and_wait_for_a_throttled_partition(shop: Shop, account: str) -> None:
    books, many = books_on(shop.client, shop.table), [f"R{n}" for n in range(30)]
    with in_the_way(shop, "TransactWriteItems", "ValidationError") as transactions:
        with in_the_way(shop, "UpdateItem", "ThrottlingException", "ProvisionedThroughputExceededException"):
            books.note_rows(account, DAY, many)
        assert books.days_of_rows(account, many) == {each: {DAY} for each in many}
        # those that are noted are not written again
        busy = in_the_way(shop, "UpdateItem", *["ThrottlingException"] * 6)
        with busy, pytest.raises(BooksUnavailable, match="busy"):
            books.note_rows(account, DAY, [*many, "R30"])
        assert [*transactions] == ["ValidationError"]
