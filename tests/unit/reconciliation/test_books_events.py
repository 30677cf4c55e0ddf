"""What the rest of the company is told of the books: each judgement, difference and closed month, at least once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from incentives.aws.items import encode
from incentives.aws.reconciliation.book_items import encode_balance, encode_close, encode_day
from incentives.aws.stream import read_streams
from incentives.domain.events import DECISION_MADE, SCHEMA_VERSION, Event
from incentives.domain.reconciliation.closing import Close, CloseStatus
from incentives.domain.reconciliation.day_state import BooksDay, Found, JudgedDay, changed
from incentives.domain.reconciliation.findings import Kind
from incentives.usecases.publish_events import publish_events
from tests.contract.books_suite import FULL_CLOSE, FULL_DAY, WINDOW, snapshot
from tests.support.fakes import START, FakeTelemetry
from tests.unit.test_publish_events import FakeBus, moved

ROOT: Final = Path(__file__).parents[3]

#: A day that has been judged, for the first time, by its third write.
JUDGED: Final = replace(FULL_DAY, account="default", revision=3, to_judge=False)
READ: Final = replace(JUDGED, revision=2, judged=None, found={}, to_judge=True)
CLOSED: Final = replace(FULL_CLOSE, account="default", status=CloseStatus.CLOSED, signed_off=None, next_version=None)

Part = BooksDay | Close


def stream(before: Part | None, after: Part, number: int = 1) -> dict[str, Any]:
    images = {"NewImage": _item(after), "SequenceNumber": str(number)}
    return {"dynamodb": images | ({"OldImage": _item(before)} if before is not None else {})}


def _item(part: Part) -> dict[str, Any]:
    return encode_day(part, "nonce") if isinstance(part, BooksDay) else encode_close(part, "nonce")


def publish(*records: dict[str, Any], lost: set[str] | None = None) -> tuple[list[Event], str | None]:
    bus = FakeBus(lost=lost or set())
    failed = publish_events(read_streams({"Records": records}), bus, FakeTelemetry())
    return bus.published, failed


def test_a_judged_day_is_an_event_and_each_kind_that_was_found() -> None:
    (finished, found), _ = publish(stream(READ, JUDGED))
    assert (finished.type, finished.time, finished.event_id) == (
        "ReconciliationFinished", START, "default#day#2026-11-22#3",
    )  # fmt: skip
    assert finished.detail == {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": finished.event_id,
        "account": "default",
        "day": "2026-11-22",
        "round": 3,
        "status": "INCOMPLETE",
        "source": "statement",
        "currencyCode": "USD",
        "charges": {"count": 3, "amount": "75.00"},
        "refunds": {"count": 1, "amount": "25.00"},
        "openItems": 2,
        "differences": 1,
        "unresolved": 1,
    }
    assert (found.type, found.event_id) == ("DifferenceFound", "default#day#2026-11-22#3#chargedTwice")
    assert found.detail == {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": found.event_id,
        "account": "default",
        "day": "2026-11-22",
        "kind": "chargedTwice",
        "count": 1,
        "amount": "25.00",
        "currencyCode": "USD",
        "requestIds": ["Test1R1"],
    }
    json.dumps([finished.detail, found.detail])


def summary(**updates: Any) -> JudgedDay:
    assert JUDGED.judged is not None
    return replace(JUDGED.judged, **updates)


#: All of its rows could be read.
WHOLE: Final = replace(JUDGED, windows=(replace(WINDOW, given_up=None),))


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (JUDGED, changed(JUDGED, round=4, lease_until=None), []),
        (JUDGED, changed(JUDGED, told=("chargedTwice", "unknownToLedger")), []),
        (None, BooksDay(account="default", day=JUDGED.day, page_off=True), []),
        # rows that are not judged yet, also where the judgement of those before stands
        (JUDGED, changed(JUDGED, final=False, to_judge=True), []),
        # people have resolved one of two, and the last
        (replace(WHOLE, judged=summary(unresolved=2)), WHOLE, []),
        (WHOLE, changed(WHOLE, judged=summary(unresolved=0), found={}), ["ReconciliationFinished"]),
        # judged again while nobody had resolved anything
        (WHOLE, changed(WHOLE, judged=summary(at=START + timedelta(hours=1))), ["ReconciliationFinished"]),
        # judged again, with nothing new but that it is final
        (replace(JUDGED, to_judge=True), changed(JUDGED), ["ReconciliationFinished"]),
    ],
    ids=["another round", "told", "no page", "rows", "one resolved", "all resolved", "again", "final"],
)
def test_most_writes_of_a_day_are_no_event(before: BooksDay | None, after: BooksDay, types: list[str]) -> None:
    assert [event.type for event in publish(stream(before, after))[0]] == types


@pytest.mark.parametrize(("count", "is_told"), [(1, False), (2, False), (3, True)])
def test_a_kind_that_grows_is_told_again_and_one_that_shrinks_is_not(count: int, is_told: bool) -> None:
    two = replace(JUDGED, found={Kind.CHARGED_TWICE: Found(count=2, amount=5000)})
    events, _ = publish(stream(two, changed(two, found={Kind.CHARGED_TWICE: Found(count=count, amount=5000)})))
    assert [event.type for event in events] == ["DifferenceFound"] * is_told


def test_a_month_that_is_closed_is_an_event_with_the_head_of_the_chain() -> None:
    (event, _), _ = publish(stream(replace(CLOSED, status=CloseStatus.CLOSING), CLOSED))
    assert (event.type, event.time) == ("MonthClosed", START)
    assert event.detail == {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": "default#close#2026-11#3",
        "account": "default",
        "month": "2026-11",
        "version": 2,
        "figures": {"charges": "100.00"},
        "manifestName": "default/closes/2026-11/v2/manifest.json",
        "manifestSha256": "ef",
    }


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (CLOSED, replace(CLOSED, revision=4, version=3), True),
        (CLOSED, replace(CLOSED, revision=4, signed_off=FULL_CLOSE.signed_off), False),
        (CLOSED, replace(CLOSED, revision=4, next_version=FULL_CLOSE.next_version), False),
        (None, replace(CLOSED, status=CloseStatus.BLOCKED), False),
    ],
    ids=["version", "signed off", "next planned", "blocked"],
)
def test_a_close_is_told_once_for_each_version(before: Close | None, after: Close, is_told: bool) -> None:
    events, _ = publish(stream(before, after))
    assert [event.type for event in events if event.type != DECISION_MADE] == ["MonthClosed"] * is_told


def test_both_streams_are_read_and_what_else_the_table_holds_is_ignored() -> None:
    others = [
        {"dynamodb": {"NewImage": encode_balance(snapshot("default")), "SequenceNumber": "8"}},
        {"dynamodb": {"NewImage": encode({"account": "default", "part": "rows#R1", "days": {"2026-11-22"}})}},
        {"dynamodb": {"OldImage": encode_day(JUDGED, "nonce"), "SequenceNumber": "9"}},
    ]
    events, failed = publish(moved(1), stream(READ, JUDGED, 2), *others, stream(None, CLOSED, 3))
    assert [event.type for event in events] == [
        "GiftCardIssued", "ReconciliationFinished", "DifferenceFound", "MonthClosed", DECISION_MADE,
    ]  # fmt: skip
    assert failed is None


def test_a_write_comes_again_if_one_of_its_events_or_its_item_could_not_be_told() -> None:
    good, bad = stream(READ, JUDGED, 4), stream(READ, JUDGED, 5)
    assert publish(good, lost={"default#day#2026-11-22#3#chargedTwice"})[1] == "4"
    bad["dynamodb"]["NewImage"] |= {"judged": {"S": "{"}}
    events, failed = publish(good, bad, stream(None, CLOSED, 6))
    assert (len(events), failed) == (2, "5")


@pytest.mark.parametrize(
    ("name", "types"),
    [("day_judged", ["ReconciliationFinished", "DifferenceFound"]), ("month_closed", ["MonthClosed", DECISION_MADE])],
)
def test_a_sample_event_of_the_stream_is_told(name: str, types: list[str]) -> None:
    sample = json.loads((ROOT / "events" / "publish_events" / f"{name}.json").read_text(encoding="utf-8"))
    assert [event.type for event in publish(*sample["Records"])[0]] == types
