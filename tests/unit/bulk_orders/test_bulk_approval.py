"""Bulk orders whose sum a second person has to approve: what is approved, by whom, until when, and who comes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.bulk_orders.approval import APPROVAL_FOR, NOBODY, approval_digest, makers_with, needs_approval
from incentives.domain.bulk_orders.bulk_order import Counts, Decision, OrderStatus, RowsTaken
from incentives.domain.errors import NotThisPerson, OrderConflict, OrderUnavailable
from incentives.domain.money import Money
from incentives.domain.persons import Identity
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import APPROVER, MAKER, Bulk, bulk, rows_of, user
from tests.unit.bulk_orders.test_bulk_races import before_the_next_move, logged

S = OrderStatus
ABOVE = {"": Decimal("20.00")}


def session(role: str, name: str, role_id: str | None = None) -> Identity:
    unique_id = f"{role_id or 'AROA' + f'{abs(hash(role))}'[:16]}:{name}"
    return Identity(f"arn:aws:sts::123456789012:assumed-role/{role}/{name}", unique_id, unique_id)


def sso(permission_set: str, name: str) -> Identity:
    return session(f"AWSReservedSSO_{permission_set}_0123456789abcdef", name)


def awaiting(here: Bulk | None = None, key: str = "bulk-1", **updates: Any) -> tuple[Bulk, str]:
    """An order of three rows that awaits its approval."""
    here = here or bulk(approvals=ABOVE)
    order_id = here.place(rows_of(3), key, **updates)
    here.run(order_id)
    assert here.order(order_id).status is S.AWAITING_APPROVAL
    return here, order_id


# ---- which orders, and what is approved ----------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "total", "needs"),
    [
        ({}, "1000000", False),
        ({"": Decimal(500)}, "500", False),
        ({"": Decimal(500)}, "500.01", True),
        ({"": Decimal(500), "jp": Decimal(50_000)}, "50000", False),
        ({"other": Decimal(1)}, "50", False),
    ],
)
def test_an_order_needs_a_second_person_above_the_sum_of_its_account(
    above: dict[str, Decimal], total: str, needs: bool
) -> None:
    assert needs_approval("jp" if "jp" in above else "default", {"USD": Decimal(total)}, above) is needs


def test_an_order_at_the_limit_is_issued_and_one_above_it_awaits_its_approval_with_nothing_sent() -> None:
    here = bulk(approvals={"": Decimal("30.00")})
    at_it, above = here.place(rows_of(3), "one"), here.place(rows_of(4), "two")
    here.run(at_it)
    here.run(above)
    assert here.view(at_it).counts == Counts(issued=3)
    order = here.order(above)
    assert (order.status, order.approval_until) == (S.AWAITING_APPROVAL, order.updated_at + APPROVAL_FOR)
    assert len(here.world.amazon.sent) == 3
    # and a dry run awaits nothing
    dry = here.make(rows_of(5), "three")
    here.ask(dry, Action.START, dry_run=True)
    here.run(dry)
    assert here.order(dry).status is S.VALIDATED


def test_what_is_approved_is_what_is_issued_whatever_is_put_meanwhile() -> None:
    here, order_id = awaiting()
    here.files.put(order_id, rows_of(9, amount="99").encode())
    here.approve(order_id)
    here.run(order_id)
    view = here.view(order_id)
    assert (view.counts, view.issued_value) == (Counts(issued=3), {"USD": Decimal("30.00")})
    order = view.order
    assert order.approval_digest == approval_digest(order.account, order.budget, order.rows_name or "")


def test_each_of_account_budget_and_rows_makes_another_digest() -> None:
    seen = {approval_digest(*each) for each in [("a", None, "r"), ("b", None, "r"), ("a", "x", "r"), ("a", None, "s")]}
    assert len(seen) == 4


def test_an_approval_is_written_with_the_order_and_starts_the_next_rounds_workflow() -> None:
    here, order_id = awaiting()
    here.approve(order_id)
    order = here.order(order_id)
    assert (order.status, order.round, here.workflows.started[-1]) == (S.ISSUING, 2, (order_id, 2))
    assert (order.decision, order.decided_by, order.decided_at) == (
        Decision.APPROVE,
        APPROVER.user_arn,
        order.updated_at,
    )
    # and its rows count from when they are issued
    assert order.issuing_since == order.updated_at


@pytest.mark.parametrize(
    "seen", [{"digest": "0" * 64}, {"total": Money(Decimal("30.01"), "USD")}, {"total": Money(Decimal(30), "EUR")}]
)
def test_nobody_approves_what_the_order_is_not(seen: dict[str, Any]) -> None:
    here, order_id = awaiting()
    before = here.order(order_id)
    with pytest.raises(OrderConflict):
        here.approve(order_id, **seen)
    assert here.order(order_id) == before


def test_a_sum_is_the_same_however_many_zeros_it_is_written_with() -> None:
    here, order_id = awaiting()
    here.approve(order_id, total=Money(Decimal("30.0"), "USD"))
    assert here.order(order_id).status is S.ISSUING


def test_an_order_that_awaits_nothing_is_neither_approved_nor_rejected() -> None:
    here = bulk()
    order_id = here.place(rows_of(1))
    here.run(order_id, until=lambda done: done.next is OrderTask.ISSUE)
    for decide in (here.approve, here.reject):
        with pytest.raises(OrderConflict) as refused:
            decide(order_id)
        assert refused.value.order_status == S.ISSUING


# ---- rejected ------------------------------------------------------------------------------------


def test_a_rejected_order_says_why_and_may_be_started_again_with_another_file() -> None:
    here, order_id = awaiting()
    old = here.order(order_id).approval_digest
    here.reject(order_id, "twice too much")
    order = here.order(order_id)
    assert (order.status, order.decision, order.rejected_because) == (S.VALIDATED, Decision.REJECT, "twice too much")
    assert (order.decided_by, order.decided_at, order.rows_name) == (APPROVER.user_arn, order.updated_at, None)
    # a repeat finds it done
    assert here.reject(order_id, "another word").replayed
    assert here.order(order_id) == order
    # given another file and a new start
    here.files.put(order_id, rows_of(4).encode())
    here.ask(order_id, Action.START)
    assert here.order(order_id).decision is None
    here.run(order_id)
    # then what was seen before cannot be approved any more
    with pytest.raises(OrderConflict):
        here.approve(order_id, digest=old)
    here.approve(order_id)
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=4)


def test_a_rejected_order_that_is_stopped_has_no_result_and_its_rows_are_free() -> None:
    here, order_id = awaiting()
    here.reject(order_id)
    here.ask(order_id, Action.STOP)
    view = here.view(order_id)
    assert (view.order.status, view.result) == (S.FINISHED, None)
    _, second = awaiting(here, "two")
    assert here.order(second).same_rows_as is None


def test_a_maker_may_reject_an_order_that_nobody_can_approve() -> None:
    here, order_id = awaiting(identity=NOBODY)
    here.reject(order_id, by=MAKER)
    assert here.order(order_id).status is S.VALIDATED


def test_an_order_that_is_stopped_while_it_awaits_approval_has_no_result_and_lets_its_rows_go() -> None:
    here, order_id = awaiting()
    here.ask(order_id, Action.STOP)
    view = here.view(order_id)
    assert (view.order.status, view.result, view.order.totals) == (S.FINISHED, None, {"USD": Decimal(30)})
    awaiting(here, "two")


# ---- in time -------------------------------------------------------------------------------------


def test_after_seven_days_by_the_clock_nobody_approves_and_the_order_counts_as_validated() -> None:
    here, order_id = awaiting()
    until = here.order(order_id).approval_until
    assert until is not None
    here.world.clock.time = until - timedelta(milliseconds=1)
    assert here.view(order_id).order.status is S.AWAITING_APPROVAL
    here.world.clock.time = until
    view = here.view(order_id)
    assert (view.order.status, view.order.why_not_started) == (
        S.VALIDATED,
        "Nobody approved it within 7 days. Start it again.",
    )
    for decide in (here.approve, here.reject):
        with pytest.raises(OrderConflict) as refused:
            decide(order_id)
        assert refused.value.order_status == S.VALIDATED
    # and it may be given another file, and be started again
    assert here.create().upload is not None
    here.ask(order_id, Action.START)
    here.run(order_id)
    here.approve(order_id)
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)


def test_rows_of_an_order_that_nobody_approved_in_time_are_free_for_another_and_not_for_both() -> None:
    here, first = awaiting()
    here.world.clock.sleep(APPROVAL_FOR.total_seconds())
    _, second = awaiting(here, "two")
    here.approve(second)
    # when the first one comes back to its rows
    here.ask(first, Action.START)
    here.run(first)
    assert (here.order(first).status, here.order(first).same_rows_as) == (S.INVALID, second)


def test_of_an_approval_just_in_time_and_another_order_with_its_rows_just_after_it_one_issues() -> None:
    # given clocks that differ: for the second order the first one's time is over
    here, first = awaiting()
    here.dependencies.approvals.clear()  # type: ignore[attr-defined]
    second = here.place(rows_of(3), "two")
    until = here.order(first).approval_until
    assert until is not None
    begin = here.orders.begin

    def approved_meanwhile(*given: Any, **named: Any) -> Any:
        if named["over"] is not None:
            here.orders.begin = begin  # type: ignore[method-assign]
            here.world.clock.time = until - timedelta(seconds=1)
            here.approve(first)
            here.world.clock.time = until + timedelta(seconds=1)
        return begin(*given, **named)

    here.orders.begin = approved_meanwhile  # type: ignore[method-assign]
    here.world.clock.time = until + timedelta(seconds=1)
    here.run(second)
    assert (here.order(first).status, here.order(second).status) == (S.ISSUING, S.INVALID)
    # and the other way round: the claim was taken over before the approval
    here, first = awaiting()
    here.world.clock.time = until + timedelta(seconds=1)
    _, second = awaiting(here, "two")
    here.world.clock.time = until - timedelta(seconds=1)
    with pytest.raises(OrderConflict):
        here.approve(first)
    assert (here.order(first).status, here.order(first).same_rows_as) == (S.INVALID, second)
    assert here.order(first).decision is None


# ---- by whom -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "approver"),
    [
        pytest.param(MAKER, MAKER, id="a user"),
        pytest.param(
            session("deploy", "one", "AROA" + "A" * 12), session("deploy", "two", "AROA" + "A" * 12), id="a role"
        ),
        pytest.param(sso("Issuer", "anna"), sso("Finance", "anna"), id="two permission sets"),
        pytest.param(sso("Issuer", "anna"), sso("Issuer", "Anna"), id="in capitals"),
        pytest.param(NOBODY, APPROVER, id="unknown maker"),
        pytest.param(MAKER, NOBODY, id="unknown approver"),
        pytest.param(Identity("arn:aws:iam::123456789012:root", "123456789012", "123456789012"), APPROVER, id="root"),
        pytest.param(replace(MAKER, user="another"), APPROVER, id="a form that contradicts itself"),
    ],
)
def test_nobody_approves_who_is_or_may_be_a_maker(maker: Identity, approver: Identity) -> None:
    here, order_id = awaiting(identity=maker)
    before = here.order(order_id)
    with pytest.raises(NotThisPerson):
        here.approve(order_id, by=approver)
    assert here.order(order_id) == before


def test_a_role_that_only_calls_itself_one_of_identity_center_is_nobody() -> None:
    here, order_id = awaiting(identity=sso("Issuer", "anna"))
    here.role_paths.elsewhere.add("AWSReservedSSO_Issuer_0123456789abcdef")
    with pytest.raises(NotThisPerson):
        here.approve(order_id)


def test_who_was_told_where_the_file_goes_does_not_approve() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.make(rows_of(3))
    assert here.create(identity=APPROVER).upload is not None
    here.ask(order_id, Action.START)
    here.run(order_id)
    with pytest.raises(NotThisPerson):
        here.approve(order_id)
    # but who only asks how it stands may
    other = user("other")
    assert here.create(identity=other).upload is None
    here.approve(order_id, by=other)


def test_a_start_that_does_not_know_of_a_further_maker_is_not_written() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.make(rows_of(3))
    before_the_next_move(here, lambda: here.create(identity=APPROVER))
    here.ask(order_id, Action.START)
    assert here.order(order_id).makers == (MAKER, APPROVER)


def test_of_two_who_are_told_at_once_where_the_file_goes_both_are_makers() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.make(rows_of(3))
    before_the_next_move(here, lambda: here.create(identity=user("first")))
    assert here.create(identity=user("second")).upload is not None
    assert here.order(order_id).makers == (MAKER, user("first"), user("second"))


def test_who_is_told_where_the_file_goes_of_an_order_that_begins_meanwhile_is_told_nothing() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.make(rows_of(3))
    before_the_next_move(here, lambda: here.ask(order_id, Action.START))
    assert here.create(identity=APPROVER).upload is None
    assert here.order(order_id).makers == (MAKER,)


def test_who_started_it_does_not_approve_not_even_where_its_workflow_had_died() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.make(rows_of(3))
    here.ask(order_id, Action.START, by=user("starter"))
    here.workflows.ended.add((order_id, 1))
    here.ask(order_id, Action.START, by=APPROVER)
    here.run(order_id)
    assert here.order(order_id).started_by == user("starter").user_arn
    for by in (MAKER, user("starter"), APPROVER):
        with pytest.raises(NotThisPerson):
            here.approve(order_id, by=by)


@pytest.mark.parametrize("was_started", [False, True], ids=["not started yet", "being checked"])
def test_an_order_of_a_time_before_makers_were_kept_is_approved_by_nobody(was_started: bool) -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.place(rows_of(3)) if was_started else here.make(rows_of(3))
    order, nonce = here.orders.orders[order_id]
    here.orders.orders[order_id] = (replace(order, makers=()), nonce)
    here.ask(order_id, Action.START)
    here.run(order_id)
    with pytest.raises(NotThisPerson):
        here.approve(order_id)


def test_makers_do_not_grow_with_the_sessions_of_one_role_or_the_repeats_of_one_person() -> None:
    makers = makers_with((), session("deploy", "one", "AROA" + "A" * 12))
    assert makers_with(makers, session("deploy", "two", "AROA" + "A" * 12)) == makers
    anna = makers_with(makers, sso("Issuer", "anna"))
    assert makers_with(anna, sso("Issuer", "anna")) == anna
    assert len(makers_with(anna, sso("Issuer", "ben"))) == len(anna) + 1


# ---- who comes first -----------------------------------------------------------------------------


def test_of_an_approval_and_a_rejection_at_once_one_counts() -> None:
    here, order_id = awaiting()
    before_the_next_move(here, lambda: here.reject(order_id, by=user("other")))
    with pytest.raises(OrderConflict) as refused:
        here.approve(order_id)
    assert (refused.value.order_status, here.order(order_id).decision) == (S.VALIDATED, Decision.REJECT)
    # and the other way round
    here, order_id = awaiting()
    before_the_next_move(here, lambda: here.approve(order_id))
    with pytest.raises(OrderConflict) as refused:
        here.reject(order_id)
    assert (refused.value.order_status, here.order(order_id).decision) == (S.ISSUING, Decision.APPROVE)


def test_an_approval_that_meets_a_replaced_file_and_a_new_start_approves_neither() -> None:
    here, order_id = awaiting()
    seen = here.order(order_id).approval_digest

    def again() -> None:
        here.reject(order_id, by=user("other"))
        here.files.put(order_id, rows_of(3, amount="99").encode())
        here.ask(order_id, Action.START)
        here.run(order_id)
        assert here.order(order_id).status is S.AWAITING_APPROVAL

    before_the_next_move(here, again)
    with pytest.raises(OrderConflict):
        here.approve(order_id, digest=seen)
    assert (here.order(order_id).status, here.world.amazon.sent) == (S.AWAITING_APPROVAL, [])


def test_an_approval_that_meets_a_stop_issues_nothing() -> None:
    here, order_id = awaiting()
    before_the_next_move(here, lambda: here.ask(order_id, Action.STOP))
    with pytest.raises(OrderConflict):
        here.approve(order_id)
    assert here.order(order_id).status is S.FINISHED


def test_a_repeat_of_an_approval_starts_what_a_crash_has_left_and_another_digest_does_not() -> None:
    here, order_id = awaiting()
    here.workflows.works = False
    with pytest.raises(OrderUnavailable):
        here.approve(order_id)
    assert here.order(order_id).status is S.ISSUING
    here.workflows.works = True
    with pytest.raises(OrderConflict):
        here.approve(order_id, digest="0" * 64)
    decided = here.order(order_id).decided_at
    here.approve(order_id)
    assert here.workflows.started[-1] == (order_id, 2)
    here.run(order_id)
    # once it has ended, a repeat only tells
    assert here.approve(order_id).order.status is S.FINISHED
    assert here.order(order_id).decided_at == decided


def test_two_who_approve_at_once_have_it_issued_once() -> None:
    here, order_id = awaiting()
    before_the_next_move(here, lambda: here.approve(order_id, by=user("other")))
    here.approve(order_id)
    assert (here.order(order_id).decided_by, here.order(order_id).round) == (user("other").user_arn, 2)
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)


# ---- the same rows -------------------------------------------------------------------------------


def test_rows_that_await_approval_are_nobody_elses() -> None:
    here, first = awaiting()
    second = here.place(rows_of(3), "two")
    here.run(second)
    assert (here.order(second).status, here.order(second).same_rows_as) == (S.INVALID, first)


def test_a_rejected_orders_claim_does_not_stand_for_rows_that_it_no_longer_has() -> None:
    here, first = awaiting()
    here.reject(first)
    here.files.put(first, rows_of(4).encode())
    here.ask(first, Action.START)
    here.run(first)
    here.approve(first)
    # the first order issues others: these rows are wanted for the first time
    _, second = awaiting(here, "two")
    assert here.order(second).same_rows_as is None


def test_a_claim_that_took_the_place_of_another_holds_although_its_order_was_rejected() -> None:
    here, first = awaiting()
    here.approve(first)
    here.run(first)
    _, on_purpose = awaiting(here, "two", allow_same_rows=True)
    here.reject(on_purpose)
    third = here.place(rows_of(3), "three")
    here.run(third)
    assert here.order(third).same_rows_as == on_purpose
    # and the order that it is takes it again, as firm as it was
    here.ask(on_purpose, Action.START)
    here.run(on_purpose)
    assert here.order(on_purpose).status is S.AWAITING_APPROVAL
    (claim,) = here.orders.claims.values()
    assert (claim.order_id, claim.is_firm, claim.instead_of) == (on_purpose, True, first)


def test_another_order_takes_over_no_claim_that_its_order_has_come_back_to_since() -> None:
    here, first = awaiting()
    here.reject(first)
    second = here.place(rows_of(3), "two")
    begin = here.orders.begin

    def back_to_it(*given: Any, **named: Any) -> Any:
        if named["over"] is not None:
            here.orders.begin = begin  # type: ignore[method-assign]
            here.ask(first, Action.START)
            here.run(first)
            made = begin(*given, **named)
            assert isinstance(made, RowsTaken)
            return made
        return begin(*given, **named)

    here.orders.begin = back_to_it  # type: ignore[method-assign]
    here.run(second)
    assert (here.order(first).status, here.order(second).status) == (S.AWAITING_APPROVAL, S.INVALID)


# ---- told ----------------------------------------------------------------------------------------


def test_the_operators_are_told_once_that_an_order_awaits_approval() -> None:
    here, order_id = awaiting()
    ((subject, text),) = here.world.notifier.notices
    assert order_id in subject
    assert ("30.00 USD" in text, f"make approve ORDER={order_id}" in text) == (True, True)
    here.process(order_id, OrderTask.CHECK)
    assert len(here.world.notifier.notices) == 1


def test_an_order_whose_notice_was_lost_with_its_process_is_told_by_the_task_that_is_run_again() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.place(rows_of(3))
    here.process(order_id, OrderTask.VALIDATE)
    assert (here.order(order_id).status, here.world.notifier.notices) == (S.AWAITING_APPROVAL, [])
    # given a task that dies behind its write, and is run again by the workflow
    assert here.process(order_id, OrderTask.VALIDATE).next is OrderTask.DONE
    assert len(here.world.notifier.notices) == 1
    assert here.order(order_id).told_at is not None


def test_a_notice_that_nobody_gets_rings_another_way_and_is_tried_until_the_time_for_approval_is_over() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.place(rows_of(3))
    here.world.notifier.notice_fault = "AuthorizationError"
    here.run(order_id, until=lambda there: there.wait_seconds > 0)
    assert (logged(here, "operatorsNotTold"), here.order(order_id).told_at) == (1, None)
    assert here.world.telemetry.counts["AlertNotTold"] == 1
    # when it can be told again
    here.world.notifier.notice_fault = None
    assert here.run(order_id).next is OrderTask.DONE
    assert len(here.world.notifier.notices) == 1
    # and where it never can be, the workflow ends with the time
    here.world.notifier.notice_fault = "AuthorizationError"
    other = here.place(rows_of(4), key="other")
    assert here.run(other).next is OrderTask.DONE
    assert here.view(other).order.status is S.VALIDATED


def test_a_note_that_the_operators_know_never_undoes_a_decision() -> None:
    here = bulk(approvals=ABOVE)
    order_id = here.place(rows_of(3))
    here.process(order_id, OrderTask.VALIDATE)
    before_the_next_move(here, lambda: here.approve(order_id))
    here.process(order_id, OrderTask.CHECK)
    assert here.order(order_id).status is S.ISSUING
