"""Reads the fields of a request, with the refusals and the framework errors that Amazon responds with to wrong ones."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from sandbox.model.errors import RefusedError, UnreadableError, error_of, refuse
from sandbox.model.mocks import MOCKS, is_mock
from sandbox.model.values import Fields, Json, Money, has_too_many_decimals, quantised

if TYPE_CHECKING:
    from sandbox.model.world import Account, World

REQUEST_ID_LENGTH_MAX = 40
EXTERNAL_REFERENCE_LENGTH_MAX = 100
PROGRAM_ID_LENGTH_MAX = 100
PRODUCT_TYPE_LENGTH_MAX = 50

_T = TypeVar("_T")


def java_class(value: Json) -> str:
    """The class name that Amazon's framework prints when a JSON value has the wrong type."""
    match value:
        case bool():
            return "java.lang.Boolean"
        case str():
            return "java.lang.String"
        case int():
            return "java.lang.Integer"
        case float() | Decimal():
            return "java.lang.Double"
        case list():
            return "java.util.ArrayList"
        case _:
            return "java.util.LinkedHashMap"


def wrong_type(value: Json) -> UnreadableError:
    """The recorded response to a JSON value of the wrong type."""
    return UnreadableError(f"class {java_class(value)} is not an expected Json type")


def _member(fields: Fields, name: str, wanted: type[_T]) -> _T | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
        return value
    raise wrong_type(value)


def text(fields: Fields, name: str) -> str | None:
    """A string field; null and missing are the same."""
    return _member(fields, name, str)


def flag(fields: Fields, name: str) -> bool | None:
    """A boolean field."""
    return _member(fields, name, bool)


def whole(fields: Fields, name: str) -> int | None:
    """A whole-number field."""
    return _member(fields, name, int)


def structure(fields: Fields, name: str) -> Fields | None:
    """A field that is an object."""
    return _member(fields, name, dict)


def number(fields: Fields, name: str) -> Decimal | None:
    """A numeric field, exactly as written."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise wrong_type(value)
    return Decimal(value)


def partner_id(account: Account, fields: Fields) -> None:
    """Check `partnerId`: present, and the one that the signing key belongs to (case-sensitive)."""
    value = text(fields, "partnerId")
    if not value:
        raise refuse("InvalidPartnerIdInput")
    if value != account.partner_id:
        raise refuse("AccessDenied")


def request_id(world: World, account: Account, fields: Fields, name: str) -> str:
    """The id of the request under its operation's name, checked as strictly as the options say."""
    value = text(fields, name)
    if not value:
        raise refuse("InvalidRequestIdInput")
    if len(value) > REQUEST_ID_LENGTH_MAX:
        # Recorded: this failure carries a card info that holds the asked value.
        raise refuse("RequestIdTooLong", card_info=_asked_card_info(fields))
    if world.options.strict_ids:
        if not re.fullmatch(r"[A-Za-z0-9]+", value):
            raise refuse("InvalidRequestIdInput", "Request Id must be alphanumeric")
        if not value.startswith(account.partner_id):
            raise refuse("RequestIdMustStartWithPartnerName")
    return value


def card_value(world: World, account: Account, fields: Fields) -> Money:
    """`value{amount, currencyCode}` in major units, checked against the account's currencies and limits."""
    value = structure(fields, "value")
    if value is None:
        raise refuse("InvalidAmountInput")
    amount = number(value, "amount")
    if amount is None:
        # Recorded: a null amount trips the framework, not the validation.
        raise UnreadableError(None)
    return checked_money(world, account, amount, text(value, "currencyCode"), fields)


def checked_money(world: World, account: Account, amount: Decimal, currency: str | None, fields: Fields) -> Money:
    """`amount` as Money of an allowed currency, more than 0, without lost decimals and within the account's limits."""
    if amount <= 0:
        raise refuse("InvalidAmountValue")
    if not currency:
        raise refuse("InvalidCurrencyCodeInput")
    limits = account.limits.get(currency)
    if limits is None:
        raise refuse("CurrencyCodeMismatch")
    # The limits come first: a number such as 1e400 cannot be quantised.
    if amount > limits.most:
        raise refuse(world.options.over_limit, card_info=_asked_card_info(fields))
    if amount < limits.least:
        raise refuse("AmountBelowMinThreshold")
    if has_too_many_decimals(amount, currency):
        raise refuse("FractionalAmountNotAllowed")
    return Money(quantised(amount, currency), currency)


def optional_members(fields: Fields) -> None:
    """Check the fields that only some partners send."""
    reference = text(fields, "externalReference")
    if reference is not None and len(reference) > EXTERNAL_REFERENCE_LENGTH_MAX:
        raise refuse("ExternalReferenceTooLong")
    program = text(fields, "programId")
    if program is not None and not re.fullmatch(rf"[A-Za-z0-9]{{1,{PROGRAM_ID_LENGTH_MAX}}}", program):
        raise refuse("InvalidProgramId")
    product = text(fields, "productType")
    if product is not None and not re.fullmatch(rf"[A-Za-z0-9]{{1,{PRODUCT_TYPE_LENGTH_MAX}}}", product):
        raise refuse("InvalidRequest", "Invalid Product Type")
    structure(fields, "transactionSource")


def mock_id(fields: Fields, *names: str) -> str | None:
    """The mock id that one of the fields `names` holds.

    A mock failure is raised at once; mock success returns its id.
    """
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and is_mock(value):
            error = MOCKS[value]
            if error is not None:
                raise RefusedError(error, mock=True)
            return value
    return None


def usable_account(account: Account) -> None:
    """Refuse everything while the account is blocked."""
    if account.blocked is not None:
        raise RefusedError(error_of(account.blocked))


def _asked_card_info(fields: Fields) -> Json:
    value = fields.get("value")
    if not isinstance(value, dict):
        return None
    return {
        "cardNumber": None,
        "cardStatus": None,
        "expirationDate": None,
        "value": {"amount": value.get("amount"), "currencyCode": value.get("currencyCode")},
    }
