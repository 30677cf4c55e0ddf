from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.control.faults import parse_rule
from sandbox.http.delivery import replaced
from sandbox.http.gateway import members
from sandbox.model.errors import ERRORS, error_of

if TYPE_CHECKING:
    from tests.sandbox.callers import Model

# Every name that documentation and clients of the API know.
NAMES = """
AccessDenied AccountHasProblems ActivationNotAllowed ActivationRequestIdAlreadyBeenUsed ActiveContractNotFound
AmountIsNull APIGetGiftCardActivityPageIsDisabled BadInput CancelRequestArrivedAfterTimeLimit
CardActivatedWithDifferentDenomination CardActivatedWithDifferentRequestId CardNumberCheckSumError CardNumberNotFound
CardNumberTooShort CurrencyCodeIsNull CurrencyCodeMismatch DeactivationNotAllowed EmptyCardInfoList
ExternalReferenceTooLong FractionalAmountNotAllowed GcLocked GcOrderBelongToOtherCustomer GcRTPNotAllowed GeneralError
InsufficientFunds InvalidAccessKey InvalidAmountInput InvalidAmountValue InvalidCardNumberInput
InvalidCurrencyCodeInput InvalidDateFormat InvalidEndDate InvalidGCIdInput InvalidPageIndex InvalidPageSize
InvalidPartnerId InvalidPartnerIdInput InvalidProgramId InvalidRequest InvalidRequestIdInput InvalidRequestInput
InvalidStartDate IssuanceCapExceeded MaxAmountExceeded MaxPageSizeExceeded NegativeOrZeroAmount
NonExistingActivationRequestId OperationNotPermitted OrderNotFound ProgramIdNotPresent ProgramIsNotApproved
RequestedDenominationMismatch RequestError RequestIdMustStartWithPartnerName RequestIdTooLong SimpleAmountIsNull
StartDateAfterEndDate WrongActivationRequestId WrongGcOrderSource WrongGcOrderType CardNotFound GcNotReadyForRefund
InvalidCurrencyInMarketplace AmountBelowMinThreshold UnknownCustomer InvalidAwsAccessKeyId BlockedCustomer
CustomerAccountBlocked SystemTemporarilyUnavailable CustomerSurpassedDailyVelocityLimit
CardAlreadyActivatedWithDifferentRequestId ProductTypeNotEnabledInTheContract UnknownError
"""
KNOWN = re.findall(r"\w+", NAMES)


def test_the_table_holds_every_known_name_and_no_other() -> None:
    assert sorted(ERRORS) == sorted(KNOWN)


def test_every_error_can_be_asked_for_in_both_encodings(model: Model) -> None:
    for number, error in enumerate(ERRORS.values()):
        rule = parse_rule(number, {"kind": "refuse", "errorType": error.type})
        in_json = members(replaced(model.sandbox.world, rule, "CreateGiftCard", {}, as_xml=False).body)
        in_xml = replaced(model.sandbox.world, rule, "CreateGiftCard", {}, as_xml=True).body or b""
        shown = (in_json["errorCode"], in_json["errorType"], in_json["message"])
        assert shown == (error.code, error.type, error.message)
        assert f"<errorCode>{error.code}</errorCode><errorType>{error.type}</errorType>".encode() in in_xml


def test_only_the_transient_class_says_resend() -> None:
    assert {name for name, error in ERRORS.items() if error.status == "RESEND"} == {"SystemTemporarilyUnavailable"}


def test_an_unknown_name_is_an_invalid_request_unless_a_code_is_given() -> None:
    assert (error_of("Novel").code, error_of("Novel", code="F300").code) == ("F200", "F300")
