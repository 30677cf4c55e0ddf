"""Every error type the API is known to response with: its F-code, its text, and how sure that is.

Certainty: "recorded" was seen in real traffic, "documented" is named with its class in documentation, "assumed" is a
name whose class or text was inferred. Amazon's own mock ids give most of the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Certainty: TypeAlias = Literal["recorded", "documented", "assumed"]


@dataclass(frozen=True)
class AmazonError:
    """The three fields that stand beside `agcodResponse` in a business error; an empty `type` is told as null."""

    code: str
    type: str
    message: str
    certainty: Certainty = "assumed"

    @property
    def status(self) -> str:
        """`RESEND` for the transient class F400, otherwise `FAILURE`."""
        return "RESEND" if self.code == "F400" else "FAILURE"


def _table(*errors: AmazonError) -> dict[str, AmazonError]:
    return {error.type: error for error in errors}


ERRORS: dict[str, AmazonError] = _table(
    # F100: a general error on Amazon's side (the documentation lists the types about nulls here).
    AmazonError("F100", "GeneralError", "General Error", "recorded"),
    AmazonError("F100", "SimpleAmountIsNull", "Simple amount is null", "documented"),
    AmazonError("F100", "AmountIsNull", "Amount is null", "documented"),
    AmazonError("F100", "CurrencyCodeIsNull", "Currency code is null", "documented"),
    AmazonError("F100", "GcLocked", "Gift card is locked", "documented"),
    AmazonError("F100", "EmptyCardInfoList", "Card info list is empty", "documented"),
    AmazonError("F100", "RequestError", "Request error", "documented"),
    # F200: the request is invalid.
    AmazonError("F200", "InvalidRequestInput", "Request body is null", "documented"),
    AmazonError("F200", "InvalidCardNumberInput", "Card number can't be null or empty", "documented"),
    AmazonError("F200", "InvalidPartnerIdInput", "Partner Id can't be null or empty", "documented"),
    AmazonError("F200", "InvalidAmountInput", "Amount can't be null", "recorded"),
    AmazonError("F200", "InvalidAmountValue", "Amount must be larger than 0", "recorded"),
    AmazonError("F200", "InvalidCurrencyCodeInput", "Currency Code can't be null or empty", "recorded"),
    AmazonError("F200", "InvalidRequestIdInput", "Request Id can't be null or empty"),
    AmazonError(
        "F200",
        "CardAlreadyActivatedWithDifferentRequestId",
        "The card was already activated with a different request id",
        "recorded",
    ),
    AmazonError(
        "F200",
        "CardActivatedWithDifferentRequestId",
        "The card was already activated with a different request id",
        "documented",
    ),
    AmazonError(
        "F200", "CardActivatedWithDifferentDenomination", "The card was already activated with a different denomination"
    ),
    AmazonError("F200", "NegativeOrZeroAmount", "Negative Or Zero Amount"),
    AmazonError("F200", "MaxAmountExceeded", "Max Amount Exceeded", "recorded"),
    AmazonError("F200", "AmountBelowMinThreshold", "Amount Below Min Threshold"),
    AmazonError("F200", "CurrencyCodeMismatch", "Currency Code Mismatch", "recorded"),
    AmazonError("F200", "InvalidCurrencyInMarketplace", "Invalid Currency In Marketplace"),
    AmazonError("F200", "FractionalAmountNotAllowed", "Fractional Amount Not Allowed", "recorded"),
    AmazonError(
        "F200",
        "CancelRequestArrivedAfterTimeLimit",
        "Cancellation cannot be processed as too much time has elapsed since creation",
        "recorded",
    ),
    AmazonError("F200", "RequestIdTooLong", "Request Id Too Long, Max allowed length is 40", "recorded"),
    AmazonError("F200", "RequestIdMustStartWithPartnerName", "Request Id must start with partner name"),
    AmazonError("F200", "ExternalReferenceTooLong", "External Reference Too Long"),
    AmazonError("F200", "InvalidGCIdInput", "Gift card id does not belong to this request id"),
    AmazonError("F200", "InvalidProgramId", "Invalid Program Id"),
    AmazonError("F200", "ProgramIdNotPresent", "Program Id is not present"),
    AmazonError("F200", "InvalidRequest", "Invalid Request"),
    AmazonError("F200", "BadInput", "Bad Input"),
    AmazonError("F200", "CardNumberTooShort", "Card number is too short"),
    AmazonError("F200", "CardNumberCheckSumError", "Card number checksum error"),
    AmazonError("F200", "CardNumberNotFound", "Card number not found"),
    AmazonError("F200", "CardNotFound", "Card not found"),
    AmazonError(
        "F200", "RequestedDenominationMismatch", "Requested denomination does not match the card's denomination"
    ),
    AmazonError("F200", "ActivationRequestIdAlreadyBeenUsed", "Activation request id has already been used"),
    AmazonError("F200", "NonExistingActivationRequestId", "Activation request id does not exist"),
    AmazonError("F200", "WrongActivationRequestId", "Wrong activation request id"),
    AmazonError("F200", "OrderNotFound", "Order not found"),
    AmazonError("F200", "GcNotReadyForRefund", "Gift card is not ready for refund"),
    AmazonError("F200", "GcRTPNotAllowed", "Refund to purchaser is not allowed"),
    AmazonError("F200", "GcOrderBelongToOtherCustomer", "Order belongs to another customer"),
    AmazonError("F200", "WrongGcOrderSource", "Wrong order source"),
    AmazonError("F200", "WrongGcOrderType", "Wrong order type"),
    AmazonError("F200", "InvalidPageIndex", "Invalid page index"),
    AmazonError("F200", "InvalidPageSize", "Invalid page size"),
    AmazonError("F200", "MaxPageSizeExceeded", "Max page size exceeded"),
    AmazonError("F200", "InvalidStartDate", "Invalid start date"),
    AmazonError("F200", "InvalidEndDate", "Invalid end date"),
    AmazonError("F200", "StartDateAfterEndDate", "Start date is after end date"),
    AmazonError("F200", "InvalidDateFormat", "Invalid date format"),
    # F300: the account, its access or its contract.
    AmazonError("F300", "UnknownCustomer", "Unknown Customer"),
    AmazonError("F300", "InvalidAwsAccessKeyId", "Invalid Aws Access Key Id"),
    AmazonError("F300", "InvalidAccessKey", "Invalid Access Key"),
    AmazonError("F300", "InvalidPartnerId", "Invalid Partner Id"),
    AmazonError("F300", "AccessDenied", "Access Denied"),
    AmazonError("F300", "BlockedCustomer", "Blocked Customer"),
    AmazonError("F300", "CustomerAccountBlocked", "Customer Account Blocked"),
    AmazonError("F300", "InsufficientFunds", "Insufficient Funds", "recorded"),
    AmazonError("F300", "IssuanceCapExceeded", "Issuance Cap Exceeded"),
    AmazonError("F300", "AccountHasProblems", "Account Has Problems", "documented"),
    AmazonError("F300", "ActiveContractNotFound", "Active Contract Not Found", "documented"),
    AmazonError("F300", "ProductTypeNotEnabledInTheContract", "Product Type Not Enabled In The Contract", "documented"),
    AmazonError("F300", "OperationNotPermitted", "Operation Not Permitted", "recorded"),
    AmazonError(
        "F300", "CustomerSurpassedDailyVelocityLimit", "Customer has exceeded daily velocity limit", "recorded"
    ),
    AmazonError("F300", "ProgramIsNotApproved", "Program is not approved"),
    AmazonError("F300", "ActivationNotAllowed", "Activation is not allowed"),
    AmazonError("F300", "DeactivationNotAllowed", "Deactivation is not allowed"),
    AmazonError("F300", "APIGetGiftCardActivityPageIsDisabled", "GetGiftCardActivityPage is disabled for this partner"),
    # F400: unknown state, send again.
    AmazonError("F400", "SystemTemporarilyUnavailable", "System Temporarily Unavailable", "recorded"),
    # F500: unknown error. The recorded type of the mock is GeneralError; the documentation says UnknownError.
    AmazonError("F500", "UnknownError", "Unknown Error", "documented"),
)

GENERAL_F500 = AmazonError("F500", "GeneralError", "General Error", "recorded")
RESEND = ERRORS["SystemTemporarilyUnavailable"]
WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)


def error_of(error_type: str, message: str | None = None, code: str | None = None) -> AmazonError:
    """The error named `error_type`, with another text or F-code where given; an unknown name gets F200."""
    known = ERRORS.get(error_type, AmazonError("F200", error_type, error_type))
    return AmazonError(code or known.code, known.type, known.message if message is None else message, known.certainty)


class RefusedError(Exception):
    """A business refusal: the operation had no effect and Amazon says why.

    `card_info`: the `cardInfo` field of the failing response, where recorded traffic shows one; otherwise null.
    `mock`: the refusal was asked for by a mock id (then the response does not echo the request id).
    """

    def __init__(self, error: AmazonError, card_info: object = None, *, mock: bool = False) -> None:
        super().__init__(error.type)
        self.error = error
        self.card_info = card_info
        self.mock = mock


class UnreadableError(Exception):
    """The service framework could not read the request: the response is the bare ``{"Message": ...}``."""

    def __init__(self, message: str | None) -> None:
        super().__init__(message or "unreadable request")
        self.message = message


def refuse(error_type: str, message: str | None = None, card_info: object = None) -> RefusedError:
    """A refusal to raise, named by its error type."""
    return RefusedError(error_of(error_type, message), card_info)
