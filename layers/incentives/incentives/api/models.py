"""The shapes of the HTTP API's requests. Unknown members are refused by name; errors never quote what was sent.

They are data, from which `parse` reads a body and `openapi` writes the documentation. There is no library behind this:
loading one would cost every cold start more than all of the gateway's own code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeVar

from incentives.domain.errors import InvalidInput
from incentives.domain.texts import why_no_text

#: 16 digits and a checksum of three, whose making is not published.
CARD_NUMBER = r"^[0-9]{19}$"


class Member(NamedTuple):
    """What a member of a body may be.

    Attributes:
        kind: of its value; `amount` is a decimal string or a number, `object` one with any members.
        required: whether it has to be there. One that need not be may also be null, unless it has a default.
        default: its value if it is absent.
        length_max: characters of a text, which has one at least, and none that `why_no_text` refuses; None where the
            pattern says it.
        pattern: of a text, from its first to its last character.
        choices: the texts that it may be; empty for any.
        body: what an object consists of; None for any members.
    """

    kind: Literal["text", "amount", "flag", "object", "anything"]
    required: bool = False
    default: Any = None
    length_max: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    body: type[Body] | None = None

    @property
    def may_be_null(self) -> bool:
        """Whether null is as good as absence."""
        return not self.required and self.default is None


class Body:
    """A JSON object. Its members are attributes of the same name.

    Attributes:
        MEMBERS: by name, in the order in which they are looked at.
    """

    MEMBERS: ClassVar[Mapping[str, Member]] = {}

    def __init__(self, members: Mapping[str, Any]) -> None:
        vars(self).update(members)

    def given(self) -> dict[str, Any]:
        """The members that are there."""
        return {name: value for name in self.MEMBERS if (value := getattr(self, name)) is not None}


class TransactionSource(Body):
    """Where a transaction was made, for print-on-receipt and bricks-and-mortar partners.

    Attributes:
        sourceId: e.g. a shop's number.
        institutionId: e.g. a chain's number.
        sourceDetails: an object or a text, as agreed with Amazon.
    """

    MEMBERS: ClassVar = {
        "sourceId": Member("text", required=True, length_max=100),
        "institutionId": Member("text", length_max=100),
        "sourceDetails": Member("anything"),
    }


_ACCOUNT: Final = Member("text", length_max=64)
_ON_UNKNOWN: Final = Member("text", default="retry", choices=("retry", "reverse", "reissue"))
_CARD: Final = Member("text", required=True, pattern=CARD_NUMBER)


class _Order(Body):
    """What every order has.

    Attributes:
        amount: decimal string or JSON number, more than zero, no more decimals than the currency has.
        currencyCode: ISO 4217.
        account: name of the partner account; the deployment's default one if absent.
        externalReference: the caller's own reference, passed to Amazon.
        programId: of a reseller's programme that Amazon has approved.
        productType: of a product voucher.
        transactionSource: where it was made.
        onUnknown: what to do if Amazon does not say what became of it.
    """

    amount: str | Decimal
    currencyCode: str  # noqa: N815 - as callers write it
    account: str | None
    transactionSource: TransactionSource | None  # noqa: N815 - as callers write it
    onUnknown: Literal["retry", "reverse", "reissue"]  # noqa: N815 - as callers write it

    MEMBERS: ClassVar = {
        "amount": Member("amount", required=True),
        "currencyCode": Member("text", required=True),
        "account": _ACCOUNT,
        "externalReference": Member("text", length_max=100),
        "programId": Member("text", pattern=r"^[A-Za-z0-9]{1,100}$"),
        "productType": Member("text", pattern=r"^[A-Za-z0-9]{1,50}$"),
        "transactionSource": Member("object", body=TransactionSource),
        "onUnknown": _ON_UNKNOWN,
    }

    def options(self) -> dict[str, Any]:
        """The optional members as Amazon names them, absent ones left out."""
        given = self.given()
        options: dict[str, Any] = {
            name: given[name] for name in ("externalReference", "programId", "productType") if name in given
        }
        if self.transactionSource is not None:
            options["transactionSource"] = self.transactionSource.given()
        return options


class CreateGiftCardBody(_Order):
    """Body of `POST /gift-cards`."""


class ActivateGiftCardBody(_Order):
    """Body of `POST /activations`.

    Attributes:
        cardNumber: 19 digits: 16 and a checksum of three.
    """

    cardNumber: str  # noqa: N815 - as callers write it

    MEMBERS: ClassVar = {**_Order.MEMBERS, "cardNumber": _CARD}


class CustomerAccount(Body):
    """The Amazon customer whose balance is loaded.

    Attributes:
        id: a Login with Amazon id (type 2) or a barcode's token (type 1).
        type: as Amazon numbers them.
    """

    id: str
    type: str

    MEMBERS: ClassVar = {
        "id": Member("text", required=True, length_max=200),
        "type": Member("text", required=True, length_max=20),
    }


class LoadAmazonBalanceBody(_Order):
    """Body of `POST /balance-loads`.

    Attributes:
        customerAccount: whose balance is loaded.
        notification: how Amazon tells the customer; its members are agreed with Amazon.
    """

    customerAccount: CustomerAccount  # noqa: N815 - as callers write it
    notification: Mapping[str, Any] | None

    MEMBERS: ClassVar = {
        **_Order.MEMBERS,
        "customerAccount": Member("object", required=True, body=CustomerAccount),
        "notification": Member("object"),
    }

    def options(self) -> dict[str, Any]:
        """As for every order, and the notification."""
        return super().options() | ({"notification": self.notification} if self.notification is not None else {})


class CreateOrderBody(Body):
    """Body of `POST /orders`.

    Attributes:
        account: name of the partner account; the deployment's default one if absent.
        format: of the file: CSV with a header, or JSON Lines.
        onUnknown: what to do with a card if Amazon does not say what became of it.
        allowSameRows: issue the file even if another order of the account has the same rows, on purpose.
    """

    account: str | None
    format: Literal["csv", "jsonl"]
    onUnknown: Literal["retry", "reverse", "reissue"]  # noqa: N815 - as callers write it
    allowSameRows: bool  # noqa: N815 - as callers write it

    MEMBERS: ClassVar = {
        "account": _ACCOUNT,
        "format": Member("text", required=True, choices=("csv", "jsonl")),
        "onUnknown": _ON_UNKNOWN,
        "allowSameRows": Member("flag", default=False),
    }


class StartOrderBody(Body):
    """Body of `POST /orders/{orderId}/start`.

    Attributes:
        dryRun: only check the file; nothing is issued. The order can be started afterwards.
    """

    dryRun: bool  # noqa: N815 - as callers write it

    MEMBERS: ClassVar = {"dryRun": Member("flag", default=False)}


class CheckActivationStatusBody(Body):
    """Body of `POST /activations/status-check`.

    Attributes:
        cardNumber: 19 digits.
        account: name of the partner account.
        requestId: of the activation that is asked about, if it was made here.
    """

    cardNumber: str  # noqa: N815 - as callers write it
    account: str | None
    requestId: str | None  # noqa: N815 - as callers write it

    MEMBERS: ClassVar = {
        "cardNumber": _CARD,
        "account": _ACCOUNT,
        "requestId": Member("text", pattern=r"^[A-Za-z0-9]{1,40}$"),
    }


BodyT = TypeVar("BodyT", bound=Body)


def parse(model: type[BodyT], members: Mapping[str, Any]) -> BodyT:
    """Validate a body.

    Raises:
        InvalidInput: names the first field that is wrong.
    """
    return _read_body(model, members, "")


def _read_body(model: type[BodyT], members: Mapping[str, Any], within: str) -> BodyT:
    read = {name: _read(member, members, name, within) for name, member in model.MEMBERS.items()}
    for name in members:
        if name not in model.MEMBERS:
            raise InvalidInput(within + name, "is not known here")
    return model(read)


def _read(member: Member, members: Mapping[str, Any], name: str, within: str) -> Any:  # noqa: ANN401 - any JSON value
    if name not in members:
        if member.required:
            raise InvalidInput(within + name, "is required")
        return member.default
    value = members[name]
    if value is None and member.may_be_null:
        return None
    if member.kind == "object" and member.body is not None and isinstance(value, Mapping):
        return _read_body(member.body, value, f"{within}{name}.")
    why = _why_not(member, value)
    if why is not None:
        raise InvalidInput(within + name, why)
    return value


def _why_not(member: Member, value: object) -> str | None:
    """Why a value cannot be the member; None if it can."""
    match member.kind:
        case "text":
            return _why_no_text(member, value)
        case "amount" if not isinstance(value, str) and not (isinstance(value, Decimal) and value.is_finite()):
            return "must be a decimal string or a JSON number"
        case "flag" if not isinstance(value, bool):
            return "must be true or false"
        case "object" if not isinstance(value, Mapping):
            return "must be an object"
        case _:
            return None


def _why_no_text(member: Member, value: object) -> str | None:
    if member.choices:
        return None if value in member.choices else f"must be one of {_listed(member.choices)}"
    if not isinstance(value, str):
        return "must be a string"
    if member.length_max is not None and not 0 < len(value) <= member.length_max:
        return f"is too long: at most {member.length_max} characters" if value else "must not be empty"
    if member.pattern is not None:
        return None if re.fullmatch(member.pattern, value) else "does not have the form it must have"
    return why_no_text(value)


def _listed(choices: tuple[str, ...]) -> str:
    *most, last = (f"'{choice}'" for choice in choices)
    return f"{', '.join(most)} or {last}"
