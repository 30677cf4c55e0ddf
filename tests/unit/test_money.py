from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incentives.api.problems import status_of
from incentives.domain.errors import InvalidInput
from incentives.domain.money import AMOUNT_MAX, CURRENCY_DECIMALS, Money, parse_currency, parse_money

NO_AMOUNTS: Final = {
    "zero": "0",
    "zero with decimals": "0.00",
    "negative zero": "-0",
    "negative": "-25.00",
    "not a number": "NaN",
    "signalling NaN": "sNaN",
    "infinity": "Infinity",
    "short infinity": "inf",
    "exponent": "1e2",
    "huge exponent": "1e400",
    "underscore": "1_000",
    "thousands separator": "1,000.00",
    "arabic digits": "\u0662\u0665",
    "full-width digits": "\uff12\uff15",
    "empty": "",
    "space": " ",
    "space around": " 25.00",
    "line feed": "25.00\n",
    "two points": "1.2.3",
    "sign alone": "-",
    "point alone": ".",
    "plus": "+25.00",
    "hex": "0x19",
    "currency sign": "$25",
    "longer than any amount": "1" * 19,
    "above the guard": f"{AMOUNT_MAX + 1:f}",
    "three decimals": "25.001",
}


@pytest.mark.parametrize("text", NO_AMOUNTS.values(), ids=NO_AMOUNTS.keys())
def test_text_that_is_no_amount_is_refused_and_names_the_field(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_money(text, "USD", amount_field="amount")
    assert error.value.field == "amount"
    assert status_of(error.value) == 400


@pytest.mark.parametrize(
    "number",
    [
        Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"),
        Decimal("1e400"), Decimal("1e-400"), Decimal("1e999999"), Decimal("25.001"), Decimal(10) ** 30, 0, -1,
        True, False, None, 25.0, [], {}, b"25",
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_that_is_no_amount_is_refused_and_names_the_field(number: object) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_money(number, "USD")
    assert error.value.field == "amount"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("25", "USD", "25.00"),
        ("25.0", "USD", "25.00"),
        ("0.01", "USD", "0.01"),
        ("0025.10", "EUR", "25.10"),
        (".5", "GBP", "0.50"),
        ("5.", "GBP", "5.00"),
        ("1000", "JPY", "1000"),
        (Decimal("2E+1"), "USD", "20.00"),
        (Decimal("2.5E1"), "JPY", "25"),
        (25, "CAD", "25.00"),
        (AMOUNT_MAX, "USD", "10000000.00"),
    ],
)
def test_an_amount_is_quantised_to_its_currency(amount: object, currency: str, text: str) -> None:
    money = parse_money(amount, currency)
    assert money.amount_text == text
    assert str(money) == f"{text} {currency}"


def test_two_ways_to_write_an_amount_are_one_amount() -> None:
    assert parse_money("25", "USD") == parse_money(Decimal("25.00"), "USD") == parse_money(25, "USD")


@given(
    st.integers(0, 9_999), st.text("0123456789", max_size=8), st.sampled_from(sorted(CURRENCY_DECIMALS)), st.booleans()
)
@example(25, "000", "USD", False)
@example(1, "000", "EUR", True)
@example(1000, "00", "JPY", False)
@example(1, "005", "USD", False)
def test_no_more_decimals_are_taken_than_the_currency_has_not_even_zeros(
    whole: int, decimals: str, currency: str, is_number: bool
) -> None:
    text = f"{whole}.{decimals}"
    amount = Decimal(text) if is_number else text
    if len(decimals) <= CURRENCY_DECIMALS[currency]:
        assert Decimal(text) == 0 or parse_money(amount, currency).amount == Decimal(text)
        return
    with pytest.raises(InvalidInput, match=r"decimals for|greater than zero") as error:
        parse_money(amount, currency)
    assert error.value.field == "amount"


def test_an_exponent_moves_the_point_before_decimals_are_counted() -> None:
    with pytest.raises(InvalidInput, match="decimals for USD"):
        parse_money(Decimal("25000E-3"), "USD")


@pytest.mark.parametrize("code", ["usd", "US", "", "XXX", "BTC", None, 840, ["USD"], "USD "])
def test_an_unknown_currency_is_refused_before_the_amount_is_looked_at(code: object) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_money("nonsense", code)
    assert error.value.field == "currencyCode"


@pytest.mark.parametrize("code", CURRENCY_DECIMALS)
def test_every_currency_of_a_marketplace_is_known(code: str) -> None:
    assert parse_currency(code) == code


@given(st.text(max_size=30))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        money = parse_money(text, "USD")
    except InvalidInput:
        return
    assert isinstance(money, Money)
    assert 0 < money.amount <= AMOUNT_MAX
    assert money.amount.as_tuple().exponent == -2


@given(st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(sorted(CURRENCY_DECIMALS)))
def test_no_decimal_does_anything_but_parse_or_be_refused(number: Decimal, currency: str) -> None:
    try:
        money = parse_money(number, currency)
    except InvalidInput:
        return
    assert money.amount == number
    assert money.amount.as_tuple().exponent == -CURRENCY_DECIMALS[currency]
