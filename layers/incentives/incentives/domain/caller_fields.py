"""The optional fields that callers give with a request, each declared once, with what becomes of it.

Whatever takes, keeps, sends or shows such a field reads this table: the bodies of the API, the fingerprint, the ledger,
the bodies for Amazon, the request that follows a reversed one, responses, events, and the files and results of bulk
orders. The amount, the currency, the account and what to do about an unknown outcome are columns of the record itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from incentives.domain.errors import InvalidInput
from incentives.domain.operations import Operation
from incentives.domain.texts import why_no_text

CARD_NUMBER: Final = "cardNumber"
CUSTOMER_ACCOUNT: Final = "account"

_ISSUING: Final = frozenset({"CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance"})
_LOAD: Final = frozenset({"LoadAmazonBalance"})
#: Amazon's barcode test script voids with the token of the load, and expects another one to be refused.
_LOAD_AND_VOID: Final = _LOAD | {"VoidAmazonBalanceLoad"}

_SHOWN: Final = 4


def masked(text: str) -> str:
    """A card number or customer id of which the last four characters show at most, and four at least do not."""
    hidden = max(len(text) - _SHOWN, min(len(text), _SHOWN))
    return "*" * hidden + text[hidden:]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerField:
    """One field, and its policy.

    Attributes:
        name: in the ledger, in the fingerprint, and at Amazon.
        sent_with: the operations of Amazon's that take it; empty: it is only kept.
        taken_with: the operations of ours that take it.
        is_encrypted: at rest, for whoever holds it can spend; else it is readable in the ledger.
        in_fingerprint: another value under the same idempotency key is another request.
        passed_on: to the request that follows a reversed one.
        is_shown: in responses, search results and events, as a text.
        column: its name in the files of bulk orders and in their results; None: they have none.
        length_max: characters of a text that has no pattern.
        pattern: of a text, from its first to its last character; None: any text that `why_no_text` lets pass.
        form: what the pattern asks for, in words.
        subject: what of an encrypted value may be shown.
    """

    name: str
    sent_with: frozenset[str]
    taken_with: frozenset[str] = _ISSUING
    is_encrypted: bool = False
    in_fingerprint: bool = True
    passed_on: bool = True
    is_shown: bool = False
    column: str | None = None
    length_max: int | None = None
    pattern: str | None = None
    form: str | None = None
    subject: Callable[[Any], str] | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is a text; else it is an object whose fields are agreed with Amazon."""
        return self.length_max is not None or self.pattern is not None

    def beyond_limits(self, value: str) -> str | None:
        """Which of Amazon's limits a text breaks, as the end of a sentence; None if none."""
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return f"must be {self.form}"
        if self.length_max is not None and len(value) > self.length_max:
            return f"must have at most {self.length_max} characters"
        return None

    def why_not(self, value: str) -> str | None:
        """Why a caller's text cannot be the field's value, as the end of a sentence; None if it can."""
        return self.beyond_limits(value) or why_no_text(value)


FIELDS: Final = {
    each.name: each
    for each in (
        CallerField(
            name="externalReference",
            sent_with=_ISSUING,
            is_shown=True,
            column="reference",
            length_max=100,  # Unicode characters, as Amazon limits it
        ),
        CallerField(
            name="costCenter",
            sent_with=frozenset(),
            is_shown=True,
            column="cost_center",
            pattern="[A-Za-z0-9-]{1,32}",
            form="1 to 32 letters, digits and hyphens",
        ),
        CallerField(
            name="programId", sent_with=_ISSUING, pattern="[A-Za-z0-9]{1,100}", form="1 to 100 letters or digits"
        ),
        CallerField(
            name="productType", sent_with=_ISSUING, pattern="[A-Za-z0-9]{1,50}", form="1 to 50 letters or digits"
        ),
        CallerField(name="transactionSource", sent_with=_ISSUING | _LOAD_AND_VOID),
        CallerField(name="notification", sent_with=_LOAD, taken_with=_LOAD),
        CallerField(
            name=CARD_NUMBER,
            sent_with=frozenset({"ActivateGiftCard", "DeactivateGiftCard"}),
            taken_with=frozenset({"ActivateGiftCard"}),
            is_encrypted=True,
            pattern="[0-9]{19}",  # 16 digits and a checksum of three, whose making is not published
            form="19 digits",
            subject=masked,
        ),
        CallerField(
            name=CUSTOMER_ACCOUNT,
            sent_with=_LOAD_AND_VOID,
            taken_with=_LOAD,
            is_encrypted=True,
            subject=lambda account: masked(account["id"]),
        ),
    )
}

#: Those that a row of a bulk order's file may have, by column.
COLUMNS: Final = {
    each.column: each for each in FIELDS.values() if each.column and Operation.CREATE_GIFT_CARD in each.taken_with
}


def check_given(given: Mapping[str, Any], operation: Operation) -> None:
    """Refuse a field that an operation does not take.

    Raises:
        InvalidInput: names it.
    """
    for name in given:
        if name not in FIELDS or operation not in FIELDS[name].taken_with:
            raise InvalidInput(name, f"is not a field of {operation}")


def readable(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the given fields the ledger keeps readable."""
    return {name: value for name, value in given.items() if not FIELDS[name].is_encrypted}


def secret(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the given fields the ledger keeps encrypted."""
    return {name: value for name, value in given.items() if FIELDS[name].is_encrypted}


def subject(given: Mapping[str, Any]) -> str | None:
    """What of an encrypted field may be shown: a card number or customer id, masked to its last four characters."""
    shown = (FIELDS[name].subject for name in given)
    return next((show(value) for show, value in zip(shown, given.values(), strict=True) if show is not None), None)


def fingerprinted(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the given fields makes a repeat the same request."""
    return {name: value for name, value in given.items() if FIELDS[name].in_fingerprint}


def sent_with(operation: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record's fields goes to Amazon with an operation of Amazon's.

    What is not declared is not sent: it is of a version that knew more.
    """
    return {name: value for name, value in kept.items() if name in FIELDS and operation in FIELDS[name].sent_with}


def passed_on(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record's fields the request that follows it has, too."""
    return {name: value for name, value in kept.items() if name not in FIELDS or FIELDS[name].passed_on}


def shown(kept: Mapping[str, Any]) -> dict[str, str | None]:
    """What of a record's fields is shown, each by its name; None for one that was not given."""
    values = {each.name: kept.get(each.name) for each in FIELDS.values() if each.is_shown}
    return {name: value if isinstance(value, str) else None for name, value in values.items()}


def in_columns(kept: Mapping[str, Any]) -> dict[str, str | None]:
    """What of a row's fields stands in the files of bulk orders, each by its column."""
    return {column: kept.get(each.name) for column, each in COLUMNS.items()}
