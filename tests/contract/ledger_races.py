"""Of those who write the same at the same time, one wins."""

from __future__ import annotations

import itertools

from incentives.domain.single_requests.record import Intent, KeyTaken, Lost, Record, Status, change
from tests.contract.records import key_of, new_nonce, new_record, refused, reissue_of, renewal_of
from tests.contract.subject import THREADS, Subject, all_at_once, opened, to_be_reissued, touched


class RaceContract:
    """A part of `LedgerContract`."""

    def test_of_many_openers_of_one_key_one_wins(self, subject: Subject) -> None:
        # given callers with one key, each for another request id
        key_hash = new_record().key_hash
        rivals = [new_record(key_hash=key_hash) for _ in range(THREADS)]
        # when
        results = all_at_once(
            *(lambda rival=rival: subject.ledger.open(rival, key_of(rival), new_nonce()) for rival in rivals)
        )
        # then
        winners = [result for result in results if isinstance(result, Record)]
        assert len(winners) == 1
        holders = [result.key.request_id for result in results if isinstance(result, KeyTaken)]
        assert holders == [winners[0].request_id] * (THREADS - 1)
        written = [rival.request_id for rival in rivals if subject.ledger.get(rival.request_id) is not None]
        assert written == [winners[0].request_id]

    def test_of_many_writers_of_one_edge_one_wins(self, subject: Subject) -> None:
        record = opened(subject.ledger, new_record())
        ends = itertools.cycle([Status.SUCCEEDED, Status.REFUSED, Status.SUCCEEDED])
        steps = [change(record, status=next(ends), gc_id=f"GC{number}") for number in range(THREADS)]
        results = all_at_once(*(lambda step=step: subject.ledger.apply(step, new_nonce()) for step in steps))
        winners = [result for result in results if isinstance(result, Record)]
        assert len(winners) == 1
        assert subject.ledger.get(record.request_id) == winners[0]
        assert winners[0].version == 2
        assert [result for result in results if isinstance(result, Lost)] == [Lost(winners[0])] * (THREADS - 1)

    def test_a_reissue_and_a_cancel_never_both_win(self, subject: Subject) -> None:
        for _ in range(3):
            # given a record about to be reissued, and a caller who cancels it
            record = opened(subject.ledger, to_be_reissued())
            plans = [reissue_of(record) for _ in range(THREADS // 2)]
            cancel = touched(record, intent=Intent.REVERSE)
            reissues = [lambda plan=plan: subject.ledger.reissue(plan, new_nonce()) for plan in plans]
            cancels = [lambda cancel=cancel: subject.ledger.apply(cancel, new_nonce())]
            # when
            *reissued, cancelled = all_at_once(*reissues, *cancels)
            # then either one generation follows, or none ever
            followers = [result for result in reissued if isinstance(result, Record)]
            assert len(followers) + isinstance(cancelled, Record) == 1
            alive = [plan for plan in plans if subject.ledger.get(plan.successor.request_id) is not None]
            assert len(alive) == len(followers)

    def test_of_many_who_order_again_one_does(self, subject: Subject) -> None:
        # given a refused record, and callers who repeat its order
        record = opened(subject.ledger, refused())
        plans = [renewal_of(record) for _ in range(THREADS)]
        results = all_at_once(*(lambda plan=plan: subject.ledger.reissue(plan, new_nonce()) for plan in plans))
        # then
        winners = [result for result in results if isinstance(result, Record)]
        assert len(winners) == 1
        assert [result for result in results if isinstance(result, Lost)] == [
            Lost(subject.ledger.get(record.request_id))
        ] * (THREADS - 1)
        written = [each.successor.request_id for each in plans if subject.ledger.get(each.successor.request_id)]
        assert written == [winners[0].request_id]
        key = subject.ledger.key(record.key_hash)
        assert key is not None
        assert key.request_id == winners[0].request_id
