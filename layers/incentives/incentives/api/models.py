"""The shapes of the HTTP API's requests. Unknown members are refused by name; errors never quote what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from incentives.domain.errors import InvalidInput

#: 16 digits and a checksum of three, whose making is not published.
CARD_NUMBER = r"^[0-9]{19}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True, frozen=True)


class TransactionSource(_Body):
    """Where a transaction was made, for print-on-receipt and bricks-and-mortar partners.

    Attributes:
        sourceId: e.g. a shop's number.
        institutionId: e.g. a chain's number.
        sourceDetails: an object or a text, as agreed with Amazon.
    """

    sourceId: str = Field(min_length=1, max_length=100)  # noqa: N815 - as callers write it
    institutionId: str | None = Field(default=None, min_length=1, max_length=100)  # noqa: N815 - as callers write it
    sourceDetails: Any = None  # noqa: N815 - as callers write it


class _Order(_Body):
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
    account: str | None = Field(default=None, min_length=1, max_length=64)
    externalReference: str | None = Field(default=None, min_length=1, max_length=100)  # noqa: N815 - as callers write it
    programId: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,100}$")  # noqa: N815 - as callers write it
    productType: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,50}$")  # noqa: N815 - as callers write it
    transactionSource: TransactionSource | None = None  # noqa: N815 - as callers write it
    onUnknown: Literal["retry", "reverse", "reissue"] = "retry"  # noqa: N815 - as callers write it

    def options(self) -> dict[str, Any]:
        """The optional members as Amazon names them, absent ones left out."""
        given: dict[str, Any] = {
            name: value
            for name in ("externalReference", "programId", "productType")
            if (value := getattr(self, name)) is not None
        }
        if self.transactionSource is not None:
            given["transactionSource"] = self.transactionSource.model_dump(exclude_none=True)
        return given


class CreateGiftCardBody(_Order):
    """Body of `POST /gift-cards`."""


class ActivateGiftCardBody(_Order):
    """Body of `POST /activations`.

    Attributes:
        cardNumber: 19 digits: 16 and a checksum of three.
    """

    cardNumber: str = Field(pattern=CARD_NUMBER)  # noqa: N815 - as callers write it


class CustomerAccount(_Body):
    """The Amazon customer whose balance is loaded.

    Attributes:
        id: a Login with Amazon id (type 2) or a barcode's token (type 1).
        type: as Amazon numbers them.
    """

    id: str = Field(min_length=1, max_length=200)
    type: str = Field(min_length=1, max_length=20)


class LoadAmazonBalanceBody(_Order):
    """Body of `POST /balance-loads`.

    Attributes:
        customerAccount: whose balance is loaded.
        notification: how Amazon tells the customer; its members are agreed with Amazon.
    """

    customerAccount: CustomerAccount  # noqa: N815 - as callers write it
    notification: dict[str, Any] | None = None

    def options(self) -> dict[str, Any]:
        """As for every order, and the notification."""
        return super().options() | ({"notification": self.notification} if self.notification is not None else {})


class CreateOrderBody(_Body):
    """Body of `POST /orders`.

    Attributes:
        account: name of the partner account; the deployment's default one if absent.
        format: of the file: CSV with a header, or JSON Lines.
        onUnknown: what to do with a card if Amazon does not say what became of it.
    """

    account: str | None = Field(default=None, min_length=1, max_length=64)
    format: Literal["csv", "jsonl"]
    onUnknown: Literal["retry", "reverse", "reissue"] = "retry"  # noqa: N815 - as callers write it


class StartOrderBody(_Body):
    """Body of `POST /orders/{orderId}/start`.

    Attributes:
        dryRun: only check the file; nothing is issued. The order can be started afterwards.
    """

    dryRun: bool = False  # noqa: N815 - as callers write it


class CheckActivationStatusBody(_Body):
    """Body of `POST /activations/status-check`.

    Attributes:
        cardNumber: 19 digits.
        account: name of the partner account.
        requestId: of the activation that is asked about, if it was made here.
    """

    cardNumber: str = Field(pattern=CARD_NUMBER)  # noqa: N815 - as callers write it
    account: str | None = Field(default=None, min_length=1, max_length=64)
    requestId: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,40}$")  # noqa: N815 - as callers write it


BodyT = TypeVar("BodyT", bound=BaseModel)

#: pydantic's names of errors -> sentences about a field. Its own texts may quote what was sent.
_MESSAGES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_long": "is too long: at most {max_length} characters",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
    "string_pattern_mismatch": "does not have the form it must have",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def parse(model: type[BodyT], members: Mapping[str, Any]) -> BodyT:
    """Validate a body.

    Raises:
        InvalidInput: names the first field that is wrong.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    # A union's errors name the branch behind the field; only the amount is one.
    path = first["loc"][:1] if first["loc"][:1] == ("amount",) else first["loc"]
    field = ".".join(str(part) for part in path) or "body"
    template = (
        "must be a decimal string or a JSON number"
        if field == "amount" and first["type"] != "missing"
        else (_MESSAGES.get(first["type"], "is not valid"))
    )
    raise InvalidInput(field, template.format(**first.get("ctx", {})))
