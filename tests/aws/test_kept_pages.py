"""The kept page of Amazon's activity, on moto and in memory, by the same promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.aws.recovery.kept_pages import DynamoDbKeptPages
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import Full, Pace, Priority
from incentives.domain.recovery.kept_page import RESPONSES_APART, KeptPage
from incentives.usecases.ports import KeptPages
from tests.aws.rotating import RATE_LIMITER, Aws
from tests.support.fakes import START, FakeClock, FakeKeptPages

SECOND: Final = timedelta(seconds=1)
PAGE: Final = KeptPage(
    partner_id="Test1", as_of=START, since=START - timedelta(hours=1), request_ids=frozenset({"Test1AAAA", "Test1BBBB"})
)

_numbers = itertools.count()


@pytest.fixture
def account() -> str:
    return f"booked-{next(_numbers)}"


@pytest.fixture(params=["DynamoDB", "in memory"])
def kept_pages(request: pytest.FixtureRequest, aws: Aws) -> KeptPages:
    made: dict[str, Callable[[], KeptPages]] = {"DynamoDB": lambda: on_the_table(aws), "in memory": FakeKeptPages}
    return made[request.param]()


def on_the_table(aws: Aws) -> DynamoDbKeptPages:
    return DynamoDbKeptPages(aws.dynamodb, RATE_LIMITER)


def item_of(aws: Aws, account: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.dynamodb.get_item(TableName=RATE_LIMITER, Key={"id": {"S": f"book#{account}"}})["Item"]
    return found


@pytest.mark.parametrize(
    "updates",
    [{}, {"request_ids": frozenset()}, {"is_whole": False}, {"is_available": False, "request_ids": frozenset()}],
    ids=["as it is", "no rows", "too long", "not to be had"],
)
def test_a_page_is_read_as_it_was_kept(kept_pages: KeptPages, account: str, updates: dict[str, Any]) -> None:
    assert kept_pages.kept(account) is None
    page = replace(PAGE, **updates)
    kept_pages.keep(account, page)
    assert kept_pages.kept(account) == page
    assert kept_pages.kept(f"{account}-too") is None


def test_a_newer_page_takes_its_place_with_all_that_is_in_it(kept_pages: KeptPages, account: str) -> None:
    newer = KeptPage(partner_id="Test2", as_of=START + SECOND, since=START, is_available=False, is_whole=False)
    kept_pages.keep(account, PAGE)
    kept_pages.keep(account, newer)
    # and nothing is left of the one before
    assert kept_pages.kept(account) == newer


@pytest.mark.parametrize("older", [SECOND, timedelta()], ids=["older", "of the same second"])
def test_a_page_that_is_no_newer_does_not_take_its_place(kept_pages: KeptPages, account: str, older: timedelta) -> None:
    kept_pages.keep(account, PAGE)
    kept_pages.keep(account, replace(PAGE, as_of=START - older, request_ids=frozenset()))
    assert kept_pages.kept(account) == PAGE


def test_a_page_whose_date_has_not_come_makes_room(kept_pages: KeptPages, account: str) -> None:
    # given one that a clock gone wrong has dated
    kept_pages.keep(account, replace(PAGE, as_of=START + timedelta(days=365)))
    kept_pages.keep(account, PAGE)
    assert kept_pages.kept(account) == PAGE
    # while one that a response has overtaken stays
    ahead = replace(PAGE, as_of=START + RESPONSES_APART)
    kept_pages.keep(account, ahead)
    kept_pages.keep(account, PAGE)
    assert kept_pages.kept(account) == ahead


def test_a_full_page_of_the_longest_ids_fits(aws: Aws, account: str) -> None:
    full = replace(PAGE, request_ids=frozenset(f"Test1{number:035d}" for number in range(1000)))
    assert {len(each) for each in full.request_ids} == {40}
    on_the_table(aws).keep(account, full)
    assert on_the_table(aws).kept(account) == full


def test_ids_that_are_none_of_ours_do_not_keep_the_page_from_being_kept(aws: Aws, account: str) -> None:
    strange = replace(PAGE, request_ids=PAGE.request_ids | {"", "x" * 41, "y" * 400_000})
    on_the_table(aws).keep(account, strange)
    assert on_the_table(aws).kept(account) == PAGE


def test_nothing_but_ids_and_times_is_kept(aws: Aws, account: str) -> None:
    on_the_table(aws).keep(account, PAGE)
    assert item_of(aws, account).keys() == {
        "id", "partnerId", "asOf", "since", "isAvailable", "isWhole", "requestIds"
    }  # fmt: skip


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"asOf": {"S": "yesterday"}},
        {"asOf": {"N": "9" * 30}},
        {"asOf": {"N": "1.5"}},
        {"since": {"N": "-99999999999999999"}},
        {"isWhole": {"S": "true"}},
        {"requestIds": {"S": "Test1AAAA"}},
        {"partnerId": {"NULL": True}},
    ],
)
def test_what_cannot_be_read_says_nothing_and_makes_room(aws: Aws, account: str, garbage: dict[str, Any]) -> None:
    on_the_table(aws).keep(account, replace(PAGE, as_of=START - SECOND))
    kept = item_of(aws, account)
    item = kept | garbage if garbage else {"id": kept["id"]}
    aws.dynamodb.put_item(TableName=RATE_LIMITER, Item=item)
    assert on_the_table(aws).kept(account) is None
    on_the_table(aws).keep(account, PAGE)
    assert on_the_table(aws).kept(account) == PAGE


def test_it_does_not_disturb_the_pace(aws: Aws, account: str) -> None:
    rate_limiter = DynamoDbRateLimiter(aws.dynamodb, RATE_LIMITER, pace=Pace(), now=FakeClock().now)
    on_the_table(aws).keep(account, PAGE)
    assert not isinstance(rate_limiter.reserve(account, Priority.CALLER), Full)
    assert on_the_table(aws).kept(account) == PAGE


def test_a_table_that_cannot_be_reached_is_told(aws: Aws, account: str) -> None:
    nowhere = DynamoDbKeptPages(aws.dynamodb, "no-such-table")
    with pytest.raises(LedgerUnavailable, match=r"read .*ResourceNotFoundException"):
        nowhere.kept(account)
    with pytest.raises(LedgerUnavailable, match=r"written .*ResourceNotFoundException"):
        nowhere.keep(account, PAGE)
