"""What every ledger keeps of a record, and how it finds those that fell silent."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import KeyItem, KeyTaken, Record, Status, change
from tests.contract.records import CHANGEABLE, START, in_state, new_nonce, new_record, records, two_values
from tests.contract.subject import Subject, opened, own_time, touched
from tests.support.fakes import as_kept


class KeepingContract:
    """A part of `LedgerContract`."""

    # ---- due ------------------------------------------------------------------------------------

    def test_due_returns_open_records_longest_silent_first(self, subject: Subject) -> None:
        # given records that fell silent in a time of their own: the table may be shared
        now = own_time()
        silent = {
            seconds: opened(subject.ledger, new_record(wake_at=now - timedelta(seconds=seconds)))
            for seconds in (1, 30, 0, 2)
        }
        later = opened(subject.ledger, new_record(wake_at=now + timedelta(milliseconds=1)))
        ended = opened(subject.ledger, new_record(wake_at=now - timedelta(seconds=3)))
        subject.ledger.apply(change(ended, status=Status.SUCCEEDED), new_nonce())
        heard_of = opened(subject.ledger, new_record(wake_at=now - timedelta(seconds=4)))
        subject.ledger.apply(touched(heard_of, wake_at=now + timedelta(seconds=4)), new_nonce())
        known = {each.request_id for each in (*silent.values(), later, ended, heard_of)}
        # when
        due = [request_id for request_id in subject.ledger.due(now, 100).request_ids if request_id in known]
        # then
        assert due == [silent[seconds].request_id for seconds in (30, 2, 1, 0)]

    def test_an_ended_record_that_reopens_becomes_due_again(self, subject: Subject) -> None:
        now = own_time()
        record = opened(subject.ledger, in_state(Status.ESCALATED))
        assert record.request_id not in subject.ledger.due(now, 100).request_ids
        subject.ledger.apply(change(record, status=Status.RECOVERING, epoch=1, wake_at=now), new_nonce())
        assert record.request_id in subject.ledger.due(now, 100).request_ids

    def test_due_returns_no_more_than_asked_for(self, subject: Subject) -> None:
        now = own_time()
        for _ in range(3):
            opened(subject.ledger, new_record(wake_at=now))
        assert len(subject.ledger.due(now, 2).request_ids) == 2

    # ---- what is kept ---------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "value",
        [
            Money(Decimal(1000), "JPY"),
            Money(Decimal("25.00"), "USD"),
            Money(Decimal("25.10"), "EUR"),
            Money(Decimal("0.15"), "USD"),
            Money(Decimal("10000000.00"), "GBP"),
            Money(Decimal("100.00"), "PLN"),
        ],
        ids=str,
    )
    def test_amounts_keep_the_decimals_of_their_currency(self, subject: Subject, value: Money) -> None:
        record = opened(subject.ledger, new_record(value=value))
        kept = subject.ledger.get(record.request_id)
        assert kept is not None
        assert kept.value.amount_text == value.amount_text
        assert kept.value.currency == value.currency

    def test_times_are_kept_to_the_millisecond(self, subject: Subject) -> None:
        # given a time with more digits than are kept
        moment = datetime(2026, 3, 1, 12, 0, 0, 123999, tzinfo=UTC)
        record = new_record(updated_at=moment, wake_at=moment)
        # when
        written = opened(subject.ledger, record)
        # then the writer is told what is kept, and a condition on what he has read holds
        assert written.updated_at == datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
        assert subject.ledger.get(record.request_id) == written
        later = moment + timedelta(microseconds=5678)
        step = replace(touched(written, wake_at=later, updated_at=later), requires=("wake_at",))
        changed = subject.ledger.apply(step, new_nonce())
        assert isinstance(changed, Record)
        assert changed.wake_at == datetime(2026, 3, 1, 12, 0, 0, 129000, tzinfo=UTC)

    def test_options_keep_their_order_and_their_digits(self, subject: Subject) -> None:
        # given options that Amazon must be sent again byte by byte
        details = {"zebra": Decimal("1.50"), "apple": [None, True, "", "käse"], "middle": 7}
        record = opened(subject.ledger, new_record(details={"transactionSource": details, "externalReference": "x"}))
        # when
        kept = subject.ledger.get(record.request_id)
        # then
        assert kept is not None
        source = kept.details["transactionSource"]
        assert source == details
        assert list(source) == ["zebra", "apple", "middle"]
        assert str(source["zebra"]) == "1.50"

    def test_every_field_is_kept(self, subject: Subject) -> None:
        # given a record of which no field has its default
        moments = (START + timedelta(seconds=number, milliseconds=number) for number in itertools.count(1))
        full = new_record(
            **{name: two_values(name)[1] for name in CHANGEABLE},
            operation=Operation.LOAD_AMAZON_BALANCE,
            account="uk",
            value=Money(Decimal(700), "JPY"),
            status=Status.REVERSING,
            epoch=4,
            version=9,
            generation=2,
            replaces="Test1A",
            details={"externalReference": "order 7"},
            caller="arn:aws:iam::000000000000:user/x",
            budget="spring",
            budget_period="2026-03",
            order_id="ORDER1",
        )
        full = replace(full, **{f.name: next(moments) for f in fields(full) if f.name.endswith("_at")})  # type: ignore[arg-type]
        assert [f.name for f in fields(full) if getattr(full, f.name) == f.default and f.name != "nonce"] == []
        # when
        written = opened(subject.ledger, full)
        # then
        assert written == replace(full, nonce=written.nonce)
        assert subject.ledger.get(full.request_id) == written

    def test_arbitrary_records_come_back_as_they_were(self, subject: Subject) -> None:
        @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(record=records())
        def holds(record: Record) -> None:
            unique = new_record()
            record = replace(record, request_id=unique.request_id, key_hash=unique.key_hash)
            written = opened(subject.ledger, record)
            assert written == as_kept(replace(record, nonce=written.nonce))
            assert subject.ledger.get(record.request_id) == written

        holds()

    def test_a_key_keeps_what_orders_are_compared_with(self, subject: Subject) -> None:
        record = new_record(account="jp_2", operation=Operation.ACTIVATE_GIFT_CARD)
        key = KeyItem(
            key_hash=record.key_hash,
            request_id=record.request_id,
            account=record.account,
            operation=record.operation,
            fingerprint={},
        )
        assert isinstance(subject.ledger.open(record, key, "n" * 36), Record)
        assert subject.ledger.open(record, key, new_nonce()) == KeyTaken(replace(key, nonce="n" * 36))
