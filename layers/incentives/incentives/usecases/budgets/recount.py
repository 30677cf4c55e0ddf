"""Count budgets again, from the ledger and the bulk orders, and tell the operators where a budget says otherwise.

A difference is told once two rounds of looks, some minutes apart, have found the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import money_of
from incentives.domain.budgets.budget import TOTAL, PeriodKind
from incentives.domain.budgets.recount import COUNTED_WITHIN, Difference, Found, Key, Ledger, Look, by_key, compare
from incentives.domain.errors import BudgetBusy, LedgerUnavailable
from incentives.domain.reconciliation.days import bounds, days_of, previous_month

if TYPE_CHECKING:
    from incentives.domain.budgets.budget import Budget
    from incentives.domain.budgets.recount import HeldOrder, HeldRequest
    from incentives.usecases.budgets.dependencies import BudgetDependencies
    from incentives.usecases.budgets.ports import Recounts

#: Of one round, so that some of them are at quiet moments.
LOOKS: Final = 5
SECONDS_BETWEEN_LOOKS: Final = 20.0

#: From the last look until the ledger's index is read: by then it shows all that was written before the look.
INDEX_SECONDS: Final = 120.0

#: What is left to do once all has been read.
SECONDS_TO_TELL: Final = 30.0

#: Orders older than this are told of. The orders' bucket keeps files for 90 days: a fortnight is left to end an order.
HELD_FOR_MAX: Final = timedelta(days=75)

_DEFINITIONS: Final = 100
_READ_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecountDependencies:
    """The ports, and what a recount needs beside them.

    Attributes:
        accounts: those that anything was ever counted of.
        seconds_left: of this invocation, asked anew each time.
    """

    budgets: BudgetDependencies
    recounts: Recounts
    accounts: Callable[[], Sequence[str]]
    seconds_left: Callable[[], float]

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises `LedgerUnavailable`: there is not enough of it."""
        self.check(seconds)
        self.budgets.dependencies.clock.sleep(seconds)

    def check(self, seconds: float = 0.0) -> None:
        """Raise `LedgerUnavailable` if there is no time left after a wait."""
        if self.seconds_left() - seconds < SECONDS_TO_TELL:
            raise LedgerUnavailable("there was no time to count all budgets again", in_doubt=False)


def recount_budgets(here: RecountDependencies) -> dict[str, int]:
    """Count every budget again: of one per month this month and the last, of others all of it.

    Returns:
        How many were counted, and how many differ.

    Raises:
        LedgerUnavailable: not all of them could be counted.
    """
    budgets = {each.name: each for each in _all(here)}
    wanted = [(each.name, period) for each in budgets.values() for period in _periods(each, here)]
    differences: list[Difference] = []
    if wanted:
        found = _round(wanted, budgets, here, ask_all=False)
        suspects = [key for key, each in found.items() if each.differs]
        again = _round(suspects, budgets, here, ask_all=True) if suspects else {}
        confirmed = (found[key].confirmed_by(each) for key, each in again.items())
        differences = [each for each in confirmed if each is not None]
    telemetry = here.budgets.dependencies.telemetry
    telemetry.count("BudgetDiffers", len(differences))
    for each in differences:
        _tell(each, here)
    if wanted:
        _tell_of_old_orders(here)
    return {"counted": len(wanted), "differ": len(differences)}


def _all(here: RecountDependencies) -> Iterable[Budget]:
    after = ""
    while page := here.budgets.definitions.listed(after, _DEFINITIONS):
        yield from page
        after = page[-1].name


def _periods(budget: Budget, here: RecountDependencies) -> list[str]:
    if budget.kind is PeriodKind.TOTAL:
        return [TOTAL]
    month = here.budgets.period_now(PeriodKind.MONTH)
    return [previous_month(month), month]


def _round(
    wanted: Sequence[Key], budgets: Mapping[str, Budget], here: RecountDependencies, *, ask_all: bool
) -> Mapping[Key, Found]:
    """Look at budgets some times, then read what there is."""
    now = here.budgets.dependencies.clock.now
    began = now()
    before = here.recounts.orders(began)
    looks: dict[Key, list[Look]] = {key: [] for key in wanted}
    for number in range(LOOKS):
        if number:
            here.wait(SECONDS_BETWEEN_LOOKS)
        for look in _look(wanted, here):
            looks[look.figures.budget.name, look.figures.period].append(look)
    here.wait(INDEX_SECONDS)
    after = here.recounts.orders(began, before)
    requests = by_key(_requests(wanted, budgets, here))
    found: dict[Key, Found] = {}
    for key in wanted:
        here.check()
        its = requests.get(key, ())
        asked = _asked(its, now(), ask_all=ask_all)
        counted = here.recounts.counted(asked)
        ledger = Ledger(
            requests=its,
            counted=counted,
            asked=frozenset(request_id for _, request_id in asked),
            orders=_orders(key, before, after),
            now=now(),
        )
        compared = compare(looks[key], ledger)
        if compared is not None:
            found[key] = compared
    return found


def _look(wanted: Sequence[Key], here: RecountDependencies) -> list[Look]:
    now, definitions = here.budgets.dependencies.clock.now, here.budgets.definitions
    found: list[Look] = []
    for key in wanted:
        since = now()
        try:
            figures = definitions.figures([key])
        except BudgetBusy:
            # One that is written without a pause is looked at another time.
            continue
        until = now()
        found += [Look(since, until, each) for each in figures]
    return found


def _orders(
    key: Key, before: Mapping[str, HeldOrder], after: Mapping[str, HeldOrder]
) -> Mapping[str, tuple[HeldOrder | None, HeldOrder | None]]:
    pairs = {order_id: (before.get(order_id), after.get(order_id)) for order_id in (*before, *after)}
    return {
        order_id: pair
        for order_id, pair in pairs.items()
        if any(each is not None and (each.budget, each.period) == key for each in pair)
    }


def _requests(wanted: Sequence[Key], budgets: Mapping[str, Budget], here: RecountDependencies) -> Iterable[HeldRequest]:
    keys = set(wanted)
    first = min(_begins(budgets[name], period, here) for name, period in wanted)
    last = here.budgets.dependencies.clock.now().astimezone(UTC).date()
    # In this order: what ends in between is counted, or is so soon.
    still_open = here.recounts.open_accounts()
    for account in sorted({*still_open, *here.accounts()}):
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            here.check()
            for read, each in enumerate(here.recounts.requests(account, day), start=1):
                if read % _READ_AT_ONCE == 0:
                    # A day may have more of them than there is time for.
                    here.check()
                if each.key in keys:
                    yield each


def _begins(budget: Budget, period: str, here: RecountDependencies) -> date:
    """The first day (UTC) on which anything can have been taken, and one more for clocks that differ."""
    start: datetime = budget.created_at
    if period != TOTAL:
        start = max(start, bounds(days_of(period)[0], here.budgets.zone)[0])
    return start.astimezone(UTC).date() - timedelta(days=1)


def _asked(requests: Iterable[HeldRequest], now: datetime, *, ask_all: bool) -> list[tuple[str, str]]:
    """The requests of which to read what they were counted as: ended, following another, or charged lately."""
    asked: dict[tuple[str, str], None] = {}
    for each in requests:
        is_late = each.updated_at < now - COUNTED_WITHIN
        if each.has_ended or (each.is_charged and (ask_all or not is_late)):
            asked[each.account, each.request_id] = None
        if each.replaces is not None:
            asked[each.account, each.replaces] = None
    return list(asked)


def _tell(difference: Difference, here: RecountDependencies) -> None:
    dependencies = here.budgets.dependencies
    dependencies.telemetry.log(
        "budgetDiffers",
        budget=difference.budget,
        period=difference.period,
        currencyCode=difference.currency,
        remaining=difference.remaining,
        expectedRemaining=difference.expected_remaining,
        spent=difference.spent,
        expectedSpent=difference.expected_spent,
        notCounted=",".join(difference.not_counted) or None,
    )
    fault = dependencies.notifier.notify(*_text(difference))
    if fault is not None:
        dependencies.telemetry.count("AlertNotTold")


def _tell_of_old_orders(here: RecountDependencies) -> None:
    """Tell of orders that still hold when their rows are about to be removed: nobody could settle them any more."""
    dependencies = here.budgets.dependencies
    now = dependencies.clock.now()
    for order in here.recounts.orders(now).values():
        if not order.holds or order.created_at is None or order.created_at > now - HELD_FOR_MAX:
            continue
        dependencies.telemetry.log("orderHoldsTooLong", orderId=order.order_id, budget=order.budget)
        fault = dependencies.notifier.notify(
            f"Bulk order {order.order_id} holds money of budget {order.budget}",
            f"Bulk order {order.order_id} was made {(now - order.created_at).days} days ago and has not ended. Its "
            "file is removed 90 days after it was put. From then on what it holds of the budget cannot be given back. "
            f"Resume or stop it before: POST /orders/{order.order_id}/stop\n",
        )
        if fault is not None:
            dependencies.telemetry.count("AlertNotTold")


def _text(difference: Difference) -> tuple[str, str]:
    def text(minor: int) -> str:
        return money_of(minor, difference.currency).amount_text

    where = f"budget {difference.budget}, {difference.period}"
    figures = (
        f"It says {text(difference.remaining)} {difference.currency} remaining and {text(difference.spent)} spent; by "
        f"the ledger and the bulk orders it is {text(difference.expected_remaining)} remaining and "
        f"{text(difference.expected_spent)} spent."
    )
    uncounted = (
        f" Requests that have ended and were not counted: {', '.join(difference.not_counted)}. To count them: "
        "make count-again."
        if difference.not_counted
        else ""
    )
    return (
        f"Budget differs: {where}",
        f"Recounted, {where} is not what it says. {figures}{uncounted} docs/budgets.md says what to do.",
    )
