"""Set a budget: make it, change its limit, or stop it from being taken from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incentives.domain.accounts.spend import minor_units, money_of
from incentives.domain.budgets.budget import Budget, PeriodKind
from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetBusy, BudgetConflict, LedgerUnavailable
from incentives.domain.reconciliation.days import next_month

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.usecases.budgets.dependencies import BudgetDependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants a budget to be.

    Attributes:
        caller: ARN of who asks.
    """

    name: str
    limit: Money
    kind: PeriodKind
    active: bool
    caller: str | None

    def is_met_by(self, budget: Budget) -> bool:
        """Whether the budget is so already. Raises `BudgetConflict`: it can never be."""
        if budget.currency != self.limit.currency:
            raise BudgetConflict(
                f"Budget {self.name!r} is in {budget.currency}, for good: make another one for {self.limit.currency}."
            )
        if budget.kind is not self.kind:
            raise BudgetConflict(
                f"Budget {self.name!r} has a limit {'per month' if budget.kind is PeriodKind.MONTH else 'in total'}, "
                "for good: make another one."
            )
        return (budget.limit, budget.active) == (minor_units(self.limit), self.active)


def set_budget(wanted: Wanted, here: BudgetDependencies) -> BudgetFigures:
    """Make a budget, or change it. What is so already is not written again.

    Returns:
        How it stands in the current period.

    Raises:
        BudgetConflict: its currency or its kind of period would change; or the limit would fall below what is held and
            spent; or somebody else changes it at the same time.
        BudgetBusy: too many take from it at this moment, and nothing was done.
        LedgerUnavailable: it may be done all the same; the same call says.
    """
    before = here.definitions.get(wanted.name)
    if before is None or not wanted.is_met_by(before):
        written = _write(before, wanted, here)
        if written is not None:
            here.dependencies.telemetry.log("budgetSet", budget=wanted.name, version=written.version)
    try:
        found = here.definitions.figures([(wanted.name, here.period_now(wanted.kind))])
    except BudgetBusy:
        # It is set by now, so this must not say that nothing was done.
        found = []
    if not found:
        raise LedgerUnavailable("the budget is set, and could not be read", in_doubt=True)
    return found[0]


def _write(before: Budget | None, wanted: Wanted, here: BudgetDependencies) -> Budget | None:
    now, period = here.dependencies.clock.now(), here.period_now(wanted.kind)
    # Also the month to come: a request whose clock is ahead of this one may have taken from it.
    periods = [period] if wanted.kind is PeriodKind.TOTAL else [period, next_month(period)]
    limit = minor_units(wanted.limit)
    if before is None:
        after = Budget(
            name=wanted.name,
            limit=limit,
            currency=wanted.limit.currency,
            kind=wanted.kind,
            active=wanted.active,
            version=1,
            created_at=now,
            changed_at=now,
            changed_by=wanted.caller,
        )
    else:
        after = replace(
            before,
            limit=limit,
            active=wanted.active,
            version=before.version + 1,
            changed_at=now,
            changed_by=wanted.caller,
        )
    match here.definitions.define(before, after, periods, here.dependencies.new_nonce()):
        case Budget() as written:
            return written
        case TooLittleLeft(left):
            least = money_of(left.limit - left.remaining, left.currency)
            raise BudgetConflict(
                f"In {left.period}, {least} are held or spent: the limit cannot be lower. "
                "To let nothing more be taken, set `active` to false."
            )
        case BudgetMoved(current):
            # Whoever was faster may have written the very same.
            if current is None or not wanted.is_met_by(current):
                raise BudgetConflict(
                    f"Somebody else changed budget {wanted.name!r} at the same time. Look at it, then set it again."
                )
    return None
