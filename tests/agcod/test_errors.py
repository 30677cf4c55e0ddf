from __future__ import annotations

import pytest

from incentives.agcod.errors import BY_CODE, TABLE, Kind, ReversalKind, as_markdown, describe
from incentives.domain.outcomes import AmazonError

#: The union of errorTypes known from public clients and recorded traffic.
KNOWN = [
    "AccessDenied",
    "AccountHasProblems",
    "ActivationNotAllowed",
    "ActivationRequestIdAlreadyBeenUsed",
    "ActiveContractNotFound",
    "AmountIsNull",
    "APIGetGiftCardActivityPageIsDisabled",
    "BadInput",
    "CancelRequestArrivedAfterTimeLimit",
    "CardActivatedWithDifferentDenomination",
    "CardActivatedWithDifferentRequestId",
    "CardNumberCheckSumError",
    "CardNumberNotFound",
    "CardNumberTooShort",
    "CurrencyCodeIsNull",
    "CurrencyCodeMismatch",
    "DeactivationNotAllowed",
    "EmptyCardInfoList",
    "ExternalReferenceTooLong",
    "FractionalAmountNotAllowed",
    "GcLocked",
    "GcOrderBelongToOtherCustomer",
    "GcRTPNotAllowed",
    "GeneralError",
    "InsufficientFunds",
    "InvalidAccessKey",
    "InvalidAmountInput",
    "InvalidAmountValue",
    "InvalidCardNumberInput",
    "InvalidCurrencyCodeInput",
    "InvalidDateFormat",
    "InvalidEndDate",
    "InvalidGCIdInput",
    "InvalidPageIndex",
    "InvalidPageSize",
    "InvalidPartnerId",
    "InvalidPartnerIdInput",
    "InvalidProgramId",
    "InvalidRequest",
    "InvalidRequestIdInput",
    "InvalidRequestInput",
    "InvalidStartDate",
    "IssuanceCapExceeded",
    "MaxAmountExceeded",
    "MaxPageSizeExceeded",
    "NegativeOrZeroAmount",
    "NonExistingActivationRequestId",
    "OperationNotPermitted",
    "OrderNotFound",
    "ProgramIdNotPresent",
    "ProgramIsNotApproved",
    "RequestedDenominationMismatch",
    "RequestError",
    "RequestIdMustStartWithPartnerName",
    "RequestIdTooLong",
    "SimpleAmountIsNull",
    "StartDateAfterEndDate",
    "WrongActivationRequestId",
    "WrongGcOrderSource",
    "WrongGcOrderType",
    "CardNotFound",
    "GcNotReadyForRefund",
    "InvalidCurrencyInMarketplace",
    "AmountBelowMinThreshold",
    "UnknownCustomer",
    "InvalidAwsAccessKeyId",
    "BlockedCustomer",
    "CustomerAccountBlocked",
    "SystemTemporarilyUnavailable",
    "CustomerSurpassedDailyVelocityLimit",
    "CardAlreadyActivatedWithDifferentRequestId",
    "ProductTypeNotEnabledInTheContract",
    "UnknownError",
    "ThrottlingException",
    "RequestExpired",
    "InvalidSignatureException",
]


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_type_is_in_the_table(name: str) -> None:
    assert TABLE[name].type == name


@pytest.mark.parametrize("taxon", TABLE.values(), ids=lambda taxon: taxon.type)
def test_each_row_is_consistent(taxon: object) -> None:
    each = TABLE[taxon.type]  # type: ignore[attr-defined]
    expected = {
        Kind.REFUSED: {402, 403, 409, 422},
        Kind.CREDENTIALS: {503},
        Kind.THROTTLED: {202},
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
    ("code", "kind", "status", "expected", "http_status"),
    [
        ("F300", "InsufficientFunds", 400, Kind.REFUSED, 402),
        (None, "InsufficientFunds", None, Kind.REFUSED, 402),
        ("F200", "InvalidAmountValue", 400, Kind.REFUSED, 422),
        ("F300", "AccountHasProblems", 400, Kind.REFUSED, 403),
        ("F200", "CancelRequestArrivedAfterTimeLimit", 400, Kind.REFUSED, 409),
        ("F300", "InvalidAccessKey", 400, Kind.CREDENTIALS, 503),
        (None, "RequestExpired", 400, Kind.CREDENTIALS, 503),
        ("F200", "Unheard", 400, Kind.REFUSED, 422),
        ("F300", "Unheard", 400, Kind.REFUSED, 403),
        ("F400", "Unheard", 400, Kind.RESEND, 202),
        ("F500", "Unheard", 400, Kind.FAULT, 202),
        ("F100", None, 400, Kind.FAULT, 202),
        ("F300", "GeneralError", 400, Kind.REFUSED, 403),
        ("F100", "GeneralError", 400, Kind.FAULT, 202),
        (None, "GeneralError", 400, Kind.FAULT, 202),
        ("F200", "GcLocked", 400, Kind.REFUSED, 422),
        ("F400", "InsufficientFunds", 400, Kind.RESEND, 202),
        ("F600", "Unheard", 400, Kind.UNREADABLE, 202),
        (None, "Unheard", 400, Kind.REFUSED, 422),
        (None, None, 400, Kind.REFUSED, 422),
        (None, None, 403, Kind.CREDENTIALS, 503),
        (None, None, 429, Kind.THROTTLED, 202),
        (None, None, 503, Kind.FAULT, 202),
        (None, None, 404, Kind.UNREADABLE, 202),
        (None, None, None, Kind.UNREADABLE, 202),
    ],
)
def test_describe(code: str | None, kind: str | None, status: int | None, expected: Kind, http_status: int) -> None:
    taxon = describe(AmazonError(code, kind), status)
    assert (taxon.kind, taxon.http_status) == (expected, http_status)


def test_the_only_mark_of_a_throttled_json_answer() -> None:
    assert describe(AmazonError(message="Rate exceeded"), 400).kind is Kind.THROTTLED


def test_the_table_as_markdown_has_every_row() -> None:
    text = as_markdown()
    lines = text.splitlines()
    for name in (*TABLE, *(taxon.type for taxon in BY_CODE.values()), "400", "5xx"):
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1, name
    assert {line.count("|") for line in lines if line.startswith("|")} == {8}
