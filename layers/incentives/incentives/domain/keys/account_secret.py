"""What an account's secret has to hold: the one rule by which functions read it, and by which it is put."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

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


def code_of(marketplace: str) -> str | None:
    """Amazon's code of a marketplace, from a code or alias in any case; None: there is no such marketplace."""
    upper = marketplace.strip().upper()
    code = ALIASES.get(upper, upper)
    return code if code in COUNTRIES else None


def _visible(text: object) -> str:
    """Keys and names as Amazon hands them out.

    Pasted with a line feed or a blank they sign nothing that Amazon accepts, and a header cannot even hold them.
    """
    if not isinstance(text, str) or not text.strip():
        raise PydanticCustomError("missing", "is missing")
    if not re.fullmatch(r"[!-~]+", text):
        fault = "holds a blank, an invisible character or one that is not ASCII; copy it again from the portal"
        raise PydanticCustomError("invisible", fault)
    return text


def _partner_id(text: str) -> str:
    # Request ids begin with it, and have at most 40 letters and digits, most of which must be left for the hash.
    if not re.fullmatch(r"[A-Za-z0-9]{1,10}", text):
        raise PydanticCustomError("partner_id", "is not 1 to 10 letters and digits")
    return text


def _code(text: str) -> str:
    code = code_of(text)
    if code is None:
        raise PydanticCustomError("marketplace", f"is none of {', '.join(COUNTRIES)}")
    return code


def _moment(text: object) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(str(text))
        return moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise PydanticCustomError("time", "is no RFC 3339 time") from None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise PydanticCustomError("flag", "is neither true nor false")
    return value


_Visible: Final = BeforeValidator(_visible)


class AccountSecret(BaseModel):
    """What Amazon's partner portal says of an account, as its secret holds it. No error quotes any of it."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    partner_id: Annotated[str, AfterValidator(_partner_id), _Visible]
    access_key_id: Annotated[str, _Visible]
    secret_access_key: Annotated[SecretStr, _Visible]
    marketplace: Annotated[str, AfterValidator(_code), _Visible]
    key_created_at: Annotated[datetime | None, BeforeValidator(_moment)] = None
    park_when_unfunded: Annotated[bool, BeforeValidator(_flag)] = False


def fault_of_secret(secret: Mapping[str, object]) -> tuple[str, str] | None:
    """Which field of a secret no function can work with, and what is wrong with it: empty if it is missing.

    It quotes none of them.
    """
    try:
        AccountSecret.model_validate(secret)
    except ValidationError as error:
        return _first_fault(error)
    return None


def _first_fault(error: ValidationError) -> tuple[str, str]:
    fault = error.errors(include_input=False)[0]
    return str(fault["loc"][0]), "" if fault["type"] == "missing" else fault["msg"]


def read_secret(name: str, text: str) -> Account:
    """Read an account's secret. No error quotes any of it.

    Raises:
        AccountUnusable: names the field that is missing or wrong.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise AccountUnusable(name, "has a secret that is no JSON document") from None
    if not isinstance(document, dict):
        raise AccountUnusable(name, "has a secret that is no JSON object")
    try:
        secret = AccountSecret.model_validate(document)
    except ValidationError as error:
        member, problem = _first_fault(error)
        why = f"whose {member} {problem}" if problem else f"without {member}"
        raise AccountUnusable(name, f"has a secret {why}") from None
    return Account(
        name=name,
        partner_id=secret.partner_id,
        marketplace=secret.marketplace,
        access_key_id=secret.access_key_id,
        secret_access_key=Secret(secret.secret_access_key.get_secret_value()),
        key_created_at=secret.key_created_at,
        parks_unfunded=secret.park_when_unfunded,
    )
