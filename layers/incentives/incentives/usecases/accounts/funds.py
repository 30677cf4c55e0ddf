"""How much money an account has left: what Amazon said within the last minute, or else what it says now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date
from typing import TYPE_CHECKING, Final

from incentives.agcod.reading.responses import Funds
from incentives.domain.accounts.account import Account, AccountFunds
from incentives.domain.accounts.funds import FRESH_FOR, STALE_MAX, AccountState, Outlook, Snapshot, outlook_of
from incentives.domain.errors import AmazonUnavailable, LedgerUnavailable
from incentives.domain.rate_limit import Allowance
from incentives.usecases.ask import ask
from incentives.usecases.dependencies import CALL_SECONDS, Budget, Dependencies

if TYPE_CHECKING:
    from incentives.agcod.amazon import FundsResponse
    from incentives.usecases.ports import Balances

#: Enough for one try and no more: whoever can be told an older balance does not wait for a second.
_ONE_TRY: Final = Budget(lambda: 0.0)


def funds_outlook(account_name: str, dependencies: Dependencies, balances: Balances, budget: Budget) -> Outlook:
    """Tell the balance and how long it lasts.

    Amazon is asked once a minute at most, however many ask us. While it does not answer, a balance of the last hour is
    told instead: each balance comes with its time, and a dashboard is better served by an old number than by none.
    An account that cannot be used is an error whatever is known of its balance.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable, LedgerUnavailable: no response in time or no permit, and no balance of the last hour.
        RefusedByAmazon: Amazon refuses the account.
    """
    dependencies.accounts.get(account_name)
    state = _read(account_name, dependencies, balances)
    kept = state.snapshot
    if kept is not None and kept.is_within(FRESH_FOR, dependencies.clock.now()):
        return outlook_of(kept.funds, state, _today(dependencies))
    return outlook_of(_asked_or_kept(account_name, kept, dependencies, balances, budget), state, _today(dependencies))


def available_funds(
    account_name: str,
    dependencies: Dependencies,
    budget: Budget,
    *,
    told_already: Callable[[], AccountFunds | None] | None = None,
) -> AccountFunds:
    """Ask Amazon for the balance.

    Args:
        account_name: whose.
        dependencies: the ports.
        budget: the caller's time.
        told_already: asked once the permit has come; what it knows is answered, and Amazon is left alone.

    Raises:
        InvalidInput, AccountUnusable
        AmazonUnavailable: no response in time, or no permit.
        RefusedByAmazon: Amazon refuses the account.
    """

    def query(account: Account) -> FundsResponse:
        told = told_already() if told_already is not None else None
        return Funds(told.available, told.as_of) if told else dependencies.amazon.funds(account, seconds=CALL_SECONDS)

    response = ask(account_name, "balance", query, dependencies, budget, allowance=Allowance.FUNDS)
    return AccountFunds(account_name, response.value, response.timestamp or dependencies.clock.now())


def take_snapshot(account_name: str, dependencies: Dependencies, balances: Balances, budget: Budget) -> AccountFunds:
    """Ask Amazon for the balance, and keep it.

    Raises:
        InvalidInput, AccountUnusable, AmazonUnavailable, RefusedByAmazon: see `available_funds`.
    """
    funds = available_funds(account_name, dependencies, budget)
    _keep(funds, dependencies, balances)
    return funds


def _asked_or_kept(
    account_name: str, older: Snapshot | None, dependencies: Dependencies, balances: Balances, budget: Budget
) -> AccountFunds:
    shared: AccountFunds | None = None

    def told_meanwhile() -> AccountFunds | None:
        # Of callers that come at once the first asks Amazon; the others, who waited for their permits, need not.
        nonlocal shared
        kept = _read(account_name, dependencies, balances).snapshot
        shared = kept.funds if kept is not None and kept.is_within(FRESH_FOR, dependencies.clock.now()) else None
        return shared

    usable = older is not None and older.is_within(STALE_MAX, dependencies.clock.now())
    try:
        funds = available_funds(account_name, dependencies, _ONE_TRY if usable else budget, told_already=told_meanwhile)
    except (AmazonUnavailable, LedgerUnavailable):
        # Without a permit nobody has looked yet what others were told.
        kept = _read(account_name, dependencies, balances).snapshot or older
        if kept is None or not kept.is_within(STALE_MAX, dependencies.clock.now()):
            raise
        dependencies.telemetry.log("olderFundsTold", account=account_name)
        dependencies.telemetry.count("OlderFundsTold")
        return kept.funds
    if funds != shared:
        _keep(funds, dependencies, balances)
    return funds


def _keep(funds: AccountFunds, dependencies: Dependencies, balances: Balances) -> None:
    try:
        balances.keep_funds(Snapshot(funds, dependencies.clock.now()))
    except LedgerUnavailable:
        # They are told all the same; the next caller asks again.
        dependencies.telemetry.log("fundsNotKept", account=funds.account)


def _read(account_name: str, dependencies: Dependencies, balances: Balances) -> AccountState:
    try:
        return balances.read(account_name, _today(dependencies))
    except LedgerUnavailable:
        dependencies.telemetry.log("accountUnread", account=account_name)
        return AccountState()


def _today(dependencies: Dependencies) -> date:
    return dependencies.clock.now().astimezone(UTC).date()
