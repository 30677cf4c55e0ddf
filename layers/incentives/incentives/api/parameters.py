"""What comes in headers and in the query, and the account that is meant."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.errors import InvalidInput
from incentives.domain.single_requests.request_ids import IDEMPOTENCY_KEY_FIELD, parse_idempotency_key

if TYPE_CHECKING:
    from incentives.api.gateway import ApiCall

#: No gift card of Amazon's is older or will be younger, and no arithmetic within meets the calendar's ends.
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

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
    header = call.headers.get("idempotency-key")
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


def read_day(text: str | None, field: str) -> date | None:
    """A day as `YYYY-MM-DD`; None if there is none.

    Raises:
        InvalidInput: names the field.
    """
    if text is None:
        return None
    try:
        # The form is checked by itself: the parser also takes other forms of the standard, and other scripts' digits.
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidInput(field, "must be a day such as 2026-03-01")
    if day < FIRST_DAY:
        raise InvalidInput(field, f"must not be before {FIRST_DAY.isoformat()}")
    if day > LAST_DAY:
        raise InvalidInput(field, f"must not be after {LAST_DAY.isoformat()}")
    return day
