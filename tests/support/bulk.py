"""In-memory doubles of the ports of bulk orders, and the workflow without Step Functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from incentives.domain.accounts.spend import money_of
from incentives.domain.budgets.budget import Budget as BudgetDefinition
from incentives.domain.bulk_orders.bulk_order import (
    Batch,
    BulkOrder,
    Download,
    FileFormat,
    OrderMoved,
    OrderStatus,
    OrderView,
    RowsClaim,
    RowsTaken,
    Started,
    Upload,
)
from incentives.domain.bulk_orders.rows import Row, decode_rows
from incentives.domain.errors import OrderUnavailable
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.persons import Identity, RoleToLookUp
from incentives.domain.single_requests.record import Intent, KeyItem, Record
from incentives.domain.single_requests.request_ids import derive_request_id
from incentives.usecases.bulk_orders.control_order import Action, control_order
from incentives.usecases.bulk_orders.create_order import create_order
from incentives.usecases.bulk_orders.decide_order import Seen, approve_order, reject_order
from incentives.usecases.bulk_orders.dependencies import OrderDependencies
from incentives.usecases.bulk_orders.issue_batch import Next, Work, issue_batch
from incentives.usecases.bulk_orders.order_status import order_status
from incentives.usecases.bulk_orders.process_order import OrderProgress, OrderTask, process_order
from incentives.usecases.dependencies import Budget
from incentives.usecases.ports import Ledger
from tests.support.budgets import FakeBudgets
from tests.support.fakes import FakeClock, Scripted, World, world

#: A workflow that takes more steps than this never ends.
STEPS_MAX = 3000

#: Of a function: as the template has it.
FUNCTION_SECONDS = 60.0

#: Of a child of the workflow: as the definition has it.
CHILD_SECONDS = 200


class FakeOrders:
    """`Orders` in memory.

    Args:
        budgets: that orders take from.
        closed: batches that take no more rows: what a ledger looks at.
    """

    def __init__(self, budgets: FakeBudgets | None = None, closed: set[tuple[str, int]] | None = None) -> None:
        self.budgets = budgets or FakeBudgets()
        self.closed = set[tuple[str, int]]() if closed is None else closed
        self.orders: dict[str, tuple[BulkOrder, str]] = {}
        self.kept: dict[tuple[str, int], Batch] = {}
        self.lines: dict[tuple[str, int], str] = {}
        self.claims: dict[tuple[str, str], RowsClaim] = {}

    def create(self, order: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        if order.order_id in self.orders:
            current, wrote = self.orders[order.order_id]
            return current if wrote == nonce else OrderMoved(current)
        return self._put(order, nonce)

    def get(self, order_id: str) -> BulkOrder | None:
        return self.orders[order_id][0] if order_id in self.orders else None

    def move(self, before: BulkOrder, after: BulkOrder, nonce: str) -> BulkOrder | OrderMoved:
        current, wrote = self.orders.get(before.order_id, (None, ""))
        if current is None or (current.status, current.round) != (before.status, before.round):
            return current if current is not None and wrote == nonce else OrderMoved(current)
        return self._put(after, nonce)

    def begin(
        self, before: BulkOrder, after: BulkOrder, claim: RowsClaim, nonce: str, *, over: RowsClaim | None = None
    ) -> BulkOrder | OrderMoved | RowsTaken:
        held = self.claim_on(claim.account, claim.digest, claim.claimed_at)
        if not self._is_unmoved(before):
            return self.move(before, after, nonce)
        if held is not None and (over is None or (held.order_id, held.round) != (over.order_id, over.round)):
            return RowsTaken(held)
        if after.held and after.budget is not None:
            (currency,) = after.totals
            period = self.budgets.take(after.budget, money_of(after.held, currency), after.updated_at)
            after = replace(after, budget_period=period)
        self.claims[claim.account, claim.digest] = claim
        return self._put(after, nonce)

    def finish(self, before: BulkOrder, after: BulkOrder, nonce: str, *, unopened: int) -> BulkOrder | OrderMoved:
        if unopened and after.budget is not None and after.budget_period is not None and self._is_unmoved(before):
            self.budgets.give_back(after.budget, after.budget_period, unopened)
        return self.move(before, after, nonce)

    def close(self, order_id: str, number: int) -> None:
        self.closed.add((order_id, number))

    def newest(self, before: tuple[datetime, str] | None, limit: int) -> tuple[Sequence[BulkOrder], bool]:
        places = {(order.created_at, order.order_id): order for order, _ in self.orders.values()}
        found = sorted((place for place in places if before is None or place < before), reverse=True)
        return [places[place] for place in found[:limit]], len(found) > limit

    def _is_unmoved(self, before: BulkOrder) -> bool:
        current = self.get(before.order_id)
        return current is not None and (current.status, current.round) == (before.status, before.round)

    def claim_on(self, account: str, digest: str, now: datetime) -> RowsClaim | None:
        held = self.claims.get((account, digest))
        return held if held is not None and held.expires_at > now else None

    def batches(self, order_id: str) -> Sequence[Batch]:
        return [batch for (owner, _), batch in sorted(self.kept.items(), key=lambda each: each[0]) if owner == order_id]

    def batch(self, order_id: str, number: int) -> Batch:
        return self.kept.get((order_id, number), Batch(number=number))

    def advance(self, order_id: str, batch: Batch) -> Batch:
        current = self.kept.get((order_id, batch.number))
        if current is not None and (current.settled or (current.done, current.round) >= (batch.done, batch.round)):
            return current
        self.kept[order_id, batch.number] = batch
        return batch

    def settle(self, order_id: str, batch: Batch, lines: str | None) -> None:
        if lines is not None:
            self.lines[order_id, batch.number] = lines
        self.kept[order_id, batch.number] = batch

    def results(self, order_id: str) -> Iterator[str]:
        return (self.lines[key] for key in sorted(self.lines) if key[0] == order_id)

    def _put(self, order: BulkOrder, nonce: str) -> BulkOrder:
        self.orders[order.order_id] = (order, nonce)
        return order


class FakeOrderFiles:
    """`OrderFiles` in memory."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.files: dict[str, bytes] = {}
        self.fails: set[str] = set()

    def put(self, order_id: str, data: bytes) -> None:
        """As a caller does with an upload's URL."""
        self.files[f"{order_id}/upload"] = data

    def upload(self, order_id: str, file_format: FileFormat) -> Upload:
        return Upload(f"https://files.test/{order_id}", {"Content-Type": "text/csv"}, self.clock.now())

    def read_upload(self, order_id: str, bytes_max: int) -> bytes | None:
        self._may_fail("read_upload")
        data = self.files.get(f"{order_id}/upload")
        return None if data is None else data[: bytes_max + 1]

    def write_rows(self, order_id: str, rows: Iterable[bytes]) -> str:
        self._may_fail("write_rows")
        data = b"".join(rows)
        name = f"{order_id}/rows-{hashlib.sha256(data).hexdigest()}"
        self.files[name] = data
        return name

    def read_rows(self, order: BulkOrder, numbers: range) -> Sequence[Row]:
        self._may_fail("read_rows")
        assert order.rows_name is not None
        data, width = self.files[order.rows_name], order.row_bytes
        return decode_rows(data[numbers.start * width : numbers.stop * width], width)

    def write_result(self, order_id: str, parts: Iterable[str]) -> None:
        self._may_fail("write_result")
        self.files[f"{order_id}/result.csv"] = "".join(parts).encode()

    def result(self, order_id: str) -> Download:
        return Download(f"https://files.test/{order_id}/result.csv", self.clock.now())

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise OrderUnavailable(f"{method} failed")


@dataclass
class FakeOrderWorkflows:
    """`OrderWorkflows` that remembers what was started, and ends only when told."""

    started: list[tuple[str, int]] = field(default_factory=list)
    ended: set[tuple[str, int]] = field(default_factory=set)
    works: bool = True

    def start(self, order_id: str, round_number: int) -> Started:
        if not self.works:
            return Started.FAILED
        if (order_id, round_number) in self.ended:
            return Started.ENDED
        if (order_id, round_number) not in self.started:
            self.started.append((order_id, round_number))
        return Started.RUNNING


@dataclass
class FakeRecords:
    """`Records` on any ledger."""

    ledger: Ledger

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        found = ((each, self.ledger.get(each)) for each in request_ids)
        return {request_id: record for request_id, record in found if record is not None}

    def get_keys(self, key_hashes: Sequence[str]) -> Mapping[str, KeyItem]:
        found = (self.ledger.key(each) for each in key_hashes)
        return {key.key_hash: key for key in found if key is not None}


def user(name: str) -> Identity:
    """An IAM user."""
    unique_id = f"AIDA{name.upper():X<16}"
    return Identity(f"arn:aws:iam::123456789012:user/{name}", unique_id, unique_id)


MAKER, APPROVER = user("maker"), user("approver")


@dataclass
class FakeRolePaths:
    """`RolePaths`: IAM Identity Center has made every role that says so, but for those that are named."""

    elsewhere: set[str] = field(default_factory=set)
    region: str = "eu-central-1"

    def arn_of(self, role: RoleToLookUp) -> str | None:
        if role.name in self.elsewhere:
            return None
        return f"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/{self.region}/{role.name}"


@dataclass
class FakeDefinitions:
    """Of `BudgetDefinitions` what orders need."""

    budgets: FakeBudgets

    def get(self, name: str) -> BudgetDefinition | None:
        return self.budgets.definitions.get(name)


@dataclass
class Bulk:
    """Everything that a bulk order needs, each within reach."""

    world: World
    orders: FakeOrders
    files: FakeOrderFiles
    workflows: FakeOrderWorkflows
    dependencies: OrderDependencies
    role_paths: FakeRolePaths = field(default_factory=FakeRolePaths)

    def make(self, data: bytes | str = b"", key: str = "bulk-1", **updates: Any) -> str:
        """Make an order and put its file; its id."""
        order_id = self.create(key, **updates).order.order_id
        self.files.put(order_id, data.encode() if isinstance(data, str) else data)
        return order_id

    def create(self, key: str = "bulk-1", **updates: Any) -> OrderView:
        wanted: dict[str, Any] = {"account": "default", "file_format": FileFormat.CSV, "on_unknown": Intent.RETRY}
        return create_order(
            key=key,
            **({"identity": MAKER} | wanted | updates),
            caller="caller",
            dependencies=self.dependencies,
            accounts=self.world.dependencies.accounts,
        )

    def ask(self, order_id: str, action: Action, *, dry_run: bool = False, by: Identity | None = None) -> OrderView:
        return control_order(order_id, action, self.dependencies, dry_run=dry_run, identity=by or MAKER)

    def approve(self, order_id: str, *, by: Identity | None = None, **seen: Any) -> OrderView:
        """Approve an order as it stands now, unless something else was seen."""
        order = self.order(order_id)
        ((currency, amount),) = order.totals.items()
        what = Seen(**({"digest": order.approval_digest, "total": Money(amount, currency)} | seen))
        return approve_order(order_id, what, by or APPROVER, self.dependencies, self.role_paths)

    def reject(self, order_id: str, reason: str = "too much", *, by: Identity | None = None) -> OrderView:
        return reject_order(order_id, reason, by or APPROVER, self.dependencies)

    def view(self, order_id: str) -> OrderView:
        return order_status(order_id, self.dependencies)

    def order(self, order_id: str) -> BulkOrder:
        order = self.orders.get(order_id)
        assert order is not None
        return order

    def place(self, data: bytes | str, key: str = "bulk-1", **updates: Any) -> str:
        """Make an order, put its file, start it; nothing is done of it yet."""
        order_id = self.make(data, key, **updates)
        self.ask(order_id, Action.START)
        return order_id

    def issue(self, order_id: str, batch: int = 1, *, round_number: int | None = None, seconds: float = 60.0) -> Next:
        """One invocation of a child's task."""
        round_number = self.order(order_id).round if round_number is None else round_number
        work = Work(order_id, round_number, batch)
        return issue_batch(work, self.world.dependencies, self.dependencies, self.world.budget(seconds))

    def process(
        self, order_id: str, task: OrderTask, here: OrderProgress | None = None, *, seconds: float = 60.0
    ) -> OrderProgress:
        """One invocation of the workflow's task."""
        here = here or OrderProgress(order_id=order_id, round=self.order(order_id).round)
        return process_order(task, here, self.world.dependencies, self.dependencies, self.world.budget(seconds))

    def run(self, order_id: str, *, until: Callable[[OrderProgress], bool] = lambda _: False) -> OrderProgress:
        """Run the current round's workflow as its definition does, to its end or until it is to be left."""
        return run_workflow(self, order_id, self.order(order_id).round, until=until)

    def result(self, order_id: str) -> str:
        return self.files.files[f"{order_id}/result.csv"].decode("utf-8-sig")


def bulk(of: World | None = None, *, approvals: Mapping[str, Decimal] | None = None) -> Bulk:
    """A world with bulk orders in it."""
    of = of or world()
    orders = FakeOrders(of.budgets, of.ledger.closed)
    files, workflows = FakeOrderFiles(of.clock), FakeOrderWorkflows()
    dependencies = OrderDependencies(
        orders=orders,
        files=files,
        workflows=workflows,
        records=FakeRecords(of.ledger),
        budgets=of.budgets,
        definitions=FakeDefinitions(of.budgets),
        freezes=of.freezes,
        clock=of.clock,
        telemetry=of.telemetry,
        new_nonce=of.dependencies.new_nonce,
        approvals=dict(approvals or {}),
    )
    return Bulk(of, orders, files, workflows, dependencies)


def issuing(rows: int, *script: Scripted) -> tuple[Bulk, str]:
    """An order whose rows may be issued."""
    here = bulk(world(*script))
    order_id = here.place(rows_of(rows))
    here.process(order_id, OrderTask.VALIDATE)
    assert here.order(order_id).status is OrderStatus.ISSUING
    return here, order_id


def run_workflow(
    of: Bulk, order_id: str, round_number: int, *, until: Callable[[OrderProgress], bool] = lambda _: False
) -> OrderProgress:
    """Run a round's workflow: its tasks in turn, its children one after the other."""
    task, here = OrderTask.CHECK, OrderProgress(order_id=order_id, round=round_number)
    for _ in range(STEPS_MAX):
        here = process_order(task, here, of.world.dependencies, of.dependencies, budget_of(of.world.clock))
        of.world.clock.sleep(here.wait_seconds)
        if here.next is OrderTask.DONE or until(here):
            return here
        task = here.next
        if task is OrderTask.ISSUE:
            for number in here.batches:
                run_child(of, Work(order_id, round_number, number))
            task = OrderTask.CHECK
    raise AssertionError("the workflow does not end")


def run_child(of: Bulk, work: Work) -> None:
    """Run a child of the workflow to its end."""
    ends = of.world.clock.now() + timedelta(seconds=CHILD_SECONDS)
    left = Next.MORE
    while left is Next.MORE and of.world.clock.now() < ends:
        left = issue_batch(work, of.world.dependencies, of.dependencies, budget_of(of.world.clock))


def budget_of(clock: FakeClock) -> Budget:
    """The time of one invocation that begins now."""
    end = clock.now() + timedelta(seconds=FUNCTION_SECONDS)
    return Budget(lambda: (end - clock.time).total_seconds())  # noqa: PLW0108 - read anew each time


def csv_of(*rows: tuple[str, str], currency: str = "USD") -> str:
    """A file of keys and amounts."""
    return "key,amount,currency\n" + "".join(f"{key},{amount},{currency}\n" for key, amount in rows)


def rows_of(count: int, amount: str = "10.00") -> str:
    """A file of so many rows, `row-1` first."""
    return csv_of(*((f"row-{number}", amount) for number in range(1, count + 1)))


def row_id(order: BulkOrder, row_key: str) -> str:
    """What a row's first request is known by."""
    key_hash = order.key_hash(row_key)
    return derive_request_id(order.partner_id, order.account, Operation.CREATE_GIFT_CARD, key_hash, 0)
