"""Issue the rows of one batch of a bulk order, in order, each as if a caller had asked for it.

Before each row the order is looked at, so that a pause or a stop takes effect at once, and the ledger, so that a row
that somebody has been at takes no permit. A refused row is a result. What concerns all rows alike - no usable key, no
funds, a frozen account - pauses the order and tells the operators, before row after row is refused for it. A row that
ended without Amazon having looked at it is no result: it is ordered again once the order is resumed.

The order holds its rows' amounts: a row's record takes its share over, and only a row that is ordered again, after its
share was given back, can find its budget without enough. A worker that comes after its batch was closed opens no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from incentives.domain.bulk_orders.bulk_order import (
    Batch,
    BulkOrder,
    OrderStatus,
    RowOutcome,
    add,
    row_idempotency_key,
    row_outcome,
)
from incentives.domain.errors import (
    AccountFrozen,
    AccountUnusable,
    BudgetBusy,
    BudgetExceeded,
    BudgetUnusable,
    GatewayError,
    InvalidInput,
    KeyReused,
    LedgerUnavailable,
    OrderClosed,
    OrderUnavailable,
    RefusedByAmazon,
    RefusedFor,
    StateConflict,
)
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Frozen, Permit, Priority
from incentives.domain.recovery.rules import KEY_REFUSED, NOT_SENT
from incentives.domain.single_requests.parking import is_parked
from incentives.domain.single_requests.record import OrderRow
from incentives.domain.single_requests.renewal import is_renewable
from incentives.usecases.accounts.freeze import why_frozen
from incentives.usecases.bulk_orders.pause_order import pause_order
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.permits import take_permit
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.issue import NewRequest, issue

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account
    from incentives.domain.bulk_orders.rows import Row
    from incentives.usecases.bulk_orders.dependencies import OrderDependencies

#: Of one row: time for one try, and for a second one if the first was answered at once.
ROW_SECONDS: Final = 14.0

#: No row begins with less left: its time, a wait for a permit, and writing down how it ended.
ROW_SECONDS_LEFT_MIN: Final = 20.0

#: Rows after which the batch's progress is written. Those since then are looked at again when a process has died.
SAVE_EVERY: Final = 10

#: Between two looks for a permit, at least, and at most: the order may be paused meanwhile.
AGAIN_MIN: Final = timedelta(milliseconds=100)
AGAIN_MAX: Final = timedelta(seconds=2)

#: Before an account that seems unusable is looked at once more.
ACCOUNT_AGAIN_SECONDS: Final = 2.0

#: Refusals that every other row of the account would get too: no funds, not permitted, no usable key.
ACCOUNT_REFUSED: Final = frozenset({RefusedFor.FUNDS, RefusedFor.ACCOUNT, RefusedFor.UNSEEN})


class Next(Enum):
    """What is left to do for a batch."""

    MORE = auto()  # go on with it: only this function's time is over
    LATER = auto()  # come back some time
    NOTHING = auto()  # all its rows have been tried, or nobody wants them now


class _Pause(Exception):  # noqa: N818 - a signal, not an error
    """The order cannot go on.

    Attributes:
        why: what must be mended.
        outcome: of the row that showed it; None if the row is to be tried again.
    """

    def __init__(self, why: str, outcome: RowOutcome | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Work:
    """What a child of the workflow is to do: a batch of an order, in one of its rounds."""

    order_id: str
    round: int
    batch: int


def issue_batch(work: Work, dependencies: Dependencies, order_dependencies: OrderDependencies, budget: Budget) -> Next:
    """Issue a batch's rows from where it has got to, while the function's time allows.

    It raises nothing that could be an outcome. Another worker on the same batch is harmless: rows are issued once, and
    of two progresses the further one counts.

    Args:
        work: which batch.
        dependencies: the ports of issuing.
        order_dependencies: those of bulk orders.
        budget: the function's time.
    """
    try:
        return _Worker(work, dependencies, order_dependencies, budget).run()
    except (OrderUnavailable, LedgerUnavailable) as error:
        # What was issued is in the ledger: its rows are looked at again.
        dependencies.telemetry.log("batchInterrupted", orderId=work.order_id, batch=work.batch, because=error.detail)
        return Next.LATER


class _Worker:
    """One invocation's work on a batch.

    Attributes:
        batch: how far it has come.
        saved: how far that has been written.
    """

    def __init__(
        self, work: Work, dependencies: Dependencies, order_dependencies: OrderDependencies, budget: Budget
    ) -> None:
        self._work = work
        self._dependencies, self._order_dependencies = dependencies, order_dependencies
        self._orders, self._files = order_dependencies.orders, order_dependencies.files
        self._budget = budget
        self.batch = self.saved = Batch(number=work.batch)

    def run(self) -> Next:
        order = self._look()
        if order is None:
            return Next.NOTHING
        self.batch = self.saved = self._orders.batch(self._work.order_id, self._work.batch)
        if not order.has_work(self.batch):
            return Next.NOTHING
        if order.looks_again(self.batch):
            # From its first row; what is kept stands until that many have been looked at.
            self.batch = Batch(number=self._work.batch)
        rows = self._files.read_rows(order, order.rows_of(self._work.batch))
        try:
            return self._issue_all(rows)
        except _Pause as pause:
            if pause.outcome is not None:
                self._count(rows[self.batch.done], pause.outcome)
            order = self._look()
            if order is not None:
                pause_order(order, pause.why, self._dependencies, self._order_dependencies)
            return Next.NOTHING
        finally:
            self._save()

    def _issue_all(self, rows: Sequence[Row]) -> Next:
        while self.batch.done < len(rows):
            if self._budget.seconds_left() < ROW_SECONDS_LEFT_MIN:
                return Next.MORE
            order = self._look()
            if order is None:
                break
            row = rows[self.batch.done]
            outcome = self._try(order, row)
            if outcome is not None:
                self._count(row, outcome)
            if self.batch.done >= self.saved.done + SAVE_EVERY:
                self._save()
        return Next.NOTHING

    def _count(self, row: Row, outcome: RowOutcome) -> None:
        value = dict(self.batch.issued_value)
        if outcome is RowOutcome.ISSUED:
            add(value, row.value)
        self.batch = replace(self.batch, counts=self.batch.counts.plus(outcome), issued_value=value)

    def _save(self) -> None:
        batch = replace(self.batch, round=self._work.round, updated_at=self._dependencies.clock.now())
        if (batch.done, batch.round) > (self.saved.done, self.saved.round) and batch.done:
            # As it then stands: if somebody else is further, go on from there.
            self.batch = self.saved = self._orders.advance(self._work.order_id, batch)

    def _look(self) -> BulkOrder | None:
        """The order, if its rows are still to be issued by us."""
        order = self._orders.get(self._work.order_id)
        wanted = order is not None and order.status is OrderStatus.ISSUING and order.round == self._work.round
        return order if wanted else None

    def _try(self, order: BulkOrder, row: Row) -> RowOutcome | None:
        """How a row stands once it has been tried; None: not tried yet, look again."""
        key = self._dependencies.ledger.key(order.key_hash(row.key))
        if key is not None:
            record = find(key.request_id, self._dependencies.ledger)
            if not is_renewable(record):
                return row_outcome(record)
        account = self._account(order.account)
        if account.partner_id != order.partner_id:
            raise _Pause(
                f"account {order.account!r} now has another partnerId than when this order was started; stop it, and "
                "order in another file the rows that its result shows neither as issued nor as escalated"
            )
        permit = self._permit(order.account)
        return None if permit is None else self._issue(order, row, permit)

    def _account(self, name: str) -> Account:
        try:
            return self._dependencies.accounts.get(name)
        except AccountUnusable:
            # Perhaps the secret could just not be read: not for that alone is a whole order paused.
            self._dependencies.clock.sleep(ACCOUNT_AGAIN_SECONDS)
        try:
            return self._dependencies.accounts.get(name)
        except AccountUnusable as error:
            raise _Pause(error.detail) from error

    def _permit(self, account: str) -> Permit | None:
        permit = take_permit(account, Priority.BULK, self._dependencies, never_sent=True)
        if isinstance(permit, Permit):
            return permit
        if isinstance(permit, Frozen):
            raise _Pause(why_frozen(account, self._order_dependencies.freezes))
        now = self._dependencies.clock.now()
        again_at = min(max(permit.again_at, now + AGAIN_MIN), now + AGAIN_MAX)
        self._dependencies.clock.sleep((again_at - now).total_seconds())
        return None

    def _issue(self, order: BulkOrder, row: Row, permit: Permit) -> RowOutcome | None:
        try:
            response = issue(
                NewRequest(
                    key=row_idempotency_key(order.order_id, row.key),
                    operation=Operation.CREATE_GIFT_CARD,
                    account=order.account,
                    value=row.value,
                    on_unknown=order.on_unknown,
                    given=row.given,
                    caller=order.caller,
                    budget=order.budget,
                ),
                self._dependencies,
                self._row_budget(),
                permit=permit,
                priority=Priority.BULK,
                wants_card=False,
                row=OrderRow(order_id=order.order_id, batch=self._work.batch, budget_period=order.budget_period),
            )
        except RefusedByAmazon as error:
            if error.refused_for in ACCOUNT_REFUSED:
                outcome = None if error.refused_for is RefusedFor.UNSEEN else RowOutcome.REFUSED
                raise _Pause(_why_paused(error), outcome) from error
            return RowOutcome.REFUSED
        except StateConflict as error:
            # It has ended otherwise: the ledger says how.
            request_id = error.request_id or ""
        except OrderClosed:
            # The order was stopped since it was looked at, and never issues this row; the next look says so.
            return RowOutcome.NOT_ISSUED
        except BudgetBusy:
            return None
        except (AccountFrozen, AccountUnusable, BudgetExceeded, BudgetUnusable, InvalidInput, KeyReused) as error:
            # It was valid: the account, the budget or the deployment has changed since.
            raise _Pause(self._why_not_now(order, error)) from error
        else:
            request_id = response.record.request_id
        found = self._dependencies.ledger.get(request_id)
        if found is None:
            # The write was in doubt, and has not come to be.
            raise LedgerUnavailable("a row could not be written", in_doubt=False)
        newest = find(request_id, self._dependencies.ledger) if found.replaced_by else found
        if is_parked(newest):
            raise _Pause("The balance does not cover any more rows. Those tried wait until it does.", RowOutcome.OPEN)
        return row_outcome(newest)

    def _why_not_now(self, order: BulkOrder, error: GatewayError) -> str:
        match error:
            case AccountFrozen():
                return why_frozen(order.account, self._order_dependencies.freezes)
            case BudgetExceeded():
                return (
                    f"Budget {order.budget!r} has too little left for a row that Amazon never looked at, and whose "
                    "share was given back. Resume once it has enough."
                )
            case _:
                return error.detail

    def _row_budget(self) -> Budget:
        end = self._dependencies.clock.now() + timedelta(seconds=ROW_SECONDS)
        return Budget(lambda: (end - self._dependencies.clock.now()).total_seconds())  # noqa: PLW0108 - read anew each time


def _why_paused(error: RefusedByAmazon) -> str:
    """What must be mended for all rows: the error's own detail tells the caller of a single card what to do."""
    match error.refused_for:
        case RefusedFor.FUNDS:
            return (
                "The account's balance does not cover the next row. Top it up at Amazon, then resume. The row that was "
                "refused stays refused: order it in another file."
            )
        case RefusedFor.ACCOUNT:
            reason = f"{error.error_type or error.error_code}: {error.detail.rstrip('.')}"
            return f"Amazon refused a row. {reason}. It stays refused; resume once the cause is mended."
        case _:
            because = NOT_SENT if error.error_type == NOT_SENT.type else KEY_REFUSED
            return f"{because.message} Nothing was charged for this row; it is tried again once the order is resumed."
