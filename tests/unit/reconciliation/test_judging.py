"""Judging: each kind, once as it is found and once as it is not."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.money import Money
from incentives.domain.reconciliation.days import bounds, read_zone
from incentives.domain.reconciliation.entries import Entry, entry_of
from incentives.domain.reconciliation.findings import Decision, Kind, Reason
from incentives.domain.reconciliation.judging import DayInputs, DayJudgement, judge
from incentives.domain.reconciliation.rows import Row, read_activity_types
from incentives.domain.reconciliation.transactions import transactions_file
from incentives.domain.single_requests.record import Status
from tests.unit.builders import record

DAY = date(2026, 11, 22)
ZONE = read_zone("Europe/Berlin")
NOON = datetime(2026, 11, 22, 11, tzinfo=UTC)
TYPES = read_activity_types("GCCreation=charge,GCCancellation=refund,Hello=nothing")
CARD = Money(Decimal("25.00"), "USD")


def entry(status: Status = Status.SUCCEEDED, **updates: Any) -> Entry:
    answered = status in {Status.SUCCEEDED, Status.REVERSED, Status.REVERSING}
    made = Entry(
        request_id="R1",
        account="default",
        operation="CreateGiftCard",
        status=status,
        value=CARD,
        created_at=NOON,
        changed_at=NOON,
        answered_at=NOON if answered else None,
        sent=(NOON, NOON),
        reversed=(NOON, NOON) if status is Status.REVERSED else None,
        replaces=None,
        caller=None,
        budget=None,
        gc_id=None,
        shown={"costCenter": "sales"},
    )
    return replace(made, **updates)


def charge(amount: str = "25.00", *, at: datetime = NOON, currency: str = "USD", request_id: str = "R1") -> Row:
    return Row(request_id, at, "GCCreation", "Success", value=Money(Decimal(amount), currency))


def refund(*, at: datetime = NOON, amount: str | None = None, request_id: str = "R1") -> Row:
    value = Money(Decimal(amount), "USD") if amount else None
    return Row(request_id, at, "GCCancellation", "Success", value=value)


def judged(rows: Sequence[Row], *entries: Entry, **updates: Any) -> DayJudgement:
    known: Mapping[str, Entry] = {each.request_id: each for each in entries}
    start, end = bounds(DAY, ZONE)
    inputs = DayInputs(
        account="default",
        day=DAY,
        zone=ZONE,
        types=TYPES,
        currency="USD",
        rows=rows,
        others=(),
        entries=known,
        looked_at=frozenset(each.request_id for each in entries if start <= each.created_at < end),
        carried=(),
        decided={},
        has_reached=lambda _: True,
        begins_at=NOON - timedelta(days=100),
        now=NOON + timedelta(days=2),
    )
    inputs = replace(inputs, **updates)
    done = judge(inputs)
    # Whatever is found: the bridge leads from the ledger to Amazon.
    assert done.ledger + sum(done.bridge.values()) == done.charges.amount - done.refunds.amount
    assert judge(inputs) == done
    return done


def kinds(done: DayJudgement) -> list[Kind]:
    return [finding.kind for finding in (*done.findings, *done.open_items)]


@pytest.mark.parametrize(
    ("rows", "status", "kind"),
    [
        ([charge()], Status.SUCCEEDED, None),
        ([charge(), refund(), charge()], Status.SUCCEEDED, None),
        ([charge(), refund()], Status.REVERSED, None),
        ([], Status.REVERSED, None),
        ([], Status.REFUSED, None),
        ([], Status.SUCCEEDED, Kind.MISSING_AT_AMAZON),
        ([charge(), refund()], Status.SUCCEEDED, Kind.REFUNDED_UNEXPECTEDLY),
        ([refund(amount="25.00")], Status.REVERSED, Kind.REFUNDED_UNEXPECTEDLY),
        ([charge()], Status.REVERSED, Kind.CHARGED_UNEXPECTEDLY),
        ([charge()], Status.REFUSED, Kind.CHARGED_UNEXPECTEDLY),
        ([charge("25.00"), refund(amount="20.00")], Status.REVERSED, Kind.CHARGED_UNEXPECTEDLY),
        ([charge(), charge()], Status.SUCCEEDED, Kind.CHARGED_TWICE),
        ([charge("26.00")], Status.SUCCEEDED, Kind.AMOUNT_DIFFERS),
        ([charge(currency="CAD")], Status.SUCCEEDED, Kind.AMOUNT_DIFFERS),
        ([charge()], Status.RECOVERING, Kind.IN_TRANSIT),
        ([], Status.PENDING, Kind.IN_TRANSIT),
        ([charge()], Status.ESCALATED, Kind.ESCALATED),
        ([replace(charge(), status="Failed")], Status.REFUSED, None),
        ([replace(charge(), is_real=False), charge()], Status.SUCCEEDED, None),
    ],
)
def test_what_is_due_is_held_against_the_net_of_all_rows(rows: list[Row], status: Status, kind: Kind | None) -> None:
    assert kinds(judged(rows, entry(status))) == ([kind] if kind else [])


@pytest.mark.parametrize("request_id", ["R9", "somebody-else's"])
def test_what_the_ledger_does_not_know_is_told_at_once(request_id: str) -> None:
    done = judged([charge(request_id=request_id)], has_reached=lambda _: False)
    assert kinds(done) == [Kind.UNKNOWN_TO_LEDGER]
    assert (done.findings[0].amount, done.findings[0].ledger) == (2500, None)


@pytest.mark.parametrize(
    ("rows", "status"),
    [([], Status.SUCCEEDED), ([charge()], Status.REVERSED), ([charge(), charge()], Status.SUCCEEDED)],
)
def test_rows_that_may_still_come_make_an_open_item_and_no_difference(rows: list[Row], status: Status) -> None:
    done = judged(rows, entry(status), has_reached=lambda _: False)
    assert (done.findings, kinds(done), done.open_items[0].amount) == ([], [Kind.IN_TRANSIT], 2500)


def test_what_was_never_sent_puts_nothing_at_risk() -> None:
    assert judged([], entry(Status.PENDING, sent=None)).open_items[0].amount == 0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (replace(charge(), request_id=""), "no request id"),
        (replace(charge(), time=None), "no time"),
        (replace(charge(), value=None), "no amount"),
        (charge("-25.00"), "negative amount"),
        (charge("0.00"), "no amount"),
        (replace(charge(), status="Pending"), "unknown status"),
        (replace(charge(), type="GCSurprise"), "unknown type"),
        (refund(request_id="R9"), "no amount, and no charge to take it from"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_and_stands_for_what_its_request_lacks(row: Row, why: str) -> None:
    done = judged([row], entry()) if row.request_id == "R1" else judged([row])
    assert [(finding.kind, finding.amazon.why) for finding in done.findings] == [(Kind.UNREADABLE_ROW, why)]


def test_twice_the_same_row_that_cannot_be_read_is_told_twice() -> None:
    done = judged([replace(charge(), time=None)] * 2)
    assert len({finding.difference_id for finding in done.findings}) == 2


def test_a_refund_without_an_amount_takes_what_amazon_charged_itself() -> None:
    done = judged([charge("26.00"), refund()], entry(Status.REVERSED))
    assert (kinds(done), done.refunds.amount) == ([], 2600)


def test_rows_of_another_day_count_for_the_request_and_not_for_the_days_sums() -> None:
    # Given a card of yesterday that was cancelled a minute after midnight
    start, _ = bounds(DAY, ZONE)
    before = start - timedelta(minutes=5)
    card = entry(
        Status.REVERSED,
        created_at=before,
        answered_at=before,
        sent=(before, before),
        reversed=(start, start),
        changed_at=start,
    )
    # When today is judged
    done = judged([refund(at=start)], card, others=[charge(at=before)])
    # Then it is a pair, today has the refund only, and the ledger books it today, too
    assert (kinds(done), done.charges.count, done.refunds.amount, done.ledger) == ([], 0, 2500, -2500)


def test_an_escalated_request_is_open_until_finance_says_how_it_ended() -> None:
    escalated = entry(Status.ESCALATED)
    first = judged([charge()], escalated)
    decision = Decision(reason=Reason.SETTLED_CHARGED, note="case 1", by="anna", at=NOON)
    decided = {first.open_items[0].difference_id: decision}
    assert kinds(judged([charge()], escalated, decided=decided)) == []
    assert kinds(judged([], escalated, decided=decided)) == [Kind.MISSING_AT_AMAZON]
    refunded = {first.open_items[0].difference_id: replace(decision, reason=Reason.SETTLED_REFUNDED)}
    assert kinds(judged([charge(), refund()], escalated, decided=refunded)) == []
    assert kinds(judged([charge()], escalated, decided=refunded)) == [Kind.CHARGED_UNEXPECTEDLY]


def test_a_difference_is_found_once_and_again_when_its_facts_change() -> None:
    # Given a card that yesterday did not find
    yesterday = NOON - timedelta(days=1)
    card = entry(created_at=yesterday, answered_at=yesterday, sent=(yesterday, yesterday))
    found = judged([], card, looked_at=frozenset({"R1"}), day=DAY - timedelta(days=1)).findings
    assert [finding.kind for finding in found] == [Kind.MISSING_AT_AMAZON]
    # When today is as yesterday was, then nothing new is found, and it is carried on
    same = judged([], card, carried=found, looked_at=frozenset())
    assert (same.findings, same.carry) == ([], found)
    # When Amazon shows it at last, then nothing is left of it
    late = judged([charge()], card, carried=found, looked_at=frozenset())
    assert (late.findings, late.carry) == ([], [])
    # When Amazon shows two, then it is another difference
    twice = judged([charge(), charge()], card, carried=found, looked_at=frozenset())
    assert kinds(twice) == [Kind.CHARGED_TWICE]


def test_a_card_of_before_the_books_began_may_be_refunded() -> None:
    old = NOON - timedelta(days=101)
    card = entry(Status.REVERSED, created_at=old, answered_at=old, sent=(old, old), reversed=(NOON, NOON))
    assert kinds(judged([refund()], card, looked_at=frozenset({"R1"}))) == []
    kept = replace(card, status=Status.SUCCEEDED, reversed=None)
    refunded = judged([refund()], kept, looked_at=frozenset())
    again = judged([charge()], kept, looked_at=frozenset())
    assert [(each.kind, each.amount) for each in refunded.findings] == [(Kind.REFUNDED_UNEXPECTEDLY, 2500)]
    assert [(each.kind, each.amount) for each in again.findings] == [(Kind.CHARGED_TWICE, 2500)]


def test_what_was_explained_long_ago_is_carried_no_further() -> None:
    found = replace(judged([], entry()).findings[0], found_on=DAY - timedelta(days=100))
    decided = {found.difference_id: Decision(reason=Reason.WRITTEN_OFF, note="1", by="anna", at=NOON)}
    assert judged([], entry(), carried=[found]).carry == [found]
    assert judged([], entry(), carried=[found], decided=decided).carry == []


def test_sums_are_amazons_by_cost_center_and_currency() -> None:
    rows = [charge(), refund(), charge("7.00", request_id="R9"), charge("3.00", currency="CAD", request_id="R8")]
    done = judged(rows, entry(Status.REVERSED))
    told = [(each.cost_center, each.currency, each.charged, each.refunded) for each in done.allocation]
    assert told == [("", "CAD", 300, 0), ("", "USD", 700, 0), ("sales", "USD", 2500, 2500)]
    assert (done.charges.amount, done.refunds.amount, done.foreign) == (3200, 2500, {"CAD": (300, 0)})
    assert done.bridge == {"unknownToLedger": 700}


def test_sums_and_transactions_name_the_budget_of_the_request() -> None:
    # given two requests of budgets, one of none, and one that the ledger does not know
    rows = [charge(request_id=f"R{number}") for number in (1, 2, 3, 9)]
    named = [entry(request_id=f"R{number}", budget=budget) for number, budget in ((1, "summer"), (2, "=a"), (3, None))]
    done = judged(rows, *named)
    # then each is summed up by its own
    told = [(each.budget, each.cost_center, each.charged) for each in done.allocation]
    assert told == [("", "", 2500), ("", "sales", 2500), ("=a", "sales", 2500), ("summer", "sales", 2500)]
    # and the day's file shows it, where no spreadsheet runs it
    text = transactions_file(done.moves, {each.request_id: each for each in named}).decode("utf-8-sig")
    lines = csv.DictReader(io.StringIO(text))
    assert {line["requestId"]: line["budget"] for line in lines} == {"R1": "summer", "R2": "'=a", "R3": "", "R9": ""}


def test_an_entry_has_its_records_budget() -> None:
    assert entry_of(record(budget="summer")).budget == "summer"


def test_a_record_of_another_account_is_no_record_of_this_one() -> None:
    done = judged([charge()], entry(account="emea"))
    assert kinds(done) == [Kind.UNKNOWN_TO_LEDGER]


def test_what_one_side_books_tomorrow_is_looked_at_tomorrow() -> None:
    _, end = bounds(DAY, ZONE)
    late = end - timedelta(seconds=1)
    card = entry(created_at=late, sent=(late, late), answered_at=end + timedelta(seconds=1), changed_at=end)
    today = judged([charge(at=late)], card)
    assert (kinds(today), today.later, today.bridge) == ([], ["R1"], {"timing": 2500})
    tomorrow = judged([], card, day=DAY + timedelta(days=1), others=[charge(at=late)], looked_at=frozenset({"R1"}))
    assert (tomorrow.ledger, tomorrow.bridge) == (2500, {"timing": -2500})
