"""Take an account's balance: ask Amazon, keep it in the books with what we knew of the spend, and see what explains it.

    counted charges -> Amazon -> amounts at risk -> counted charges

In that order whatever Amazon had charged when it answered is at risk or counted, but for what the ledger's stream has
not brought yet. So before a decrease is believed, the last two are read again, a few seconds later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import Days, charged_on, minor_units
from incentives.domain.errors import BooksUnavailable, LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.reconciliation.balance import (
    COUNTED_DAYS,
    BalanceSnapshot,
    Decrease,
    can_be_judged,
    unexplained_decrease,
)
from incentives.usecases.accounts.funds import take_snapshot

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account, AccountFunds
    from incentives.usecases.accounts.dependencies import WatchDependencies
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.ports import Books

#: The stream brings a charge within a second or two; six seconds are long for it.
READ_AGAIN_MAX: Final = 3
READ_AGAIN_AFTER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A balance, and whether what we sent explains it.

    Attributes:
        unexplained: what left the account although nothing explains it.
        is_explained: the last balances were compared, and nothing did. With neither, nobody can tell.
    """

    funds: AccountFunds
    unexplained: Decrease | None = None
    is_explained: bool = False


def take_balance(account: Account, watch: WatchDependencies, budget: Budget) -> Taken:
    """Ask Amazon for the balance, once, and keep it.

    What goes wrong with the books or with what is counted is logged; the balance is told all the same.

    Args:
        account: whose.
        watch: the ports; without books the balance is only asked for.
        budget: the time for asking Amazon.

    Raises:
        InvalidInput, AccountUnusable, AmazonUnavailable, RefusedByAmazon: see `funds.available_funds`.
    """
    if watch.books is None:
        return Taken(take_snapshot(account.name, watch.dependencies, watch.states, budget))
    before = _days(account.name, watch)
    funds = take_snapshot(account.name, watch.dependencies, watch.states, budget)
    taken_at = watch.dependencies.clock.now()
    snapshot = _with_explanation(
        BalanceSnapshot(
            account=account.name,
            partner_id=account.partner_id,
            taken_at=taken_at,
            as_of=funds.as_of,
            available=funds.available,
            counted_before=_counted(before or {}, funds.available.currency, watch.today),
        ),
        watch,
    )
    try:
        return _judged(snapshot, funds, watch, watch.books)
    except BooksUnavailable as error:
        watch.dependencies.telemetry.log("balanceNotKept", account=account.name, because=error.detail)
        watch.dependencies.telemetry.count("BalanceNotKept")
        return Taken(funds)


def _judged(snapshot: BalanceSnapshot, funds: AccountFunds, watch: WatchDependencies, books: Books) -> Taken:
    # One more than are needed: Amazon may have told the newest of them again.
    earlier = [each for each in books.last_balances(snapshot.account, 3) if each.as_of < snapshot.as_of]
    match earlier[:2]:
        case [middle, base]:
            for _ in range(READ_AGAIN_MAX):
                if unexplained_decrease(base, middle, snapshot) is None:
                    break
                watch.dependencies.clock.sleep(READ_AGAIN_AFTER_SECONDS)
                snapshot = _with_explanation(snapshot, watch)
            books.keep_balance(snapshot)
            found = unexplained_decrease(base, middle, snapshot)
            return Taken(funds, found, is_explained=found is None and can_be_judged(base, middle, snapshot))
        case _:
            books.keep_balance(snapshot)
            return Taken(funds)


def _with_explanation(snapshot: BalanceSnapshot, watch: WatchDependencies) -> BalanceSnapshot:
    """A snapshot with what is at risk and counted by now; what was at risk before may have been counted since."""
    currency = snapshot.available.currency
    try:
        sums = watch.dependencies.ledger.amount_at_risk(snapshot.account)
    except LedgerUnavailable:
        sums = None
    after = _days(snapshot.account, watch)
    if sums is None or after is None:
        return replace(snapshot, at_risk=None)
    at_risk = minor_units(Money(sums[currency], currency)) if currency in sums else 0
    return replace(
        snapshot, counted_after=_counted(after, currency, watch.today), at_risk=max(at_risk, snapshot.at_risk or 0)
    )


def _days(account: str, watch: WatchDependencies) -> Days | None:
    try:
        return watch.states.read(account, watch.today).days
    except LedgerUnavailable:
        watch.dependencies.telemetry.log("accountUnread", account=account)
        return None


def _counted(days: Days, currency: str, today: date) -> Mapping[date, int]:
    last = [today - timedelta(days=n) for n in range(COUNTED_DAYS)]
    return {day: charged_on(days, day, currency) for day in reversed(last)}
