"""Issuing the rows of a bulk order: what each row may meet, who may be in the way, and when the order is paused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from incentives.domain.bulk_orders.bulk_order import BATCH_ROWS, Counts, OrderStatus, row_idempotency_key
from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, Outcome, Refused, Succeeded
from incentives.domain.rate_limit import Priority
from incentives.domain.single_requests.record import Status
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.issue_batch import SAVE_EVERY, Next
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask
from incentives.usecases.single_requests.issue import NewRequest, issue
from tests.support.bulk import Bulk, bulk, issuing, row_id, rows_of
from tests.support.fakes import START, Scripted, Sent, account, card, usd
from tests.unit.builders import KEY_REFUSED, REFUSED, THROTTLED, TIMED_OUT

S = OrderStatus
NO_FUNDS = Refused(AmazonError(code="F300", type="InsufficientFunds", message="Insufficient Funds"))
BLOCKED = Refused(AmazonError(code="F300", type="AccountHasProblems", message="Blocked"))


def counts(here: Bulk, order_id: str) -> Counts:
    return replace(here.view(order_id).counts, waiting=0)


def test_a_batchs_rows_are_issued_in_order_in_the_priority_below_all_others() -> None:
    here, order_id = issuing(3)
    assert here.issue(order_id) is Next.NOTHING
    order = here.order(order_id)
    sent = [each.call.request_id for each in here.world.amazon.sent]
    assert sent == [row_id(order, f"row-{number}") for number in (1, 2, 3)]
    assert here.world.rate_limiter.priorities == [Priority.BULK] * 3
    assert counts(here, order_id) == Counts(issued=3)


def test_the_reference_and_the_orders_wish_reach_the_record() -> None:
    here = bulk()
    order_id = here.place("key,amount,currency,reference\na,10,USD,Jane\nb,10,USD,\n")
    here.run(order_id)
    records = {key: here.world.ledger.records[row_id(here.order(order_id), key)] for key in "ab"}
    assert records["a"].details == {"externalReference": "Jane"}
    assert records["b"].details == {}
    assert {each.caller for each in records.values()} == {"caller"}


def test_a_refused_row_is_a_result_and_the_next_one_is_issued() -> None:
    here, order_id = issuing(3, REFUSED)
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=2, refused=1)
    assert here.view(order_id).issued_value == {"USD": Decimal("20.00")}
    assert "row-1,10.00,USD,,refused," in here.result(order_id)
    assert "F200,MaxAmountExceeded" in here.result(order_id)


def test_a_row_whose_outcome_is_unknown_is_left_to_its_recovery_and_the_next_one_is_issued() -> None:
    here, order_id = issuing(2, *[TIMED_OUT] * 4)
    here.issue(order_id)
    assert counts(here, order_id) == Counts(issued=1, open=1)
    assert [request_id for request_id, _ in here.world.recoveries.started] == [row_id(here.order(order_id), "row-1")]
    # it takes the time of one row, not of the function
    assert here.world.clock.now() - START < timedelta(seconds=16)


def test_a_throttled_row_goes_on_from_the_backlog() -> None:
    here, order_id = issuing(1, *[THROTTLED] * 20)
    here.issue(order_id)
    assert counts(here, order_id) == Counts(open=1)
    assert here.world.backlog.puts
    assert here.world.rate_limiter.slowed_down


# ---- time and progress ---------------------------------------------------------------------------


def test_a_function_ends_in_time_and_another_one_goes_on() -> None:
    here, order_id = issuing(BATCH_ROWS)
    here.world.amazon.seconds_per_call = 2.0
    assert here.issue(order_id, seconds=60.0) is Next.MORE
    first = counts(here, order_id).issued
    assert 0 < first < BATCH_ROWS
    assert here.world.clock.now() - START <= timedelta(seconds=60)
    while here.issue(order_id) is Next.MORE:
        pass
    assert counts(here, order_id) == Counts(issued=BATCH_ROWS)
    assert len(here.world.amazon.sent) == BATCH_ROWS


def test_without_a_permit_nothing_is_sent_and_the_order_is_looked_at_all_the_time() -> None:
    here, order_id = issuing(1)
    here.world.rate_limiter.full_for = 30.0
    assert here.issue(order_id) is Next.MORE
    assert here.world.ledger.records == {}
    assert here.world.amazon.sent == []


def test_waiting_for_a_permit_ends_when_the_order_is_paused() -> None:
    here, order_id = issuing(1)
    here.world.rate_limiter.full_for = 30.0
    sleep = here.world.clock.sleep

    def pause_meanwhile(seconds: float) -> None:
        sleep(seconds)
        if here.order(order_id).status is S.ISSUING:
            here.ask(order_id, Action.PAUSE)

    here.world.clock.sleep = pause_meanwhile  # type: ignore[method-assign]
    assert here.issue(order_id) is Next.NOTHING
    assert here.world.clock.now() - START <= timedelta(seconds=2)


def test_a_row_that_is_in_the_ledger_takes_no_permit() -> None:
    here, order_id = issuing(20)
    here.issue(order_id)
    here.orders.kept.clear()
    here.issue(order_id)
    assert len(here.world.rate_limiter.priorities) == len(here.world.amazon.sent) == 20
    assert counts(here, order_id) == Counts(issued=20)


@pytest.mark.parametrize("row", [1, 7, 20])
def test_a_pause_takes_effect_before_the_next_row(row: int) -> None:
    here, order_id = issuing(30)

    def pause(sent: Sent) -> Outcome:
        if len(here.world.amazon.sent) == row:
            here.ask(order_id, Action.PAUSE)
        return _success(sent)

    here.world.amazon.script = [pause] * row
    here.issue(order_id)
    assert here.order(order_id).status is S.PAUSED
    assert len(here.world.amazon.sent) == row
    assert counts(here, order_id) == Counts(issued=row)
    here.ask(order_id, Action.RESUME)
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=30)
    assert len(here.world.amazon.sent) == 30


def _success(sent: Sent) -> Outcome:
    return Succeeded(card(sent.call))


# ---- others --------------------------------------------------------------------------------------


def test_a_worker_of_an_older_round_does_nothing() -> None:
    here, order_id = issuing(3)
    old = here.order(order_id).round
    here.ask(order_id, Action.PAUSE)
    here.ask(order_id, Action.RESUME)
    assert here.issue(order_id, round_number=old) is Next.NOTHING
    assert here.process(order_id, OrderTask.CHECK, OrderProgress(order_id=order_id, round=old)).next is OrderTask.DONE
    assert here.process(order_id, OrderTask.SETTLE, OrderProgress(order_id=order_id, round=old)).next is OrderTask.DONE
    assert here.world.ledger.records == {}
    assert here.order(order_id).status is S.ISSUING


def test_two_workers_on_one_batch_issue_every_row_once() -> None:
    here, order_id = issuing(BATCH_ROWS)

    def other(sent: Sent) -> Outcome:
        # given a second worker that does all of the batch while the first one waits for a response
        here.issue(order_id)
        return _success(sent)

    here.world.amazon.script = [*[_success] * 4, other]
    here.issue(order_id)
    assert len({sent.call.request_id for sent in here.world.amazon.sent}) == BATCH_ROWS
    assert len(here.world.amazon.sent) == BATCH_ROWS
    assert counts(here, order_id) in (Counts(issued=BATCH_ROWS), Counts(issued=BATCH_ROWS - 1, open=1))
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=BATCH_ROWS)


def test_a_row_that_is_under_way_while_the_order_is_stopped_is_told_as_issued() -> None:
    here, order_id = issuing(3)

    def stop(sent: Sent) -> Outcome:
        here.ask(order_id, Action.STOP)
        checked = here.process(order_id, OrderTask.CHECK)
        assert here.process(order_id, OrderTask.SETTLE, checked).wait_seconds > 0
        return _success(sent)

    here.world.amazon.script = [_success, stop]
    here.issue(order_id)
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=2, not_issued=1)
    assert here.result(order_id).count(",issued,") == 2


def test_a_callers_own_key_is_another_request_than_a_rows() -> None:
    here, order_id = issuing(1)
    own = NewRequest(key="row-1", operation=Operation.CREATE_GIFT_CARD, account="default", value=usd("10.00"))
    issue(own, here.world.dependencies, here.world.budget())
    here.issue(order_id)
    assert len(here.world.ledger.records) == 2


# ---- what concerns all rows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("responses", "refused", "why"),
    [
        ([NO_FUNDS], 1, "Top it up at Amazon, then resume."),
        ([BLOCKED], 1, "AccountHasProblems: Amazon has stopped the account; ask the account manager. Blocked. It"),
        ([KEY_REFUSED, KEY_REFUSED], 0, "access key or its signature. Nothing was charged for this row"),
    ],
    ids=["no funds", "account refused", "key refused"],
)
def test_what_would_refuse_every_row_pauses_the_order_after_one(
    responses: list[Scripted], refused: int, why: str
) -> None:
    here, order_id = issuing(5, *responses)
    here.run(order_id)
    order = here.order(order_id)
    assert (order.status, counts(here, order_id)) == (S.PAUSED, Counts(refused=refused))
    # and says what to do about the order: what the caller of a single card is told would not help
    assert order.why_paused is not None
    assert why in order.why_paused
    assert "key" not in order.why_paused.replace("access key", "").lower()
    ((subject, text),) = here.world.notifier.notices
    assert order_id in subject
    assert "/resume" in text
    here.ask(order_id, Action.RESUME)
    here.run(order_id)
    # then only what Amazon itself refused stays refused
    assert counts(here, order_id) == Counts(issued=5 - refused, refused=refused)


def test_an_account_without_a_usable_key_pauses_the_order_before_any_row() -> None:
    here, order_id = issuing(5)
    here.world.accounts.accounts.clear()
    here.run(order_id)
    assert here.order(order_id).status is S.PAUSED
    assert here.world.ledger.records == {}
    assert len(here.world.notifier.notices) == 1


def test_a_secret_that_cannot_be_read_for_a_moment_pauses_nothing() -> None:
    here, order_id = issuing(2)
    accounts, get = here.world.accounts, here.world.accounts.get
    failing = [AccountUnusable("default", "has a secret that cannot be read")]

    def sometimes(name: str, *, fresh: bool = False) -> object:
        if failing:
            raise failing.pop()
        return get(name, fresh=fresh)

    accounts.get = sometimes  # type: ignore[method-assign, assignment]
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=2)


def test_an_account_that_is_another_partners_now_pauses_the_order() -> None:
    here, order_id = issuing(2)
    here.world.accounts.accounts["default"] = account(partner_id="Other")
    here.run(order_id)
    assert here.order(order_id).status is S.PAUSED
    assert "partnerId" in (here.order(order_id).why_paused or "")
    assert here.world.ledger.records == {}


def test_operators_are_told_once_however_many_workers_find_it() -> None:
    here, order_id = issuing(2 * BATCH_ROWS, NO_FUNDS, NO_FUNDS)
    here.issue(order_id, 1)
    here.issue(order_id, 2)
    assert len(here.world.notifier.notices) == 1
    assert counts(here, order_id) == Counts(refused=1)


# ---- the ledger out of reach ---------------------------------------------------------------------


def test_a_row_that_could_not_be_written_is_done_again() -> None:
    here, order_id = issuing(15)
    ledger, open_ = here.world.ledger, here.world.ledger.open

    def fails_once(*arguments: object, **named: object) -> object:
        if len(ledger.records) == SAVE_EVERY + 2:
            ledger.open = open_  # type: ignore[method-assign]
            raise LedgerUnavailable("down", in_doubt=False)
        return open_(*arguments, **named)  # type: ignore[arg-type]

    ledger.open = fails_once  # type: ignore[method-assign, assignment]
    assert here.issue(order_id) is Next.LATER
    assert counts(here, order_id) == Counts(issued=SAVE_EVERY + 2)
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=15)
    assert len(here.world.amazon.sent) == 15


def test_a_write_in_doubt_that_never_came_to_be_is_done_again() -> None:
    here, order_id = issuing(1)
    ledger, open_ = here.world.ledger, here.world.ledger.open

    def vanishes(*_: object, **__: object) -> object:
        ledger.open = open_  # type: ignore[method-assign]
        raise LedgerUnavailable("no answer", in_doubt=True)

    ledger.open = vanishes  # type: ignore[method-assign, assignment]
    assert here.issue(order_id) is Next.LATER
    assert counts(here, order_id) == Counts()
    here.run(order_id)
    assert counts(here, order_id) == Counts(issued=1)


def test_what_is_in_the_way_is_not_asked_all_the_time() -> None:
    here, order_id = issuing(1)
    here.files.fails.add("read_rows")
    first = here.process(order_id, OrderTask.CHECK)
    here.issue(order_id)
    second = here.process(order_id, OrderTask.CHECK, first)
    assert (first.next, first.wait_seconds) == (OrderTask.ISSUE, 0)
    assert (second.next, second.wait_seconds) == (OrderTask.ISSUE, 15)


@pytest.mark.parametrize("method", ["read_upload", "write_rows", "read_rows", "write_result"])
def test_a_bucket_that_is_out_of_reach_for_a_while_delays_the_order_and_no_more(method: str) -> None:
    here = bulk()
    order_id = here.place(rows_of(3))
    here.files.fails.add(method)

    def mended(_: OrderProgress) -> bool:
        if here.world.clock.now() - START > timedelta(minutes=5):
            here.files.fails.clear()
        return False

    here.run(order_id, until=mended)
    assert here.order(order_id).status is S.FINISHED
    assert counts(here, order_id) == Counts(issued=3)


def test_nothing_of_a_claim_code_is_kept_or_told() -> None:
    here, order_id = issuing(3)
    here.run(order_id)
    kept = repr([here.orders.__dict__, here.files.files, here.view(order_id), here.world.telemetry.lines])
    assert "CANARY" not in kept
    assert Status.SUCCEEDED in {record.status for record in here.world.ledger.records.values()}
    assert row_idempotency_key(order_id, "row-1") not in kept
