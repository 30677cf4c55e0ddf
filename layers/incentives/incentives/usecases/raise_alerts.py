"""Raise an account's alerts: written down first, then told, then noted as told.

A process that dies in between leaves an alert that nobody was told of; the next watch tells it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Final, Protocol

from incentives.aws.events import NotPublished
from incentives.domain.alert_texts import text_of
from incentives.domain.alerts import Alert, Figures, Limits, Raised, Standing, after_telling, alert_event, to_tell
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.ledger import Record
from incentives.domain.spend import Charge
from incentives.usecases.funds import Balances
from incentives.usecases.publish_events import Bus
from incentives.usecases.tools import Tools

#: Two watches and a refused request at once are three; each of them writes twice.
TRIES_MAX: Final = 6


class AccountStates(Balances, Protocol):
    """What is known of accounts: balances, totals, alerts, and which accounts there are.

    Each method raises `LedgerUnavailable`.
    """

    def accounts(self) -> list[str]:
        """The accounts that have ever been asked about or charged."""

    def keep_standing(self, account: str, standing: Standing) -> bool:
        """Write the alerts that stand; False if others have written since."""

    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        """Count a request as its record stands, unless a newer version of it has been counted.

        Args:
            record: one version.
            was: what the version before it cost.
            now: aware UTC.

        Returns:
            Whether anything was written.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTools:
    """The ports, and what watching accounts needs beside them.

    Attributes:
        states: what is known of accounts.
        bus: where events go.
        limits: what the deployment sets.
    """

    tools: Tools
    states: AccountStates
    bus: Bus
    limits: Limits

    @property
    def today(self) -> date:
        """The UTC day."""
        return self.tools.clock.now().astimezone(UTC).date()


def raise_alerts(figures: Figures, change: Callable[[Standing], Standing], watch: WatchTools) -> None:
    """Change which alerts stand, and tell what is new.

    Args:
        figures: of the account, for the texts.
        change: from what stands to what is to stand; may be called again, if others write meanwhile.
        watch: the ports.

    Raises:
        LedgerUnavailable: nothing more was told than was written.
    """
    tools, account = watch.tools, figures.account
    before, after = _keep(account, change, watch)
    for alert in before.alerts.keys() - after.alerts.keys():
        tools.telemetry.log("alertRecovered", account=account, cause=alert.value)
    for alert in to_tell(before, after, tools.clock.now()):
        raised = after.alerts[alert]
        if _tell(alert, raised, figures, watch):
            _keep(account, partial(after_telling, alert=alert, raised=raised), watch)


def _keep(account: str, change: Callable[[Standing], Standing], watch: WatchTools) -> tuple[Standing, Standing]:
    for _ in range(TRIES_MAX):
        before = watch.states.read(account, watch.today).standing
        after = change(before)
        if after.alerts == before.alerts or watch.states.keep_standing(account, after):
            return before, after
    raise LedgerUnavailable("the account's alerts are written by too many at once", in_doubt=False)


def _tell(alert: Alert, raised: Raised, figures: Figures, watch: WatchTools) -> bool:
    tools = watch.tools
    fault = tools.people.notify(*text_of(alert, raised, figures, watch.limits))
    tools.telemetry.log("alertTold" if fault is None else "alertNotTold", account=figures.account, cause=alert.value)
    if fault is not None:
        # It stays untold: the next watch tries again, and the alarm on this metric goes another way.
        tools.telemetry.count("AlertNotTold")
        return False
    tools.telemetry.count("AlertTold")
    try:
        watch.bus.publish([alert_event(alert, raised, figures)])
    except NotPublished as error:
        # People know; telling them every hour until the bus works again would help nobody.
        tools.telemetry.log("eventsNotPublished", account=figures.account, because=str(error))
    return True
