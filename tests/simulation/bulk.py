"""A bulk order in a simulated history: its caller, its workflow and whoever sees it through."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from incentives.domain.bulk_orders.bulk_order import BulkOrder, FileFormat, OrderStatus, Started, row_idempotency_key
from incentives.domain.errors import AccountUnusable, BudgetBusy, LedgerUnavailable, OrderConflict, OrderUnavailable
from incentives.domain.persons import Identity
from incentives.domain.single_requests.record import KeyItem
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.bulk_orders.control_order import Action, control_order
from incentives.usecases.bulk_orders.create_order import create_order
from incentives.usecases.bulk_orders.dependencies import OrderDependencies
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask, process_order
from incentives.usecases.dependencies import Budget, Dependencies
from tests.simulation.approvers import Approvers
from tests.simulation.machine import BULK_ORDER, TaskDied
from tests.simulation.plan import Bulk, Wanted
from tests.simulation.ports import Died, Port
from tests.support.bulk import FakeDefinitions, FakeOrderFiles, FakeOrders, FakeRecords, csv_of
from tests.support.freezes import FakeFreezes

if TYPE_CHECKING:
    from tests.simulation.life import Life

_T = TypeVar("_T")

#: As the template has it.
FUNCTION_SECONDS: Final = 60.0

#: Somebody looks after the order that often, and gives it up once it was paused so often.
LOOK_SECONDS: Final = 60.0
PAUSES_MAX: Final = 100

#: An order that its budget does not allow is started so often again before it is given up.
STARTS_MAX: Final = 6

#: IAM users: nobody has to ask which person they are.
MAKER: Final = Identity("arn:aws:iam::123456789012:user/maker", "AIDAMAKER0123456", "AIDAMAKER0123456")


def order_unavailable(_in_doubt: bool) -> Exception:
    return OrderUnavailable("the simulation says so")


class BulkDesk:
    """One bulk order, and all who work on it.

    Attributes:
        order_id: None until it was made.
    """

    def __init__(self, life: Life, plan: Bulk) -> None:
        self._life, self._plan = life, plan
        fake = FakeOrders(life.ledger.budgets, life.ledger.closed)
        self.orders: Any = life.tables.orders if life.tables else fake
        self.files = FakeOrderFiles(life.stage)  # type: ignore[arg-type] # it asks for no more than the time
        self.order_id: str | None = None
        self.approvers = Approvers(life, self)
        self._running: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()
        self._numbers = itertools.count()
        life.begin(self._see_it_through, after_seconds=plan.at)

    @property
    def at_rest(self) -> list[object]:
        kept = [self.orders.orders, self.orders.lines] if isinstance(self.orders, FakeOrders) else []
        return [*kept, self.files.files]

    @property
    def order(self) -> BulkOrder | None:
        found: BulkOrder | None = self.orders.get(self.order_id) if self.order_id else None
        return found

    def key_of(self, row: Wanted) -> KeyItem | None:
        """The key item of a row, if it was ever recorded."""
        if self.order_id is None:
            return None
        return self._life.ledger.keys.get(hash_key(row_idempotency_key(self.order_id, name_of(row))))

    # ---- its caller -------------------------------------------------------------------------------

    def _see_it_through(self) -> None:
        life, plan = self._life, self._plan
        view = self.until_done(self._create)
        self.order_id = view.order.order_id
        self.put_file()
        self.ask(Action.START)
        if plan.paused is not None:
            life.begin(lambda: self.ask(Action.PAUSE), after_seconds=plan.paused[0] - plan.at)
        if plan.stopped_at is not None:
            life.begin(lambda: self.ask(Action.STOP), after_seconds=plan.stopped_at - plan.at)
        pauses = starts = 0
        while True:
            life.stage.sleep(LOOK_SECONDS)
            order = self.order
            if order is None or order.status is OrderStatus.FINISHED:
                return
            if order.status is OrderStatus.AWAITING_APPROVAL:
                self.approvers.attend(order)
                continue
            if order.status is OrderStatus.VALIDATED:
                # Its budget did not allow it, or it was rejected.
                starts += 1
                self.ask(Action.START if starts <= STARTS_MAX else Action.STOP)
                continue
            is_paused = plan.paused is not None and life.stage.seconds < plan.paused[1]
            if order.status is OrderStatus.PAUSED and not is_paused:
                pauses += 1
                self.ask(Action.RESUME if pauses <= PAUSES_MAX else Action.STOP)
            elif order.status.is_worked_on and (order.order_id, order.round) not in self._running:
                # Its workflow has died, of which an alarm tells.
                self.ask(Action.STOP if order.stopped_at else Action.RESUME)
            elif order.status is OrderStatus.INVALID:
                # For want of a usable key.
                self.ask(Action.START)

    def _create(self, dependencies: Dependencies, desk: OrderDependencies) -> Any:
        return create_order(
            key="bulk",
            account="default",
            file_format=FileFormat.CSV,
            on_unknown=self._plan.intent,
            budget=self._life.plan.control.bulk_budget,
            caller=None,
            identity=MAKER,
            dependencies=desk,
            accounts=dependencies.accounts,
        )

    def put_file(self, more: int = 0) -> None:
        """Put the rows; the first of them of so many cents more, and the last of so many less."""
        assert self.order_id is not None
        cents = [row.cents for row in self._plan.rows]
        cents[0] += more
        cents[-1] -= more if len(cents) > 1 else 0
        rows = [(name_of(row), f"{each / 100:.2f}") for row, each in zip(self._plan.rows, cents, strict=True)]
        self.files.put(self.order_id, csv_of(*rows).encode())

    def ask(self, action: Action) -> None:
        order_id = self.order_id
        assert order_id is not None

        def work(_: Dependencies, desk: OrderDependencies) -> None:
            try:
                control_order(order_id, action, desk, identity=MAKER)
            except OrderConflict:
                # It has come further meanwhile.
                self._life.faults["bulk: too late"] += 1

        self.until_done(work)

    def until_done(self, work: Callable[[Dependencies, OrderDependencies], _T]) -> _T:
        while True:
            try:
                done: _T = self._life.invoke(
                    lambda dependencies, _: work(dependencies, self._dependencies(dependencies))
                )
            except (Died, OrderUnavailable, LedgerUnavailable, AccountUnusable, BudgetBusy):
                self._life.stage.sleep(5)
            else:
                return done

    # ---- its workflow -----------------------------------------------------------------------------

    def start(self, order_id: str, round_number: int) -> Started:
        """`OrderWorkflows`: one execution for a round, however often it is started."""
        life, name = self._life, (order_id, round_number)
        if name in self._ended:
            return Started.ENDED
        if not life.shore.is_calm and life.chance.random() < life.plan.aws:
            life.faults["workflow not started"] += 1
            return Started.FAILED
        if name not in self._running:
            self._running.add(name)
            life.begin(lambda: self._execute(order_id, round_number))
        return Started.RUNNING

    def _execute(self, order_id: str, round_number: int) -> None:
        given = {"orderId": order_id, "round": round_number}
        self._life.inputs.append(given)
        end = self._life.machine(self._task).run(BULK_ORDER, given)
        self._life.ends[f"bulk {end}"] += 1
        self._running.discard((order_id, round_number))
        self._ended.add((order_id, round_number))

    def _task(self, payload: dict[str, Any]) -> dict[str, Any]:
        def work(dependencies: Dependencies, budget: Budget) -> dict[str, Any]:
            if payload["task"] == OrderTask.ISSUE:
                return self._issue(payload, dependencies, budget)
            here = OrderProgress(
                order_id=payload["orderId"],
                round=payload["round"],
                done=payload["done"],
                settled=payload["settled"],
                waited=payload["waited"],
            )
            there = process_order(
                OrderTask(payload["task"]), here, dependencies, self._dependencies(dependencies), budget
            )
            return {
                "orderId": there.order_id,
                "round": there.round,
                "next": there.next.value,
                "waitSeconds": there.wait_seconds,
                "batches": list(there.batches),
                "done": there.done,
                "settled": there.settled,
                "waited": there.waited,
            }

        try:
            result: dict[str, Any] = self._life.invoke(work, seconds=FUNCTION_SECONDS)
        except Died:
            raise TaskDied from None
        return result

    def _issue(self, payload: dict[str, Any], dependencies: Dependencies, budget: Budget) -> dict[str, Any]:
        began_with = budget.seconds_left()
        work = Work(payload["orderId"], payload["round"], payload["batch"])
        left = issue_batch(work, dependencies, self._dependencies(dependencies), budget)
        seconds_left = int(payload["secondsLeft"] - (began_with - budget.seconds_left()))
        more = left is Next.MORE and seconds_left > 0
        return {**payload, "secondsLeft": seconds_left, "next": (OrderTask.ISSUE if more else OrderTask.DONE).value}

    def _dependencies(self, dependencies: Dependencies) -> OrderDependencies:
        life, adapters, approving = self._life, self._life.adapters, self._life.plan.control.approving
        writes = {"create", "move", "begin", "finish", "close"}
        orders: Any = Port(self.orders, life, writes=writes, failure=order_unavailable)
        records: Any = Port(FakeRecords(cast("Any", life.ledger)), life)
        if adapters is not None:
            orders, records = adapters.orders, adapters.records
        return OrderDependencies(
            orders=orders,
            files=cast("Any", Port(self.files, life, failure=order_unavailable)),
            workflows=cast("Any", Port(self, life, faulty=False)),
            records=records,
            freezes=adapters.freezes if adapters else FakeFreezes(),
            clock=dependencies.clock,
            budgets=dependencies.budgets,
            definitions=adapters.definitions if adapters else cast("Any", FakeDefinitions(life.ledger.budgets)),
            telemetry=dependencies.telemetry,
            new_nonce=lambda: f"bulk-{next(self._numbers)}",
            approvals={"default": Decimal(approving.above) / 100} if approving else {},
        )


def name_of(row: Wanted) -> str:
    return f"row-{row.number}"
