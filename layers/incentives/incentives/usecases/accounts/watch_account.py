"""Watch the accounts: ask for each one's balance, measure how long it lasts and how old its key is, and raise alerts.

Accounts do not know of each other: whatever goes wrong with one is counted and told, and the next one's turn comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.alerts import Check, after_check, judge
from incentives.domain.errors import AccountUnusable, AmazonUnavailable, GatewayError, LedgerUnavailable
from incentives.usecases.accounts.freeze import keep_frozen
from incentives.usecases.accounts.raise_alerts import figures_of, raise_alerts
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.reconciliation.take_balance import take_balance

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account
    from incentives.usecases.accounts.dependencies import WatchDependencies
    from incentives.usecases.reconciliation.take_balance import Taken

#: Between two watches, as the schedule has it.
WATCH_EVERY_SECONDS: Final = 900

#: For asking about one account, however much time there is: one try, a wait, and another.
SECONDS_TO_ASK: Final = 22.0

#: For one account in all: asking, waiting for its spend to be counted, reading and writing its state, telling.
SECONDS_FOR_AN_ACCOUNT: Final = 40.0


def watch_accounts(default: str | None, watch: WatchDependencies, seconds_left: Callable[[], float]) -> dict[str, int]:
    """Watch every account once; nothing that goes wrong keeps the others waiting or the schedule from coming again.

    Args:
        default: the account of requests that name none: watched from the start.
        watch: the ports.
        seconds_left: of this invocation, asked anew each time.

    Returns:
        How many accounts were watched, failed, or left for the next time.
    """
    telemetry = watch.dependencies.telemetry
    done = {"watched": 0, "failed": 0, "skipped": 0}
    names = names_of(default, watch)
    if watch.freezes is not None:
        # Of all of them first: it takes no time, and must not wait for whoever Amazon is slow to answer.
        keep_frozen(names, watch.freezes, watch.dependencies)
    for name in names:
        if seconds_left() < SECONDS_FOR_AN_ACCOUNT:
            telemetry.log("watchSkipped", account=name)
            done["skipped"] += 1
        else:
            done["watched" if _is_watched(name, watch) else "failed"] += 1
    for end, number in done.items():
        telemetry.count(f"Account{end.title()}", number)
    return done


def names_of(default: str | None, watch: WatchDependencies) -> list[str]:
    """The accounts that there are, another one first each time."""
    telemetry = watch.dependencies.telemetry
    try:
        listed = watch.states.accounts()
    except LedgerUnavailable:
        telemetry.log("accountsUnlisted")
        telemetry.count("AccountFailed")
        listed = []
    names = sorted({*listed, *([default] if default else [])})
    if not names:
        return []
    # Should time run out before the last one's turn, it is another one's next time.
    first = int(watch.dependencies.clock.now().timestamp() // WATCH_EVERY_SECONDS) % len(names)
    return names[first:] + names[:first]


def _is_watched(name: str, watch: WatchDependencies) -> bool:
    try:
        watch_account(name, watch)
    except Exception as error:  # noqa: BLE001 - a fault in one account's data must not hide the others
        watch.dependencies.telemetry.log("watchFailed", account=name, exception=type(error).__name__)
        return False
    return True


def watch_account(name: str, watch: WatchDependencies) -> None:
    """Watch one account.

    Raises:
        LedgerUnavailable: what is known of the account cannot be read or written; its metrics are out all the same.
    """
    dependencies = watch.dependencies
    until = dependencies.clock.now().timestamp() + SECONDS_TO_ASK
    account, taken, check, why = _ask(name, watch, Budget(lambda: until - dependencies.clock.now().timestamp()))
    funds, now = taken.funds if taken else None, dependencies.clock.now()
    key_days = _age_days(account, now)
    _measure(dependencies, name, AccessKeyAgeDays=key_days, AvailableFunds=funds.available.amount if funds else None)
    found = figures_of(name, funds, watch, check=check, key_days=key_days, why=why)
    if taken is not None:
        found = replace(found, unexplained=taken.unexplained, is_explained=taken.is_explained)
    average, days = found.average, found.days_remaining
    _measure(
        dependencies, name, AverageDailySpend=average.amount if average else None, DaysRemaining=days if funds else None
    )
    raise_alerts(found, lambda standing: after_check(standing, judge(found, watch.limits, standing), now), watch)


def _ask(name: str, watch: WatchDependencies, budget: Budget) -> tuple[Account | None, Taken | None, Check, str]:
    """The account and its balance, as far as they can be had, and why not."""
    dependencies = watch.dependencies
    account = None
    try:
        account = dependencies.accounts.get(name)
        return account, take_balance(account, watch, budget), Check.ANSWERED, ""
    except AccountUnusable as error:
        # Without a secret there was no key that Amazon could refuse.
        check = Check.KEY_REFUSED if account else Check.REFUSED
        return account, None, check, error.detail
    except (AmazonUnavailable, LedgerUnavailable) as error:
        return account, None, Check.UNANSWERED, error.detail
    except GatewayError as error:
        return account, None, Check.REFUSED, error.detail
    except Exception as error:  # noqa: BLE001 - a response that breaks our reading of it is no response, and is told as such
        dependencies.telemetry.log("watchFailed", account=name, exception=type(error).__name__)
        return account, None, Check.UNANSWERED, f"The answer could not be read ({type(error).__name__})."


def _age_days(account: Account | None, now: datetime) -> int | None:
    if account is None or account.key_created_at is None:
        return None
    return max(0, (now - account.key_created_at).days)


def _measure(dependencies: Dependencies, account: str, **metrics: object) -> None:
    for name, value in metrics.items():
        if value is not None:
            dependencies.telemetry.count(name, float(str(value)), unit="None", account=account)
