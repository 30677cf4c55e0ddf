"""An account's balance as Amazon last told it, and how long that counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.alerts import AlertStanding
from incentives.domain.accounts.spend import Days, average_daily_spend

if TYPE_CHECKING:
    from incentives.domain.accounts.account import AccountFunds
    from incentives.domain.money import Money

#: Within a minute everybody gets the same response: dashboards that ask every few seconds would use up the request rate
#: that cards are issued with.
FRESH_FOR: Final = timedelta(seconds=60)

#: While Amazon does not answer, an older balance is better than none, and its time is told with it. The watch takes
#: four an hour, so anything older means that all of those have failed too.
STALE_MAX: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A balance, and when we were told it.

    Attributes:
        taken_at: by our clock, aware UTC. Amazon's own time, `funds.as_of`, is for people.
    """

    funds: AccountFunds
    taken_at: datetime

    def is_within(self, age: timedelta, now: datetime) -> bool:
        """Whether it is younger than that. One from the future is the work of a wrong clock, and counts as old."""
        return abs(now - self.taken_at) < age


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What we know of an account without asking Amazon.

    Attributes:
        known_since: when its balance was first asked for; None: never.
        days: what was spent, by UTC day.
        standing: the alerts that stand.
    """

    snapshot: Snapshot | None = None
    known_since: datetime | None = None
    days: Days = field(default_factory=dict)
    standing: AlertStanding = field(default_factory=AlertStanding)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A balance, and how long it lasts.

    Attributes:
        average_daily_spend: over the last 14 whole days, or as many as the account is known; None on its first day.
        days_remaining: to one decimal, rounded down; None if nothing is spent.
    """

    funds: AccountFunds
    average_daily_spend: Money | None
    days_remaining: Decimal | None


def outlook_of(funds: AccountFunds, state: AccountState, today: date) -> Outlook:
    """How long a balance lasts at the average spend."""
    known_since = state.known_since.date() if state.known_since else today
    average = average_daily_spend(state.days, funds.available.currency, today, known_since)
    return Outlook(funds, average, days_remaining(funds.available, average))


def days_remaining(available: Money, average: Money | None) -> Decimal | None:
    """How many days a balance lasts; none at all if it is spent or overspent."""
    if average is None or average.amount <= 0:
        return None
    days = max(available.amount, Decimal(0)) / average.amount
    return days.quantize(Decimal("0.1"), ROUND_FLOOR)
