"""When an alert stands, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.accounts.alert_texts import text_of
from incentives.domain.accounts.alerts import (
    CHECK_OVERDUE,
    Alert,
    AlertStanding,
    Check,
    Figures,
    Limits,
    Raised,
    after_check,
    after_refusal,
    after_telling,
    judge,
    to_tell,
)
from incentives.domain.reconciliation.balance import Decrease
from tests.support.fakes import START, usd

SECOND = timedelta(seconds=1)
DECREASE = Decrease(usd("40.00"), START - timedelta(minutes=30), START)
LIMITS = Limits(balance={"": Decimal(500)})


def figures(**updates: Any) -> Figures:
    base = Figures(
        account="default",
        at=START,
        check=Check.ANSWERED,
        available=usd("1000.00"),
        told_at=START,
        average=usd("100.00"),
        days_remaining=Decimal("10.0"),
        spent_today=usd("50.00"),
        key_days=10,
        is_explained=True,
    )
    return replace(base, **updates)


def standing(*alerts: Alert, **updates: Any) -> AlertStanding:
    return AlertStanding(dict.fromkeys(alerts, replace(Raised(START, told=True), **updates)))


# ---- when ---------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_stands() -> None:
    found = judge(figures(), LIMITS, standing(*Alert, needed=Decimal(20)))
    assert set(found) == set(Alert)
    assert set(found.values()) == {False}


@pytest.mark.parametrize(
    ("updates", "alert", "found"),
    [
        ({"available": usd("500.00")}, Alert.BALANCE_LOW, False),
        ({"available": usd("499.99")}, Alert.BALANCE_LOW, True),
        ({"days_remaining": Decimal("7.0")}, Alert.DAYS_LOW, False),
        ({"days_remaining": Decimal("6.9")}, Alert.DAYS_LOW, True),
        ({"days_remaining": None}, Alert.DAYS_LOW, False),
        ({"spent_today": usd("300.00")}, Alert.SPEND_HIGH, False),
        ({"spent_today": usd("300.01")}, Alert.SPEND_HIGH, True),
        ({"spent_today": usd("300.01"), "average": None}, Alert.SPEND_HIGH, False),
        ({"key_days": 149}, Alert.KEY_AGE_150, False),
        ({"key_days": 150}, Alert.KEY_AGE_150, True),
        ({"key_days": 169}, Alert.KEY_AGE_170, False),
        ({"key_days": 170}, Alert.KEY_AGE_170, True),
        ({"key_days": 179}, Alert.KEY_AGE_180, False),
        ({"key_days": 180}, Alert.KEY_AGE_180, True),
        ({"key_days": None}, Alert.KEY_AGE_180, None),
        ({"check": Check.KEY_REFUSED}, Alert.KEY_REFUSED, True),
        ({"check": Check.UNANSWERED}, Alert.KEY_REFUSED, None),
        ({"check": Check.REFUSED}, Alert.CHECK_FAILING, True),
        ({"check": Check.KEY_REFUSED}, Alert.CHECK_FAILING, None),
        ({"check": Check.UNANSWERED, "told_at": None}, Alert.CHECK_FAILING, True),
        ({"check": Check.UNANSWERED, "told_at": START - CHECK_OVERDUE}, Alert.CHECK_FAILING, True),
        ({"check": Check.UNANSWERED, "told_at": START - CHECK_OVERDUE + SECOND}, Alert.CHECK_FAILING, None),
        ({"unexplained": DECREASE, "is_explained": False}, Alert.UNEXPLAINED_DECREASE, True),
        ({"is_explained": False}, Alert.UNEXPLAINED_DECREASE, None),
        ({"check": Check.UNANSWERED, "available": usd("1.00")}, Alert.BALANCE_LOW, None),
        ({"check": Check.UNANSWERED, "days_remaining": Decimal(1)}, Alert.DAYS_LOW, None),
    ],
)
def test_each_limit_is_where_it_is_said_to_be(updates: dict[str, Any], alert: Alert, found: bool | None) -> None:
    assert judge(figures(**updates), LIMITS, AlertStanding())[alert] is found


@pytest.mark.parametrize(
    ("updates", "alert", "found"),
    [
        ({"available": usd("549.99")}, Alert.BALANCE_LOW, True),
        ({"available": usd("550.00")}, Alert.BALANCE_LOW, False),
        ({"days_remaining": Decimal("7.6")}, Alert.DAYS_LOW, True),
        ({"days_remaining": Decimal("7.7")}, Alert.DAYS_LOW, False),
        ({"available": usd("99.99")}, Alert.INSUFFICIENT_FUNDS, True),
        ({"available": usd("100.00")}, Alert.INSUFFICIENT_FUNDS, False),
        ({"check": Check.UNANSWERED}, Alert.INSUFFICIENT_FUNDS, None),
    ],
)
def test_an_alert_that_stands_ends_a_little_further_off(
    updates: dict[str, Any], alert: Alert, found: bool | None
) -> None:
    assert judge(figures(**updates), LIMITS, standing(alert, needed=Decimal(100)))[alert] is found


def test_without_a_limit_there_is_no_alert_of_the_balance() -> None:
    stood = standing(Alert.BALANCE_LOW)
    assert judge(figures(available=usd("0.01")), Limits(), stood)[Alert.BALANCE_LOW] is False


@given(st.lists(st.lists(st.sampled_from([True, False, None]), min_size=len(Alert), max_size=len(Alert)), max_size=12))
def test_whatever_comes_an_alert_is_told_once_for_each_time_that_it_begins(checks: list[list[bool | None]]) -> None:
    now, stands = AlertStanding(), dict.fromkeys(Alert, False)
    begun, told = dict.fromkeys(Alert, 0), dict.fromkeys(Alert, 0)
    for number, found in enumerate(checks):
        at = START + number * timedelta(hours=1)
        judged = dict(zip(Alert, found, strict=True))
        after = after_check(now, judged, at)
        for alert, each in judged.items():
            begun[alert] += bool(each and not stands[alert])
            stands[alert] = stands[alert] if each is None else each
        for alert in to_tell(now, after, at):
            told[alert] += 1
            after = after_telling(after, alert, after.alerts[alert])
        now = after
        assert {alert for alert, each in stands.items() if each} == set(now.alerts)
        assert all(raised.told for raised in now.alerts.values())
    ages = {Alert.KEY_AGE_150, Alert.KEY_AGE_170, Alert.KEY_AGE_180}
    assert {alert: told[alert] for alert in Alert if alert not in ages} == {
        alert: begun[alert] for alert in Alert if alert not in ages
    }
    assert all(told[alert] <= begun[alert] for alert in ages)


def test_refusals_add_up_to_the_largest() -> None:
    now = AlertStanding()
    for amount in ("25.00", "60.00", "30.00"):
        now = after_refusal(now, usd(amount), START)
    assert now.alerts == {Alert.INSUFFICIENT_FUNDS: Raised(START, needed=Decimal("60.00"))}


def test_whoever_tells_late_does_not_silence_the_next_crossing() -> None:
    first = Raised(START)
    again = AlertStanding({Alert.DAYS_LOW: Raised(START + SECOND)})
    assert after_telling(again, Alert.DAYS_LOW, first) == again
    assert after_telling(AlertStanding(), Alert.DAYS_LOW, first) == AlertStanding()


# ---- what it says -------------------------------------------------------------------------------


@pytest.mark.parametrize("alert", Alert)
@pytest.mark.parametrize("known", [True, False], ids=["all known", "nothing known"])
def test_every_text_says_what_how_long_what_to_do_and_where(alert: Alert, known: bool) -> None:
    nothing = Figures(account="default", at=START, check=Check.UNANSWERED)
    subject, text = text_of(alert, Raised(START, needed=Decimal("25.00")), figures() if known else nothing, LIMITS)
    paragraphs = [line.partition(": ")[0] for line in text.split("\n\n")]
    assert paragraphs[:4] == ["Account", "What happened", "How long there is", "What to do"]
    assert "Incentives API Portal" in text
    assert subject.isascii()
    assert subject.endswith(": Incentives account default")
    assert "None " not in text.replace("None:", "").replace("None.", "")


@pytest.mark.parametrize(
    ("alert", "updates", "says"),
    [
        (
            Alert.BALANCE_LOW,
            {},
            ["1000.00 USD left", "500 USD", "10.0 days, until about 2026-03-11, at 100.00 USD a day"],
        ),
        (Alert.DAYS_LOW, {"days_remaining": Decimal("3.3")}, ["less than 7 days", "until about 2026-03-04"]),
        (Alert.DAYS_LOW, {}, ["notify Amazon there that you have made a payment"]),
        (Alert.SPEND_HIGH, {"spent_today": usd("400.00")}, ["400.00 USD was spent", "3 times", "2.5 days like today"]),
        (
            Alert.KEY_AGE_150,
            {"key_days": 150},
            ["150 days old", "30 days, until 2026-03-31", "API security credentials"],
        ),
        (Alert.KEY_AGE_180, {"key_days": 185}, ["5 days over", "Create new access key"]),
        (Alert.KEY_REFUSED, {}, ["refuses the account's access key", "make put-keys", "resume the bulk orders"]),
        (Alert.CHECK_FAILING, {"why": "Amazon did not tell the balance."}, ["did not tell", "2026-03-01 12:00 UTC"]),
        (
            Alert.UNEXPLAINED_DECREASE,
            {"unexplained": DECREASE},
            ["Between 2026-03-01 11:30:00 and 2026-03-01 12:00:00 UTC", "at least 40.00 USD", "Deactivate it there"],
        ),
        (Alert.INSUFFICIENT_FUNDS, {}, ["over 25.00", "refused until money is there"]),
    ],
)
def test_texts_have_the_figures_in_them(alert: Alert, updates: dict[str, Any], says: list[str]) -> None:
    _, text = text_of(alert, Raised(START, needed=Decimal("25.00")), figures(**updates), LIMITS)
    assert [part for part in says if part not in text] == []
