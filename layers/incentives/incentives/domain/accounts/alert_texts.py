"""What an alert tells people: what happened, how long there is, what to do, and where in Amazon's portal.

Source of the portal's pages: Amazon's Incentives API documentation, sections on the portal and on handling keys.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from incentives.domain.accounts.alerts import KEY_AGES, KEY_DAYS_MAX, Alert, Figures, Limits, Raised

_PORTAL: Final = "Amazon's Incentives API Portal of the account's marketplace"

_PAY_IN: Final = (
    f"Pay in as agreed with Amazon, then sign in to {_PORTAL} and notify Amazon there that you have made a payment. "
    "Until the money is there, pause bulk orders to spend less. GET /funds tells the balance."
)

_NEW_KEY: Final = (
    f"Sign in to {_PORTAL} as an administrator, open API security credentials and choose Create new access key. Put "
    "it with make put-keys (docs/rotate-keys.md) and see that requests succeed with it. "
    "Only then deactivate the old key, and later delete it, on the same page."
)

_AFTERWARDS: Final = (
    "Then resume the bulk orders that were paused. Callers repeat what was answered 503 with the same Idempotency-Key."
)


def text_of(alert: Alert, raised: Raised, figures: Figures, limits: Limits) -> tuple[str, str]:
    """Subject and text of a notice.

    Returns:
        A subject of plain ASCII, as SNS wants it, and a text of short paragraphs.
    """
    what, how_long, to_do = _paragraphs(alert, raised, figures, limits)
    text = "\n\n".join(
        (
            f"Account: {figures.account}",
            f"What happened: {what}",
            f"How long there is: {how_long}",
            f"What to do: {to_do}",
            "This is told once, and again only after it has been put right.",
        )
    )
    # SNS cuts it at a hundred characters: a long account name at the end loses least.
    return f"{_SUBJECTS[alert]}: Incentives account {figures.account}", text


def _paragraphs(alert: Alert, raised: Raised, figures: Figures, limits: Limits) -> tuple[str, str, str]:  # noqa: PLR0911 - one return per alert
    match alert:
        case Alert.BALANCE_LOW:
            limit = f"{limits.balance_of(figures.account)} {figures.available.currency if figures.available else ''}"
            return f"{_balance(figures)} The limit that you set is {limit.strip()}.", _lasts(figures), _PAY_IN
        case Alert.DAYS_LOW:
            what = f"{_balance(figures)} That is less than {limits.days_remaining} days of the average spend."
            return what, _lasts(figures), _PAY_IN
        case Alert.INSUFFICIENT_FUNDS:
            what = f"Amazon refused a request over {raised.needed} because the account's funds do not suffice."
            return f"{what} {_balance(figures)}", "None: such requests are refused until money is there.", _PAY_IN
        case Alert.SPEND_HIGH:
            spent = f"{figures.spent_today or 'Much'} was spent since midnight UTC"
            usual = f" ({figures.average})" if figures.average else ""
            what = f"{spent}, more than {limits.spend_multiple} times the average day's spend{usual}."
            return what, _lasts_like_today(figures), _LOOK
        case Alert.KEY_AGE_150 | Alert.KEY_AGE_170 | Alert.KEY_AGE_180:
            reached = max((days for days, each in KEY_AGES.items() if each is alert), default=KEY_DAYS_MAX)
            age = figures.key_days if figures.key_days is not None else reached
            what = f"The account's access key is {age} days old. Amazon asks for a new one every {KEY_DAYS_MAX} days."
            return what, _key_time(age, figures), _NEW_KEY
        case Alert.KEY_REFUSED:
            what = "Amazon refuses the account's access key or its signature. Every request of this account is refused."
            return what, "None.", f"If nobody has deactivated it by mistake, replace it. {_NEW_KEY} {_AFTERWARDS}"
        case Alert.UNEXPLAINED_DECREASE:
            return _unexplained(figures), "None: whoever it is may go on.", _SOMEBODY_ELSE
        case Alert.CHECK_FAILING:
            told = f"The last one is of {figures.told_at:%Y-%m-%d %H:%M} UTC." if figures.told_at else "There is none."
            what = f"The balance cannot be had: {figures.why or 'no answer'} {told}"
            return what, "Cards may still be issued, but nobody sees the money run out.", _ASK


_SUBJECTS: Final = {
    Alert.BALANCE_LOW: "The balance is low",
    Alert.DAYS_LOW: "The balance lasts only a few days",
    Alert.SPEND_HIGH: "Unusually much was spent today",
    Alert.KEY_AGE_150: "The access key should be replaced within a month",
    Alert.KEY_AGE_170: "The access key should be replaced within ten days",
    Alert.KEY_AGE_180: "The access key must be replaced now",
    Alert.KEY_REFUSED: "Amazon refuses the access key",
    Alert.CHECK_FAILING: "The balance cannot be checked",
    Alert.UNEXPLAINED_DECREASE: "Money left that nothing sent from here explains",
    Alert.INSUFFICIENT_FUNDS: "A request was refused for want of funds",
}

_LOOK: Final = (
    "See whether somebody expected it: GET /requests lists today's requests, and the transaction activity in "
    f"{_PORTAL} what Amazon charged. If nobody did, take the right to issue from the caller, and deactivate the key on "
    "the portal's page API security credentials."
)

_SOMEBODY_ELSE: Final = (
    f"See the transaction activity in {_PORTAL}: cards that GET /requests does not list were issued by somebody who "
    "has this account's key. Deactivate it there, on the page API security credentials, and put a new one "
    "(docs/rotate-keys.md). Fees and corrections of Amazon's stand there too. If the alarm tells that spend is not "
    "counted, put that right first."
)

_ASK: Final = (
    "Ask GET /funds for the account, and look into the log of the function watch_account. If Amazon refuses the "
    f"account, see its alerts in {_PORTAL} or ask your account manager; if its secret cannot be read, mend that."
)


def _unexplained(figures: Figures) -> str:
    found = figures.unexplained
    if found is None:
        return f"The balance fell by more than was sent from here. {_balance(figures)}"
    since, until = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (found.since, found.until))
    return (
        f"Between {since} and {until} UTC the balance fell by at least {found.amount} more than all requests that were "
        f"sent from here, those with unknown outcomes included. {_balance(figures)}"
    )


def _balance(figures: Figures) -> str:
    if figures.available is None:
        return "Its balance is not known."
    at = f" (told {figures.told_at:%Y-%m-%d %H:%M} UTC)" if figures.told_at else ""
    return f"It has {figures.available} left at Amazon{at}."


def _lasts(figures: Figures) -> str:
    if figures.days_remaining is None or figures.average is None:
        return "Not known: nothing was spent lately."
    until = figures.at + timedelta(days=float(figures.days_remaining))
    return f"{figures.days_remaining} days, until about {until:%Y-%m-%d}, at {figures.average} a day."


def _lasts_like_today(figures: Figures) -> str:
    if figures.available is None or figures.spent_today is None or figures.spent_today.amount <= 0:
        return "Not known."
    days = max(figures.available.amount, Decimal(0)) / figures.spent_today.amount
    return f"{_balance(figures)} That is {days:.1f} days like today."


def _key_time(age: int, figures: Figures) -> str:
    left = KEY_DAYS_MAX - age
    if left <= 0:
        return f"None: it is {-left} days over." if left else "None: it is due today."
    return f"{left} days, until {figures.at + timedelta(days=left):%Y-%m-%d}."
