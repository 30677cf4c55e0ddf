"""Amazon's errors: one table of their names and one of their sentences, and what each means to us and to our caller.

Sources: Amazon's class list (F100 internal, F200 invalid request, F300 account, F400 resend, F500 unknown), the
union of errorTypes known from public clients and recorded traffic, and the names and sentences of AWS's front doors,
which respond before the Incentives API does (throttling, signature) or in its place (lost connections). `confirmed` is
False where the class of a name is only inferred.

What a whole response proves is `incentives.agcod.reading.verdict`: an error alone refuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import RefusedFor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incentives.domain.outcomes import AmazonError


class Kind(StrEnum):
    """What an error says about the attempt that got it."""

    REFUSED = "refused"
    RESEND = "resend"
    FAULT = "fault"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"  # something behind the front door was: who knows what it had done before
    CREDENTIALS = "credentials"
    UNREADABLE = "unreadable"
    BY_CODE = "byCode"  # the type alone says nothing: ask the F-code


class ReversalKind(StrEnum):
    """What an error says about the reversal that got it."""

    NO_SUCH_REQUEST = "noSuchRequest"
    TOO_LATE = "tooLate"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One error's meaning.

    Attributes:
        type: errorType; for a fallback, what it stands for.
        code: F-class, e.g. `F200`; None where Amazon gives none.
        kind: what it says about an operation's attempt.
        reversal: what it says about a reversal's attempt, if it is a refusal.
        refused_for: what a refusal is about; None while nobody knows or the pace forbids.
        retryable: whether the same request with the same Idempotency-Key can still succeed.
        advice: a sentence that our caller can act on.
        confirmed: whether the class is documented or was observed.
    """

    type: str
    code: str | None
    kind: Kind
    reversal: ReversalKind
    refused_for: RefusedFor | None
    retryable: bool
    advice: str
    confirmed: bool = True


_UNRESOLVED: Final = ReversalKind.UNRESOLVED
_RETRY_ADVICE: Final = (
    "The outcome is not known yet; it is being found out. Repeat the request with the same key to read it."
)
_THROTTLE_ADVICE: Final = (
    "Amazon's request rate was exceeded and nothing was done. The request is repeated at its next slot."
)
_KEY_ADVICE: Final = (
    "Amazon did not accept the account's access key or signature. An operator must check the account's secret."
)


def _refused(
    name: str,
    advice: str,
    *,
    code: str = "F200",
    about: RefusedFor | None = None,
    reversal: ReversalKind = _UNRESOLVED,
    confirmed: bool = True,
) -> ErrorSpec:
    refused_for = about or {"F200": RefusedFor.REQUEST, "F300": RefusedFor.ACCOUNT}[code]
    return ErrorSpec(name, code, Kind.REFUSED, reversal, refused_for, False, advice, confirmed)  # noqa: FBT003


def _unknown(name: str, code: str | None, kind: Kind, *, confirmed: bool = True) -> ErrorSpec:
    return ErrorSpec(name, code, kind, _UNRESOLVED, None, True, _RETRY_ADVICE, confirmed)  # noqa: FBT003


def _throttled(name: str) -> ErrorSpec:
    return ErrorSpec(name, None, Kind.THROTTLED, _UNRESOLVED, None, True, _THROTTLE_ADVICE)  # noqa: FBT003


def _credentials(name: str, code: str | None = None) -> ErrorSpec:
    return ErrorSpec(name, code, Kind.CREDENTIALS, _UNRESOLVED, RefusedFor.UNSEEN, True, _KEY_ADVICE)  # noqa: FBT003


_NONE: Final = ReversalKind.NO_SUCH_REQUEST

_REFUSALS: Final = (
    # F200: the request
    _refused("ActivationNotAllowed", "This card cannot be activated.", confirmed=False),
    _refused("ActivationRequestIdAlreadyBeenUsed", "The request id was used for another activation.", confirmed=False),
    _refused("AmountBelowMinThreshold", "Ask for a larger amount.", confirmed=False),
    _refused("AmountIsNull", "Send an amount.", confirmed=False),
    _refused(
        "BadInput",
        "Amazon could not use the request's members; compare them with the API's documentation.",
        confirmed=False,
    ),
    _refused(
        "CancelRequestArrivedAfterTimeLimit",
        "A card can be cancelled only within 15 minutes of its creation.",
        about=RefusedFor.STATE,
        reversal=ReversalKind.TOO_LATE,
    ),
    _refused(
        "CardActivatedWithDifferentDenomination", "The card is already active with another amount.", confirmed=False
    ),
    _refused("CardActivatedWithDifferentRequestId", "The card was already activated by another request."),
    _refused("CardAlreadyActivatedWithDifferentRequestId", "The card was already activated by another request."),
    _refused("CardNotFound", "Amazon knows no such card.", reversal=_NONE, confirmed=False),
    _refused(
        "CardNumberCheckSumError", "The card number has a typing error: its check digits do not match.", confirmed=False
    ),
    _refused("CardNumberNotFound", "Amazon knows no card of this number.", reversal=_NONE, confirmed=False),
    _refused("CardNumberTooShort", "A card number has 19 digits.", confirmed=False),
    _refused("CurrencyCodeIsNull", "Send a currency code."),
    _refused("CurrencyCodeMismatch", "The currency is not the one of the account's marketplace."),
    _refused("DeactivationNotAllowed", "This card cannot be deactivated.", confirmed=False),
    _refused("ExternalReferenceTooLong", "An external reference has at most 100 characters.", confirmed=False),
    _refused("FractionalAmountNotAllowed", "The currency has no fractions: send a whole amount."),
    _refused("GcNotReadyForRefund", "The card cannot be refunded at the moment.", confirmed=False),
    _refused("GcRTPNotAllowed", "The card cannot be returned to its purchaser.", confirmed=False),
    _refused("InvalidAmountInput", "Send an amount."),
    _refused("InvalidAmountValue", "Send an amount larger than zero."),
    _refused("InvalidCardNumberInput", "Send the card number: 19 digits."),
    _refused("InvalidCurrencyCodeInput", "Send a currency code."),
    _refused("InvalidCurrencyInMarketplace", "The currency is not the one of the account's marketplace."),
    _refused("InvalidDateFormat", "Write dates as yyyy-MM-ddTHH:mm:ss."),
    _refused("InvalidEndDate", "The end of the time frame is not a date that Amazon accepts."),
    _refused("InvalidGCIdInput", "The card id is not the one of this request."),
    _refused("InvalidPageIndex", "The page index is outside the result."),
    _refused("InvalidPageSize", "A page has 1 to 1000 rows."),
    _refused("InvalidPartnerId", "Amazon does not know the account's partner id (case matters)."),
    _refused("InvalidPartnerIdInput", "The account has no partner id."),
    _refused("InvalidProgramId", "The programId is not one that Amazon approved."),
    _refused("InvalidRequest", "Amazon could not use the request."),
    _refused("InvalidRequestIdInput", "The request id is missing or not usable."),
    _refused("InvalidRequestInput", "Amazon found the request empty."),
    _refused("InvalidStartDate", "The start of the time frame is not a date that Amazon accepts."),
    _refused("MaxAmountExceeded", "Ask for a smaller amount: this is more than a card may hold."),
    _refused("MaxPageSizeExceeded", "A page has at most 1000 rows.", confirmed=False),
    _refused("NegativeOrZeroAmount", "Send an amount larger than zero."),
    _refused(
        "NonExistingActivationRequestId",
        "Amazon knows no activation of this request id.",
        reversal=_NONE,
        confirmed=False,
    ),
    _refused("OrderNotFound", "Amazon knows no request of this id.", reversal=_NONE, confirmed=False),
    _refused("ProgramIdNotPresent", "The account needs a programId in each request.", confirmed=False),
    _refused(
        "RequestIdMustStartWithPartnerName",
        "The request id does not begin with the account's partner id.",
        confirmed=False,
    ),
    _refused("RequestIdTooLong", "The request id has more than 40 characters.", confirmed=False),
    _refused("RequestedDenominationMismatch", "The amount is not the one printed on the card.", confirmed=False),
    _refused("SimpleAmountIsNull", "Send an amount.", confirmed=False),
    _refused("StartDateAfterEndDate", "The time frame ends before it starts.", confirmed=False),
    _refused("WrongActivationRequestId", "The card was activated by another request.", confirmed=False),
    _refused("WrongGcOrderSource", "The card was not made in a way that allows this operation.", confirmed=False),
    _refused("WrongGcOrderType", "The card is of a kind that does not allow this operation.", confirmed=False),
    # F300: the account
    _refused(
        "APIGetGiftCardActivityPageIsDisabled", "Ask Amazon to enable the activity page.", code="F300", confirmed=False
    ),
    _refused("AccessDenied", "The account may not do this; ask Amazon.", code="F300", confirmed=False),
    _refused("AccountHasProblems", "Amazon has stopped the account; ask the account manager.", code="F300"),
    _refused("ActiveContractNotFound", "The account has no active contract; ask the account manager.", code="F300"),
    _refused("BlockedCustomer", "Amazon has blocked the customer's account.", code="F300"),
    _refused("CustomerAccountBlocked", "Amazon has blocked the customer's account.", code="F300", confirmed=False),
    _refused("CustomerSurpassedDailyVelocityLimit", "The daily limit is used up; try again tomorrow.", code="F300"),
    _refused("GcOrderBelongToOtherCustomer", "The card belongs to another customer.", code="F300", confirmed=False),
    _refused(
        "InsufficientFunds",
        "Top up the account at Amazon, then send the order under a new key.",
        code="F300",
        about=RefusedFor.FUNDS,
    ),
    _refused("IssuanceCapExceeded", "The account's issuance cap is reached; ask the account manager.", code="F300"),
    _refused(
        "OperationNotPermitted",
        "Amazon does not permit this to the account: the amount, the request id or the account's rights.",
        code="F300",
        reversal=_NONE,
    ),
    _refused(
        "ProductTypeNotEnabledInTheContract", "The productType is not part of the account's contract.", code="F300"
    ),
    _refused("ProgramIsNotApproved", "The program is not approved by Amazon.", code="F300", confirmed=False),
    _refused("UnknownCustomer", "Amazon does not know the customer or partner.", code="F300"),
)

_OTHERS: Final = (
    _credentials("InvalidAccessKey", "F300"),
    _credentials("InvalidAwsAccessKeyId", "F300"),
    _unknown("SystemTemporarilyUnavailable", "F400", Kind.RESEND),
    # Seen under several codes, or listed by Amazon's mock table under F100: only the code says what they mean.
    _unknown("GeneralError", None, Kind.BY_CODE),
    _unknown("UnknownError", "F500", Kind.BY_CODE),
    _unknown("EmptyCardInfoList", "F100", Kind.BY_CODE, confirmed=False),
    _unknown("GcLocked", "F100", Kind.BY_CODE, confirmed=False),
    _unknown("RequestError", "F100", Kind.BY_CODE, confirmed=False),
    # The front door, before the Incentives API is reached
    *(
        _throttled(name)
        for name in (
            "RateExceededException",
            "RateLimitExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "RequestThrottlingException",
            "SlowDown",
            "ThrottleException",
            "ThrottledException",
            "ThrottlingException",
            "TooManyRequestsException",
        )
    ),
    *(
        _unknown(name, None, Kind.OVERLOADED)
        for name in ("BandwidthLimitExceeded", "LimitExceededException", "ProvisionedThroughputExceededException")
    ),
    *(
        _credentials(name)
        for name in (
            "AccessDeniedException",
            "AuthFailure",
            "AuthenticationFailed",
            "ExpiredTokenException",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "InvalidTokenException",
            "MissingAuthenticationTokenException",
            "NotAuthorizedException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "TokenExpired",
            "UnauthorizedException",
            "UnrecognizedClientException",
        )
    ),
    *(
        _unknown(name, None, Kind.FAULT)
        for name in (
            "HttpFailureException",
            "InternalErrorException",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        )
    ),
)

#: Every errorType we know.
TABLE: Final[Mapping[str, ErrorSpec]] = MappingProxyType({each.type: each for each in (*_REFUSALS, *_OTHERS)})

#: By the first digit of an F-code.
BY_CODE: Final[Mapping[str, ErrorSpec]] = MappingProxyType(
    {
        "F1": _unknown("F100", "F100", Kind.FAULT),
        "F2": _refused("F200", "Amazon refused the request; its errorType and message say why."),
        "F3": _refused("F300", "Amazon refused the account; ask the account manager.", code="F300"),
        "F4": _unknown("F400", "F400", Kind.RESEND),
        "F5": _unknown("F500", "F500", Kind.FAULT),
    }
)

#: Amazon could not read our JSON, and looked nothing up: only its own sentences say so (`verdict`).
NOT_READ: Final = replace(_refused("(not read)", "Amazon could not read the request; its message says why."), code=None)
_UNREADABLE: Final = _unknown("(anything else)", None, Kind.UNREADABLE)
_FAULT: Final = _unknown("(fault)", None, Kind.FAULT)

_F_CODE: Final = re.compile(r"F[1-5][0-9]{2}")


def describe(error: AmazonError) -> ErrorSpec:
    """What an error means by its name, or else by its F-code.

    Returns:
        Never an error spec of kind BY_CODE. An error that says nothing is UNREADABLE.
    """
    by_type = TABLE.get(error.type or "")
    if by_type is not None and by_type.kind is not Kind.BY_CODE:
        return by_type
    by_code = error_spec_of_code(error.code)
    if by_code is None and error.code is None and by_type is not None:
        return _FAULT
    return by_code or _UNREADABLE


def error_spec_of_code(code: str | None) -> ErrorSpec | None:
    """What an F-code means; None for one outside F100 to F599."""
    return BY_CODE[code[:2]] if code is not None and _F_CODE.fullmatch(code) else None


def as_markdown(status_of: Callable[[RefusedFor | None], int]) -> str:
    """The table as Markdown, for the documentation.

    Args:
        status_of: the HTTP status that our caller gets.
    """

    def row(error_spec: ErrorSpec) -> str:
        code = (error_spec.code or "-") + ("" if error_spec.confirmed else " ?")
        status, retryable = str(status_of(error_spec.refused_for)), "yes" if error_spec.retryable else "no"
        cells = (error_spec.type, code, error_spec.kind, error_spec.reversal, status, retryable, error_spec.advice)
        return f"| {' | '.join(cells)} |\n"

    head = (
        "| errorType | Class | An attempt is | A reversal is | Status | Retryable | What to do |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    known = "".join(map(row, sorted(TABLE.values(), key=lambda error_spec: error_spec.type)))
    fallbacks = "".join(map(row, (*BY_CODE.values(), NOT_READ, _UNREADABLE)))
    return (
        f"{head}{known}\nA class marked `?` is inferred, not documented.\n\n"
        "An unknown errorType falls back by its F-code. `(not read)` is Amazon's word that it could not read our\n"
        "JSON: HTTP 400 with nothing but `Message`, which is null or names a JSON type that was not expected.\n\n"
        f"{head}{fallbacks}"
    )
