"""Searching the ledger: by day and status, page by page, and never by a cursor that was made up."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from incentives.api.gateway import ApiCall
from incentives.api.single_requests import DAYS_DEFAULT, read_search
from incentives.domain.errors import InvalidInput
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.single_requests.search import DAYS_MAX, LOOKED_AT_MAX, PAGE_SIZE, Page, Query, search
from tests.support.fakes import FakeLedger
from tests.unit.builders import record
from tests.unit.searching import FakeIndex, sort_key

TODAY: Final = date(2026, 3, 10)
DAY: Final = timedelta(days=1)
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)


def made(number: int, day: date = TODAY, **updates: Any) -> Record:
    created = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(milliseconds=number)
    known = {"request_id": f"Test1N{number:05d}D{day:%m%d}", "created_at": created, "wake_at": None}
    return record(updates.pop("status", Status.SUCCEEDED), **(known | updates))


def index_of(*records: Record) -> FakeIndex:
    ledger = FakeLedger()
    ledger.records = {each.request_id: each for each in records}
    return FakeIndex(ledger)


def query(**updates: Any) -> Query:
    known: dict[str, Any] = {"account": "default", "first": TODAY - 2 * DAY, "last": TODAY}
    return Query(**(known | updates))


def walk(index: FakeIndex, **updates: Any) -> list[Page]:
    """All pages of a search."""
    pages = [search(query(**updates), index)]
    while pages[-1].cursor is not None:
        assert len(pages) < 100, "the walk goes in circles"
        pages.append(search(query(**updates, cursor=pages[-1].cursor), index))
    return pages


def ids(*pages: Page) -> list[str]:
    return [each.request_id for page in pages for each in page.records]


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


# ---- finding ------------------------------------------------------------------------------------


def test_the_newest_comes_first_across_days_and_other_accounts_never() -> None:
    kept = [made(n, TODAY - n // 2 * DAY) for n in range(6)]
    index = index_of(*kept, made(99, account="other"), made(98, TODAY + DAY), made(97, TODAY - 3 * DAY))
    (page,) = walk(index)
    newest_first = sorted(kept, key=lambda each: each.created_at, reverse=True)
    assert ids(page) == [each.request_id for each in newest_first]
    assert page.cursor is None


@pytest.mark.parametrize("count", [0, 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE, 3 * PAGE_SIZE + 7])
def test_pages_together_are_the_whole_and_no_page_is_larger_than_one(count: int) -> None:
    kept = [made(n, TODAY - n % 3 * DAY) for n in range(count)]
    pages = walk(index_of(*kept))
    assert sorted(ids(*pages)) == sorted(each.request_id for each in kept)
    assert all(len(page.records) <= PAGE_SIZE for page in pages)


def test_what_comes_in_between_pages_is_neither_lost_nor_told_twice() -> None:
    kept = [made(n) for n in range(PAGE_SIZE + 10)]
    index = index_of(*kept)
    first = search(query(), index)
    # when a newer one is written before the next page is asked for
    newer = made(5000)
    index.ledger.records[newer.request_id] = newer
    second = search(query(cursor=first.cursor), index)
    assert sorted(ids(first, second)) == sorted(each.request_id for each in kept)


def test_a_status_is_picked_out_and_a_page_may_be_short() -> None:
    kept = [made(n, status=Status.REFUSED if n == 3 else Status.SUCCEEDED) for n in range(LOOKED_AT_MAX + 20)]
    index = index_of(*kept)
    first = search(query(status=Status.REFUSED), index)
    # then it gives up after so many, and says where to go on
    assert first.records == ()
    assert first.cursor is not None
    assert sum(limit for _, _, _, limit in index.asked) <= LOOKED_AT_MAX
    pages = walk(index_of(*kept), status=Status.REFUSED)
    assert ids(*pages) == [kept[3].request_id]


def test_each_day_is_one_query_of_a_page_at_most() -> None:
    index = index_of()
    search(query(first=TODAY - (DAYS_MAX - 1) * DAY), index)
    assert [day for _, day, _, _ in index.asked] == [TODAY - n * DAY for n in range(DAYS_MAX)]
    assert all(limit <= PAGE_SIZE for _, _, _, limit in index.asked)


def test_the_first_day_there_is_has_an_end() -> None:
    assert search(query(first=date(2000, 1, 1), last=date(2000, 1, 1)), index_of()).cursor is None


# ---- refusing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last"), [(TODAY + DAY, TODAY), (TODAY - DAYS_MAX * DAY, TODAY)], ids=["backwards", "a day too many"]
)
def test_a_range_that_cannot_be_searched_names_from(first: date, last: date) -> None:
    index = index_of()
    with pytest.raises(InvalidInput) as told:
        search(query(first=first, last=last), index)
    assert told.value.field == "from"
    assert index.asked == []


KEY: Final = sort_key(made(1))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "\u00e9",
        "!!!!",
        encoded(None),
        encoded(7),
        encoded([]),
        encoded({}),
        encoded([TODAY.isoformat()]),
        encoded([TODAY.isoformat(), None, None]),
        encoded([None, None]),
        encoded(["2026-13-01", None]),
        encoded([TODAY.isoformat(), 7]),
        encoded([TODAY.isoformat(), ""]),
        encoded([TODAY.isoformat(), "\ud800"]),
        encoded([TODAY.isoformat(), "x" * 100]),
        encoded([TODAY.isoformat(), KEY + "\n"]),
        encoded([(TODAY + DAY).isoformat(), None]),
        encoded([(TODAY - 3 * DAY).isoformat(), None]),
        encoded([(TODAY - DAY).isoformat(), KEY]),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        "A" * 100_000,
    ],
    ids=lambda cursor: cursor[:24] or "empty",
)
def test_a_made_up_cursor_is_refused_by_name(cursor: str) -> None:
    index = index_of(made(1))
    with pytest.raises(InvalidInput) as told:
        search(query(cursor=cursor), index)
    assert told.value.field == "cursor"
    assert index.asked == []


def test_a_cursor_is_good_for_its_own_search_only() -> None:
    first = search(query(), index_of(*(made(n) for n in range(PAGE_SIZE + 1))))
    with pytest.raises(InvalidInput, match="another search"):
        search(query(first=TODAY - 9 * DAY, last=TODAY - 5 * DAY, cursor=first.cursor), index_of())


def test_a_cursor_leads_to_no_other_account() -> None:
    first = search(query(), index_of(*(made(n) for n in range(PAGE_SIZE + 1))))
    index = index_of(made(1, account="other"))
    found = search(query(account="other", cursor=first.cursor), index)
    assert {each.account for each in found.records} <= {"other"}
    assert {account for account, _, _, _ in index.asked} == {"other"}


# ---- the query ----------------------------------------------------------------------------------


def call(**parameters: str) -> ApiCall:
    return ApiCall(headers={}, path={}, query=parameters, body=b"", caller=None, base_path="")


def test_without_parameters_it_is_the_last_week() -> None:
    account, status, first, last, cursor = read_search(call(), NOON)
    assert (account, status, cursor) == (None, None, None)
    assert ((last - first).days + 1, last) == (DAYS_DEFAULT, TODAY)


def test_days_are_utc() -> None:
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC).astimezone()
    assert read_search(call(), late)[3] == TODAY


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-3-1"}, "from"),
        ({"from": "20260301"}, "from"),
        ({"from": "2026-W10-1"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "\u0662\u0660\u0662\u0666-03-01"}, "from"),
        ({"from": "2026-03-01 "}, "from"),
        ({"from": ""}, "from"),
        ({"to": "2026-03-01T00:00:00Z"}, "to"),
        ({"to": "0001-01-01"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "to"),
        ({"from": "1999-12-31"}, "from"),
        ({"status": "succeeded"}, "status"),
        ({"status": ""}, "status"),
        ({"state": "SUCCEEDED"}, "state"),
    ],
    ids=repr,
)
def test_a_bad_parameter_is_named(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_search(call(**parameters), NOON)
    assert told.value.field == field


@pytest.mark.parametrize("status", list(Status))
def test_every_status_can_be_asked_for(status: Status) -> None:
    assert read_search(call(status=status.value), NOON)[1] is status
