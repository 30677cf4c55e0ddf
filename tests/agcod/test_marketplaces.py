from __future__ import annotations

from decimal import Decimal

import pytest

from incentives.agcod import marketplaces
from incentives.agcod.marketplaces import EU, MARKETPLACES, Limit, Marketplace, check_value, endpoint_of, marketplace_of
from incentives.domain.errors import InvalidInput
from incentives.domain.keys import account_secret as account_secrets
from incentives.domain.money import CURRENCY_DECIMALS, Money

COUNTRIES = [
    "US", "CA", "MX", "IT", "ES", "DE", "FR", "UK", "TR", "UAE", "KSA", "PL", "NL", "SE", "EG", "BE", "ZA",
    "JP", "AU", "SG",
]  # fmt: skip


def test_every_documented_country_is_there_with_known_currencies() -> None:
    assert list(MARKETPLACES) == COUNTRIES
    assert {code for place in MARKETPLACES.values() for code in place.currencies} == set(CURRENCY_DECIMALS)
    for place in MARKETPLACES.values():
        for limits in place.limits.values():
            assert all(limit.currency in place.currencies and limit.source for limit in limits)


@pytest.mark.parametrize(
    ("code", "region", "sandbox", "production"),
    [
        ("MX", "us-east-1", "https://agcod-v2-gamma.amazon.com", "https://agcod-v2.amazon.com"),
        ("ZA", "eu-west-1", "https://agcod-v2-eu-gamma.amazon.com", "https://agcod-v2-eu.amazon.com"),
        ("SG", "us-west-2", "https://agcod-v2-fe-gamma.amazon.com", "https://agcod-v2-fe.amazon.com"),
    ],
)
def test_hosts_and_regions(code: str, region: str, sandbox: str, production: str) -> None:
    assert marketplace_of(code).region == region
    assert endpoint_of(code, "sandbox") == sandbox
    assert endpoint_of(code, "production", "") == production


@pytest.mark.parametrize(("alias", "code"), [("GB", "UK"), ("ae", "UAE"), ("SA", "KSA"), ("uk", "UK"), (" us ", "US")])
def test_aliases(alias: str, code: str) -> None:
    assert marketplace_of(alias).code == code


def test_each_marketplace_has_a_country_and_no_other_has() -> None:
    assert [*marketplaces.MARKETPLACES] == [*account_secrets.COUNTRIES]


@pytest.mark.parametrize("code", ["", "XX", "CN", "United States"])
def test_no_such_marketplace(code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        marketplace_of(code)
    assert caught.value.field == "marketplace"


@pytest.mark.parametrize(
    ("override", "url"),
    [
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:1/base//", "http://localhost:1/base"),
        ("https://agcod.example/", "https://agcod.example"),
    ],
)
def test_an_override_is_taken(override: str, url: str) -> None:
    assert endpoint_of("US", "production", override) == url


@pytest.mark.parametrize(
    "override",
    [
        "http://agcod.example",
        "http://10.0.0.1",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://127.0.0.1@agcod.example",
        "ftp://127.0.0.1",
        "agcod.example",
        "https://",
        "https://user:pass@agcod.example",
        "https://agcod.example?x=1",
        "https://agcod.example#x",
        "https://agcod.example:port",
        "http://127.0.0.1\\@agcod.example",
        "https://[::1",
    ],
)
def test_cards_travel_only_by_tls_or_loopback(override: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        endpoint_of("US", "sandbox", override)
    assert caught.value.field == "endpoint"


@pytest.mark.parametrize(
    ("code", "operation", "amount", "currency"),
    [
        ("US", "CreateGiftCard", "0.15", "USD"),
        ("US", "CreateGiftCard", "2000.00", "USD"),
        ("US", "LoadAmazonBalance", "5000", "USD"),
        ("GB", "CreateGiftCard", "9999.99", "GBP"),
        ("JP", "CreateGiftCard", "1000", "JPY"),
    ],
)
def test_values_that_may_be_asked_for(code: str, operation: str, amount: str, currency: str) -> None:
    check_value(code, operation, Money(Decimal(amount), currency))


@pytest.mark.parametrize(
    ("code", "operation", "amount", "currency", "field"),
    [
        ("US", "CreateGiftCard", "25.00", "EUR", "currencyCode"),
        ("UK", "CreateGiftCard", "25.00", "EUR", "currencyCode"),
        ("US", "CreateGiftCard", "0.14", "USD", "amount"),
        ("US", "CreateGiftCard", "2000.01", "USD", "amount"),
        ("US", "ActivateGiftCard", "0.99", "USD", "amount"),
        ("JP", "CreateGiftCard", "1000.5", "JPY", "amount"),
        ("US", "CreateGiftCard", "NaN", "USD", "amount"),
    ],
)
def test_values_that_amazon_would_refuse(code: str, operation: str, amount: str, currency: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_value(code, operation, Money(Decimal(amount), currency))
    assert caught.value.field == field


def test_a_limit_binds_only_its_own_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a marketplace of two currencies, of which only the second has limits
    limits = {"CreateGiftCard": (Limit("EUR", Decimal(5), Decimal(100), "made up", "inferred"),)}
    monkeypatch.setattr(marketplaces, "MARKETPLACES", {"BE": Marketplace("BE", EU, ("GBP", "EUR"), limits=limits)})
    # then what is too little or too much in one may be asked for in the other
    for amount in ("1.00", "200.00"):
        check_value("BE", "CreateGiftCard", Money(Decimal(amount), "GBP"))
        with pytest.raises(InvalidInput) as caught:
            check_value("BE", "CreateGiftCard", Money(Decimal(amount), "EUR"))
        assert caught.value.field == "amount"


@pytest.mark.parametrize("environment", ["", "Production", "prod", "gamma"])
def test_what_is_neither_the_sandbox_nor_production_is_taken_for_neither(environment: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        endpoint_of("US", environment)  # type: ignore[arg-type]
    assert caught.value.field == "environment"
