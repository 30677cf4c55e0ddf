"""What an account spent day by day, as numbers that a template draws: charges and refunds as Amazon's rows say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any, Final

from console.page import amount

#: Of the drawing, in its own units; the page stretches it.
COLUMN_WIDTH: Final = 24
HEIGHT: Final = 160
CHARGES_WIDTH: Final = 12
REFUNDS_WIDTH: Final = 6
GAP: Final = 2
#: So that what is not nothing is seen.
BAR_HEIGHT_MIN: Final = 2
#: Of a day that nobody has judged.
GAP_HEIGHT: Final = 10

NO_PAGE: Final = "no activity page: Amazon shows none of this account, and no statement was uploaded"


@dataclass(frozen=True)
class Bar:
    """One rectangle."""

    x: int
    y: float
    width: int
    height: float


@dataclass(frozen=True)
class Column:
    """One day.

    Attributes:
        day: ISO.
        told: as the API tells it; None: it does not.
        title: the day's figures in words.
        charges, refunds: None where there is nothing to draw.
        gap: drawn where there are no figures.
        why_none: why there are none; empty: there are.
    """

    day: str
    told: Mapping[str, Any] | None
    title: str
    charges: Bar | None
    refunds: Bar | None
    gap: Bar | None = None
    why_none: str = ""


@dataclass(frozen=True)
class Chart:
    """Days, oldest first.

    Attributes:
        currency: of all its amounts; None: no day has figures.
        most: the greatest amount of a day, to which the columns are drawn.
        charged, refunded: sums of the days that have figures.
        without: how many have none.
    """

    columns: Sequence[Column]
    currency: str | None
    most: str
    charged: str
    refunded: str
    without: int

    @property
    def width(self) -> int:
        """In its own units."""
        return COLUMN_WIDTH * len(self.columns)

    @property
    def height(self) -> int:
        """Likewise."""
        return HEIGHT


def spend_chart(days: Sequence[Mapping[str, Any]], last: date, number: int) -> Chart:
    """The chart of so many days.

    Args:
        days: as `GET /reconciliations` tells them, of one account.
        last: the newest.
        number: of days.
    """
    told = {each["day"]: each for each in days}
    names = [(last - timedelta(days=back)).isoformat() for back in range(number - 1, -1, -1)]
    here = [told[name] for name in names if name in told]
    judged = [each for each in here if each["charges"] is not None]
    # An account has one currency; after a change of its marketplace the newer one is drawn, and the table has both.
    currency = judged[-1]["currencyCode"] if judged else None
    drawn = [each for each in judged if each["currencyCode"] == currency]
    most = max((_amount(each, kind) for each in drawn for kind in ("charges", "refunds")), default=Decimal(0))
    columns = [
        _column(index, name, told.get(name), most if told.get(name) in drawn else Decimal(0), is_last=name == names[-1])
        for index, name in enumerate(names)
    ]
    return Chart(
        columns=columns,
        currency=currency,
        most=f"{most:f}",
        charged=_sum(drawn, "charges"),
        refunded=_sum(drawn, "refunds"),
        without=number - len(judged),
    )


def _column(index: int, day: str, told: Mapping[str, Any] | None, most: Decimal, *, is_last: bool) -> Column:
    left = index * COLUMN_WIDTH + GAP
    if told is None or told["charges"] is None:
        why = _why_none(told, is_last=is_last)
        gap = Bar(left, HEIGHT - GAP_HEIGHT, COLUMN_WIDTH - 2 * GAP, GAP_HEIGHT)
        return Column(day, told, f"{day}: {why}", None, None, gap, why)
    return Column(
        day,
        told,
        f"{day}: {_words(told, 'charges')}, {_words(told, 'refunds')}, {told['status']}",
        _bar(left, CHARGES_WIDTH, _amount(told, "charges"), most),
        _bar(left + CHARGES_WIDTH + GAP, REFUNDS_WIDTH, _amount(told, "refunds"), most),
    )


def _why_none(told: Mapping[str, Any] | None, *, is_last: bool) -> str:
    if told is not None and told["status"] == "NO_ACTIVITY_PAGE":
        return NO_PAGE
    if is_last:
        return "not over yet"
    return "nobody has begun to read it" if told is None else "not judged yet"


def _bar(x: int, width: int, value: Decimal, most: Decimal) -> Bar | None:
    if not value or not most:
        return None
    height = max(Decimal(BAR_HEIGHT_MIN), (HEIGHT * value / most).quantize(Decimal("0.1"), ROUND_UP))
    return Bar(x, float(HEIGHT - height), width, float(height))


def _amount(told: Mapping[str, Any], kind: str) -> Decimal:
    return Decimal(told[kind]["amount"]) if told[kind] else Decimal(0)


def _words(told: Mapping[str, Any], kind: str) -> str:
    """`3 charges of 165.00 USD`."""
    found = told[kind] or {"count": 0, "amount": "0"}
    noun = kind.removesuffix("s") if found["count"] == 1 else kind
    return f"{found['count']:,} {noun} of {amount(found['amount'])} {told['currencyCode']}"


def _sum(days: Sequence[Mapping[str, Any]], kind: str) -> str:
    return f"{sum((_amount(each, kind) for each in days), Decimal(0)):f}"
