"""What a deployment sets: read from the environment, and refused by name."""

from __future__ import annotations

from datetime import date
from typing import Final

import pytest

from incentives.domain.rate_limit import SHARE_KEPT_MAX, Pace
from incentives.domain.reconciliation.rows import Effect
from incentives.settings import read_settings

NEEDED: Final = {
    "LEDGER_TABLE": "ledger",
    "ACCOUNT_TABLE": "accounts",
    "ORDERS_TABLE": "orders",
    "ORDERS_BUCKET": "files",
    "ORDER_STATE_MACHINE": "orders",
    "BOOKS_TABLE": "books",
    "BUDGETS_TABLE": "budgets",
    "BOOKS_BUCKET": "books",
    "RECONCILIATION_STATE_MACHINE": "reconciliations",
    "EVENT_BUS": "bus",
    "RATE_LIMITER_TABLE": "rate_limiter",
    "ACCOUNT_SECRET_PREFIX": "incentives/",
    "AMAZON_ENVIRONMENT": "sandbox",
    "PACE_REQUESTS_PER_SECOND": "8",
    "PACE_BURST": "2",
    "PACE_SHARE_KEPT": "0.2",
    "BACKLOG_QUEUE": "https://queue.test/backlog",
    "CARD_VAULT_KEY": "key",
    "RECOVERY_STATE_MACHINE": "machine",
    "OPERATORS_TOPIC": "topic",
}


def test_what_is_needed_is_enough() -> None:
    settings = read_settings(NEEDED)

    assert settings.pace == Pace(requests_per_second=8, burst=2, share_kept=0.2)
    assert settings.backlog_queue == "https://queue.test/backlog"
    assert (settings.ledger_table, settings.rate_limiter_table, settings.vault_key) == ("ledger", "rate_limiter", "key")
    assert (settings.amazon_environment, settings.incentives_endpoint) == ("sandbox", None)
    assert (settings.default_account, settings.support_address, settings.mail_sender) == (None, None, None)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("absent", [None, "", "  "], ids=["missing", "empty", "blank"])
def test_what_is_missing_is_named(name: str, absent: str | None) -> None:
    environment = {key: value for key, value in NEEDED.items() if key != name}
    if absent is not None:
        environment[name] = absent

    with pytest.raises(RuntimeError, match=f"environment variables: {name}: "):
        read_settings(environment)


@pytest.mark.parametrize("name", ["PACE_REQUESTS_PER_SECOND", "PACE_BURST", "PACE_SHARE_KEPT"])
@pytest.mark.parametrize("text", ["fast", "8/s", "0x8", "1,5"])
def test_a_pace_that_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(RuntimeError, match=rf"environment variables: {name}: Input should be a valid \w+") as told:
        read_settings(NEEDED | {name: text})
    assert text not in str(told.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PACE_REQUESTS_PER_SECOND", "0", "requests per second"),
        ("PACE_REQUESTS_PER_SECOND", "-8", "requests per second"),
        ("PACE_REQUESTS_PER_SECOND", "inf", "requests per second"),
        ("PACE_REQUESTS_PER_SECOND", "nan", "requests per second"),
        ("PACE_BURST", "0", "burst"),
        ("PACE_BURST", "-1", "burst"),
        ("PACE_SHARE_KEPT", "-0.01", "share"),
        ("PACE_SHARE_KEPT", str(SHARE_KEPT_MAX + 0.01), "share"),
        ("PACE_SHARE_KEPT", "nan", "share"),
    ],
)
def test_a_pace_that_cannot_be_kept_is_refused(name: str, text: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=rf"PACE_\*.*{says}"):
        read_settings(NEEDED | {name: text})


@pytest.mark.parametrize("text", ["0.1", "0.5", "20"])
def test_a_rate_may_be_less_than_one_a_second(text: str) -> None:
    assert read_settings(NEEDED | {"PACE_REQUESTS_PER_SECOND": text}).pace.requests_per_second == float(text)


@pytest.mark.parametrize("text", ["Sandbox", "test", "prod"])
def test_an_environment_that_is_not_amazons_is_refused(text: str) -> None:
    with pytest.raises(RuntimeError, match="AMAZON_ENVIRONMENT: Input should be 'sandbox' or 'production'"):
        read_settings(NEEDED | {"AMAZON_ENVIRONMENT": text})


def test_production_is_asked_for_by_name() -> None:
    assert read_settings(NEEDED | {"AMAZON_ENVIRONMENT": "production"}).amazon_environment == "production"


# ---- the books ----------------------------------------------------------------------------------


def test_the_books_are_kept_as_is_set() -> None:
    of_the_books = {
        "BOOKS_TIME_ZONE": "Europe/Vienna",
        "BOOKS_BEGIN": "2026-11-01",
        "ACTIVITY_TYPES": "GCCreation=charge,Correction=nothing",
        "ACCOUNTS_WITHOUT_BALANCE": "invoiced,japan",
        "BOOKS_LOCK_YEARS": "7",
    }
    settings = read_settings(NEEDED | of_the_books)

    assert (settings.zone.key, settings.first_booking_day, settings.lock_years) == (
        "Europe/Vienna", date(2026, 11, 1), 7
    )  # fmt: skip
    assert settings.effects == {"GCCreation": Effect.CHARGE, "Correction": Effect.NOTHING}
    assert settings.without_balance == {"invoiced", "japan"}

    # and unless they are set, nothing is left out, begun or locked
    settings = read_settings(NEEDED)
    assert (settings.zone.key, settings.first_booking_day, settings.lock_years) == ("UTC", None, None)
    assert settings.without_balance == frozenset()


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("BOOKS_TIME_ZONE", "Europe/Wien", "zone"),
        ("BOOKS_BEGIN", "2026-11-31", "first_booking_day"),
        ("BOOKS_BEGIN", "20261101", "first_booking_day"),
        ("ACTIVITY_TYPES", "GCCreation=minus", "effects"),
        ("ACCOUNTS_WITHOUT_BALANCE", "one, two", "without_balance"),
        ("BOOKS_LOCK_YEARS", "11", "lock_years"),
    ],
)
def test_what_is_wrong_of_the_books_is_named_and_stops_nothing_else(name: str, text: str, read: str) -> None:
    settings = read_settings(NEEDED | {name: text})

    with pytest.raises(RuntimeError, match=f"environment variables: {name}: "):
        getattr(settings, read)
