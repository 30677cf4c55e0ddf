"""A repeat of an order that Amazon never looked at: it is ordered again, once, whatever became of it before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from incentives.api.problems import status_of
from incentives.domain.errors import LedgerUnavailable, RefusedByAmazon
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.recovery.rules import GENERATIONS_MAX, KEY_REFUSED, NOT_SENT, after_operation, next_step
from incentives.domain.recovery.waits import deadline
from incentives.domain.single_requests.record import Cause, Intent, Record, Status
from incentives.domain.single_requests.record import Reissue as Plan
from incentives.domain.single_requests.renewal import is_renewable
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from incentives.domain.single_requests.transitions import DEADLINE
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.find import STEPS_MAX, find
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import World, account, usd, world
from tests.unit.builders import CARD_NUMBER, MINUTE, attempt, before, code_of, fails, order, record, reversing
from tests.unit.builders import KEY_REFUSED as KEY_IS_REFUSED

S = Status
CREATE = Operation.CREATE_GIFT_CARD


def place(w: World, **updates: Any) -> Delivered | Accepted:
    return issue(order(**updates), w.dependencies, w.budget())


def refused(times: int = 1, **updates: Any) -> World:
    """An order whose account's key was refused so many times; now Amazon takes it."""
    w = world(*[KEY_IS_REFUSED] * 2 * times)
    for _ in range(times):
        with pytest.raises(RefusedByAmazon):
            place(w, **updates)
        w.clock.sleep(60)
    w.amazon.sent.clear()
    return w


def generations(w: World) -> list[Record]:
    return sorted(w.ledger.records.values(), key=lambda each: each.generation)


def count_reads(w: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every read of the ledger from now on."""
    reads: list[str] = []
    for method in ("get", "key"):
        real = getattr(w.ledger, method)
        monkeypatch.setattr(w.ledger, method, lambda name, real=real: (reads.append(name), real(name))[1])
    return reads


# ---- the next generation ------------------------------------------------------------------------


def test_a_repeat_after_the_key_was_mended_issues_the_order_as_the_next_generation() -> None:
    w = refused()
    ordered_at = w.clock.now()
    response = place(w, caller="who repeats it")
    first, second = generations(w)
    assert isinstance(response, Delivered)
    assert (response.replayed, response.record) == (False, second)
    assert [sent.call.request_id for sent in w.amazon.sent] == [second.request_id]
    assert second.request_id == derive_request_id("Test1", "default", CREATE, hash_key("order-1"), 1)
    assert (first.status, first.replaced_by, first.replaces) == (S.REFUSED, second.request_id, None)
    assert (second.status, second.replaces, second.replaced_by) == (S.SUCCEEDED, first.request_id, None)
    assert (second.generation, second.renewals, second.caller) == (1, 1, "who repeats it")
    assert (second.created_at, deadline(second)) == (ordered_at, (ordered_at + DEADLINE).replace(microsecond=0))
    # and from then on it is the order's response
    again = place(w)
    assert isinstance(again, Delivered)
    assert again.replayed
    assert code_of(again) == code_of(response)
    assert len(w.ledger.records) == 2


def test_the_first_send_is_in_the_write_that_opens_it() -> None:
    w = refused()
    seen: list[Record] = []
    w.amazon.script = [lambda sent: seen.append(w.ledger.records[sent.call.request_id]) or KEY_IS_REFUSED]  # type: ignore[func-returns-value]
    place(w)
    assert (seen[0].attempts, seen[0].in_flight, seen[0].version) == (1, True, 1)


@pytest.mark.parametrize(
    ("ended", "is_one"),
    [
        ({"refusal": KEY_REFUSED}, True),
        ({"refusal": replace(KEY_REFUSED, code="F300")}, True),
        ({"refusal": NOT_SENT}, True),
        ({"refusal": NOT_SENT, "replaced_by": "Test1NEXT"}, False),
        ({"refusal": NOT_SENT, "doubt": True}, False),
        ({"refusal": NOT_SENT, "in_flight": True}, False),
        ({"refusal": NOT_SENT, "status": S.REVERSED}, False),
        ({"refusal": AmazonError("F300", "InsufficientFunds")}, False),
        ({"refusal": AmazonError("F200", "MaxAmountExceeded")}, False),
        ({"refusal": None}, False),
    ],
    ids=repr,
)
def test_only_what_amazon_never_looked_at_is_ordered_again(ended: dict[str, Any], is_one: bool) -> None:
    assert is_renewable(record(**{"status": S.REFUSED, "in_flight": False} | ended)) is is_one


def test_a_wrong_partner_id_that_was_mended_is_no_obstacle() -> None:
    w = refused()
    w.accounts.accounts["default"] = account(partner_id="Right")
    response = place(w)
    assert isinstance(response, Delivered)
    assert response.record.partner_id == "Right"
    assert response.record.request_id.startswith("Right")


def test_members_that_are_encrypted_are_encrypted_in_the_next_generation_too() -> None:
    activation = {"operation": Operation.ACTIVATE_GIFT_CARD, "given": {"cardNumber": CARD_NUMBER}}
    w = refused(**activation)
    place(w, **activation)
    *_, newest = generations(w)
    assert newest.encrypted is not None
    assert w.vault.decrypt(newest.key_hash, newest.encrypted) == {"cardNumber": CARD_NUMBER}
    assert newest.subject == "*" * 15 + "4321"
    assert CARD_NUMBER not in repr(w.ledger.records)


@pytest.mark.parametrize("later", [False, True], ids=["no permit", "not waited for"])
def test_without_a_permit_it_is_recorded_unsent_and_issued_from_the_backlog(later: bool) -> None:
    w = refused()
    w.rate_limiter.full_for = None if later else 9.0
    response = issue(order(), w.dependencies, w.budget(), later=later)
    _, second = generations(w)
    assert isinstance(response, Accepted)
    assert (second.status, second.attempts, second.waits_for_permit) == (S.PENDING, 0, True)
    assert [request_id for request_id, _ in w.backlog.puts] == [second.request_id]
    assert not w.amazon.sent
    # and a repeat of that is none of its own
    assert isinstance(issue(order(), w.dependencies, w.budget(), later=True), Accepted)
    assert len(w.ledger.records) == 2
    w.rate_limiter.full_for = None
    issue_queued(second.request_id, w.dependencies, w.budget())
    assert [each.status for each in generations(w)] == [S.REFUSED, S.SUCCEEDED]


def test_with_a_key_on_trial_it_stays_pending() -> None:
    w = refused()
    w.accounts.accounts["default"] = account(on_trial=True)
    w.amazon.script = [KEY_IS_REFUSED] * 99
    response = place(w)
    assert isinstance(response, Accepted)
    assert generations(w)[-1].status is S.PENDING


# ---- who is in the way --------------------------------------------------------------------------


def test_who_repeats_it_at_the_same_time_gets_the_same_card() -> None:
    w = refused()
    responses: list[Delivered | Accepted] = []
    before(w.ledger, "reissue", lambda: responses.append(place(w)))
    late = place(w)
    assert isinstance(late, Delivered)
    assert late.replayed
    assert code_of(late) == code_of(responses[0])
    assert [each.status for each in generations(w)] == [S.REFUSED, S.SUCCEEDED]


def test_who_repeats_it_while_another_is_refused_again_is_told_so() -> None:
    w = refused()
    w.amazon.script = [KEY_IS_REFUSED] * 2

    def another() -> None:
        with pytest.raises(RefusedByAmazon):
            place(w)

    before(w.ledger, "reissue", another)
    with pytest.raises(RefusedByAmazon) as told:
        place(w)
    assert (status_of(told.value), told.value.retryable) == (503, True)
    assert told.value.request_id == generations(w)[-1].request_id
    assert len(w.amazon.sent) == 2


@pytest.mark.parametrize("written", [False, True])
def test_in_doubt_about_the_transaction_it_is_accepted(written: bool) -> None:
    w = refused()
    fails(w.ledger, "reissue", takes_effect=written, in_doubt=True)
    assert isinstance(place(w), Accepted)
    assert not w.amazon.sent
    assert len(w.ledger.records) == 1 + written


def test_what_was_certainly_not_written_is_a_503() -> None:
    w = refused()
    fails(w.ledger, "reissue")
    with pytest.raises(LedgerUnavailable):
        place(w)
    assert not w.amazon.sent


# ---- long chains --------------------------------------------------------------------------------


def test_an_hour_of_repeats_makes_no_read_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    w = refused(60)
    ids = [each.request_id for each in generations(w)]
    assert len(ids) == 60
    reads = count_reads(w, monkeypatch)
    for request_id in (ids[0], ids[30], ids[58]):
        assert find(request_id, w.ledger).request_id == ids[-1]
        assert len(reads) <= 3
        reads.clear()
    place(w)
    assert len(reads) == 1
    newest = generations(w)[-1]
    assert (newest.status, newest.renewals) == (S.SUCCEEDED, 60)
    cancel(ids[0], CREATE, None, w.dependencies, w.budget())
    assert w.ledger.records[newest.request_id].status is S.REVERSED


def test_a_key_item_that_is_seen_a_moment_late_leads_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    w = refused(2)
    first, second = generations(w)
    stale = replace(w.ledger.keys[first.key_hash], request_id=first.request_id)
    monkeypatch.setattr(w.ledger, "key", lambda _: stale)
    assert find(first.request_id, w.ledger) == second


def test_a_chain_that_leads_in_a_circle_is_never_answered() -> None:
    w = refused(2)
    first, second = generations(w)
    w.ledger.records[second.request_id] = replace(second, status=S.REVERSED, replaced_by=first.request_id)
    with pytest.raises(LedgerUnavailable):
        find(first.request_id, w.ledger)
    assert STEPS_MAX < 20


# ---- reissues -----------------------------------------------------------------------------------


def test_such_generations_do_not_count_among_the_three_of_a_reissue() -> None:
    # given an order that was ordered again five times, and whose outcome is then unknown each time
    newest = reversing(Cause.REISSUE, generation=5, renewals=5, undone=True)
    reissued = 0
    while isinstance(step := next_step(newest, newest.created_at + MINUTE), Plan):
        reissued += 1
        successor = step.successor
        assert (successor.generation, successor.renewals, step.moves_key) == (5 + reissued, 5, False)
        newest = replace(newest, generation=successor.generation, renewals=successor.renewals)
    assert reissued == GENERATIONS_MAX - 1


def test_a_physical_card_that_another_request_holds_refuses_an_order_that_was_only_ordered_again() -> None:
    held = Refused(AmazonError("F200", "CardAlreadyActivatedWithDifferentRequestId"))
    activation = record(operation=Operation.ACTIVATE_GIFT_CARD, generation=3, renewals=3, value=usd("25.00"))
    assert after_operation(activation, attempt(held), activation.created_at).after.status is S.REFUSED
    reissued = replace(activation, generation=4)
    assert after_operation(reissued, attempt(held), activation.created_at).after.doubt


def test_a_renewed_order_is_reversed_and_reissued_and_found_by_every_id() -> None:
    w = refused(on_unknown=Intent.REISSUE)
    ids = [each.request_id for each in generations(w)]
    response = place(w, on_unknown=Intent.REISSUE)
    assert isinstance(response, Delivered)
    renewed = generations(w)[-1]
    successor = replace(
        renewed, request_id="Test1REISSUE", generation=2, replaces=renewed.request_id, status=S.PENDING,
        wake_at=w.clock.now(),
    )  # fmt: skip
    w.ledger.records[renewed.request_id] = replace(renewed, status=S.REVERSED, replaced_by=successor.request_id)
    w.ledger.records[successor.request_id] = successor
    for request_id in (*ids, renewed.request_id, successor.request_id):
        assert find(request_id, w.ledger) == successor
    assert isinstance(place(w, on_unknown=Intent.REISSUE), Accepted)
