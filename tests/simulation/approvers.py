"""Who approves a bulk order in a simulated history, or rejects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from incentives.domain.bulk_orders.bulk_order import BulkOrder
from incentives.domain.errors import NotThisPerson, OrderConflict
from incentives.domain.money import Money
from incentives.domain.persons import Identity
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.decide_order import Seen, approve_order, reject_order
from incentives.usecases.bulk_orders.dependencies import OrderDependencies
from incentives.usecases.dependencies import Dependencies

if TYPE_CHECKING:
    from tests.simulation.bulk import BulkDesk
    from tests.simulation.life import Life

FINANCE: Final = Identity("arn:aws:iam::123456789012:user/finance", "AIDAFINANCE01234", "AIDAFINANCE01234")


class Approvers:
    """A second person, and a first who would rather be it.

    Attributes:
        approved: objects of rows that were approved, as their approver had seen them.
        sent_back: objects of rows that had others put in their place before they were approved.
    """

    def __init__(self, life: Life, desk: BulkDesk) -> None:
        self._life, self._desk = life, desk
        self.approved: list[str | None] = []
        self._rejected = 0
        self.sent_back: set[str | None] = set()

    def attend(self, order: BulkOrder) -> None:
        """Decide, after some time, on what is seen now."""
        from tests.simulation.bulk import MAKER  # noqa: PLC0415 - each has the other

        life, plan = self._life, self._life.plan.control.approving
        assert plan is not None
        if plan.maker_tries:
            self._approve(order, MAKER)
        if plan.swaps and not self._rejected:
            # Whoever made it sends it back and puts other rows in its place, before what was seen is approved.
            if plan.races:
                life.begin(lambda: self._approve(order, FINANCE))
                life.stage.sleep(life.chance.uniform(0, 0.05))
            if not self._reject():
                return
            self.sent_back.add(order.rows_name)
            self._desk.put_file(1)
            self._desk.ask(Action.START)
        life.stage.sleep(plan.after)
        if self._rejected < plan.rejects:
            self._reject()
        else:
            self._approve(order, FINANCE)

    def _approve(self, seen: BulkOrder, by: Identity) -> None:
        ((currency, total),) = seen.totals.items()

        def work(_: Dependencies, desk: OrderDependencies) -> Any:
            try:
                return approve_order(
                    seen.order_id, Seen(seen.approval_digest or "", Money(total, currency)), by, desk, cast("Any", None)
                )
            except OrderConflict:
                self._life.faults["bulk: approved too late"] += 1
            except NotThisPerson:
                self._life.faults["bulk: approved by its maker"] += 1
            return None

        view = self._desk.until_done(work)
        if view is None:
            return
        if by is not FINANCE:
            self._life.broken.append("approval: a maker has approved his order")
        if seen.rows_name in self.sent_back:
            self._life.broken.append("approval: what was sent back has been approved")
        self.approved.append(seen.rows_name)

    def _reject(self) -> bool:
        """Whether it was sent back."""
        self._rejected += 1

        def work(_: Dependencies, desk: OrderDependencies) -> bool:
            try:
                reject_order(self._desk.order_id or "", "not this month", FINANCE, desk)
            except OrderConflict:
                self._life.faults["bulk: rejected too late"] += 1
                return False
            return True

        return self._desk.until_done(work)
