"""Values that every part of the sandbox speaks of: money, currencies, JSON trees and time formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | Decimal | str | list[Json] | dict[str, Json] | None"
Fields: TypeAlias = Mapping[str, Json]

_JAVA_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_JAVA_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Currency:
    """What the sandbox knows of one currency's marketplace.

    `decimals`: digits after the point. `region`: the signing region of the marketplace's group. `never_expires`:
    cards carry a null expiration date (United States, Canada). `day_ends_at_utc`: the hour in which the
    marketplace's day ends, as seen in recorded expiration dates (14:59:59 UTC for Japan, 21:59:59 UTC for central
    Europe in summer).
    """

    decimals: int
    region: str
    never_expires: bool = False
    day_ends_at_utc: int = 23


CURRENCIES: dict[str, Currency] = {
    "USD": Currency(2, "us-east-1", never_expires=True),
    "CAD": Currency(2, "us-east-1", never_expires=True),
    "MXN": Currency(2, "us-east-1"),
    "EUR": Currency(2, "eu-west-1", day_ends_at_utc=21),
    "GBP": Currency(2, "eu-west-1", day_ends_at_utc=22),
    "TRY": Currency(2, "eu-west-1", day_ends_at_utc=20),
    "AED": Currency(2, "eu-west-1", day_ends_at_utc=19),
    "SAR": Currency(2, "eu-west-1", day_ends_at_utc=20),
    "PLN": Currency(2, "eu-west-1", day_ends_at_utc=21),
    "SEK": Currency(2, "eu-west-1", day_ends_at_utc=21),
    "EGP": Currency(2, "eu-west-1", day_ends_at_utc=21),
    "ZAR": Currency(2, "eu-west-1", day_ends_at_utc=21),
    "JPY": Currency(0, "us-west-2", day_ends_at_utc=14),
    "AUD": Currency(2, "us-west-2", day_ends_at_utc=13),
    "SGD": Currency(2, "us-west-2", day_ends_at_utc=15),
}


@dataclass(frozen=True)
class Money:
    """An amount in major units of its currency, quantised to the currency's decimals."""

    amount: Decimal
    currency: str

    @property
    def fields(self) -> dict[str, Json]:
        """The `value` field of cards and funds."""
        return {"amount": self.amount, "currencyCode": self.currency}


def decimals_of(currency: str) -> int:
    """Digits after the point; 2 for a currency the sandbox has no record of."""
    known = CURRENCIES.get(currency)
    return 2 if known is None else known.decimals


def quantised(amount: Decimal, currency: str) -> Decimal:
    """`amount` written with exactly the currency's decimals (the caller has checked that none are lost)."""
    return amount.quantize(Decimal(1).scaleb(-decimals_of(currency)))


def has_too_many_decimals(amount: Decimal, currency: str) -> bool:
    """Whether `amount` cannot be paid in whole smallest units of `currency`."""
    return amount != amount.quantize(Decimal(1).scaleb(-decimals_of(currency)))


def java_date(at: datetime) -> str:
    """`at` as Java's Date.toString() prints it in UTC: ``Thu Jun 10 14:59:59 UTC 2032``."""
    at = at.astimezone(UTC)
    return (
        f"{_JAVA_DAYS[at.weekday()]} {_JAVA_MONTHS[at.month - 1]} {at.day:02d} "
        f"{at.hour:02d}:{at.minute:02d}:{at.second:02d} UTC {at.year:04d}"
    )


def basic_date(at: datetime) -> str:
    """`at` in ISO 8601 basic format: ``20220610T085450Z``."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_basic_date(text: str) -> datetime | None:
    """The moment written in ISO 8601 basic format, or None when `text` is something else."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def iso(at: datetime) -> str:
    """`at` in RFC 3339, UTC, with microseconds, as the control API prints times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime | None:
    """The moment written in RFC 3339 (a missing offset means UTC), or None when `text` is something else."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def expiration_of(currency: str, created_at: datetime) -> datetime | None:
    """When a card of `currency` created at `created_at` expires.

    Never in the US and Canada, elsewhere ten years later.
    """
    known = CURRENCIES.get(currency, Currency(2, ""))
    if known.never_expires:
        return None
    day = created_at.astimezone(UTC).replace(hour=known.day_ends_at_utc, minute=59, second=59, microsecond=0)
    if day < created_at:
        day += timedelta(days=1)
    leap_safe = day if (day.month, day.day) != (2, 29) else day - timedelta(days=1)
    return leap_safe.replace(year=leap_safe.year + 10)
