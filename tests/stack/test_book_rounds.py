"""Rounds of the books on the local cloud: a stranger with our key, many who begin at once, a process that dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

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


@contextmanager
def held_page(books: Books, day: date) -> Iterator[None]:
    """A round of the day whose page Amazon does not show, until in the end the process that waits for it dies."""
    sandbox = books.cloud.sandbox
    sandbox.delete("faults")
    held = {"operation": "GetGiftCardActivityPage", "kind": "timeout", "holdSeconds": 60, "calls": {"first": 1}}
    sandbox.post("faults", held)
    books.show_pages_at_once()
    yield
    wait_until(lambda: '"hits": 1' in json.dumps(sandbox.get("faults")), "the page is asked for")
    for process in books.cloud.lambda_processes(books.cloud.outputs.functionNames["ReconcileAccount"]):
        process.kill()
    books.show_pages_at_once()
    books.ended(day)
    # That it died was noticed, and the same execution went on.
    number = books.shown(day)["round"]
    name = f"{books.account}-{day}-r{number}"
    wait_until(lambda: books.rounds(day)[name]["status"] == "SUCCEEDED", "the execution has ended")
    history = books.cloud.history(books.rounds(day)[name]["executionArn"])
    assert [each["type"] for each in history].count("TaskFailed") == 1


@pytest.fixture(scope="module")
def found(books: Books) -> dict[str, Any]:
    """Yesterday, whose first round was begun by two operators and by the watch, all at once."""
    books.row(f"{books.own.partner}STRANGER", midday(YESTERDAY))
    with held_page(books, YESTERDAY), ThreadPoolExecutor(3) as pool:
        begun = [pool.submit(books.run, YESTERDAY) for _ in range(2)]
        watched = pool.submit(books.cloud.invoke, "WatchAccount")
        assert [each.result()["round"] for each in begun] == [1, 1]
        assert watched.result()
    return books.shown(YESTERDAY)


def test_all_who_begin_a_round_at_once_share_it(books: Books, found: dict[str, Any]) -> None:
    assert [(each["kind"], each["requestId"]) for each in found["differences"]] == [
        (STRANGER, f"{books.own.partner}STRANGER")
    ]
    assert [*books.rounds(YESTERDAY)] == [f"{books.account}-{YESTERDAY}-r1"]
    wait_until(lambda: finished(books) == [1], "an event tells how the day was judged")
    wait_until(lambda: len(books.notices(YESTERDAY, STRANGER)) == 1, "the operators hear of it")


def test_what_is_resolved_while_a_round_runs_stays_resolved(books: Books, found: dict[str, Any]) -> None:
    # when a difference is resolved while its day is read once more, and somebody begins a round of it again
    with held_page(books, YESTERDAY):
        assert books.run(YESTERDAY)["round"] == 2
        assert books.resolve(YESTERDAY, STRANGER, "another system of ours").status == 200
        assert books.run(YESTERDAY)["round"] == 2
    # then there is one result: what was found before, with its resolution
    day = books.shown(YESTERDAY)
    (difference,) = day["differences"]
    assert difference["resolution"]["note"] == "another system of ours"
    assert {**difference, "resolution": None} == found["differences"][0]
    assert (day["round"], day["unresolved"], day["charges"]) == (2, 0, found["charges"])
    assert len(books.rounds(YESTERDAY)) == 2
    # and what is told: that it is resolved, and that the round has ended; but not once more that it was found
    wait_until(lambda: finished(books) == [1, 0, 0], "events tell of both")
    of_day = [each for each in books.events("DifferenceFound") if each["day"] == YESTERDAY.isoformat()]
    assert (len(of_day), len(books.notices(YESTERDAY, STRANGER))) == (1, 1)


def finished(books: Books) -> list[int]:
    """How many differences nobody has resolved, by the events of yesterday, oldest first."""
    told = [each for each in books.events("ReconciliationFinished") if each["day"] == YESTERDAY.isoformat()]
    return [each["unresolved"] for each in told]
