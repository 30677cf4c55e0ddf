"""What every ledger does. A class of tests inherits `LedgerContract` and supplies the fixture `subject`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.errors import LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import EDGES, Intent, KeyTaken, Lost, Record, Status, change
from tests.contract.budget_suite import BudgetContract
from tests.contract.ledger_kept import KeepingContract
from tests.contract.ledger_races import RaceContract
from tests.contract.records import (
    CHANGEABLE,
    START,
    in_state,
    is_optional,
    key_of,
    new_nonce,
    new_record,
    refused,
    reissue_of,
    renewal_of,
    two_values,
)
from tests.contract.subject import Subject, opened, to_be_reissued, touched


def edges() -> list[tuple[Status, Status]]:
    return [(before, after) for before, afters in EDGES.items() for after in sorted(afters)]


class LedgerContract(KeepingContract, RaceContract, BudgetContract):
    """The promises of `incentives.usecases.dependencies.Ledger`."""

    # ---- open -----------------------------------------------------------------------------------

    def test_open_writes_the_record_and_its_key(self, subject: Subject) -> None:
        # given
        record, nonce = new_record(), new_nonce()
        # when
        result = subject.ledger.open(record, key_of(record), nonce)
        # then
        assert result == replace(record, nonce=nonce)
        assert subject.ledger.get(record.request_id) == result
        again = subject.ledger.open(record, key_of(record), new_nonce())
        assert again == KeyTaken(key_of(record, nonce=nonce))

    @pytest.mark.parametrize(
        "differing",
        [
            pytest.param({}, id="the same order"),
            pytest.param({"account": "other"}, id="another account"),
            pytest.param({"operation": Operation.LOAD_AMAZON_BALANCE}, id="another operation"),
            pytest.param({"value": Money(Decimal("26.00"), "USD")}, id="another amount"),
        ],
    )
    def test_a_taken_key_returns_its_holder_and_nothing_is_written(
        self, subject: Subject, differing: dict[str, Any]
    ) -> None:
        # given a key, and a request of another account, whose id is therefore another one
        first = opened(subject.ledger, new_record())
        second = new_record(key_hash=first.key_hash, **differing)
        # when
        result = subject.ledger.open(second, key_of(second, fingerprint={"amount": "other"}), new_nonce())
        # then the holder, with everything that a caller compares his order with
        assert result == KeyTaken(key_of(first, nonce=first.nonce))
        assert subject.ledger.get(second.request_id) is None
        assert subject.ledger.get(first.request_id) == first

    def test_open_writes_both_items_or_none(self, subject: Subject) -> None:
        # given a request id that exists under another key, which derived ids make impossible
        first = opened(subject.ledger, new_record())
        clash = new_record(request_id=first.request_id)
        # when
        with pytest.raises(LedgerUnavailable) as failure:
            subject.ledger.open(clash, key_of(clash), new_nonce())
        # then it is certainly not written: neither the record, nor the key
        assert failure.value.in_doubt is False
        assert subject.ledger.get(first.request_id) == first
        free = new_record(key_hash=clash.key_hash)
        assert isinstance(subject.ledger.open(free, key_of(free), new_nonce()), Record)

    def test_an_open_whose_response_was_lost_recognises_itself(self, subject: Subject) -> None:
        # given
        record, nonce = new_record(), new_nonce()
        # when
        result = subject.repeated.open(record, key_of(record), nonce)
        # then it is no key taken: it was us
        assert result == replace(record, nonce=nonce)
        assert subject.ledger.get(record.request_id) == result

    def test_an_open_that_is_repeated_late_does_not_bring_us_anothers_record(self, subject: Subject) -> None:
        # given an order whose response is lost, and that is cancelled before the SDK writes it once more
        record, nonce = new_record(), new_nonce()
        written = subject.ledger.open(record, key_of(record), nonce)
        assert isinstance(written, Record)
        subject.ledger.apply(
            change(written, status=Status.REVERSING, intent=Intent.REVERSE, epoch=1, wake_at=START), new_nonce()
        )
        # when
        result = subject.ledger.open(record, key_of(record), nonce)
        # then we have what we wrote, and lose every write that follows; with the epoch of whoever cancels we would not
        assert result == replace(record, nonce=nonce)

    def test_a_lost_response_does_not_make_a_taken_key_ours(self, subject: Subject) -> None:
        first = opened(subject.ledger, new_record())
        second = new_record(key_hash=first.key_hash)
        assert subject.repeated.open(second, key_of(second), new_nonce()) == KeyTaken(key_of(first, nonce=first.nonce))
        assert subject.ledger.get(second.request_id) is None

    # ---- get ------------------------------------------------------------------------------------

    def test_what_nobody_wrote_is_not_there(self, subject: Subject) -> None:
        assert subject.ledger.get(new_record().request_id) is None

    @pytest.mark.parametrize("request_id", ["", "x" * 41, "x" * 5000])
    def test_what_cannot_be_a_request_id_is_not_there(self, subject: Subject, request_id: str) -> None:
        assert subject.ledger.get(request_id) is None

    def test_an_idempotency_key_is_no_request(self, subject: Subject) -> None:
        record = opened(subject.ledger, new_record())
        assert subject.ledger.get(record.key_hash) is None
        assert subject.ledger.get(f"KEY#{record.key_hash}") is None

    def test_a_cancel_accepted_after_the_response_is_visible_at_once(self, subject: Subject) -> None:
        # given a card just issued
        record = opened(subject.ledger, in_state(Status.SUCCEEDED, gc_id="GC1"))
        # when a cancel is accepted between Amazon's response and its delivery
        cancelled = subject.ledger.apply(
            change(record, status=Status.REVERSING, intent=Intent.REVERSE, wake_at=START), new_nonce()
        )
        # then whoever reads before he delivers sees it
        assert isinstance(cancelled, Record)
        assert subject.ledger.get(record.request_id) == cancelled
        assert cancelled.status is Status.REVERSING

    # ---- apply ----------------------------------------------------------------------------------

    @pytest.mark.parametrize(("before", "after"), edges())
    def test_every_edge_applies_once_and_loses_the_second_time(
        self, subject: Subject, before: Status, after: Status
    ) -> None:
        # given two callers with the same record
        record = opened(subject.ledger, in_state(before, epoch=3, attempts=1))
        wake_at = START + timedelta(minutes=1) if after.is_open else None
        next_id = "Test1NEXT" if before is Status.REFUSED else None
        step = change(record, requires=("attempts",), status=after, attempts=2, wake_at=wake_at, replaced_by=next_id)
        nonce = new_nonce()
        # when
        first = subject.ledger.apply(step, nonce)
        second = subject.ledger.apply(step, new_nonce())
        # then
        expected = replace(step.after, version=2, nonce=nonce)
        assert first == expected
        assert second == Lost(expected)
        assert subject.ledger.get(record.request_id) == expected

    def test_a_stale_epoch_loses(self, subject: Subject) -> None:
        # given a holder, and somebody who has taken the record over
        held = opened(subject.ledger, new_record())
        taken = subject.ledger.apply(touched(held, epoch=1), new_nonce())
        assert isinstance(taken, Record)
        # when the former holder writes, it loses; the new one does not
        assert subject.ledger.apply(touched(held, attempts=1), new_nonce()) == Lost(taken)
        assert isinstance(subject.ledger.apply(touched(taken, attempts=1), new_nonce()), Record)

    def test_a_stale_status_loses(self, subject: Subject) -> None:
        pending = opened(subject.ledger, new_record())
        moved = subject.ledger.apply(touched(pending, status=Status.RECOVERING), new_nonce())
        assert isinstance(moved, Record)
        assert subject.ledger.apply(change(pending, status=Status.SUCCEEDED), new_nonce()) == Lost(moved)

    @pytest.mark.parametrize("field", CHANGEABLE)
    def test_a_required_field_that_changed_loses(self, subject: Subject, field: str) -> None:
        # given a record of which a field is changed, cleared and set
        one, other = two_values(field)
        values = [other, None, one] if is_optional(field) and field != "wake_at" else [other, one]
        record = opened(subject.ledger, new_record(**{field: one}))
        for value in values:
            # when who requires it as it stands writes first, and then who requires it as it was
            step = replace(touched(record, **{field: value}), requires=(field,))
            changed = subject.ledger.apply(step, new_nonce())
            late = replace(touched(record, updated_at=START + timedelta(seconds=9)), requires=(field,))
            lost = subject.ledger.apply(late, new_nonce())
            # then one wins, and the other is told what he missed
            assert isinstance(changed, Record)
            assert getattr(changed, field) == value
            assert lost == Lost(changed)
            record = changed
        assert subject.ledger.get(record.request_id) == record

    def test_two_writers_of_different_fields_in_one_epoch_both_survive(self, subject: Subject) -> None:
        # given
        record = opened(subject.ledger, new_record())
        error = AmazonError(code="F400")
        # when both write from the same reading
        subject.ledger.apply(touched(record, error=error), new_nonce())
        subject.ledger.apply(touched(record, intent=Intent.REVERSE), new_nonce())
        # then
        current = subject.ledger.get(record.request_id)
        assert current is not None
        assert (current.error, current.intent, current.version) == (error, Intent.REVERSE, 3)

    def test_the_version_counts_every_write_and_no_lost_one(self, subject: Subject) -> None:
        record = opened(subject.ledger, new_record())
        stale = touched(record, epoch=1)
        for number in range(2, 6):
            written = subject.ledger.apply(touched(record, attempts=number, epoch=number), new_nonce())
            assert isinstance(written, Record)
            assert written.version == number
            assert isinstance(subject.ledger.apply(stale, new_nonce()), Lost)
            record = written

    def test_a_write_whose_response_was_lost_recognises_itself(self, subject: Subject) -> None:
        # given
        record, nonce = opened(subject.ledger, new_record()), new_nonce()
        # when the second try finds the record in the state that the first has brought it to
        result = subject.repeated.apply(change(record, status=Status.SUCCEEDED, gc_id="GC1"), nonce)
        # then it was us, and once
        assert isinstance(result, Record)
        assert (result.status, result.nonce, result.version) == (Status.SUCCEEDED, nonce, 2)
        assert subject.ledger.get(record.request_id) == result

    def test_a_lost_response_does_not_make_anothers_write_ours(self, subject: Subject) -> None:
        record = opened(subject.ledger, new_record())
        winner = subject.ledger.apply(change(record, status=Status.SUCCEEDED), new_nonce())
        assert isinstance(winner, Record)
        assert subject.repeated.apply(change(record, status=Status.REFUSED), new_nonce()) == Lost(winner)

    def test_a_write_to_nothing_is_lost(self, subject: Subject) -> None:
        record = new_record()
        assert subject.ledger.apply(touched(record, attempts=1), new_nonce()) == Lost(None)
        assert subject.ledger.get(record.request_id) is None

    # ---- reissue --------------------------------------------------------------------------------

    def test_reissue_closes_the_old_and_opens_the_new(self, subject: Subject) -> None:
        # given
        record = opened(subject.ledger, to_be_reissued())
        plan, nonce = reissue_of(record), new_nonce()
        # when
        result = subject.ledger.reissue(plan, nonce)
        # then
        assert result == replace(plan.successor, nonce=nonce)
        assert subject.ledger.get(plan.successor.request_id) == result
        old = subject.ledger.get(record.request_id)
        assert old == replace(plan.close.after, version=2, nonce=nonce)
        assert old.replaced_by == plan.successor.request_id

    @pytest.mark.parametrize(
        "meanwhile",
        [
            pytest.param({"intent": Intent.REVERSE}, id="a cancel was accepted"),
            pytest.param({"epoch": 7}, id="somebody took it over"),
            pytest.param({"status": Status.SUCCEEDED, "wake_at": None}, id="it turned out to be alive"),
        ],
    )
    def test_a_reissue_that_was_overtaken_does_nothing(self, subject: Subject, meanwhile: dict[str, Any]) -> None:
        # given
        record = opened(subject.ledger, to_be_reissued())
        overtaken = subject.ledger.apply(touched(record, **meanwhile), new_nonce())
        assert isinstance(overtaken, Record)
        plan = reissue_of(record)
        # when
        result = subject.ledger.reissue(plan, new_nonce())
        # then
        assert result == Lost(overtaken)
        assert subject.ledger.get(record.request_id) == overtaken
        assert subject.ledger.get(plan.successor.request_id) is None

    def test_a_reissue_is_done_whole_or_not_at_all(self, subject: Subject) -> None:
        # given a next generation that exists already, which only the same reissue could have written
        record = opened(subject.ledger, to_be_reissued())
        plan = reissue_of(record)
        there = opened(subject.ledger, new_record(request_id=plan.successor.request_id))
        # when
        result = subject.ledger.reissue(plan, new_nonce())
        # then
        assert result == Lost(record)
        assert subject.ledger.get(record.request_id) == record
        assert subject.ledger.get(there.request_id) == there

    def test_a_reissue_happens_once(self, subject: Subject) -> None:
        record = opened(subject.ledger, to_be_reissued())
        plan = reissue_of(record)
        first = subject.ledger.reissue(plan, new_nonce())
        second = subject.ledger.reissue(plan, new_nonce())
        assert isinstance(second, Lost)
        assert second.current == subject.ledger.get(record.request_id)
        assert subject.ledger.get(plan.successor.request_id) == first

    def test_a_reissue_that_is_repeated_late_does_not_bring_us_anothers_record(self, subject: Subject) -> None:
        record = opened(subject.ledger, to_be_reissued())
        plan, nonce = reissue_of(record), new_nonce()
        successor = subject.ledger.reissue(plan, nonce)
        assert isinstance(successor, Record)
        # given that somebody has taken the successor before the SDK writes it once more
        subject.ledger.apply(touched(successor, epoch=1), new_nonce())
        # when
        result = subject.ledger.reissue(plan, nonce)
        # then
        assert result == replace(plan.successor, nonce=nonce)

    def test_a_reissue_whose_response_was_lost_recognises_itself(self, subject: Subject) -> None:
        record = opened(subject.ledger, to_be_reissued())
        plan, nonce = reissue_of(record), new_nonce()
        result = subject.repeated.reissue(plan, nonce)
        assert result == replace(plan.successor, nonce=nonce)
        assert subject.ledger.get(plan.successor.request_id) == result

    # ---- a key's next generation ----------------------------------------------------------------

    def test_a_renewal_names_the_successor_and_moves_the_key_to_it(self, subject: Subject) -> None:
        # given
        record = opened(subject.ledger, refused())
        key = subject.ledger.key(record.key_hash)
        assert key == key_of(record, nonce=record.nonce)
        plan, nonce = renewal_of(record), new_nonce()
        # when
        result = subject.ledger.reissue(plan, nonce)
        # then
        assert result == replace(plan.successor, nonce=nonce)
        assert subject.ledger.get(plan.successor.request_id) == result
        assert subject.ledger.get(record.request_id) == replace(plan.close.after, version=2, nonce=nonce)
        # the key is still that of whoever opened it, and leads to the new one
        assert subject.ledger.key(record.key_hash) == replace(key, request_id=plan.successor.request_id)
        again = subject.ledger.open(record, key_of(record), new_nonce())
        assert again == KeyTaken(replace(key, request_id=plan.successor.request_id))

    def test_a_record_has_one_successor(self, subject: Subject) -> None:
        record = opened(subject.ledger, refused())
        first, second = renewal_of(record), renewal_of(record)
        subject.ledger.reissue(first, new_nonce())
        # when
        result = subject.ledger.reissue(second, new_nonce())
        # then nothing of it is written
        assert result == Lost(subject.ledger.get(record.request_id))
        assert subject.ledger.get(second.successor.request_id) is None
        key = subject.ledger.key(record.key_hash)
        assert key is not None
        assert key.request_id == first.successor.request_id

    @pytest.mark.parametrize(
        "read_as", [{"epoch": 7}, {"status": Status.REFUSED, "wake_at": None}], ids=["epoch", "state"]
    )
    def test_a_record_that_is_another_than_was_read_gets_no_successor(
        self, subject: Subject, read_as: dict[str, Any]
    ) -> None:
        record = opened(subject.ledger, refused() if "epoch" in read_as else new_record())
        plan = renewal_of(replace(record, **read_as))
        assert isinstance(subject.ledger.reissue(plan, new_nonce()), Lost)
        assert subject.ledger.get(plan.successor.request_id) is None

    def test_a_renewal_whose_response_was_lost_recognises_itself(self, subject: Subject) -> None:
        record = opened(subject.ledger, refused())
        plan, nonce = renewal_of(record), new_nonce()
        result = subject.repeated.reissue(plan, nonce)
        assert result == replace(plan.successor, nonce=nonce)
        assert subject.ledger.get(plan.successor.request_id) == result

    def test_a_renewal_that_is_repeated_late_does_not_bring_us_anothers_record(self, subject: Subject) -> None:
        # given a successor that has come further, and has one itself, before the SDK writes it once more
        record = opened(subject.ledger, refused())
        plan, nonce = renewal_of(record), new_nonce()
        successor = subject.ledger.reissue(plan, nonce)
        assert isinstance(successor, Record)
        ended = subject.ledger.apply(change(successor, status=Status.REFUSED), new_nonce())
        assert isinstance(ended, Record)
        newest = renewal_of(ended)
        subject.ledger.reissue(newest, new_nonce())
        # when
        result = subject.ledger.reissue(plan, nonce)
        # then we have what we wrote, and the key leads where it led
        assert result == replace(plan.successor, nonce=nonce)
        key = subject.ledger.key(record.key_hash)
        assert key is not None
        assert key.request_id == newest.successor.request_id

    def test_a_key_that_nobody_used_has_no_item(self, subject: Subject) -> None:
        assert subject.ledger.key(new_record().key_hash) is None
