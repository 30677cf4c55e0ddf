"""Money: a decimal amount that knows its currency, and a currency that knows its decimals.

Amounts travel as decimal strings (`"25.00"`) or JSON numbers and are never binary floats on the way.
The number of decimals is ISO 4217's minor unit. Which currencies exist is the list of marketplaces that
the Incentives API serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from incentives.domain.errors import InvalidInput

#: ISO 4217 minor units of every currency an Incentives API marketplace uses.
CURRENCY_DECIMALS: Final[dict[str, int]] = {
    "AED": 2,
    "AUD": 2,
    "CAD": 2,
    "EGP": 2,
    "EUR": 2,
    "GBP": 2,
    "JPY": 0,
    "MXN": 2,
    "PLN": 2,
    "SAR": 2,
    "SEK": 2,
    "SGD": 2,
    "TRY": 2,
    "USD": 2,
    "ZAR": 2,
}

#: Longest amount text we look at: far above any card's value, and short enough that parsing costs nothing.
AMOUNT_TEXT_LENGTH_MAX: Final = 18

#: Nothing near this can be a gift card (Amazon's largest known limit is 2,000 dollars). It is a guard
#: against a slipped decimal point; each marketplace's own limit is data of the package `agcod`.
AMOUNT_MAX: Final = Decimal(10_000_000)

#: Likewise of sums: no campaign has as much, and in minor units it is far below what a JSON number holds exactly.
SUM_MAX: Final = Decimal(1_000_000_000_000)


#: Written out, a binary float that misses its decimal has 15 to 17 digits: 4999.849999999999. Fewer are meant, and more
#: are no float's.
_NOISE_DIGITS: Final = range(12, 18)

#: In the currency's smallest units: a float of up to a hundred million dollars is not further off, and no two amounts
#: of money are as near to each other.
_NOISE_MAX: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Money:
    """A positive amount, quantised to the decimals of its currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount_text} {self.currency}"

    @property
    def amount_text(self) -> str:
        """The amount as a plain decimal string, e.g. `"25.00"` or, for yen, `"1000"`."""
        return f"{self.amount:f}"


def parse_currency(code: object, *, field: str = "currencyCode") -> str:
    """Return a known ISO 4217 code.

    Raises:
        InvalidInput: it is no string, or no marketplace uses it.
    """
    if not isinstance(code, str) or code not in CURRENCY_DECIMALS:
        known = ", ".join(CURRENCY_DECIMALS)
        raise InvalidInput(field, f"must be one of {known}")
    return code


def without_noise(amount: Decimal, currency: str) -> Decimal:
    """The amount that a binary float stands for; any other amount as it is, with all of its decimals."""
    decimals, digits = CURRENCY_DECIMALS.get(currency), len(amount.as_tuple().digits)
    if decimals is None or digits not in _NOISE_DIGITS:
        return amount
    if Decimal(f"{float(amount):.{digits - 1}e}") != amount:
        # No float is written so: 25.000000000000001 lies between two of them.
        return amount
    try:
        rounded = amount.quantize(Decimal(1).scaleb(-decimals))
    except InvalidOperation:
        return amount
    return rounded if abs(amount - rounded).scaleb(decimals) <= _NOISE_MAX else amount


def parse_money(
    amount: object,
    currency: object,
    *,
    amount_field: str = "amount",
    currency_field: str = "currencyCode",
    most: Decimal = AMOUNT_MAX,
) -> Money:
    """Read an amount that a caller sent as a decimal string, an integer or a decimal.

    Decimals are counted as they are written, zeros included; those of a JSON number with an exponent after the exponent
    has moved the point: `2.5e1` has none, `25.000` and `25000e-3` have three.

    Args:
        amount: as it was sent.
        currency: likewise.
        amount_field: what the caller calls it.
        currency_field: likewise.
        most: what is taken for a slip above.

    Raises:
        InvalidInput: names the field: no number, zero, negative, not finite, absurdly large, or more decimals
            than the currency has.
    """
    code = parse_currency(currency, field=currency_field)
    value = _parse_decimal(amount, amount_field, most)
    decimals = CURRENCY_DECIMALS[code]
    if value <= 0:
        raise InvalidInput(amount_field, "must be greater than zero")
    if value > most:
        raise InvalidInput(amount_field, f"must be at most {most:f}")
    # Zeros count: in "25.000" the point may be one of thousands, and nobody is to guess.
    if -_exponent(value) > decimals:
        allowed = f"at most {decimals}" if decimals else "no"
        raise InvalidInput(
            amount_field,
            f"must have {allowed} decimals for {code}, not even zeros: a point begins the decimals, never thousands",
        )
    return Money(value.quantize(Decimal(1).scaleb(-decimals)), code)


def _parse_decimal(amount: object, field: str, most: Decimal) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        raise InvalidInput(field, "must be a decimal string or a JSON number")
    text = str(amount)
    # Digits, one point and a sign only: no exponent, no NaN, no Infinity, no underscores, no other scripts' digits.
    if isinstance(amount, str) and (
        len(text) > AMOUNT_TEXT_LENGTH_MAX or not text.isascii() or set(text) - set("0123456789.-")
    ):
        raise InvalidInput(field, 'must be a plain decimal number such as "25.00"')
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(field, 'must be a plain decimal number such as "25.00"') from None
    if not value.is_finite():
        raise InvalidInput(field, "must be a finite number")
    if value.adjusted() > AMOUNT_TEXT_LENGTH_MAX or _exponent(value) < -AMOUNT_TEXT_LENGTH_MAX:
        # Checked before any arithmetic: quantising 1e400 would need 400 digits.
        raise InvalidInput(field, f"must be at most {most:f} and have no more decimals than its currency")
    return value


def _exponent(value: Decimal) -> int:
    """Of a finite one."""
    return int(value.as_tuple().exponent)
