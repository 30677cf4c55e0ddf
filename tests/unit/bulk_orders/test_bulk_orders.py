"""A bulk order from outside: made, started, paused, resumed, stopped, read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.bulk_orders.bulk_order import (
    EDGES,
    ORDER_ID_LENGTH,
    BulkOrder,
    Counts,
    FileError,
    FileFormat,
    OrderStatus,
    derive_order_id,
    moved,
    row_idempotency_key,
)
from incentives.domain.errors import AccountUnusable, InvalidInput, KeyReused, OrderConflict, OrderUnavailable
from incentives.domain.single_requests.record import Intent, Status
from incentives.domain.single_requests.request_ids import parse_idempotency_key
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.process_order import OrderTask
from tests.support.bulk import APPROVER, Bulk, bulk, csv_of, issuing, row_id, rows_of
from tests.support.fakes import account

S = OrderStatus


# ---- made ----------------------------------------------------------------------------------------


def test_a_new_order_awaits_its_file_and_says_where_it_goes() -> None:
    here = bulk()
    view = here.create()
    assert (view.order.status, view.order.round, view.replayed) == (S.AWAITING_FILE, 0, False)
    assert view.order.caller == "caller"
    assert view.upload is not None
    assert len(view.order.order_id) == ORDER_ID_LENGTH


def test_a_repeat_finds_the_order_as_it_stands_and_a_place_for_the_file_only_while_one_may_be_put() -> None:
    here = bulk()
    order_id = here.place(rows_of(1))
    running = here.create()
    here.run(order_id)
    finished = here.create()
    assert (running.replayed, running.order.status, running.upload) == (True, S.VALIDATING, None)
    assert (finished.order.status, finished.upload) == (S.FINISHED, None)
    assert finished.result is not None
    assert len(here.orders.orders) == 1


@pytest.mark.parametrize(
    ("updates", "differing"),
    [
        ({"file_format": FileFormat.JSONL}, ("format",)),
        ({"on_unknown": Intent.REVERSE}, ("onUnknown",)),
        ({"allow_same_rows": True}, ("allowSameRows",)),
        ({"file_format": FileFormat.JSONL, "on_unknown": Intent.REISSUE}, ("format", "onUnknown")),
    ],
)
def test_the_same_key_with_another_body_is_refused_by_field(updates: dict[str, Any], differing: tuple[str]) -> None:
    here = bulk()
    here.create()
    with pytest.raises(KeyReused) as refused:
        here.create(**updates)
    assert refused.value.differing == differing


def test_an_account_without_a_key_makes_no_order() -> None:
    here = bulk()
    with pytest.raises(AccountUnusable):
        here.create(account="elsewhere")
    assert here.orders.orders == {}


def test_ids_of_orders_and_keys_of_rows_cannot_meet() -> None:
    assert derive_order_id("default", "a") == derive_order_id("default", "a")
    assert len({derive_order_id(account, key) for account in ("one", "two") for key in ("a", "b")}) == 4
    with pytest.raises(InvalidInput):
        parse_idempotency_key(row_idempotency_key(derive_order_id("default", "a"), "row"))


def test_a_row_is_the_same_request_for_whoever_knows_the_order_and_its_key() -> None:
    here = bulk()
    order_id = here.place(rows_of(2))
    here.run(order_id)
    assert set(here.world.ledger.records) == {row_id(here.order(order_id), key) for key in ("row-1", "row-2")}


# ---- the life of an order ------------------------------------------------------------------------


def test_a_valid_file_is_issued_whole() -> None:
    here = bulk()
    order_id = here.place(rows_of(120))
    here.run(order_id)
    view = here.view(order_id)
    assert view.order.status is S.FINISHED
    assert view.counts == Counts(issued=120)
    assert view.order.totals == view.issued_value == {"USD": Decimal("1200.00")}
    assert len(here.world.amazon.sent) == 120
    assert {record.status for record in here.world.ledger.records.values()} == {Status.SUCCEEDED}
    assert {record.caller for record in here.world.ledger.records.values()} == {"caller"}
    assert len(here.result(order_id).splitlines()) == 121


def test_an_invalid_file_is_issued_not_at_all_and_may_be_put_anew() -> None:
    here = bulk()
    order_id = here.place(csv_of(("a", "10"), ("b", "0")))
    here.run(order_id)
    assert here.view(order_id).order.status is S.INVALID
    assert here.view(order_id).order.errors == (FileError(3, "amount", 'must be greater than zero: "0"'),)
    assert here.create().upload is not None
    assert here.world.ledger.records == {}
    here.files.put(order_id, rows_of(1).encode())
    here.ask(order_id, Action.START)
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=1)
    assert here.view(order_id).order.errors == ()


@pytest.mark.parametrize("size", [None, 26 * 1024 * 1024])
def test_a_file_that_is_missing_or_too_large_is_invalid(size: int | None) -> None:
    here = bulk()
    order_id = here.create().order.order_id
    if size is not None:
        here.files.put(order_id, b"x" * size)
    here.ask(order_id, Action.START)
    here.run(order_id)
    (error,) = here.view(order_id).order.errors
    assert (here.view(order_id).order.status, error.line, error.field) == (S.INVALID, 1, None)


def test_an_account_that_has_lost_its_key_is_named() -> None:
    here = bulk()
    order_id = here.place(rows_of(1))
    here.world.accounts.accounts.clear()
    here.run(order_id)
    assert here.view(order_id).order.errors == (FileError(1, "account", "has no secret"),)


def test_rows_are_the_requests_of_the_partner_whose_key_the_account_has_when_they_are_issued() -> None:
    here = bulk()
    order_id = here.place(rows_of(1))
    here.world.accounts.accounts["default"] = account(partner_id="Other")
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=1)
    assert [request_id[:5] for request_id in here.world.ledger.records] == ["Other"]


def test_what_is_left_out_of_the_file_is_told() -> None:
    here = bulk()
    order_id = here.place("key,amount,currency,,\n\n,,,,\na,10,USD\n")
    here.run(order_id)
    order = here.view(order_id).order
    assert (order.rows, order.blank_rows, order.empty_columns) == (1, 2, 2)


def test_a_dry_run_tells_rows_and_totals_and_issues_nothing() -> None:
    here = bulk()
    order_id = here.make(rows_of(3))
    here.ask(order_id, Action.START, dry_run=True)
    here.run(order_id)
    view = here.view(order_id)
    assert (view.order.status, view.order.rows, view.order.totals) == (S.VALIDATED, 3, {"USD": Decimal("30.00")})
    assert (view.counts, view.result) == (Counts(waiting=3), None)
    assert here.world.ledger.records == {}
    here.ask(order_id, Action.START)
    here.run(order_id)
    assert here.view(order_id).counts == Counts(issued=3)


def test_a_file_that_is_put_while_its_order_is_issued_changes_nothing() -> None:
    here = bulk()
    order_id = here.place(rows_of(2))
    here.run(order_id, until=lambda done: done.next is OrderTask.ISSUE)
    here.files.put(order_id, rows_of(5, amount="99").encode())
    here.run(order_id)
    assert here.view(order_id).issued_value == {"USD": Decimal("20.00")}


# ---- asked for -----------------------------------------------------------------------------------


def _awaiting(here: Bulk) -> str:
    return here.make(rows_of(60))


def _validating(here: Bulk) -> str:
    return here.place(rows_of(60))


def _invalid(here: Bulk) -> str:
    order_id = here.place("nothing")
    here.run(order_id)
    return order_id


def _validated(here: Bulk) -> str:
    order_id = here.make(rows_of(60))
    here.ask(order_id, Action.START, dry_run=True)
    here.run(order_id)
    return order_id


def _awaiting_approval(here: Bulk) -> str:
    here.dependencies.approvals[""] = Decimal(1)  # type: ignore[index]
    order_id = here.place(rows_of(60))
    here.run(order_id)
    return order_id


def _issuing(here: Bulk) -> str:
    order_id = here.place(rows_of(60))
    here.run(order_id, until=lambda done: done.next is OrderTask.ISSUE)
    here.issue(order_id, 1)
    return order_id


def _paused(here: Bulk) -> str:
    order_id = _issuing(here)
    here.ask(order_id, Action.PAUSE)
    return order_id


def _stopping(here: Bulk) -> str:
    order_id = _issuing(here)
    here.ask(order_id, Action.STOP)
    return order_id


def _settling(here: Bulk) -> str:
    order_id = _issuing(here)
    here.issue(order_id, 2)
    here.process(order_id, OrderTask.CHECK)
    return order_id


def _finished(here: Bulk) -> str:
    order_id = _issuing(here)
    here.run(order_id)
    return order_id


STANDING: dict[OrderStatus, Callable[[Bulk], str]] = {
    S.AWAITING_FILE: _awaiting,
    S.VALIDATING: _validating,
    S.INVALID: _invalid,
    S.VALIDATED: _validated,
    S.AWAITING_APPROVAL: _awaiting_approval,
    S.ISSUING: _issuing,
    S.PAUSED: _paused,
    S.STOPPING: _stopping,
    S.SETTLING: _settling,
    S.FINISHED: _finished,
}

#: What each action makes of each state; the rest is refused.
ALLOWED = {
    Action.START: {
        S.AWAITING_FILE: S.VALIDATING,
        S.INVALID: S.VALIDATING,
        S.VALIDATED: S.VALIDATING,
        S.VALIDATING: S.VALIDATING,
        S.AWAITING_APPROVAL: S.AWAITING_APPROVAL,
        S.ISSUING: S.ISSUING,
    },
    Action.PAUSE: {S.ISSUING: S.PAUSED, S.PAUSED: S.PAUSED},
    Action.RESUME: {
        S.PAUSED: S.ISSUING,
        S.VALIDATING: S.VALIDATING,
        S.ISSUING: S.ISSUING,
        S.STOPPING: S.STOPPING,
        S.SETTLING: S.SETTLING,
    },
    Action.STOP: {
        S.AWAITING_FILE: S.FINISHED,
        S.INVALID: S.FINISHED,
        S.VALIDATED: S.FINISHED,
        S.AWAITING_APPROVAL: S.FINISHED,
        S.VALIDATING: S.STOPPING,
        S.ISSUING: S.STOPPING,
        S.PAUSED: S.STOPPING,
        S.STOPPING: S.STOPPING,
    },
}


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("action", Action)
def test_each_action_does_what_the_order_allows_and_a_repeat_finds_it_done(action: Action, status: S) -> None:
    here = bulk()
    order_id = STANDING[status](here)
    assert here.order(order_id).status is status
    before = here.order(order_id)
    if status not in ALLOWED[action]:
        with pytest.raises(OrderConflict) as refused:
            here.ask(order_id, action)
        assert refused.value.order_status == status
        assert here.order(order_id) == before
        return
    here.ask(order_id, action)
    after = here.order(order_id)
    here.ask(order_id, action)
    assert after.status is ALLOWED[action][status]
    assert here.order(order_id) == after
    if after.status.is_worked_on:
        assert (order_id, after.round) in here.workflows.started


def test_no_use_case_takes_an_edge_that_there_is_not() -> None:
    here = bulk()
    order = here.order(_finished(here))
    assert EDGES[S.FINISHED] == frozenset()
    with pytest.raises(ValueError, match="no edge"):
        moved(order, S.ISSUING, here.world.clock.now())


@pytest.mark.parametrize("status", [S.VALIDATING, S.ISSUING, S.STOPPING, S.SETTLING])
def test_an_order_whose_workflow_has_died_is_resumed_in_another_round(status: OrderStatus) -> None:
    here = bulk()
    order_id = STANDING[status](here)
    was = here.order(order_id).round
    here.workflows.ended.add((order_id, was))
    here.ask(order_id, Action.RESUME)
    assert (here.order(order_id).status, here.order(order_id).round) == (status, was + 1)
    assert (order_id, was + 1) in here.workflows.started
    here.run(order_id)
    assert here.order(order_id).status is S.FINISHED


def test_a_start_that_could_not_start_the_workflow_is_repeated() -> None:
    here = bulk()
    order_id = here.make(rows_of(1))
    here.workflows.works = False
    with pytest.raises(OrderUnavailable):
        here.ask(order_id, Action.START)
    here.workflows.works = True
    here.ask(order_id, Action.START)
    assert here.workflows.started == [(order_id, 1)]


def test_a_start_with_another_wish_is_not_taken_for_a_repeat() -> None:
    here = bulk()
    order_id = here.place(rows_of(1))
    with pytest.raises(OrderConflict):
        here.ask(order_id, Action.START, dry_run=True)


# ---- stopped -------------------------------------------------------------------------------------


def test_a_stopped_order_tells_what_was_issued_and_what_never_will_be() -> None:
    here = bulk()
    order_id = _stopping(here)
    here.run(order_id)
    view = here.view(order_id)
    assert (view.order.status, view.counts) == (S.FINISHED, Counts(issued=50, not_issued=10))
    assert len(here.world.amazon.sent) == 50
    assert here.result(order_id).count(",notIssued,") == 10


def test_a_worker_that_has_not_heard_of_the_stop_opens_no_row_of_a_batch_that_is_settled() -> None:
    here = bulk()
    order_id = _issuing(here)
    get = here.orders.get

    def look(_: str) -> BulkOrder | None:
        # given a worker that looks at the order, and then stands still while it is stopped and settled
        order = get(order_id)
        here.orders.get = get  # type: ignore[method-assign]
        here.ask(order_id, Action.STOP)
        here.run(order_id)
        assert here.order(order_id).status is S.FINISHED
        return order

    here.orders.get = look  # type: ignore[method-assign]
    here.issue(order_id, 2)
    # then the row that was told as never issued is not issued after all
    assert len(here.world.amazon.sent) == len(here.world.ledger.records) == 50
    assert here.view(order_id).counts == Counts(issued=50, not_issued=10)


def test_an_order_that_is_stopped_before_its_file_was_read_is_finished_without_a_result() -> None:
    here = bulk()
    order_id = _validating(here)
    here.ask(order_id, Action.STOP)
    here.run(order_id)
    view = here.view(order_id)
    assert (view.order.status, view.result, view.counts) == (S.FINISHED, None, Counts())
    assert here.world.ledger.records == {}


# ---- told ----------------------------------------------------------------------------------------


def test_the_rate_and_the_end_are_told_while_rows_are_issued() -> None:
    here = bulk()
    order_id = _issuing(here)
    view = here.view(order_id)
    # 50 rows, each 0.2 s under way; 10 are left
    assert view.requests_per_second == pytest.approx(5.0)
    assert view.estimated_end_at == here.world.clock.now() + timedelta(seconds=2)
    assert view.counts == Counts(issued=50, waiting=10)


def test_whoever_pauses_resumes_or_stops_an_order_is_named_in_the_log() -> None:
    here, order_id = issuing(3)
    for action in (Action.PAUSE, Action.RESUME, Action.STOP):
        here.ask(order_id, action, by=APPROVER)
    lines = [facts for line, facts in here.world.telemetry.lines if line == "orderMoved"]
    told = [(facts["was"], facts["status"], facts["caller"]) for facts in lines[-3:]]
    assert told == [
        ("ISSUING", "PAUSED", APPROVER.user_arn),
        ("PAUSED", "ISSUING", APPROVER.user_arn),
        ("ISSUING", "STOPPING", APPROVER.user_arn),
    ]


def test_a_pause_does_not_count_for_the_rate() -> None:
    here = bulk()
    order_id = _paused(here)
    at_pause = here.view(order_id)
    here.world.clock.sleep(3600)
    assert here.view(order_id).requests_per_second == at_pause.requests_per_second == pytest.approx(5.0)
    assert here.view(order_id).estimated_end_at is None
    here.ask(order_id, Action.RESUME)
    assert here.view(order_id).requests_per_second is None
    here.run(order_id)
    assert here.view(order_id).requests_per_second == pytest.approx(5.0)
