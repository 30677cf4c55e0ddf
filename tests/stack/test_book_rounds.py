"""Rounds of the books on the local cloud: a stranger with our key, many who begin at once, a process that dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from tests.stack.books import Books, midday, new_books
from tests.stack.cloud import Cloud
from tests.stack.orders import wait_until

pytestmark = pytest.mark.stack

YESTERDAY: Final = datetime.now(UTC).date() - timedelta(days=1)
STRANGER: Final = "unknownToLedger"


@pytest.fixture(scope="module")
def books(cloud: Cloud) -> Iterator[Books]:
    """An account whose books began yesterday."""
    cloud.set_wait_scale(0.1)
    with new_books(cloud) as made:
        made.balance(midday(YESTERDAY), Decimal("1000.00"))
        yield made
    cloud.set_wait_scale(1)


def test_card_made_with_our_key_outside_of_the_gateway_alerts_within_one_run(books: Books) -> None:
    today, request_id = datetime.now(UTC).date(), f"{books.own.partner}DIRECT"
    # when somebody who has the account's key makes a card, and the day, which is not over, is run
    books.create_directly(request_id)
    day = books.judged(today)
    # then it is found at once, and told
    assert [(each["kind"], each["requestId"]) for each in day["differences"]] == [(STRANGER, request_id)]
    wait_until(lambda: request_id in "".join(books.notices(today, STRANGER)), "the operators hear of the card")
    # and not again by the next run, which finds it as it was
    again = books.judged(today)
    assert [each["differenceId"] for each in again["differences"]] == [day["differences"][0]["differenceId"]]
    assert len(books.notices(today, STRANGER)) == 1
    assert [each["requestIds"] for each in books.events("DifferenceFound")] == [[request_id]]


@pytest.fixture(scope="module")
def found(books: Books) -> date:
    """A day whose first round was begun by two operators and by the watch, all at once."""
    books.row(f"{books.own.partner}STRANGER", midday(YESTERDAY))
    books.show_pages_at_once()
    with ThreadPoolExecutor(3) as pool:
        begun = [pool.submit(books.run, YESTERDAY) for _ in range(2)]
        watched = pool.submit(books.cloud.invoke, "WatchAccount")
        assert [each.result()["round"] for each in begun] == [1, 1]
        assert watched.result()["booksFailed"] == 0
    return YESTERDAY


def test_all_who_begin_a_round_at_once_share_it(books: Books, found: date) -> None:
    day = books.ended(found)
    assert [(each["kind"], each["requestId"]) for each in day["differences"]] == [
        (STRANGER, f"{books.own.partner}STRANGER")
    ]
    assert [*books.rounds(found)] == [f"{books.account}-{found}-r1"]
    assert len([each for each in books.events("ReconciliationFinished") if each["day"] == found.isoformat()]) == 1


def test_process_that_dies_and_a_resolution_meanwhile_leave_one_result(books: Books, found: date) -> None:
    before = books.ended(found)
    # given a page that Amazon does not show yet
    held = {"operation": "GetGiftCardActivityPage", "kind": "timeout", "holdSeconds": 60, "calls": {"first": 1}}
    books.cloud.sandbox.post("faults", held)
    books.show_pages_at_once()
    books.run(found)
    wait_until(lambda: '"hits": 1' in json.dumps(books.cloud.sandbox.get("faults")), "the page is asked for")
    # when the difference is resolved, the process that waits dies, and somebody begins a round once more
    assert books.resolve(found, STRANGER, "another system of ours").status == 200
    for process in books.cloud.lambda_processes(books.cloud.outputs.functionNames["ReconcileAccount"]):
        process.kill()
    books.show_pages_at_once()
    assert books.run(found)["round"] == before["round"] + 1
    # then the round that was under way ends as if nothing had happened, and the resolution stands
    day = books.ended(found)
    of_day = f"{books.account}-{found}-r"
    assert {*books.rounds(found)} == {f"{of_day}1", f"{of_day}2"}
    wait_until(lambda: books.rounds(found)[f"{of_day}2"]["status"] == "SUCCEEDED", "the execution has ended")
    history = books.cloud.history(books.rounds(found)[f"{of_day}2"]["executionArn"])
    assert [each["type"] for each in history].count("TaskFailed") == 1
    (difference,) = day["differences"]
    assert difference["resolution"]["note"] == "another system of ours"
    assert {**difference, "resolution": None} == before["differences"][0]
    assert (day["unresolved"], day["charges"]) == (0, before["charges"])
    # and it was told once
    assert len(books.notices(found, STRANGER)) == 1
