"""An example of each body of the HTTP API, for its documentation. Tests hold them against the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ID: Final = "ExampMZXW6YTBOI2DSNRQGA3TKNBUGY2DQNJZGE"

_REQUEST: Final = {
    "requestId": _ID,
    "status": "SUCCEEDED",
    "account": "default",
    "amount": "25.00",
    "currencyCode": "USD",
    "externalReference": "invoice 17",
    "createdAt": "2026-03-01T12:00:00Z",
    "updatedAt": "2026-03-01T12:00:01Z",
    "dueAt": None,
    "replaces": None,
    "replacedBy": None,
    "errorCode": None,
    "errorType": None,
}
_GIFT_CARD: Final = _REQUEST | {
    "operation": "CreateGiftCard",
    "gcId": "0000000000000000",
    "gcExpirationDate": None,
    "cancellableUntil": "2026-03-01T12:15:00Z",
}
_MASKED: Final = "*" * 15
#: Card numbers of the examples are no card's: no issuer has them.
_CARD_NUMBER: Final = "0" * 15 + "1234"
#: What is different in a request whose outcome is not known.
UNKNOWN: Final[Mapping[str, Any]] = {
    "status": "RECOVERING",
    "gcId": None,
    "gcExpirationDate": None,
    "errorCode": "F400",
    "errorType": "SystemTemporarilyUnavailable",
}
#: The same of one that waits for its turn.
WAITING: Final[Mapping[str, Any]] = {
    "status": "PENDING",
    "updatedAt": "2026-03-01T12:00:00Z",
    "dueAt": "2026-03-01T12:00:09Z",
    "gcId": None,
    "gcExpirationDate": None,
    "cancellableUntil": None,
}
_ORDER: Final = {"amount": "25.00", "currencyCode": "USD", "externalReference": "invoice 17"}
_ORDER_ID: Final = "EXAMPLE4ORDER4ID4EXAMPLE44"
_BULK_ORDER: Final = {
    "orderId": _ORDER_ID,
    "status": "ISSUING",
    "dryRun": False,
    "stopped": False,
    "pauseReason": None,
    "account": "default",
    "format": "csv",
    "onUnknown": "retry",
    "allowSameRows": False,
    "createdAt": "2026-03-01T12:00:00Z",
    "updatedAt": "2026-03-01T12:10:00Z",
    "finishedAt": None,
    "rows": 10000,
    "totals": [{"amount": "250000.00", "currencyCode": "USD"}],
    "leftOut": {"blankRows": 3, "emptyColumns": 1},
    "issuedTotals": [{"amount": "88500.00", "currencyCode": "USD"}],
    "counts": {
        "issued": 3540,
        "refused": 2,
        "open": 8,
        "waiting": 6450,
        "reversed": 0,
        "escalated": 0,
        "notIssued": 0,
    },
    "requestsPerSecond": 5.9,
    "estimatedEndAt": "2026-03-01T12:28:13Z",
    "errors": [],
    "errorCount": 0,
    "sameRowsAs": None,
    "result": None,
}
_NOTHING_YET: Final = dict.fromkeys(("issued", "refused", "open", "waiting", "reversed", "escalated", "notIssued"), 0)

#: By the name of the shape.
BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "CreateGiftCardBody": _ORDER,
    "ActivateGiftCardBody": _ORDER | {"cardNumber": _CARD_NUMBER},
    "LoadAmazonBalanceBody": _ORDER | {"customerAccount": {"id": "amzn1.account.EXAMPLE", "type": "2"}},
    "CheckActivationStatusBody": {"cardNumber": _CARD_NUMBER, "requestId": _ID},
    "GiftCard": _GIFT_CARD,
    "GiftCardWithCode": _GIFT_CARD | {"gcClaimCode": "XXXX-XXXXXX-XXXX"},
    "Activation": _REQUEST
    | {"operation": "ActivateGiftCard", "cardNumber": f"{_MASKED}1234", "gcExpirationDate": None},
    "BalanceLoad": _REQUEST | {"operation": "LoadAmazonBalance", "customerAccountId": "*****************MPLE"},
    "RequestNow": _GIFT_CARD | {"status": "RECOVERING", "gcId": None, "errorCode": "F400"},
    "CreateOrderBody": {"account": "default", "format": "csv", "onUnknown": "retry"},
    "StartOrderBody": {"dryRun": True},
    "Order": _BULK_ORDER,
    "NewOrder": _BULK_ORDER
    | {
        "status": "AWAITING_FILE",
        "updatedAt": "2026-03-01T12:00:00Z",
        "rows": None,
        "totals": [],
        "leftOut": {"blankRows": 0, "emptyColumns": 0},
        "issuedTotals": [],
        "counts": _NOTHING_YET,
        "requestsPerSecond": None,
        "estimatedEndAt": None,
        "upload": {
            "url": f"https://example-bucket.s3.us-east-1.amazonaws.com/orders/{_ORDER_ID}/upload?X-Amz-Signature=...",
            "method": "PUT",
            "headers": {"Content-Type": "text/csv"},
            "expiresAt": "2026-03-01T13:00:00Z",
        },
    },
    "RequestPage": {"requests": [_GIFT_CARD], "cursor": None},
    "CardState": {
        "account": "default",
        "cardNumber": f"{_MASKED}1234",
        "cardStatus": "Activated",
        "value": {"amount": "25.00", "currencyCode": "USD"},
        "gcExpirationDate": None,
    },
    "Funds": {
        "account": "default",
        "availableFunds": {"amount": "1250.00", "currencyCode": "USD"},
        "asOf": "2026-03-01T12:00:00Z",
        "averageDailySpend": {"amount": "62.50", "currencyCode": "USD"},
        "daysRemaining": "20.0",
    },
    "ActivityPage": {
        "account": "default",
        "page": 0,
        "total": 1,
        "rowsLeftOut": 0,
        "activities": [
            {
                "requestId": _ID,
                "activityType": "GCCreation",
                "activityStatus": "Success",
                "activityTime": "2026-03-01T12:00:00Z",
                "value": {"amount": "25.00", "currencyCode": "USD"},
                "gcId": "0000000000000000",
                "failureCode": None,
                "isRealOp": True,
            }
        ],
    },
    "CaseFile": {
        "partnerId": "Examp",
        "requestId": _ID,
        "operation": "CreateGiftCard",
        "reversal": "CancelGiftCard",
        "amount": "25.00",
        "currencyCode": "USD",
        "gcId": None,
        "cardNumber": None,
        "status": "ESCALATED",
        "intent": "retry",
        "cause": None,
        "conflict": None,
        "generation": 0,
        "replaces": None,
        "attempts": 130,
        "reversalAttempts": 0,
        "firstSentAt": "2026-03-01T12:00:00Z",
        "lastSentAt": "2026-03-02T12:00:00Z",
        "lastReversalSentAt": None,
        "writtenAt": "2026-03-02T12:16:00Z",
        "timeZone": "UTC",
        "programmingLanguage": "Python",
        "recentChanges": "none known to this program; it is version 1.0.0",
        "history": ["2026-03-01T12:00:06Z CreateGiftCard Unknown timedOut"],
        "lastRequest": {
            "method": "POST",
            "url": "https://agcod-v2-gamma.amazon.com/CreateGiftCard",
            "x-amz-date": "20260302T120000Z",
            "body": '{"creationRequestId":"...","partnerId":"Examp","value":{"currencyCode":"USD","amount":25.00}}',
            "stringToSign": "AWS4-HMAC-SHA256 ...",
            "signature": "withheld while it could still be used",
        },
        "lastAnswer": {"httpStatus": None, "x-amzn-RequestId": None, "members": {}, "fault": "ReadTimeout"},
    },
}

#: By HTTP status: a problem that is typical of it.
PROBLEMS: Final[Mapping[int, Mapping[str, Any]]] = {
    400: {
        "type": "urn:incentives-gateway:problem:InvalidInput",
        "title": "The request is malformed",
        "detail": "amount must be greater than zero",
        "errorType": "InvalidInput",
        "errors": [{"field": "amount", "message": "must be greater than zero"}],
    },
    401: {
        "type": "about:blank",
        "title": "Unauthorized",
        "detail": "The request carries no valid authorization.",
        "errorType": "Unauthorized",
    },
    402: {
        "type": "urn:incentives-gateway:problem:RefusedByAmazon",
        "title": "Amazon refused the request",
        "detail": "Top up the account at Amazon, then send the order under a new key.",
        "requestId": _ID,
        "errorCode": "F300",
        "errorType": "InsufficientFunds",
    },
    403: {
        "type": "about:blank",
        "title": "Forbidden",
        "detail": "The signer may not call this route.",
        "errorType": "AccessDenied",
    },
    404: {
        "type": "urn:incentives-gateway:problem:NotFound",
        "title": "There is no such request",
        "detail": "requestId is not known to this gateway",
        "requestId": _ID,
        "errorType": "NotFound",
        "errors": [{"field": "requestId", "message": "is not known to this gateway"}],
    },
    409: {
        "type": "urn:incentives-gateway:problem:StateConflict",
        "title": "The request's state does not allow this",
        "detail": "Amazon refused this request: there is nothing to cancel.",
        "requestId": _ID,
        "errorType": "StateConflict",
        "requestStatus": "REFUSED",
    },
    413: {
        "type": "urn:incentives-gateway:problem:BodyTooLarge",
        "title": "The request body is too large",
        "detail": "body must be at most 10240 bytes",
        "errorType": "BodyTooLarge",
        "errors": [{"field": "body", "message": "must be at most 10240 bytes"}],
    },
    415: {
        "type": "about:blank",
        "title": "Unsupported Media Type",
        "detail": "The body has to be application/json.",
        "errorType": "UnsupportedMediaType",
    },
    422: {
        "type": "urn:incentives-gateway:problem:KeyReused",
        "title": "The Idempotency-Key belongs to another request",
        "detail": "This Idempotency-Key was used for a request with another amount. Nothing was sent.",
        "requestId": _ID,
        "errorType": "KeyReused",
        "errors": [{"field": "amount", "message": "differs from the request that this Idempotency-Key was used for"}],
    },
    429: {
        "type": "about:blank",
        "title": "Too Many Requests",
        "detail": "Too many requests; nothing was done. Send the same request again a little later.",
        "errorType": "Throttled",
        "retryable": True,
    },
    500: {
        "type": "urn:incentives-gateway:problem:Unexpected",
        "title": "The gateway failed",
        "detail": "Something unforeseen happened.",
        "errorType": "Unexpected",
        "retryable": True,
    },
    502: {
        "type": "about:blank",
        "title": "Bad Gateway",
        "detail": "The outcome is not known. Send the same request with the same key again.",
        "errorType": "Internal",
        "retryable": True,
    },
    503: {
        "type": "urn:incentives-gateway:problem:AccountUnusable",
        "title": "The account has no usable key",
        "detail": "account 'emea' has no secret",
        "errorType": "AccountUnusable",
        "retryable": True,
        "errors": [{"field": "account", "message": "has no secret"}],
    },
    504: {
        "type": "about:blank",
        "title": "Gateway Timeout",
        "detail": "The outcome is not known. Send the same request with the same key again.",
        "errorType": "Timeout",
        "retryable": True,
    },
}


def problem(status: int) -> dict[str, Any]:
    """The example of a status, complete."""
    members = {"status": status, "requestId": None, "errorCode": None, "retryable": False, **PROBLEMS[status]}
    first = ("type", "title", "status", "detail", "requestId", "errorCode", "errorType", "retryable")
    return {name: members[name] for name in (*first, *(name for name in members if name not in first))}
