from __future__ import annotations

import pytest

from incentives.agcod.errors import BY_CODE, TABLE, Kind, ReversalKind, as_markdown, describe
from incentives.agcod.reading import words
from incentives.domain.errors import RefusedFor
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
    expected = {Kind.REFUSED: {*RefusedFor} - {RefusedFor.UNSEEN}, Kind.CREDENTIALS: {RefusedFor.UNSEEN}}
    assert each.refused_for in expected.get(each.kind, {None})
    # A refusal is a stored result: the same key replays it.
    assert each.retryable is (each.kind is not Kind.REFUSED)
    assert each.advice.endswith(".")
    assert "|" not in each.advice
    if each.reversal is not ReversalKind.UNRESOLVED:
        assert each.kind is Kind.REFUSED


@pytest.mark.parametrize(
    ("code", "kind", "expected", "refused_for"),
    [
        ("F300", "InsufficientFunds", Kind.REFUSED, RefusedFor.FUNDS),
        (None, "InsufficientFunds", Kind.REFUSED, RefusedFor.FUNDS),
        ("F200", "CancelRequestArrivedAfterTimeLimit", Kind.REFUSED, RefusedFor.STATE),
        ("F300", "InvalidAccessKey", Kind.CREDENTIALS, RefusedFor.UNSEEN),
        ("F200", "Unheard", Kind.REFUSED, RefusedFor.REQUEST),
        ("F300", "Unheard", Kind.REFUSED, RefusedFor.ACCOUNT),
        ("F400", "Unheard", Kind.RESEND, None),
        ("F100", None, Kind.FAULT, None),
        ("F300", "GeneralError", Kind.REFUSED, RefusedFor.ACCOUNT),
        ("F100", "GeneralError", Kind.FAULT, None),
        (None, "GeneralError", Kind.FAULT, None),
        ("F600", "Unheard", Kind.UNREADABLE, None),
        (None, "Unheard", Kind.UNREADABLE, None),
        (None, None, Kind.UNREADABLE, None),
    ],
)
def test_describe(code: str | None, kind: str | None, expected: Kind, refused_for: RefusedFor | None) -> None:
    error_spec = describe(AmazonError(code, kind))
    assert (error_spec.kind, error_spec.refused_for) == (expected, refused_for)


def test_every_error_is_in_the_documentation() -> None:
    lines = as_markdown(lambda _: 0).splitlines()
    for name in (*TABLE, *(error_spec.type for error_spec in BY_CODE.values()), "(not read)", "(anything else)"):
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1, name
    text = words.as_markdown()
    assert all(f"` | {kind} |" in text for kind in (*words.NAMES, *words.MESSAGES))
