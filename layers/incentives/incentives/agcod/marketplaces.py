"""Where Amazon's Incentives API is served: marketplaces, hosts, signing regions, currencies, limits.

All of it is data. Source of groups, regions and hosts: Amazon's Incentives API page and the list of countries it
has grown to; `confidence` says how well each marketplace's currency is documented. Limits are entered only where a
source names them; where none does, the gateway refuses nothing and leaves the judgement to Amazon.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from incentives.domain.errors import InvalidInput
from incentives.domain.keys.account_secret import code_of
from incentives.domain.money import CURRENCY_DECIMALS, Money

if TYPE_CHECKING:
    from collections.abc import Mapping

Environment = Literal["sandbox", "production"]
#: documented: official text or recorded traffic; reported: one secondary source; inferred: nobody says so.
Confidence = Literal["documented", "reported", "inferred"]


@dataclass(frozen=True, slots=True)
class Group:
    """Marketplaces that share hosts and a signing region.

    Attributes:
        region: the region of the credential scope. The Far East signs in us-west-2, not in an ap-* region.
    """

    code: str
    region: str
    sandbox: str
    production: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Smallest and largest amount of one operation, in `currency`, both inclusive; None where no source says."""

    currency: str
    minimum: Decimal | None
    maximum: Decimal | None
    source: str
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Marketplace:
    """One country's Incentives API.

    Attributes:
        code: country as Amazon writes it, e.g. `UK`.
        limits: by operation name; several currencies may be listed.
    """

    code: str
    group: Group
    currencies: tuple[str, ...]
    confidence: Confidence = "documented"
    limits: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Region of the SigV4 credential scope."""
        return self.group.region


NA: Final = Group("NA", "us-east-1", "https://agcod-v2-gamma.amazon.com", "https://agcod-v2.amazon.com")
EU: Final = Group("EU", "eu-west-1", "https://agcod-v2-eu-gamma.amazon.com", "https://agcod-v2-eu.amazon.com")
FE: Final = Group("FE", "us-west-2", "https://agcod-v2-fe-gamma.amazon.com", "https://agcod-v2-fe.amazon.com")

#: Dollars. Amazon's FAQ (about 2022). Other marketplaces' limits are not published.
_US_FAQ: Final = "Amazon's FAQ for partners, about 2022"
_US_LIMITS: Final[Mapping[str, tuple[Limit, ...]]] = MappingProxyType(
    {
        "CreateGiftCard": (Limit("USD", Decimal("0.15"), Decimal(2000), _US_FAQ, "reported"),),
        "ActivateGiftCard": (Limit("USD", Decimal(1), Decimal(2000), _US_FAQ, "reported"),),
    }
)

_ALL: Final = (
    Marketplace("US", NA, ("USD",), limits=_US_LIMITS),
    Marketplace("CA", NA, ("CAD",)),
    Marketplace("MX", NA, ("MXN",)),
    Marketplace("IT", EU, ("EUR",)),
    Marketplace("ES", EU, ("EUR",)),
    Marketplace("DE", EU, ("EUR",)),
    Marketplace("FR", EU, ("EUR",)),
    Marketplace("UK", EU, ("GBP",)),
    Marketplace("TR", EU, ("TRY",)),
    Marketplace("UAE", EU, ("AED",)),
    Marketplace("KSA", EU, ("SAR",)),
    Marketplace("PL", EU, ("PLN",)),
    Marketplace("NL", EU, ("EUR",), "reported"),
    Marketplace("SE", EU, ("SEK",)),
    Marketplace("EG", EU, ("EGP",), "inferred"),
    Marketplace("BE", EU, ("EUR",), "reported"),
    Marketplace("ZA", EU, ("ZAR",), "inferred"),
    Marketplace("JP", FE, ("JPY",)),
    Marketplace("AU", FE, ("AUD",)),
    Marketplace("SG", FE, ("SGD",)),
)

#: Every marketplace by Amazon's own code.
MARKETPLACES: Final[Mapping[str, Marketplace]] = MappingProxyType({each.code: each for each in _ALL})


def marketplace_of(code: str) -> Marketplace:
    """The marketplace of a code or alias, in any case.

    Raises:
        InvalidInput: names `marketplace`: no such marketplace.
    """
    found = MARKETPLACES.get(code_of(code) or "")
    if found is None:
        raise InvalidInput("marketplace", f"must be one of {', '.join(MARKETPLACES)}")
    return found


def endpoint_of(marketplace: str, environment: Environment, override: str | None = None) -> str:
    """Base URL without a trailing slash.

    Args:
        marketplace: code or alias.
        environment: Amazon's own sandbox or the real thing.
        override: another Incentives API to speak to, e.g. the local sandbox; empty counts as none.

    Raises:
        InvalidInput: names `marketplace` or `endpoint`.
    """
    chosen = marketplace_of(marketplace)
    if override is not None and override.strip():
        return checked_endpoint(override)
    match environment:
        case "sandbox":
            return chosen.group.sandbox
        case "production":
            return chosen.group.production
    raise InvalidInput("environment", "must be sandbox or production")


def checked_endpoint(url: str) -> str:
    """The URL without trailing slashes, if gift cards may travel to it.

    Raises:
        InvalidInput: names `endpoint`: no https, or plain http to something that is not this machine's loopback
            address; or a part that a base URL does not have (user, query, fragment).
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("endpoint", "is no URL") from None
    if not host or parts.query or parts.fragment or parts.username is not None or "\\" in text or " " in text:
        raise InvalidInput("endpoint", "must be a plain base URL such as https://host[:port]")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return text.rstrip("/")
    raise InvalidInput("endpoint", "must use https (plain http only to a loopback address)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Any other name: what it resolves to is not ours to trust.
        return False


def check_value(marketplace: str, operation: str, money: Money) -> None:
    """Refuse what Amazon would certainly refuse, before anything is written or sent.

    Raises:
        InvalidInput: names `currencyCode` (the marketplace does not use it) or `amount` (beyond a known limit, or
            more decimals than the currency has).
    """
    place = marketplace_of(marketplace)
    if money.currency not in place.currencies:
        raise InvalidInput("currencyCode", f"must be {' or '.join(place.currencies)} in marketplace {place.code}")
    decimals = CURRENCY_DECIMALS[money.currency]
    exponent = money.amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -decimals:
        raise InvalidInput("amount", f"must have at most {decimals} decimals for {money.currency}")
    for limit in place.limits.get(operation, ()):
        if limit.currency != money.currency:
            continue
        if limit.minimum is not None and money.amount < limit.minimum:
            raise InvalidInput("amount", f"must be at least {limit.minimum:f} {limit.currency} in {place.code}")
        if limit.maximum is not None and money.amount > limit.maximum:
            raise InvalidInput("amount", f"must be at most {limit.maximum:f} {limit.currency} in {place.code}")
