"""What is sent: a `Call` as the JSON text that Amazon documents for its operation.

Amounts are written from their decimals, digit by digit; a binary float never occurs. Fields come in one fixed
order, so that the same call is always the same bytes.

`LoadAmazonBalance` is the exception among the operations: its amount is `amount.value`, a *string*
(Amazon's signing sample: `"amount":{"currencyCode":"USD","value":"1000"}`), and whether it counts minor units
(cents) or major ones is published nowhere. A public client of its sister operation sends 4000 where 40 dollars are
plausible and 4,000 exceed Amazon's largest card, so minor units are the default; it is the `load_units` setting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from incentives.domain.caller_fields import CARD_NUMBER, CUSTOMER_ACCOUNT, FIELDS
from incentives.domain.errors import InvalidInput
from incentives.domain.money import CURRENCY_DECIMALS, Money

if TYPE_CHECKING:
    from incentives.domain.calls import Call

LoadUnits = Literal["minor", "major"]

#: The field that carries the request id, by operation, in requests and in responses alike. None: there is none.
REQUEST_ID_MEMBERS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "CreateGiftCard": "creationRequestId",
        "CancelGiftCard": "creationRequestId",
        "ActivateGiftCard": "activationRequestId",
        "DeactivateGiftCard": "activationRequestId",
        "ActivationStatusCheck": "statusCheckRequestId",
        "LoadAmazonBalance": "loadBalanceRequestId",
        "VoidAmazonBalanceLoad": "loadBalanceRequestId",
        "GetAvailableFunds": None,
        "GetGiftCardActivityPage": "requestId",
    }
)

#: Options of the queries, which are not callers' fields. A name that is not listed is refused, so that no option can
#: replace the id or value.
_QUERY_OPTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"GetGiftCardActivityPage": frozenset({"utcStartDate", "utcEndDate", "pageIndex", "pageSize", "showNoOps"})}
)

_VALUE_NEEDED: Final = frozenset({"CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance"})
_CARD_NEEDED: Final = frozenset({"ActivateGiftCard", "DeactivateGiftCard", "ActivationStatusCheck"})

#: Of an optional object's JSON. Amazon names no limit; the gateway takes bodies of 10 KB, and these are a part of one.
_OBJECT_LENGTH_MAX: Final = 4096
#: Deepest documented object: transactionSource.sourceDetails.institutionName.
_OBJECT_DEPTH_MAX: Final = 6


def body_of(call: Call, partner_id: str, *, load_units: LoadUnits = "minor") -> str:
    """The JSON body of a call (ASCII only: other characters are escaped).

    Raises:
        InvalidInput: names the field that is missing, not of this operation, or out of its limits.
    """
    if call.name not in REQUEST_ID_MEMBERS:
        raise InvalidInput("operation", f"must be one of {', '.join(REQUEST_ID_MEMBERS)}")
    check_options(call)
    members: dict[str, Any] = {}
    id_member = REQUEST_ID_MEMBERS[call.name]
    if id_member is not None:
        members[id_member] = call.request_id
    members["partnerId"] = partner_id
    if call.name in _CARD_NEEDED:
        members["cardNumber"] = _card_number(call)
    if call.name == "CancelGiftCard" and call.gc_id is not None:
        members["gcId"] = call.gc_id
    if call.name in _VALUE_NEEDED and call.value is None:
        raise InvalidInput("amount", "is missing")
    if call.value is not None:
        if call.name in ("CreateGiftCard", "ActivateGiftCard"):
            members["value"] = {"currencyCode": call.value.currency, "amount": call.value.amount}
        elif call.name in ("LoadAmazonBalance", "VoidAmazonBalanceLoad"):
            members["amount"] = {"currencyCode": call.value.currency, "value": load_amount_text(call.value, load_units)}
    members |= {name: call.options[name] for name in sorted(call.options)}
    return dumps(members)


def load_amount_text(money: Money, units: LoadUnits) -> str:
    """A balance load's amount: `"1000"` for 10 dollars in minor units, `"10.00"` in major ones."""
    match units:
        case "minor":
            return f"{money.amount.scaleb(CURRENCY_DECIMALS[money.currency]).to_integral_exact():f}"
        case "major":
            return f"{money.amount:f}"


def load_amount_value(text: Decimal, currency: str, units: LoadUnits) -> Decimal:
    """The amount in major units of a balance load's number."""
    return text.scaleb(-CURRENCY_DECIMALS[currency]) if units == "minor" else text


def check_options(call: Call) -> None:
    """Check a call's optional fields.

    Raises:
        InvalidInput: names the first field that this operation does not have or that breaks Amazon's limits.
    """
    for name, value in call.options.items():
        if name in _QUERY_OPTIONS.get(call.name, ()):
            continue
        declared = FIELDS.get(name)
        if declared is None or call.name not in declared.sent_with:
            raise InvalidInput(name, f"is not a field of {call.name}")
        if not declared.is_text:
            _check_object(name, value)
        elif not isinstance(value, str) or not value:
            raise InvalidInput(name, "must be a text")
        elif (why := declared.beyond_limits(value)) is not None:
            raise InvalidInput(name, why)
    if call.name == "LoadAmazonBalance":
        _check_account(call.options.get(CUSTOMER_ACCOUNT))


def dumps(value: object) -> str:
    """Compact JSON of str, int, bool, None, Decimal and of dicts and lists of them; a Decimal keeps its digits.

    Raises:
        InvalidInput: names `body`: anything else, a binary float above all.
    """
    match value:
        case None | bool() | int() | str():
            return json.dumps(value)
        case Decimal() if value.is_finite():
            return f"{value:f}"
        case Mapping():
            return "{" + ",".join(f"{json.dumps(str(name))}:{dumps(each)}" for name, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(dumps(each) for each in value) + "]"
        case _:
            raise InvalidInput("body", f"cannot hold a {type(value).__name__}")


def _card_number(call: Call) -> str:
    number = call.card_number.reveal() if call.card_number is not None else ""
    if (why := FIELDS[CARD_NUMBER].beyond_limits(number)) is not None:
        raise InvalidInput(CARD_NUMBER, why)
    return number


def _check_account(account: object) -> None:
    if not isinstance(account, Mapping):
        raise InvalidInput("account", "is missing")
    for member in ("id", "type"):
        if not isinstance(account.get(member), str) or not account[member]:
            raise InvalidInput(f"account.{member}", "must be a text")


def _check_object(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(name, "must be an object")
    if _depth(value) > _OBJECT_DEPTH_MAX:
        raise InvalidInput(name, f"must be nested at most {_OBJECT_DEPTH_MAX} deep")
    if len(dumps(value)) > _OBJECT_LENGTH_MAX:
        raise InvalidInput(name, f"must be at most {_OBJECT_LENGTH_MAX} characters of JSON")


def _depth(value: object, level: int = 1) -> int:
    if level > _OBJECT_DEPTH_MAX:
        return level
    match value:
        case Mapping():
            return max((_depth(each, level + 1) for each in value.values()), default=level)
        case list() | tuple():
            return max((_depth(each, level + 1) for each in value), default=level)
        case _:
            return level
