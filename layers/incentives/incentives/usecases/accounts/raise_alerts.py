"""Raise an account's alerts: written down first, then told, then noted as told.

A process that dies in between leaves an alert that nobody was told of; the next watch tells it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.alert_texts import text_of
from incentives.domain.accounts.alerts import (
    Alert,
    AlertStanding,
    Check,
    Figures,
    Raised,
    after_telling,
    alert_event,
    to_tell,
)
from incentives.domain.accounts.funds import outlook_of
from incentives.domain.accounts.spend import spent_on
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.events import NotPublished

if TYPE_CHECKING:
    from incentives.domain.accounts.account import AccountFunds
    from incentives.usecases.accounts.dependencies import WatchDependencies

#: Two watches and a refused request at once are three; each of them writes twice.
TRIES_MAX: Final = 6


def raise_alerts(figures: Figures, change: Callable[[AlertStanding], AlertStanding], watch: WatchDependencies) -> None:
    """Change which alerts stand, and tell what is new.

    Args:
        figures: of the account, for the texts.
        change: from what stands to what is to stand; may be called again, if others write meanwhile.
        watch: the ports.

    Raises:
        LedgerUnavailable: nothing more was told than was written.
    """
    dependencies, account = watch.dependencies, figures.account
    before, after = _keep(account, change, watch)
    for alert in before.alerts.keys() - after.alerts.keys():
        dependencies.telemetry.log("alertRecovered", account=account, cause=alert.value)
    for alert in to_tell(before, after, dependencies.clock.now()):
        raised = after.alerts[alert]
        if _tell(alert, raised, figures, watch):
            _keep(account, partial(after_telling, alert=alert, raised=raised), watch)


def _keep(
    account: str, change: Callable[[AlertStanding], AlertStanding], watch: WatchDependencies
) -> tuple[AlertStanding, AlertStanding]:
    for _ in range(TRIES_MAX):
        before = watch.states.read(account, watch.today).standing
        after = change(before)
        if after.alerts == before.alerts or watch.states.keep_standing(account, after):
            return before, after
    raise LedgerUnavailable("the account's alerts are written by too many at once", in_doubt=False)


def _tell(alert: Alert, raised: Raised, figures: Figures, watch: WatchDependencies) -> bool:
    dependencies = watch.dependencies
    fault = dependencies.notifier.notify(*text_of(alert, raised, figures, watch.limits))
    dependencies.telemetry.log(
        "alertTold" if fault is None else "alertNotTold", account=figures.account, cause=alert.value
    )
    if fault is not None:
        # It stays untold: the next watch tries again, and the alarm on this metric goes another way.
        dependencies.telemetry.count("AlertNotTold")
        return False
    dependencies.telemetry.count("AlertTold")
    try:
        watch.bus.publish([alert_event(alert, raised, figures)])
    except NotPublished as error:
        # People know; telling them at every watch until the bus works again would help nobody.
        dependencies.telemetry.log("eventsNotPublished", account=figures.account, because=str(error))
    return True


def figures_of(
    name: str,
    funds: AccountFunds | None,
    watch: WatchDependencies,
    *,
    check: Check,
    key_days: int | None = None,
    why: str = "",
) -> Figures:
    """An account's figures.

    Args:
        name: of the account.
        funds: its balance as Amazon has just told it; None: the last one that was kept.
        watch: the ports.
        check: what came of asking for the balance.
        key_days: age of its access key.
        why: why there was no balance.

    Raises:
        LedgerUnavailable
    """
    now, today = watch.dependencies.clock.now(), watch.today
    state = watch.states.read(name, today)
    told_at = now if funds else (state.snapshot.taken_at if state.snapshot else None)
    newest = funds or (state.snapshot.funds if state.snapshot else None)
    outlook = outlook_of(newest, state, today) if newest else None
    return Figures(
        account=name,
        at=now,
        check=check,
        available=newest.available if newest else None,
        told_at=told_at,
        average=outlook.average_daily_spend if outlook else None,
        days_remaining=outlook.days_remaining if outlook else None,
        spent_today=spent_on(state.days, today, newest.available.currency) if newest else None,
        key_days=key_days,
        why=why,
    )
