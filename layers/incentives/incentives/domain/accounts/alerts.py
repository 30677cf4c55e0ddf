"""What the operators are told about an account, once per crossing and again only after it has recovered.

    Alert               stands while                                             has recovered when
    balanceLow          the balance is below the amount set                      it is a tenth above that
    daysLow             it lasts fewer days than set                             it lasts a tenth longer than that
    spendHigh           today's spend is more than so many average days'         it is not (a new day)
    keyAge150, 170, 180 the access key is as old as that                         the key has been replaced
    keyRefused          Amazon refuses the key or its signature                  Amazon has told the balance
    checkFailing        the balance cannot be had                                Amazon has told the balance
    insufficientFunds   Amazon has refused a request for want of money           the balance covers that request
    unexplainedDecrease two balances in a row are lower than what we sent        the next balances are not

What cannot be told from what is known, because the check failed for instance, stays as it stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.events import SCHEMA_VERSION, Event

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.reconciliation.balance import Decrease

#: Amazon asks for a new access key at least every 180 days.
KEY_DAYS_MAX: Final = 180

#: Days of key age, and the alert of each: a month, ten days, and none left.
KEY_DAYS: Final = (150, 170, KEY_DAYS_MAX)

#: How far above its limit a balance has to come before falling below it again is news: it moves up and down by a card
#: when cards are cancelled, and its days by each day's spend.
RECOVERED: Final = Decimal("1.1")

#: The watch comes every quarter of an hour: after six checks in a row without a balance something is wrong that does
#: not go away.
CHECK_OVERDUE: Final = timedelta(minutes=90)

#: Whoever raised an alert tells it at once; after this long that process has died, and the next watch tells it.
TOLD_WITHIN: Final = timedelta(minutes=5)


class Alert(StrEnum):
    """What may be wrong with an account."""

    BALANCE_LOW = "balanceLow"
    DAYS_LOW = "daysLow"
    SPEND_HIGH = "spendHigh"
    KEY_AGE_150 = "keyAge150"
    KEY_AGE_170 = "keyAge170"
    KEY_AGE_180 = "keyAge180"
    KEY_REFUSED = "keyRefused"
    CHECK_FAILING = "checkFailing"
    INSUFFICIENT_FUNDS = "insufficientFunds"
    UNEXPLAINED_DECREASE = "unexplainedDecrease"


KEY_AGES: Final = dict(zip(KEY_DAYS, (Alert.KEY_AGE_150, Alert.KEY_AGE_170, Alert.KEY_AGE_180), strict=True))


class Check(Enum):
    """What came of asking Amazon for the balance."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"  # now; perhaps the next time
    REFUSED = "refused"  # it will not be answered until somebody does something
    KEY_REFUSED = "keyRefused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a deployment sets.

    Attributes:
        balance: by account, an amount in its currency; that of "" is everybody else's. Without one there is no alert.
        days_remaining: below which it is time to pay in.
        spend_multiple: of the average daily spend.
    """

    balance: Mapping[str, Decimal] = field(default_factory=dict)
    days_remaining: Decimal = Decimal(7)
    spend_multiple: Decimal = Decimal(3)

    def balance_of(self, account: str) -> Decimal | None:
        """The least that an account should have."""
        return self.balance.get(account, self.balance.get(""))


def read_limits(balance: str, days_remaining: str, spend_multiple: str) -> Limits:
    """Read what a deployment sets.

    Args:
        balance: an amount for every account, amounts by account (`default=500,jp=50000`), both, or nothing.
        days_remaining: a number; empty for the usual one.
        spend_multiple: likewise.

    Raises:
        ValueError: says what is wrong.
    """
    amounts: dict[str, Decimal] = {}
    for part in filter(None, map(str.strip, balance.split(","))):
        account, _, amount = part.rpartition("=")
        amounts[account.strip()] = _number(amount)
    usual = Limits()
    return Limits(
        balance=amounts,
        days_remaining=_number(days_remaining) if days_remaining.strip() else usual.days_remaining,
        spend_multiple=_number(spend_multiple) if spend_multiple.strip() else usual.spend_multiple,
    )


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text.strip()!r} is no number") from None
    if not number.is_finite() or number <= 0:
        raise ValueError(f"{text.strip()!r} is not above zero")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a watch finds.

    Attributes:
        available: the newest balance that we know; may be old unless `check` was answered.
        told_at: when we were told it.
        average, days_remaining: see `funds.Outlook`.
        spent_today: since midnight UTC.
        key_days: whole days since the access key was created; None if nobody noted when.
        why: why the check was not answered, for people.
        unexplained: what left the account although nothing that we sent explains it.
        is_explained: the last balances were compared, and nothing did; with neither, nobody can tell.
    """

    account: str
    at: datetime
    check: Check
    available: Money | None = None
    told_at: datetime | None = None
    average: Money | None = None
    days_remaining: Decimal | None = None
    spent_today: Money | None = None
    key_days: int | None = None
    why: str = ""
    unexplained: Decrease | None = None
    is_explained: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """One alert that stands.

    Attributes:
        since: aware UTC, to the second.
        told: the operators have been told.
        needed: of `insufficientFunds`: the largest amount that was refused.
    """

    since: datetime
    told: bool = False
    needed: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AlertStanding:
    """The alerts of an account that stand.

    Attributes:
        version: of what is kept; a write names the one that it leaves.
    """

    alerts: Mapping[Alert, Raised] = field(default_factory=dict)
    version: int = 0


def judge(figures: Figures, limits: Limits, standing: AlertStanding) -> dict[Alert, bool | None]:
    """Which alerts should stand; None where nobody can tell, so that it stays as it is."""
    answered = figures.check is Check.ANSWERED
    available = figures.available.amount if answered and figures.available else None
    stands = standing.alerts.keys()
    age = figures.key_days
    return {
        Alert.BALANCE_LOW: _is_below(available, limits.balance_of(figures.account), Alert.BALANCE_LOW in stands),
        # An account that spends nothing lasts for ever.
        Alert.DAYS_LOW: False
        if answered and figures.days_remaining is None
        else _is_below(figures.days_remaining if answered else None, limits.days_remaining, Alert.DAYS_LOW in stands),
        Alert.SPEND_HIGH: _is_spend_high(figures, limits),
        Alert.KEY_REFUSED: True if figures.check is Check.KEY_REFUSED else (False if answered else None),
        Alert.CHECK_FAILING: _is_check_failing(figures),
        Alert.INSUFFICIENT_FUNDS: _is_still_short(available, standing.alerts.get(Alert.INSUFFICIENT_FUNDS)),
        Alert.UNEXPLAINED_DECREASE: True if figures.unexplained else (False if figures.is_explained else None),
        **{alert: None if age is None else age >= days for days, alert in KEY_AGES.items()},
    }


def _is_below(value: Decimal | None, limit: Decimal | None, stands: bool) -> bool | None:  # noqa: FBT001 - one of three facts
    if limit is None:
        return False
    if value is None:
        return None
    return value < (limit * RECOVERED if stands else limit)


def _is_spend_high(figures: Figures, limits: Limits) -> bool:
    spent, average = figures.spent_today, figures.average
    # Without an average there is nothing to compare with: an account that begins is not one that runs away.
    if spent is None or average is None or average.amount <= 0:
        return False
    return spent.amount > limits.spend_multiple * average.amount


def _is_check_failing(figures: Figures) -> bool | None:
    match figures.check:
        case Check.ANSWERED:
            return False
        case Check.REFUSED:
            return True
        case Check.KEY_REFUSED:
            # That is an alert of its own.
            return None
        case Check.UNANSWERED:
            overdue = figures.told_at is None or figures.at - figures.told_at >= CHECK_OVERDUE
            return True if overdue else None


def _is_still_short(available: Decimal | None, raised: Raised | None) -> bool | None:
    if raised is None or available is None or raised.needed is None:
        return None
    return available < raised.needed


def after_check(standing: AlertStanding, judged: Mapping[Alert, bool | None], now: datetime) -> AlertStanding:
    """The alerts that stand after a check."""
    alerts: dict[Alert, Raised] = {}
    for alert in Alert:
        raised, found = standing.alerts.get(alert), judged.get(alert)
        if found or (found is None and raised is not None):
            alerts[alert] = raised or Raised(now.replace(microsecond=0))
    # Of several ages reached at once (a key that is first seen when it is old) only the last is news.
    untold = [alert for alert in KEY_AGES.values() if alert in alerts and not alerts[alert].told]
    alerts |= {alert: replace(alerts[alert], told=True) for alert in untold[:-1]}
    return replace(standing, alerts=alerts)


def after_refusal(standing: AlertStanding, refused: Money, now: datetime) -> AlertStanding:
    """The alerts that stand after Amazon has refused a request for want of money."""
    raised = standing.alerts.get(Alert.INSUFFICIENT_FUNDS) or Raised(now.replace(microsecond=0))
    needed = max(refused.amount, raised.needed or refused.amount)
    return replace(standing, alerts={**standing.alerts, Alert.INSUFFICIENT_FUNDS: replace(raised, needed=needed)})


def after_telling(standing: AlertStanding, alert: Alert, raised: Raised) -> AlertStanding:
    """The operators have been told of one alert, unless it has recovered and been raised again meanwhile."""
    now = standing.alerts.get(alert)
    if now is None or now.since != raised.since:
        return standing
    return replace(standing, alerts={**standing.alerts, alert: replace(now, told=True)})


def to_tell(before: AlertStanding, after: AlertStanding, now: datetime) -> list[Alert]:
    """The alerts that whoever wrote `after` has to tell: its own, and those whose writer has died."""
    return [
        alert
        for alert, raised in after.alerts.items()
        if not raised.told and (alert not in before.alerts or now - raised.since > TOLD_WITHIN)
    ]


def alert_event(alert: Alert, raised: Raised, figures: Figures) -> Event:
    """An alert for programs."""
    event_id = f"{figures.account}#{alert.value}#{raised.since.isoformat()}"
    return Event(
        "AccountAlert",
        event_id,
        raised.since,
        {
            "schemaVersion": SCHEMA_VERSION,
            "eventId": event_id,
            "account": figures.account,
            "alert": alert.value,
            "availableFunds": figures.available.amount_text if figures.available else None,
            "averageDailySpend": figures.average.amount_text if figures.average else None,
            "spentToday": figures.spent_today.amount_text if figures.spent_today else None,
            "currencyCode": figures.available.currency if figures.available else None,
            "daysRemaining": str(figures.days_remaining) if figures.days_remaining is not None else None,
            "accessKeyAgeDays": figures.key_days,
        },
    )
