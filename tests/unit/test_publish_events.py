"""What the rest of the company is told: one event per state, at least once, and nothing that could be spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incentives.aws.events import EventBridgeBus
from incentives.aws.single_requests.record_items import encode_key, encode_record
from incentives.aws.stream import read_stream
from incentives.domain.events import EVENTS_MAX, SCHEMA_VERSION, Event, NotPublished, event_of
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import Cause, KeyItem, Record, Status
from incentives.domain.single_requests.writes import Write
from incentives.usecases.publish_events import publish_events
from tests.support.fakes import FakeTelemetry
from tests.unit.builders import REFUSAL, record, reversing, unknown_since

S = Status

#: `detail`, member by member: ids, amounts, states. A new one has to be thought about here.
MEMBERS = {
    "schemaVersion", "eventId", "requestId", "operation", "status", "previousStatus", "cause", "account", "amount",
    "currencyCode", "gcId", "externalReference", "costCenter", "budget", "replaces", "replacedBy", "errorCode",
    "errorType",
}  # fmt: skip


@dataclass
class FakeBus:
    """`Bus` that keeps what it got; some events never get there."""

    published: list[Event] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    nameless: bool = False

    def publish(self, events: Sequence[Event]) -> None:
        self.calls.append(len(events))
        self.published += [event for event in events if event.event_id not in self.lost]
        failed = [event.event_id for event in events if event.event_id in self.lost]
        if failed:
            raise NotPublished([] if self.nameless else failed, "ThrottlingException")


def stream(before: Record | None, after: Record, number: int = 1) -> dict[str, Any]:
    images = {"NewImage": encode_record(after), "SequenceNumber": str(number)}
    if before is not None:
        images["OldImage"] = encode_record(before)
    return {"eventName": "MODIFY" if before else "INSERT", "dynamodb": images}


def moved(number: int, status: Status = S.SUCCEEDED) -> dict[str, Any]:
    """The stream's record of one request that has come to a state."""
    before = record(request_id=f"Test1{number:04}")
    after = record(status, request_id=before.request_id, version=2)
    return stream(before, after, number)


def publish(*records: Any, bus: FakeBus | None = None) -> tuple[FakeBus, list[str]]:
    bus = bus or FakeBus()
    failed = publish_events(read_stream({"Records": records}), bus, FakeTelemetry())
    return bus, [] if failed is None else [failed]


# ---- which event --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (record(), record(S.SUCCEEDED), "GiftCardIssued"),
        (record(), record(S.SUCCEEDED, operation=Operation.ACTIVATE_GIFT_CARD), "GiftCardActivated"),
        (record(), record(S.SUCCEEDED, operation=Operation.LOAD_AMAZON_BALANCE), "BalanceLoaded"),
        (record(), record(S.REFUSED), "RequestRefused"),
        (record(), unknown_since(), "RecoveryStarted"),
        (record(S.SUCCEEDED), reversing(), "ReversalStarted"),
        (reversing(), record(S.REVERSED), "RequestReversed"),
        (unknown_since(), record(S.ESCALATED), "RequestEscalated"),
        (record(S.ESCALATED), unknown_since(), "RecoveryStarted"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_every_state_that_is_come_to_is_one_event(before: Record, after: Record, name: str) -> None:
    bus, failed = publish(stream(before, replace(after, version=7)))
    (event,) = bus.published
    assert (event.type, event.event_id, failed) == (name, f"{after.request_id}#7", [])
    assert event.detail["status"] == after.status.value
    assert event.detail["previousStatus"] == before.status.value
    assert event.time == after.updated_at


@pytest.mark.parametrize("status", Status)
def test_a_write_that_keeps_the_state_is_none(status: Status) -> None:
    kept = record(status)
    assert event_of(kept, replace(kept, attempts=2, version=2)) is None


def test_an_order_that_is_written_down_is_none() -> None:
    assert publish(stream(None, record()))[0].published == []


def test_key_items_deletions_and_others_are_ignored() -> None:
    key = KeyItem(
        key_hash="0" * 64,
        request_id="Test1AAAA",
        account="default",
        operation=Operation.CREATE_GIFT_CARD,
        fingerprint={},
    )
    records = [
        {"dynamodb": {"NewImage": encode_key(key), "SequenceNumber": "1"}},
        {"dynamodb": {"OldImage": encode_record(record()), "SequenceNumber": "2"}},
        {"dynamodb": {}},
        {},
    ]
    assert publish(*records) == (FakeBus(), [])


# ---- what is in it ------------------------------------------------------------------------------


def test_an_event_holds_ids_amounts_and_states_only() -> None:
    kept = record(
        S.REFUSED,
        version=3,
        gc_id="GC1",
        details={"externalReference": "po-7", "notification": {"email": "someone@example.test"}},
        caller="arn:caller",
        encrypted="sealed-1",
        subject="*4321",
        refusal=REFUSAL,
        case_file="{}",
        history=("line",),
        budget="spring",
        replaces="Test1BEFORE",
        replaced_by="Test1AFTER",
        cause=Cause.REFUSED,
    )
    event = event_of(record(), kept)
    assert event is not None
    assert event.detail == {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": "Test1AAAA#3",
        "requestId": "Test1AAAA",
        "operation": "CreateGiftCard",
        "status": "REFUSED",
        "previousStatus": "PENDING",
        "cause": "refused",
        "account": "default",
        "amount": "25.00",
        "currencyCode": "USD",
        "gcId": "GC1",
        "externalReference": "po-7",
        "costCenter": None,
        "budget": "spring",
        "replaces": "Test1BEFORE",
        "replacedBy": "Test1AFTER",
        "errorCode": "F200",
        "errorType": "MaxAmountExceeded",
    }
    assert event.detail.keys() == MEMBERS


def test_amazons_sentences_stay_inside() -> None:
    refused = record(S.REFUSED, refusal=AmazonError("F200", "BadInput", "a sentence of Amazon's"))
    event = event_of(record(), refused)
    assert event is not None
    assert "sentence" not in json.dumps(event.detail)


# ---- at least once ------------------------------------------------------------------------------


def test_a_redelivered_record_is_the_same_event() -> None:
    bus, _ = publish(moved(1), moved(1))
    first, second = bus.published
    assert first == second
    assert first.detail["eventId"] == second.event_id


def test_events_go_in_the_streams_order_ten_at_a_time() -> None:
    bus, failed = publish(*[moved(number) for number in range(25)])
    assert bus.calls == [EVENTS_MAX, EVENTS_MAX, 5]
    assert [event.detail["requestId"] for event in bus.published] == [f"Test1{number:04}" for number in range(25)]
    assert failed == []


@pytest.mark.parametrize("lost", [[0], [4], [4, 7], [11], [24]])
def test_a_partial_failure_names_the_first_record_that_must_come_again(lost: list[int]) -> None:
    bus = FakeBus(lost={f"Test1{number:04}#2" for number in lost})
    _, failed = publish(*[moved(number) for number in range(25)], bus=bus)
    assert failed == [str(lost[0])]
    # Whatever comes before it has been told: it does not come again.
    assert {f"Test1{number:04}#2" for number in range(lost[0])} <= {event.event_id for event in bus.published}


def test_a_failure_that_names_nothing_brings_the_whole_call_again() -> None:
    bus = FakeBus(lost={"Test10012#2"}, nameless=True)
    _, failed = publish(*[moved(number) for number in range(25)], bus=bus)
    assert failed == ["10"]


def spoilt(**attributes: Any) -> dict[str, Any]:
    bad = moved(3)
    bad["dynamodb"]["NewImage"] |= attributes
    return bad


@pytest.mark.parametrize(
    "bad",
    [
        spoilt(status={"S": "NOBODY_KNOWS"}),
        spoilt(createdAt={"S": "yesterday"}),
        spoilt(amount={"N": "1e999999"}),
        spoilt(currencyCode={"S": "XXX"}),
        spoilt(options={"S": "{"}),
        spoilt(options={"S": "[" * 100_000}),
        spoilt(epoch=None),
        {"dynamodb": {"NewImage": {"status": {"S": "SUCCEEDED"}}, "SequenceNumber": "3"}},
        {"dynamodb": {"NewImage": [*"status", "status"], "SequenceNumber": "3"}},
    ],
    ids=["status", "time", "amount", "currency", "options", "deep options", "number", "almost empty", "no item"],
)
def test_an_unreadable_record_is_named_and_the_earlier_ones_are_told(bad: dict[str, Any]) -> None:
    bus, failed = publish(moved(1), moved(2), bad, moved(4))
    assert failed == ["3"]
    assert [event.detail["requestId"] for event in bus.published] == ["Test10001", "Test10002"]


def test_an_earlier_failure_is_named_rather_than_the_unreadable_record() -> None:
    _, failed = publish(moved(1), moved(2), spoilt(status={"S": "?"}), bus=FakeBus(lost={"Test10002#2"}))
    assert failed == ["2"]


# ---- EventBridge --------------------------------------------------------------------------------


class FakeEventBridge:
    """`put_events` with scripted failures."""

    def __init__(self, *responses: Any) -> None:
        self.responses = list(responses)
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        self.entries += Entries
        response = self.responses.pop(0) if self.responses else {"FailedEntryCount": 0, "Entries": [{}] * len(Entries)}
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, dict)
        return response


def events(count: int) -> list[Event]:
    found = [event_of(record(), record(S.SUCCEEDED, version=number)) for number in range(2, 2 + count)]
    return [event for event in found if event is not None]


def test_an_entry_is_the_event() -> None:
    client = FakeEventBridge()
    (event,) = events(1)
    EventBridgeBus(lambda: client, "the-bus").publish([event])
    (entry,) = client.entries
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        "incentives-gateway",
        "GiftCardIssued",
        "the-bus",
    )
    assert json.loads(entry["Detail"]) == event.detail
    assert (entry["Time"], entry["Resources"]) == (event.time, ["Test1AAAA#2"])


def test_a_call_that_half_succeeds_names_what_did_not_get_there() -> None:
    client = FakeEventBridge(
        {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}, {"EventId": "3"}]}
    )
    with pytest.raises(NotPublished, match="ThrottlingException") as told:
        EventBridgeBus(lambda: client, "the-bus").publish(events(3))
    assert told.value.event_ids == ("Test1AAAA#3",)


def test_a_call_that_fails_names_all() -> None:
    fault = ClientError({"Error": {"Code": "InternalException", "Message": "?"}}, "PutEvents")
    with pytest.raises(NotPublished, match="InternalException") as told:
        EventBridgeBus(lambda: FakeEventBridge(fault), "the-bus").publish(events(2))
    assert told.value.event_ids == ("Test1AAAA#2", "Test1AAAA#3")


def test_a_stream_record_is_the_record_before_and_after() -> None:
    before, after = unknown_since(), record(S.SUCCEEDED, version=9, gc_id="GC1")
    assert [*read_stream({"Records": [stream(before, after), stream(None, after, 2)]})] == [
        Write(number="1", before=before, after=after),
        Write(number="2", after=after),
    ]
