"""Days and months of the books: which there are, what they come to, and how a month looks as a calendar."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from console.gateway import Reply
from console.page import Console
from incentives.domain.reconciliation.days import day_of, days_of, read_zone

#: Pages of one list that are followed: a list that is longer is told as such.
PAGES_MAX: Final = 20
#: Why a page has nothing to say yes to.
NOT_READ: Final = "What it is about could not be read."


class _Day(Convertor[str]):
    """A day of an address, as `2026-11-22`."""

    regex = "2[0-9]{3}-[0-9]{2}-[0-9]{2}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Month(_Day):
    """A month of an address, as `2026-11`."""

    regex = "2[0-9]{3}-(?:0[1-9]|1[0-2])"


register_url_convertor("day", _Day())
register_url_convertor("month", _Month())


@dataclass(frozen=True)
class Cell:
    """A day of a calendar.

    Attributes:
        told: the API's; None: nobody has begun to read the day.
        stands: read, unread, before (the books begin) or future.
    """

    day: date
    told: Mapping[str, Any] | None
    stands: str
    is_today: bool


@dataclass(frozen=True)
class Total:
    """Amazon's rows of a month in one currency, as far as its days are judged; amounts are decimal strings."""

    currency: str
    charges: int
    charged: str
    refunds: int
    refunded: str
    net: str


def zone_of(console: Console) -> ZoneInfo:
    """The time zone in which the books are kept."""
    return read_zone(console.gateway.target.parameters.get("BooksTimeZone") or "UTC")


def today_of(console: Console) -> date:
    """The booking day that it is."""
    return day_of(console.now(), zone_of(console))


def read_day(text: str) -> date:
    """A day of an address. Raises `HTTPException`: the calendar has none such."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404, f"There is no day {text}.") from None


async def days_between(console: Console, account: str, first: date, last: date) -> tuple[Reply, list[dict[str, Any]]]:
    """The days of an account that somebody has begun to read; the reply is the last that was needed."""
    query = {"account": account, "from": first.isoformat(), "to": last.isoformat()}
    return await all_of(console, "/reconciliations", "days", query)


async def all_of(
    console: Console, template: str, name: str, query: Mapping[str, str | None], **values: str
) -> tuple[Reply, list[dict[str, Any]]]:
    """A list with its further pages.

    Returns:
        The reply of the last page that was asked for, which has a cursor if the list has more than `PAGES_MAX` pages;
        and what all of them hold.
    """
    reply = await console.gateway.get(template, query, **values)
    found: list[dict[str, Any]] = list(reply.body[name]) if reply.ok else []
    for _ in range(PAGES_MAX - 1):
        if not reply.ok or reply.body["cursor"] is None:
            break
        reply = await console.gateway.get(template, {**query, "cursor": reply.body["cursor"]}, **values)
        found += reply.body[name] if reply.ok else []
    return reply, found


def weeks_of(month: str, told: Sequence[Mapping[str, Any]], *, today: date, begin: date | None) -> list[list[Any]]:
    """A month by weeks from Monday to Sunday: a `Cell` for each day, None for those of other months."""
    by_day = {each["day"]: each for each in told}
    days = days_of(month)
    cells = [_cell(day, by_day.get(day.isoformat()), today, begin) for day in days]
    padded: list[Cell | None] = [None] * days[0].weekday() + [*cells] + [None] * (6 - days[-1].weekday())
    return [padded[start : start + 7] for start in range(0, len(padded), 7)]


def _cell(day: date, told: Mapping[str, Any] | None, today: date, begin: date | None) -> Cell:
    if told is not None:
        stands = "read"
    elif day > today:
        stands = "future"
    else:
        stands = "before" if begin is not None and day < begin else "unread"
    return Cell(day, told, stands, day == today)


def totals_of(days: Sequence[Mapping[str, Any]]) -> list[Total]:
    """What Amazon's rows come to, by currency; days that are not judged have no figures yet."""
    judged = [each for each in days if each["charges"] and each["refunds"] and each["currencyCode"]]
    currencies = sorted({each["currencyCode"] for each in judged})
    return [_total(code, [each for each in judged if each["currencyCode"] == code]) for code in currencies]


def _total(code: str, days: Sequence[Mapping[str, Any]]) -> Total:
    charged, refunded = (sum((Decimal(each[name]["amount"]) for each in days), Decimal(0)) for name in _SUMS)
    charges, refunds = (sum(each[name]["count"] for each in days) for name in _SUMS)
    return Total(code, charges, f"{charged:f}", refunds, f"{refunded:f}", f"{charged - refunded:f}")


_SUMS: Final = ("charges", "refunds")


def statuses_of(days: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """How many days stand how, most first."""
    return Counter(str(each["status"]) for each in days).most_common()
