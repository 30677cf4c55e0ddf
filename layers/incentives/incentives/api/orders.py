"""Reading an order from an API call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incentives.api.models import (
    ActivateGiftCardBody,
    CheckActivationStatusBody,
    CreateGiftCardBody,
    LoadAmazonBalanceBody,
    parse,
)
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import InvalidInput
from incentives.domain.money import Money, parse_money
from incentives.domain.single_requests.request_ids import IDEMPOTENCY_KEY_FIELD, parse_idempotency_key

if TYPE_CHECKING:
    from incentives.api.gateway import ApiCall

KEY_HEADER: Final = "idempotency-key"

#: A key in quotes, as the IETF's draft of this header has it: a string of RFC 8941, without parameters.
_QUOTED_KEY: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')

#: One preference of a list, with its parameters; a comma in quotes separates nothing. A quote that is never closed ends
#: with the text, so that no text takes more than one look at each of its characters.
_PREFERENCE: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')


def read_key(call: ApiCall) -> str:
    """The idempotency key of a call. `"k"`, the form of the IETF's draft, and `k` are one key.

    Blanks around the header are HTTP's own and no part of the key; within the quotes they are the key's.

    Raises:
        InvalidInput: names the header.
    """
    header = call.headers.get(KEY_HEADER)
    text = None if header is None else header.strip(" \t")
    if text is None or not text.startswith('"'):
        return parse_idempotency_key(text)
    quoted = _QUOTED_KEY.fullmatch(text)
    if quoted is None:
        raise InvalidInput(
            IDEMPOTENCY_KEY_FIELD,
            "begins with a quotation mark: then it must end with one, have nothing behind it, and hold printable ASCII "
            'characters only, with a backslash before each \\ and " of the key',
        )
    return parse_idempotency_key(re.sub(r"\\(.)", r"\1", quoted[1]))


def read_create(call: ApiCall) -> tuple[str, Money, CreateGiftCardBody]:
    """The idempotency key, the amount and the rest of a `POST /gift-cards`.

    Raises:
        InvalidInput: names the field.
    """
    key = read_key(call)
    body = parse(CreateGiftCardBody, call.json_object())
    return key, parse_money(body.amount, body.currencyCode), body


def read_activation(call: ApiCall) -> tuple[str, Money, ActivateGiftCardBody]:
    """The same of a `POST /activations`."""
    key = read_key(call)
    body = parse(ActivateGiftCardBody, call.json_object())
    return key, parse_money(body.amount, body.currencyCode), body


def read_balance_load(call: ApiCall) -> tuple[str, Money, LoadAmazonBalanceBody]:
    """The same of a `POST /balance-loads`."""
    key = read_key(call)
    body = parse(LoadAmazonBalanceBody, call.json_object())
    return key, parse_money(body.amount, body.currencyCode), body


def read_status_check(call: ApiCall) -> CheckActivationStatusBody:
    """The body of a `POST /activations/status-check`."""
    return parse(CheckActivationStatusBody, call.json_object())


def prefers_async(call: ApiCall) -> bool:
    """Whether the caller would rather not wait: `Prefer: respond-async` (RFC 7240). Other preferences are ignored."""
    for preference in _PREFERENCE.findall(call.headers.get("prefer", "")):
        name, _, value = preference.partition(";")[0].partition("=")
        # An empty value is as good as none; with another one it is a preference that nobody has defined.
        if name.strip().lower() == "respond-async" and value.strip() in {"", '""'}:
            return True
    return False


def account_or_default(account: str | None, default: str | None) -> str:
    """The account that is meant.

    Raises:
        InvalidInput: names `account`: none is named and there is no default, or no account can have such a name.
    """
    if account is not None and not ACCOUNT_NAME.fullmatch(account):
        raise InvalidInput("account", "must be 1 to 63 lower-case letters, digits, hyphens or underscores")
    if account is None and default is None:
        raise InvalidInput("account", "is required: this deployment has no default account")
    return account or default or ""
