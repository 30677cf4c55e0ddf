"""Who sets budgets in a simulated history, and who freezes the account and unfreezes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from incentives.domain.calls import Call
from incentives.domain.errors import (
    AccountFrozen,
    BudgetBusy,
    BudgetConflict,
    BudgetExceeded,
    BudgetUnusable,
    GatewayError,
    LedgerUnavailable,
)
from incentives.domain.money import parse_money
from incentives.domain.single_requests.record import KeyItem, Record, Status
from incentives.domain.single_requests.renewal import OWN_REFUSALS
from incentives.usecases.accounts.dependencies import AccountDependencies
from incentives.usecases.accounts.freeze import freeze, unfreeze
from incentives.usecases.budgets.dependencies import BudgetDependencies
from incentives.usecases.budgets.recount import RecountDependencies, recount_budgets
from incentives.usecases.budgets.set_budget import Wanted, set_budget
from incentives.usecases.dependencies import Budget, Dependencies
from tests.simulation.plan import Visit, What
from tests.simulation.plan_control import Freezing, Limit
from tests.simulation.ports import Died, ProcessClock
from tests.simulation.sums import ACCOUNTS, BUDGETS, check_end
from tests.simulation.tables import Adapters, Tables

if TYPE_CHECKING:
    from tests.simulation.life import Life
    from tests.support.ports import Ports

#: As the template has it, of the daily recount.
LONG_FUNCTION_SECONDS: Final = 900.0

#: A recount takes clocks to be no further apart.
CLOCKS_APART_SECONDS: Final = 2.0

#: Between two tries of whoever was not answered.
AGAIN_SECONDS: Final = 5.0

FINANCE: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Finance_0123456789abcdef/finance@example.com"
#: Whoever was under way when the account was frozen is done by then.
UNDER_WAY_SECONDS: Final = 90.0

#: Errors that say that nothing was written.
NOTHING_WRITTEN: Final = (AccountFrozen, BudgetBusy, BudgetExceeded, BudgetUnusable)

#: Visits that may write a request.
_ORDERING: Final = frozenset({What.ORDER, What.LATER, What.OTHER_BODY})

OPERATOR: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Operator_0123456789abcdef/operator@example.com"


def is_own_refusal(record: Record) -> bool:
    """Whether whoever repeats a request opens its next generation."""
    return record.status is Status.REFUSED and record.refusal is not None and record.refusal.type in OWN_REFUSALS


class ControlDesk:
    """Finance and operators.

    Attributes:
        frozen_at: when somebody was told that the account is frozen; None: nobody was, or it is to be unfrozen.
    """

    def __init__(self, life: Life, tables: Tables) -> None:
        self._life, self._tables = life, tables
        self.frozen_at: float | None = None
        control = life.plan.control
        for campaign in control.campaigns:
            for limit in campaign.limits[1:]:
                life.begin(lambda name=campaign.name, limit=limit: self._set(name, limit), after_seconds=limit.at)  # type: ignore[misc] # bound here
        self._frozen: list[tuple[float, float]] = []
        self._arrived: set[str] = set()
        #: Nonces of writes of which callers were told that they were not made.
        self._unwritten: set[str] = set()
        if max(life.plan.skews) - min(life.plan.skews) < CLOCKS_APART_SECONDS:
            for at in control.recounts:
                life.begin(self._recount, after_seconds=at)
        if control.freezes:
            life.begin(lambda: self._freeze_all(control.freezes))

    def _set(self, name: str, limit: Limit) -> None:
        wanted = Wanted(
            name=name,
            limit=parse_money(f"{limit.cents / 100:.2f}", "USD"),
            kind=self._tables.kind,
            active=limit.active,
            caller=FINANCE,
        )

        def work(dependencies: Dependencies, adapters: Adapters) -> Any:
            here = BudgetDependencies(
                dependencies=dependencies, definitions=adapters.definitions, zone=cast("Any", self._tables.zone)
            )
            return set_budget(wanted, here)

        try:
            self._until_done(work)
        except BudgetConflict:
            self._life.faults["budget not set"] += 1

    def _recount(self) -> None:
        """While everything goes on: what differs then would be a false alarm."""
        life = self._life

        def work(dependencies: Dependencies, budget: Budget) -> dict[str, int]:
            return self._recounted(dependencies, cast("Adapters", life.adapters), budget.seconds_left)

        try:
            found = life.invoke(work, seconds=LONG_FUNCTION_SECONDS)
        except (Died, LedgerUnavailable, BudgetBusy):
            life.faults["recount failed"] += 1
            return
        life.faults["recounted"] += 1
        if found["differ"]:
            life.broken.append("I12 a recount has found a difference, and there was none")

    def _recounted(
        self, dependencies: Dependencies, adapters: Adapters, seconds_left: Callable[[], float]
    ) -> dict[str, int]:
        budgets = BudgetDependencies(
            dependencies=dependencies, definitions=adapters.definitions, zone=cast("Any", self._tables.zone)
        )
        here = RecountDependencies(
            budgets=budgets, recounts=adapters.recounts, accounts=lambda: ["default"], seconds_left=seconds_left
        )
        return recount_budgets(here)

    def _freeze_all(self, freezes: Sequence[Freezing]) -> None:
        life = self._life
        for each in freezes:
            life.stage.sleep(max(0.0, each.at - life.stage.seconds))
            self._until_answered(lambda here: freeze("default", "a leak", OPERATOR, here))
            self.frozen_at = life.stage.seconds
            life.stage.sleep(max(0.0, each.until - life.stage.seconds))
            self._frozen.append((self.frozen_at, life.stage.seconds))
            self.frozen_at = None
            self._until_answered(lambda here: unfreeze("default", OPERATOR, here))

    def on_arrival(self, call: Call, record: Record | None) -> Iterator[str]:
        """What is wrong with a call that is about to have its effect, if somebody was told that nothing new leaves."""
        is_first = call.request_id not in self._arrived and record is not None and record.attempts == 1
        self._arrived.add(call.request_id)
        if self.frozen_at is None or record is None or call.name != record.operation.value:
            return
        if self._life.is_held_up:
            # Nobody can hold back a process that stands still between its last look and Amazon.
            self._life.faults["left frozen, and late"] += 1
        elif is_first:
            yield f"frozen: {call.request_id} was sent for the first time"
        elif record.status is Status.SUCCEEDED:
            yield f"frozen: the code of {call.request_id} was read"

    def on_refused(
        self, visit: Visit, error: GatewayError, first: KeyItem | None, nonces: Sequence[str]
    ) -> Iterator[str]:
        """What is wrong with a caller being told this: nothing is written then, and a repeat needs no budget."""
        if not isinstance(error, NOTHING_WRITTEN) or visit.what not in _ORDERING:
            return
        self._unwritten.update(nonces)
        self._life.faults[f"told {type(error).__name__}"] += 1
        if first is not None and not any(is_own_refusal(each) for each in self._chain(first)):
            yield f"I6 {visit.what.value} {visit.order} was told {type(error).__name__}, and its key is taken"

    def check_end(self) -> Iterator[str]:
        yield from check_end(self._tables)
        if self._life.plan.control.required:
            free = [each.request_id for each in self._life.ledger.records.values() if each.budget is None]
            yield from (f"I12 {request_id} names no budget, and must" for request_id in free)
        for request_id, opened_at in self._life.ledger.opened_at.items():
            seconds = (opened_at - self._life.stage.started).total_seconds()
            if self._life.ledger.records[request_id].reissues:
                # Of a request that was there before.
                continue
            if any(since + UNDER_WAY_SECONDS < seconds < until for since, until in self._frozen):
                yield f"frozen: {request_id} was recorded"
        freeze_item = self._tables.dynamo.tables[ACCOUNTS].get(("default", "freeze"), {})
        if (
            self._frozen
            and not self._life.plan.notifier
            and ("toldAt" not in freeze_item or not self._life.notifier.notices)
        ):
            yield "frozen: nobody was told"
        for nonce in self._life.ledger.nonces & self._unwritten:
            yield f"I6 a caller was told that {nonce} was not written"

    def _check_recount(self) -> Iterator[str]:
        """Once all is over a recount finds nothing; and each cent that somebody takes away."""
        life, tables = self._life, self._tables
        dependencies = replace(cast("Ports", life.processes[0]), clock=ProcessClock(life.stage, 0.0))

        def differing() -> int:
            return self._recounted(dependencies, tables.seen, lambda: LONG_FUNCTION_SECONDS)["differ"]

        periods = [key for key in tables.dynamo.tables[BUDGETS] if key[1].startswith("period#")]
        if differing():
            yield "I12 a recount has found a difference, and there is none"
        for key in periods:
            item = tables.dynamo.tables[BUDGETS][key]
            tables.dynamo.tables[BUDGETS][key] = item | {"remaining": {"N": str(int(item["remaining"]["N"]) - 1)}}
        if differing() != len(periods):
            yield "I12 a recount has not found each difference"

    def _chain(self, key: KeyItem) -> Iterator[Record]:
        records = self._life.ledger.records
        record = records.get(key.request_id)
        while record is not None and record.replaces is not None:
            record = records[record.replaces]
        while record is not None:
            yield record
            record = records.get(record.replaced_by) if record.replaced_by else None

    def _until_answered(self, work: Callable[[AccountDependencies], object]) -> None:
        def asked(dependencies: Dependencies, adapters: Adapters) -> object:
            here = AccountDependencies(
                dependencies=dependencies, freezes=adapters.freezes, states=adapters.states, default="default"
            )
            return work(here)

        self._until_done(asked)

    def _until_done(self, work: Callable[[Dependencies, Adapters], object]) -> None:
        life = self._life
        while True:
            try:
                life.invoke(lambda dependencies, _: work(dependencies, cast("Adapters", life.adapters)))
            except (Died, LedgerUnavailable, BudgetBusy):
                life.stage.sleep(AGAIN_SECONDS)
            else:
                return
