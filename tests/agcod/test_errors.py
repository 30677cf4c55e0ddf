from __future__ import annotations

import pytest

from incentives.agcod import words
from incentives.agcod.errors import BY_CODE, TABLE, Kind, ReversalKind, as_markdown, describe
from incentives.domain.outcomes import AmazonError

#: The union of errorTypes known from public clients and recorded traffic.
KNOWN = [
    "AccessDenied", "AccountHasProblems", "ActivationNotAllowed", "ActivationRequestIdAlreadyBeenUsed",
    "ActiveContractNotFound", "AmountIsNull", "APIGetGiftCardActivityPageIsDisabled", "BadInput",
    "CancelRequestArrivedAfterTimeLimit", "CardActivatedWithDifferentDenomination",
    "CardActivatedWithDifferentRequestId", "CardNumberCheckSumError", "CardNumberNotFound",
    "CardNumberTooShort", "CurrencyCodeIsNull", "CurrencyCodeMismatch", "DeactivationNotAllowed",
    "EmptyCardInfoList", "ExternalReferenceTooLong", "FractionalAmountNotAllowed", "GcLocked",
    "GcOrderBelongToOtherCustomer", "GcRTPNotAllowed", "GeneralError", "InsufficientFunds", "InvalidAccessKey",
    "InvalidAmountInput", "InvalidAmountValue", "InvalidCardNumberInput", "InvalidCurrencyCodeInput",
    "InvalidDateFormat", "InvalidEndDate", "InvalidGCIdInput", "InvalidPageIndex", "InvalidPageSize",
    "InvalidPartnerId", "InvalidPartnerIdInput", "InvalidProgramId", "InvalidRequest", "InvalidRequestIdInput",
    "InvalidRequestInput", "InvalidStartDate", "IssuanceCapExceeded", "MaxAmountExceeded",
    "MaxPageSizeExceeded", "NegativeOrZeroAmount", "NonExistingActivationRequestId", "OperationNotPermitted",
    "OrderNotFound", "ProgramIdNotPresent", "ProgramIsNotApproved", "RequestedDenominationMismatch",
    "RequestError", "RequestIdMustStartWithPartnerName", "RequestIdTooLong", "SimpleAmountIsNull",
    "StartDateAfterEndDate", "WrongActivationRequestId", "WrongGcOrderSource", "WrongGcOrderType",
    "CardNotFound", "GcNotReadyForRefund", "InvalidCurrencyInMarketplace", "AmountBelowMinThreshold",
    "UnknownCustomer", "InvalidAwsAccessKeyId", "BlockedCustomer", "CustomerAccountBlocked",
    "SystemTemporarilyUnavailable", "CustomerSurpassedDailyVelocityLimit",
    "CardAlreadyActivatedWithDifferentRequestId", "ProductTypeNotEnabledInTheContract", "UnknownError",
    "ThrottlingException", "RequestExpired", "InvalidSignatureException",
]  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_type_is_in_the_table(name: str) -> None:
    assert TABLE[name].type == name


@pytest.mark.parametrize("error_spec", TABLE.values(), ids=lambda error_spec: error_spec.type)
def test_each_row_is_consistent(error_spec: object) -> None:
    each = TABLE[error_spec.type]  # type: ignore[attr-defined]
    expected = {
        Kind.REFUSED: {402, 403, 409, 422},
        Kind.CREDENTIALS: {503},
        Kind.THROTTLED: {202},
        Kind.OVERLOADED: {202},
        Kind.RESEND: {202},
        Kind.FAULT: {202},
        Kind.BY_CODE: {202},
    }
    assert each.http_status in expected[each.kind]
    # A refusal is a stored result: the same key replays it.
    assert each.retryable is (each.kind is not Kind.REFUSED)
    assert each.advice.endswith(".")
    assert "|" not in each.advice
    if each.reversal is not ReversalKind.UNRESOLVED:
        assert each.kind is Kind.REFUSED


@pytest.mark.parametrize(
    ("code", "kind", "expected", "http_status"),
    [
        ("F300", "InsufficientFunds", Kind.REFUSED, 402),
        (None, "InsufficientFunds", Kind.REFUSED, 402),
        ("F200", "CancelRequestArrivedAfterTimeLimit", Kind.REFUSED, 409),
        ("F300", "InvalidAccessKey", Kind.CREDENTIALS, 503),
        ("F200", "Unheard", Kind.REFUSED, 422),
        ("F300", "Unheard", Kind.REFUSED, 403),
        ("F400", "Unheard", Kind.RESEND, 202),
        ("F100", None, Kind.FAULT, 202),
        ("F300", "GeneralError", Kind.REFUSED, 403),
        ("F100", "GeneralError", Kind.FAULT, 202),
        (None, "GeneralError", Kind.FAULT, 202),
        ("F600", "Unheard", Kind.UNREADABLE, 202),
        (None, "Unheard", Kind.UNREADABLE, 202),
        (None, None, Kind.UNREADABLE, 202),
    ],
)
def test_describe(code: str | None, kind: str | None, expected: Kind, http_status: int) -> None:
    error_spec = describe(AmazonError(code, kind))
    assert (error_spec.kind, error_spec.http_status) == (expected, http_status)


def test_every_error_is_in_the_documentation() -> None:
    lines = as_markdown().splitlines()
    for name in (*TABLE, *(error_spec.type for error_spec in BY_CODE.values()), "(not read)", "(anything else)"):
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1, name
    text = words.as_markdown()
    assert all(f"` | {kind} |" in text for kind in (*words.NAMES, *words.MESSAGES))
