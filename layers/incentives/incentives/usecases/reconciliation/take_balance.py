"""Take an account's balance: ask Amazon, keep it in the books with what we knew of the spend, and see what explains it.

    counted charges -> Amazon -> amounts at risk -> counted charges

In that order whatever Amazon had charged when it answered is at risk or counted, but for what the ledger's stream has
not brought yet. So before a decrease is believed, the last two are read again, a few seconds later; and what is left
of it then is held against the ledger itself, whose stream may have been stuck for longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import Days, charged_on, minor_units
from incentives.domain.errors import BooksUnavailable, LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.reconciliation.balance import (
    COUNTED_DAYS,
    BalanceSnapshot,
    Decrease,
    can_be_judged,
    counted_since,
    unexplained_decrease,
)
from incentives.usecases.accounts.funds import take_snapshot
from incentives.usecases.reconciliation.sources import records_created

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account, AccountFunds
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.accounts.dependencies import WatchDependencies
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.reconciliation.ports import Books

#: The stream brings a charge within a second or two; six seconds are long for it.
READ_AGAIN_MAX: Final = 3
READ_AGAIN_AFTER_SECONDS: Final = 2.0

#: What was answered so shortly before the base's own response may have been charged after Amazon had told its balance.
ANSWERED_BEFORE: Final = timedelta(seconds=10)

#: For reading the ledger's last days, newest first: a watch has forty for an account.
READ_LEDGER_SECONDS: Final = 6.0


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
            if unexplained_decrease(base, middle, snapshot) is None:
                return Taken(funds, is_explained=can_be_judged(base, middle, snapshot))
            return _held_against_the_ledger(base, middle, snapshot, funds, watch)
        case _:
            books.keep_balance(snapshot)
            return Taken(funds)


def _held_against_the_ledger(
    base: BalanceSnapshot,
    middle: BalanceSnapshot,
    newest: BalanceSnapshot,
    funds: AccountFunds,
    watch: WatchDependencies,
) -> Taken:
    """Whether a decrease that counted charges do not explain is what Amazon answered and nobody has counted."""
    clock, telemetry, answered, is_whole = watch.dependencies.clock, watch.dependencies.telemetry, 0, True
    until = clock.now() + timedelta(seconds=READ_LEDGER_SECONDS)
    try:
        for record in _records_of_the_last_days(base.account, watch):
            if clock.now() > until:
                is_whole = False
                break
            answered += _charged_since(record, base)
            if unexplained_decrease(base, middle, newest, answered=answered) is None:
                telemetry.log("spendBehind", account=base.account)
                return Taken(funds, is_explained=True)
    except LedgerUnavailable:
        telemetry.log("accountUnread", account=base.account)
        return Taken(funds)
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        # The very record, maybe, that the stream is stuck at.
        telemetry.log("accountUnread", account=base.account, exception=type(error).__name__)
        is_whole = False
    if not is_whole and answered > counted_since(base, newest):
        # Counting is behind, and nobody knows by how much: its own alarm tells of that.
        telemetry.log("spendBehind", account=base.account)
        return Taken(funds)
    return Taken(funds, unexplained_decrease(base, middle, newest, answered=answered))


def _records_of_the_last_days(account: str, watch: WatchDependencies) -> Iterator[Record]:
    """Newest first, of the days of which charges are counted."""
    if watch.index is not None:
        midnight = datetime.combine(watch.today, time(), UTC)
        for start in (midnight - timedelta(days=n) for n in range(COUNTED_DAYS)):
            yield from records_created(account, start, start + timedelta(days=1), watch.index)


def _charged_since(record: Record, base: BalanceSnapshot) -> int:
    """What a request was charged after a balance, in minor units; what was reversed again is not taken out."""
    is_since = record.answered_at is not None and record.answered_at >= base.taken_at - ANSWERED_BEFORE
    return minor_units(record.value) if is_since and record.value.currency == base.available.currency else 0


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
