"""Amazon's mock ids.

Put into the request id, they make the API respond with a given success or failure without any effect.
"""

from __future__ import annotations

from sandbox.model.errors import GENERAL_F500, AmazonError, error_of

MOCK_SUCCESS = "F0000"
MOCK_CLAIM_CODE = "ZYXW-VUTS-RQPO"
MOCK_GC_ID = "ABC123ZYX987"

# Where documentation and recorded traffic disagree about a type, the recorded one is used (F2010, F3005, F5000).
MOCKS: dict[str, AmazonError | None] = {
    MOCK_SUCCESS: None,
    "F1000": error_of("GeneralError"),
    "F2000": error_of("InvalidRequestInput"),
    "F2001": error_of("InvalidCardNumberInput"),
    "F2002": error_of("InvalidPartnerIdInput"),
    "F2003": error_of("InvalidAmountInput"),
    "F2004": error_of("InvalidAmountValue"),
    "F2005": error_of("InvalidCurrencyCodeInput"),
    "F2006": error_of("InvalidRequestIdInput"),
    "F2010": error_of("CardAlreadyActivatedWithDifferentRequestId"),
    "F2014": error_of("NegativeOrZeroAmount"),
    "F2015": error_of("MaxAmountExceeded"),
    "F2016": error_of("CurrencyCodeMismatch"),
    "F2017": error_of("FractionalAmountNotAllowed"),
    "F2047": error_of("CancelRequestArrivedAfterTimeLimit"),
    "F3000": error_of("UnknownCustomer"),
    "F3001": error_of("InvalidAwsAccessKeyId"),
    "F3002": error_of("BlockedCustomer"),
    "F3003": error_of("InsufficientFunds"),
    "F3004": error_of("IssuanceCapExceeded"),
    "F3005": error_of("GeneralError", code="F300"),
    "F3006": error_of("OperationNotPermitted"),
    "F3010": error_of("CustomerSurpassedDailyVelocityLimit"),
    "F4000": error_of("SystemTemporarilyUnavailable"),
    "F5000": GENERAL_F500,
}


def is_mock(request_id: str) -> bool:
    """Whether the id is one of Amazon's mock ids."""
    return request_id in MOCKS
