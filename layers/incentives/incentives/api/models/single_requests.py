"""Bodies and responses of requests, whatever their operation."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, RootModel

from incentives.api.models.base import (
    AccountName,
    Amount,
    Body,
    Currency,
    Declared,
    GivenAccount,
    GivenAmount,
    GivenBudget,
    GivenCurrency,
    MaskedCard,
    OnUnknown,
    RequestId,
    ResponseBody,
    Text20,
    Text100,
    Text200,
    Time,
)
from incentives.domain.caller_fields import CARD_NUMBER, CUSTOMER_ACCOUNT
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Status

#: Of the examples.
REQUEST_ID: Final = "ExampMZXW6YTBOI2DSNRQGA3TKNBUGY2DQNJZGE"

# ---- bodies --------------------------------------------------------------------------------------

#: That of the example is no card's.
CardNumber = Annotated[str, Declared(CARD_NUMBER), Field(examples=["0" * 15 + "1234"])]


class TransactionSource(Body):
    """Where a transaction was made, for print-on-receipt and bricks-and-mortar partners."""

    source_id: Text100 = Field(description="E.g. a shop's number.")
    institution_id: Text100 | None = Field(None, description="E.g. a chain's number.")
    source_details: Any = Field(None, description="An object or a text, as agreed with Amazon.")


class IssueBody(Body):
    """What every issuing route takes."""

    amount: GivenAmount
    currency_code: GivenCurrency
    account: GivenAccount | None = None
    external_reference: Annotated[str, Declared("externalReference")] | None = Field(
        None, description="The caller's own reference, passed to Amazon.", examples=["invoice 17"]
    )
    cost_center: Annotated[str, Declared("costCenter")] | None = Field(
        None, description="What finance allocates the amount to; not passed to Amazon.", examples=["EMEA-4711"]
    )
    program_id: Annotated[str, Declared("programId")] | None = Field(
        None, description="Of a reseller's programme that Amazon has approved."
    )
    product_type: Annotated[str, Declared("productType")] | None = Field(None, description="Of a product voucher.")
    transaction_source: TransactionSource | None = Field(None, description="Where it was made.")
    budget: GivenBudget | None = None
    on_unknown: OnUnknown = "retry"

    def given(self) -> dict[str, Any]:
        """The caller's fields, as `domain.caller_fields` declares them; absent ones left out."""
        return self.model_dump(
            exclude={"amount", "currency_code", "account", "budget", "on_unknown"}, exclude_none=True
        )


class CreateGiftCardBody(IssueBody):
    """Body of `POST /gift-cards`."""


class ActivateGiftCardBody(IssueBody):
    """Body of `POST /activations`."""

    card_number: CardNumber = Field(description="19 digits: 16 and a checksum of three.")


class CustomerAccount(Body):
    """The Amazon customer whose balance is loaded."""

    id: Text200 = Field(
        description="A Login with Amazon id (type 2) or a barcode's token (type 1).", examples=["amzn1.account.EXAMPLE"]
    )
    type: Text20 = Field(description="As Amazon numbers them.", examples=["2"])


class LoadAmazonBalanceBody(IssueBody):
    """Body of `POST /balance-loads`."""

    customer_account: CustomerAccount = Field(description="Whose balance is loaded.")
    notification: dict[str, Any] | None = Field(
        None, description="How Amazon tells the customer; its fields are agreed with Amazon."
    )

    def given(self) -> dict[str, Any]:
        """As of every body; the ledger names the customer's account as Amazon does."""
        given = super().given()
        return given | {CUSTOMER_ACCOUNT: given.pop("customerAccount")}


class CheckActivationStatusBody(Body):
    """Body of `POST /activations/status-check`."""

    card_number: CardNumber = Field(description="19 digits.")
    account: GivenAccount | None = None
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")] | None = Field(
        None, description="Of the activation that is asked about, if it was made here.", examples=[REQUEST_ID]
    )


# ---- responses -----------------------------------------------------------------------------------


class IssuedResponse(ResponseBody):
    """What every request has."""

    request_id: RequestId = Field(description="What the gateway and Amazon know the request by.", examples=[REQUEST_ID])
    status: Status = Field(
        description="PENDING, RECOVERING and REVERSING are open: ask again. SUCCEEDED, REFUSED and REVERSED are how a "
        "request ends. ESCALATED could not be found out in 24 hours; people are on it.",
        examples=["SUCCEEDED"],
    )
    account: AccountName
    amount: Amount
    currency_code: Currency
    external_reference: str | None = Field(description="The caller's own reference.", examples=["invoice 17"])
    cost_center: str | None = Field(description="What finance allocates the amount to.", examples=["EMEA-4711"])
    budget: str | None = Field(description="What the amount is taken from.", examples=["spring-campaign"])
    order_id: str | None = Field(description="The bulk order that it is a row of.")
    created_at: Time = Field(examples=["2026-03-01T12:00:00Z"])
    updated_at: Time = Field(examples=["2026-03-01T12:00:01Z"])
    due_at: Time | None = Field(
        description="RFC 3339, UTC: about when it will be sent to Amazon, while it waits for its turn in the account's "
        "line; null otherwise."
    )
    replaces: RequestId | None = Field(
        description="The request that was reversed and issued again as this one (`onUnknown: reissue`), or that ended "
        "without Amazon having looked at it and was ordered again."
    )
    replaced_by: RequestId | None = Field(description="The request that this one was issued or ordered again as.")
    error_code: str | None = Field(description="Amazon's F-code of the last error, if it gave one.")
    error_type: str | None = Field(description="The last error's name, Amazon's own or the gateway's.")


class GiftCard(IssuedResponse):
    """A gift card that was asked for, without its claim code."""

    operation: Literal[Operation.CREATE_GIFT_CARD] = Field(description="Amazon's name of what was asked for.")
    gc_id: str | None = Field(
        description="Amazon's id of the card; null until it is issued.", examples=["0000000000000000"]
    )
    gc_expiration_date: Time | None = Field(
        validation_alias="expires_at",
        description="RFC 3339, UTC; null where the card does not expire, and until it is issued.",
    )
    cancellable_until: Time | None = Field(
        description="RFC 3339, UTC: 15 minutes after it was first asked for; null while nothing was sent.",
        examples=["2026-03-01T12:15:00Z"],
    )


class GiftCardWithCode(GiftCard):
    """A live gift card with its claim code. Nothing keeps the code but Amazon: do not log it."""

    gc_claim_code: str = Field(
        repr=False, description="What the card's owner enters at Amazon.", examples=["XXXX-XXXXXX-XXXX"]
    )


class Activation(IssuedResponse):
    """A physical card that was to be activated."""

    operation: Literal[Operation.ACTIVATE_GIFT_CARD] = Field(description="Amazon's name of what was asked for.")
    card_number: MaskedCard = Field(validation_alias="subject", examples=["*" * 15 + "1234"])
    gc_expiration_date: Time | None = Field(
        validation_alias="expires_at",
        description="RFC 3339, UTC; null where the card does not expire, and until it is active.",
    )


class BalanceLoad(IssuedResponse):
    """An amount that was to be loaded onto a customer's balance."""

    operation: Literal[Operation.LOAD_AMAZON_BALANCE] = Field(description="Amazon's name of what was asked for.")
    customer_account_id: str = Field(
        validation_alias="subject", description="Masked but for its last four characters.", examples=["*" * 17 + "MPLE"]
    )


AnyRequest = Annotated[GiftCard | Activation | BalanceLoad, Field(discriminator="operation")]


class RequestNow(RootModel[AnyRequest]):
    """A request of any operation."""


class RequestPage(ResponseBody):
    """What a search found, newest first."""

    requests: list[AnyRequest] = Field(description="May be few, even none, while there is a cursor.")
    cursor: str | None = Field(description="Send it with the same search to get the next page; null at the end.")
