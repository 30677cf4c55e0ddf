"""What an account's secret has to hold: the one rule by which functions read it, and by which it is put."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from incentives.domain.accounts.account import Account
from incentives.domain.errors import AccountUnusable
from incentives.domain.secret_text import Secret

#: Amazon's code of each marketplace of the Incentives API, and the country as people name it.
COUNTRIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "US": "United States",
        "CA": "Canada",
        "MX": "Mexico",
        "IT": "Italy",
        "ES": "Spain",
        "DE": "Germany",
        "FR": "France",
        "UK": "United Kingdom",
        "TR": "Turkey",
        "UAE": "United Arab Emirates",
        "KSA": "Saudi Arabia",
        "PL": "Poland",
        "NL": "Netherlands",
        "SE": "Sweden",
        "EG": "Egypt",
        "BE": "Belgium",
        "ZA": "South Africa",
        "JP": "Japan",
        "AU": "Australia",
        "SG": "Singapore",
    }
)

#: ISO 3166 codes that people write for the three codes that are Amazon's own.
ALIASES: Final[Mapping[str, str]] = MappingProxyType({"GB": "UK", "AE": "UAE", "SA": "KSA"})

_REQUIRED: Final = ("partnerId", "accessKeyId", "secretAccessKey", "marketplace")

#: Keys and names as Amazon hands them out. Pasted with a line feed or a blank they sign nothing that Amazon accepts,
#: and a header cannot even hold them.
_VISIBLE: Final = re.compile(r"[!-~]+")
_UNUSABLE: Final = "holds a blank, an invisible character or one that is not ASCII; copy it again from the portal"

#: Request ids begin with it, are alphanumeric and have at most 40 characters, most of which must be left for the hash.
_PARTNER_ID: Final = re.compile(r"[A-Za-z0-9]{1,10}")


def code_of(marketplace: str) -> str | None:
    """Amazon's code of a marketplace, from a code or alias in any case; None: there is no such marketplace."""
    upper = marketplace.strip().upper()
    code = ALIASES.get(upper, upper)
    return code if code in COUNTRIES else None


def fault_of_secret(secret: Mapping[str, object]) -> tuple[str, str] | None:
    """Which field of a secret no function can work with, and what is wrong with it: empty if it is missing.

    It quotes none of them.
    """
    for member in _REQUIRED:
        value = secret.get(member)
        if not isinstance(value, str) or not value.strip():
            return member, ""
        if not _VISIBLE.fullmatch(value):
            return member, _UNUSABLE
    if not _PARTNER_ID.fullmatch(str(secret["partnerId"])):
        return "partnerId", "is not 1 to 10 letters and digits"
    if code_of(str(secret["marketplace"])) is None:
        return "marketplace", f"is none of {', '.join(COUNTRIES)}"
    return None


def read_secret(name: str, text: str) -> Account:
    """Read an account's secret. No error quotes any of it.

    Raises:
        AccountUnusable: names the field that is missing or wrong.
    """
    try:
        secret = json.loads(text)
    except (ValueError, RecursionError):
        raise AccountUnusable(name, "has a secret that is no JSON document") from None
    if not isinstance(secret, dict):
        raise AccountUnusable(name, "has a secret that is no JSON object")
    fault = fault_of_secret(secret)
    if fault is not None:
        member, problem = fault
        why = f"whose {member} {problem}" if problem else f"without {member}"
        raise AccountUnusable(name, f"has a secret {why}")
    return Account(
        name=name,
        partner_id=secret["partnerId"],
        marketplace=code_of(secret["marketplace"]) or "",
        access_key_id=secret["accessKeyId"],
        secret_access_key=Secret(secret["secretAccessKey"]),
        key_created_at=_created(name, secret.get("keyCreatedAt")),
        parks_unfunded=_flag(name, secret, "parkWhenUnfunded"),
    )


def _flag(name: str, secret: Mapping[str, Any], member: str) -> bool:
    value = secret.get(member, False)
    if not isinstance(value, bool):
        raise AccountUnusable(name, f"has a secret whose {member} is neither true nor false")
    return value


def _created(name: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise AccountUnusable(name, "has a secret whose keyCreatedAt is no RFC 3339 time") from None
