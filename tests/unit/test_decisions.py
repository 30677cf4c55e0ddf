"""What people decided, as the tables' streams tell it: once for each decision, with who, when, before and after.

The items are written here by their names at rest, which no version changes; that the tables' own adapters write them
so, `tests/aws/test_decisions.py` shows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from incentives.aws.items import encode, format_time
from incentives.aws.reconciliation.book_items import encode_close, encode_movement, encode_resolution
from incentives.aws.single_requests.record_items import encode_record
from incentives.aws.stream import read_streams
from incentives.aws.telemetry import FACTS
from incentives.domain.events import DECISION_MADE, SCHEMA_VERSION, Event
from incentives.domain.reconciliation.balance import MovementName, MovementPart, PartType
from incentives.domain.reconciliation.closing import CloseStatus
from incentives.domain.reconciliation.findings import Decision, Kind, Reason, Resolution
from incentives.domain.single_requests.record import Status
from incentives.usecases.publish_events import publish_events
from tests.contract.books_suite import FULL_CLOSE
from tests.support.fakes import START, FakeTelemetry
from tests.unit.builders import record
from tests.unit.test_publish_events import FakeBus

ROOT: Final = Path(__file__).parents[2]
ANNA: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Operator_1/anna"
AT: Final = datetime(2026, 11, 3, 9, 30, 0, 250000, tzinfo=UTC)
TEXT: Final = format_time(AT)

Item = dict[str, Any]


def images(before: Item | None, after: Item, number: int = 1) -> Item:
    old = {"OldImage": before} if before is not None else {}
    return {"dynamodb": {"NewImage": after, "SequenceNumber": str(number), **old}}


def told(*records: Item, lost: set[str] | None = None) -> tuple[list[Event], FakeTelemetry, str | None]:
    bus, telemetry = FakeBus(lost=lost or set()), FakeTelemetry()
    failed = publish_events(read_streams({"Records": records}), bus, telemetry)
    return bus.published, telemetry, failed


# ---- one item each, before and after --------------------------------------------------------------


def order(**updates: Any) -> Item:
    values = {
        "orderId": "ORDER", "part": "order", "account": "default", "status": "AWAITING_APPROVAL", "round": 2, "rows": 3,
        "totals": '{"USD": "75.00"}', "budget": "spring", "approvalDigest": "ab", "approvalUntil": TEXT,
        "caller": "arn:bert", "startedBy": "arn:bert", "updatedAt": TEXT,
    }  # fmt: skip
    return encode({**values, **updates})


def freeze(**updates: Any) -> Item:
    values = {
        "account": "default", "part": "freeze", "frozen": True, "reason": "a key leaked", "by": "anna", "caller": ANNA,
        "since": TEXT, "version": 4,
    }  # fmt: skip
    return encode({**values, **updates})


def budget(**updates: Any) -> Item:
    values = {
        "budget": "#budgets", "part": "spring", "limit": 100000, "currencyCode": "USD", "period": "month",
        "active": True, "version": 2, "createdAt": TEXT, "changedAt": TEXT, "changedBy": ANNA,
    }  # fmt: skip
    return encode({**values, **updates})


DECIDED: Final = {"decision": "approve", "decidedBy": ANNA, "decidedAt": TEXT}
FIRST: Final = Decision(reason=Reason.OTHER_SYSTEM, note="the portal", by="arn:bert", at=START)
SECOND: Final = Decision(reason=Reason.SUPPORT_CASE, note="case 4711", by=ANNA, at=AT)
RESOLVED: Final = Resolution(
    account="default",
    difference_id="d1",
    kind=Kind.UNKNOWN_TO_LEDGER,
    request_id="Test1A",
    day=date(2026, 11, 2),
    decisions=(FIRST,),
)
CORRECTED: Final = replace(RESOLVED, decisions=(FIRST, SECOND))
PART: Final = MovementPart(type=PartType.DEPOSIT, amount=Decimal("500.00"), on=date(2026, 11, 2), reference="wire 7")
NAMED: Final = MovementName(account="default", movement_id="m1", parts=(PART,), by=ANNA, at=AT, revision=2)
CLOSED: Final = replace(
    FULL_CLOSE, account="default", status=CloseStatus.CLOSED, signed_off=None, next_version=None, closed_at=AT,
    caller=ANNA,
)  # fmt: skip
SIGNED: Final = replace(CLOSED, revision=4, signed_off=replace(FULL_CLOSE.signed_off, at=AT, caller=ANNA))  # type: ignore[type-var]
ESCALATED: Final = record(Status.ESCALATED, epoch=1, version=6)
REOPENED: Final = replace(ESCALATED, status=Status.RECOVERING, epoch=2, version=7, decided_by=ANNA, decided_at=AT)

#: By decision: the item before, the item after, and what is told beside who and when.
CASES: Final[dict[str, tuple[Item | None, Item, dict[str, Any]]]] = {
    "recover": (
        encode_record(ESCALATED),
        encode_record(replace(REOPENED, wake_at=AT)),
        {
            "eventId": "request#Test1AAAA#7",
            "subject": "Test1AAAA",
            "person": None,
            "before": {"status": "ESCALATED", "epoch": 1},
            "after": {"status": "RECOVERING", "epoch": 2},
            "reason": None,
        },
    ),
    "approve": (
        order(),
        order(status="ISSUING", round=3, **DECIDED),
        {
            "eventId": "order#ORDER#3",
            "subject": "ORDER",
            "person": None,
            "before": {"status": "AWAITING_APPROVAL", "round": 2, "totals": {"USD": "75.00"}, "budget": "spring",
                       "approvalDigest": "ab", "whyNotStarted": None},
            "after": {"status": "ISSUING", "round": 3, "totals": {"USD": "75.00"}, "budget": "spring",
                      "approvalDigest": "ab", "whyNotStarted": None},
            "reason": None,
        },
    ),
    "reject": (
        order(),
        order(status="VALIDATED", rejectedBecause="twice as many as agreed",
              **DECIDED | {"decision": "reject"}),
        {
            "eventId": "order#ORDER#2",
            "subject": "ORDER",
            "person": None,
            "before": {"status": "AWAITING_APPROVAL", "round": 2, "totals": {"USD": "75.00"}, "budget": "spring",
                       "approvalDigest": "ab", "whyNotStarted": None},
            "after": {"status": "VALIDATED", "round": 2, "totals": {"USD": "75.00"}, "budget": "spring",
                      "approvalDigest": "ab", "whyNotStarted": None},
            "reason": "twice as many as agreed",
        },
    ),
    "freeze": (
        None,
        freeze(),
        {
            "eventId": "account#default#4",
            "subject": "default",
            "person": "anna",
            "before": {"frozen": False},
            "after": {"frozen": True, "since": TEXT},
            "reason": "a key leaked",
        },
    ),
    "unfreeze": (
        freeze(since="2026-11-01T08:00:00.000Z", version=4, by="bert"),
        freeze(frozen=False, version=5, reason="rotated"),
        {
            "eventId": "account#default#5",
            "subject": "default",
            "person": "anna",
            "before": {"frozen": True, "since": "2026-11-01T08:00:00.000Z"},
            "after": {"frozen": False, "since": TEXT},
            "reason": "rotated",
        },
    ),
    "setBudget": (
        budget(version=1, limit=50000, changedBy="arn:bert"),
        budget(),
        {
            "eventId": "budget#spring#2",
            "subject": "spring",
            "account": None,
            "person": None,
            "before": {"limit": "500.00", "currencyCode": "USD", "period": "month", "active": True},
            "after": {"limit": "1000.00", "currencyCode": "USD", "period": "month", "active": True},
            "reason": None,
        },
    ),
    "resolve": (
        encode_resolution(RESOLVED, "n1"),
        encode_resolution(CORRECTED, "n2"),
        {
            "eventId": "books#default#resolution#d1#2",
            "subject": "d1",
            "person": None,
            "before": {"reason": "otherSystem", "note": "the portal", "by": "arn:bert", "at": format_time(START)},
            "after": {"reason": "supportCase", "note": "case 4711", "kind": "unknownToLedger", "requestId": "Test1A",
                      "day": "2026-11-02"},
            "reason": "supportCase",
        },
    ),
    "nameMovement": (
        None,
        encode_movement(NAMED, "n1"),
        {
            "eventId": "books#default#movement#m1#2",
            "subject": "m1",
            "person": None,
            "before": {},
            "after": {"parts": [{"type": "deposit", "amount": "500.00", "date": "2026-11-02", "reference": "wire 7"}]},
            "reason": None,
        },
    ),
    "close": (
        encode_close(replace(CLOSED, status=CloseStatus.CLOSING, revision=2), "n1"),
        encode_close(CLOSED, "n2"),
        {
            "eventId": "books#default#close#2026-11#3",
            "subject": "2026-11",
            "person": CLOSED.closed_by,
            "before": {},
            "after": {"status": "CLOSED", "version": 2, "manifestSha256": "ef",
                      "opening": {"amount": "-1200.50", "source": "the portal"}, "closedBy": CLOSED.closed_by,
                      "signedOffBy": None},
            "reason": None,
        },
    ),
    "signOff": (
        encode_close(CLOSED, "n1"),
        encode_close(SIGNED, "n2"),
        {
            "eventId": "books#default#close#2026-11#4",
            "subject": "2026-11",
            "person": SIGNED.signed_off.by if SIGNED.signed_off else None,
        },
    ),
}  # fmt: skip


def decisions(events: list[Event]) -> list[Event]:
    return [event for event in events if event.type == DECISION_MADE]


@pytest.mark.parametrize("kind", CASES)
def test_a_decision_is_told_with_who_when_before_and_after(kind: str) -> None:
    before, after, special = CASES[kind]
    events, _, failed = told(images(before, after))
    (event,) = decisions(events)
    wanted = {"schemaVersion": SCHEMA_VERSION, "decision": kind, "account": "default", "caller": ANNA, "at": TEXT}
    assert (event.time, event.event_id, failed) == (AT, special["eventId"], None)
    assert event.detail | wanted | special == event.detail
    assert event.detail.keys() == {
        "schemaVersion", "eventId", "decision", "subject", "account", "caller", "person", "at", "before", "after",
        "reason",
    }  # fmt: skip
    json.dumps(event.detail)


@pytest.mark.parametrize("kind", CASES)
def test_a_decision_is_one_log_line_whose_facts_may_all_be_logged(kind: str) -> None:
    before, after, special = CASES[kind]
    _, telemetry, _ = told(images(before, after))
    (facts,) = [facts for name, facts in telemetry.lines if name == "decision"]
    assert facts.keys() <= FACTS
    assert (facts["decision"], facts["subject"], facts["caller"], facts["decidedAt"], facts["eventId"]) == (
        kind, special["subject"], ANNA, TEXT, special["eventId"],
    )  # fmt: skip
    assert json.loads(str(facts["before"])) == special.get("before", json.loads(str(facts["before"])))
    assert json.loads(str(facts["after"])) == special.get("after", json.loads(str(facts["after"])))


def test_a_decision_that_did_not_get_there_is_not_logged_and_comes_again() -> None:
    before, after, special = CASES["freeze"]
    _, telemetry, failed = told(images(before, after, 7), lost={special["eventId"]})
    assert failed == "7"
    assert [name for name, _ in telemetry.lines] == ["eventsNotPublished"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # the item as it stands, once more: people were told, a later state, another note
        (freeze(), freeze(toldAt=TEXT, version=5)),
        (order(status="ISSUING", **DECIDED), order(status="FINISHED", round=4, **DECIDED)),
        (order(status="VALIDATED", **DECIDED), order(status="VALIDATING", round=4, **DECIDED)),
        (order(), order(toldAt=TEXT)),
        (budget(), budget(nonce="another")),
        (encode_resolution(RESOLVED, "n1"), encode_resolution(RESOLVED, "n2")),
        (encode_movement(NAMED, "n1"), encode_movement(NAMED, "n2")),
        (encode_close(CLOSED, "n1"), encode_close(replace(CLOSED, next_version=FULL_CLOSE.next_version), "n2")),
        (encode_record(REOPENED), encode_record(replace(REOPENED, version=8, attempts=3))),
        # other items of these tables
        (None, encode({"orderId": "ORDER", "part": "batch#00001", "done": 3})),
        (None, encode({"orderId": "ORDER", "part": "closed#00001"})),
        (None, encode({"account": "default", "part": "counted#Test1A", "version": 3})),
        (None, encode({"account": "#accounts", "part": "freeze"})),
        (None, encode({"account": "default", "part": "day#2026-11-02", "USD#CreateGiftCard#minor": 100})),
        (None, encode({"budget": "spring", "part": "period#2026-11", "remaining": 1, "version": 3})),
        (None, encode({"budget": "spring", "part": "spent#2026-11", "spent": 1})),
    ],
)
def test_other_writes_tell_no_decision(before: Item | None, after: Item) -> None:
    events, _, _ = told(images(before, after))
    assert events == []


def test_a_recovery_that_one_operator_asks_for_after_another_is_another_decision() -> None:
    again = replace(REOPENED, epoch=3, version=9, decided_by="arn:bert", decided_at=AT)
    (event,) = decisions(told(images(encode_record(REOPENED), encode_record(again)))[0])
    assert (event.event_id, event.detail["caller"]) == ("request#Test1AAAA#9", "arn:bert")


def test_an_approval_whose_budget_has_too_little_says_that_nothing_began() -> None:
    why = "Budget 'spring' has too little left."
    (event,) = decisions(told(images(order(), order(status="VALIDATED", whyNotStarted=why, **DECIDED)))[0])
    assert (event.detail["decision"], event.detail["after"]["status"]) == ("approve", "VALIDATED")
    assert event.detail["after"]["whyNotStarted"] == why


def test_a_close_by_nobody_known_that_a_person_makes_their_own_names_that_person() -> None:
    nobodys = replace(CLOSED, closed_by=None, caller="arn:aws:iam::123456789012:root")
    (event,) = decisions(told(images(encode_close(nobodys, "n1"), encode_close(replace(CLOSED, revision=4), "n2")))[0])
    assert (event.detail["decision"], event.detail["person"]) == ("close", CLOSED.closed_by)
    assert event.detail["before"]["closedBy"] is None


def test_an_order_that_begins_to_wait_is_told_to_who_approves() -> None:
    (event,), telemetry, _ = told(images(order(status="VALIDATING", round=2), order()))
    assert (event.type, event.event_id, event.time) == ("OrderAwaitingApproval", "ORDER#2", AT)
    assert event.detail == {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": "ORDER#2",
        "orderId": "ORDER",
        "account": "default",
        "status": "AWAITING_APPROVAL",
        "rows": 3,
        "totals": {"USD": "75.00"},
        "budget": "spring",
        "approvalDigest": "ab",
        "approvalUntil": TEXT,
        "createdBy": "arn:bert",
        "startedBy": "arn:bert",
    }
    assert telemetry.lines == [("published", {"orderId": "ORDER", "status": "AWAITING_APPROVAL"})]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("order_awaiting_approval", "OrderAwaitingApproval"),
        ("order_approved", "approve"),
        ("account_frozen", "freeze"),
        ("budget_set", "setBudget"),
    ],
)
def test_a_sample_event_of_a_stream_is_told(name: str, kind: str) -> None:
    sample = json.loads((ROOT / "events" / "publish_events" / f"{name}.json").read_text(encoding="utf-8"))
    (event,) = told(*sample["Records"])[0]
    assert event.detail.get("decision", event.type) == kind


@pytest.mark.parametrize(
    "after",
    [
        freeze(since="yesterday"),
        freeze(version=None),
        order(decision="wave through", decidedBy="anna", decidedAt=TEXT),
        budget(currencyCode="XXX"),
        encode_resolution(CORRECTED, "n") | {"decisions": {"S": "[" * 100_000}},
        {"part": {"S": "freeze"}},
        {"part": "freeze"},
    ],
)
def test_an_item_that_cannot_be_read_comes_again(after: Item) -> None:
    good, bad = CASES["freeze"][1], images(None, after, 2)
    events, telemetry, failed = told(images(None, good, 1), bad)
    assert (len(events), failed) == (1, "2")
    assert "streamRecordUnreadable" in [name for name, _ in telemetry.lines]
