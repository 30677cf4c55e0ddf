"""Responses that are no success, and what one attempt that got each of them is."""

from __future__ import annotations

from incentives.domain.outcomes import NotExecutedBecause, Refused, UnknownBecause

THROTTLED_XML = b"<ThrottlingException><Message>Rate exceeded</Message></ThrottlingException>"
BAD_SIGNATURE_XML = (
    b"<InvalidSignatureException><Message>The request signature we calculated does not match the signature you "
    b"provided. The Canonical String for this request should have been 'POST ...</Message></InvalidSignatureException>"
)

U, N = UnknownBecause, NotExecutedBecause

# errorCode, errorType, status member, HTTP status -> what an operation's attempt is
ERRORS: list[tuple[str | None, str | None, str, int, type[Refused] | UnknownBecause | NotExecutedBecause]] = [
    ("F200", "InvalidAmountValue", "FAILURE", 400, Refused),
    ("F200", "InvalidRequestInput", "FAILURE", 400, Refused),
    ("F200", "MaxAmountExceeded", "FAILURE", 400, Refused),
    ("F200", "CardAlreadyActivatedWithDifferentRequestId", "FAILURE", 400, Refused),
    ("F300", "InsufficientFunds", "FAILURE", 400, Refused),
    ("F300", "OperationNotPermitted", "FAILURE", 400, Refused),
    ("F300", "GeneralError", "FAILURE", 400, Refused),
    ("F300", "CustomerSurpassedDailyVelocityLimit", "FAILURE", 400, Refused),
    # unknown type, missing type, missing code
    ("F200", "NobodyKnowsThisOne", "FAILURE", 400, Refused),
    ("F300", None, "FAILURE", 400, Refused),
    ("F299", None, "FAILURE", 400, Refused),
    (None, "InsufficientFunds", "FAILURE", 400, Refused),
    (None, "NobodyKnowsThisOne", "FAILURE", 400, U.UNREADABLE),
    # refusals are refusals whatever the status line says, but for a server that broke down
    ("F200", "InvalidAmountValue", "FAILURE", 200, Refused),
    ("F200", "InvalidAmountValue", "FAILURE", 500, U.AMAZON_FAULT),
    ("F300", "InsufficientFunds", "FAILURE", 503, U.AMAZON_FAULT),
    # doubts
    ("F400", "SystemTemporarilyUnavailable", "RESEND", 400, U.RESEND),
    ("F400", "SystemTemporarilyUnavailable", "RESEND", 200, U.RESEND),
    ("F400", None, "FAILURE", 400, U.RESEND),
    (None, "SystemTemporarilyUnavailable", "FAILURE", 400, U.RESEND),
    ("F200", "SystemTemporarilyUnavailable", "FAILURE", 400, U.RESEND),
    ("F400", "InsufficientFunds", "FAILURE", 400, U.RESEND),
    ("F200", "InvalidAmountValue", "RESEND", 400, U.RESEND),
    ("F100", "GeneralError", "FAILURE", 400, U.AMAZON_FAULT),
    ("F500", "GeneralError", "FAILURE", 400, U.AMAZON_FAULT),
    ("F500", "UnknownError", "FAILURE", 400, U.AMAZON_FAULT),
    (None, "GeneralError", "FAILURE", 400, U.AMAZON_FAULT),
    ("F100", "AmountIsNull", "FAILURE", 400, U.AMAZON_FAULT),
    ("F900", "InvalidWhatever", "FAILURE", 400, U.UNREADABLE),
    (None, None, "FAILURE", 400, U.UNREADABLE),
    (None, None, "FAILURE", 502, U.AMAZON_FAULT),
    (None, None, "PENDING", 200, U.UNREADABLE),
    (None, None, "success", 200, U.UNREADABLE),
    ("F200", "InvalidAmountValue", "PENDING", 400, U.UNREADABLE),
    ("F200", "InvalidAmountValue", "SUCCESS", 200, U.UNREADABLE),
    # keys
    ("F300", "InvalidAccessKey", "FAILURE", 400, N.CREDENTIALS),
    ("F300", "InvalidAwsAccessKeyId", "FAILURE", 400, N.CREDENTIALS),
    (None, "RequestExpired", "FAILURE", 400, N.CREDENTIALS),
    ("F200", "SignatureMismatchFault", "FAILURE", 400, N.CREDENTIALS),
    ("F500", "InvalidSignatureException", "FAILURE", 400, N.CREDENTIALS),
    ("F200", "InvalidSignatureException", "FAILURE", 500, U.AMAZON_FAULT),
    # throttles, over any code and under any name; one of something behind the front door proves nothing
    ("F200", "ThrottlingException", "FAILURE", 400, N.THROTTLED),
    ("F500", "RequestThrottled", "FAILURE", 503, N.THROTTLED),
    ("F400", "TooManyRequestsException", "FAILURE", 400, N.THROTTLED),
    ("F400", "TooManyRequestsException", "RESEND", 400, U.RESEND),
    ("F500", "GeneralError", "FAILURE", 429, N.THROTTLED),
    ("F200", "ProvisionedThroughputExceededException", "FAILURE", 400, U.OVERLOADED),
    ("F200", "DownstreamThrottledException", "FAILURE", 400, U.OVERLOADED),
    (None, "ProvisionedThroughputExceededException", "FAILURE", 429, U.OVERLOADED),
    # a refusal that speaks of a fault is none
    ("F200", "InternalServerException", "FAILURE", 400, U.AMAZON_FAULT),
    ("F300", "ConnectionClosed", "FAILURE", 400, U.AMAZON_FAULT),
]

# what Amazon's own message says, over these codes and types
SIGNATURE = "The request signature we calculated does not match the signature you provided. Check your key."
MESSAGES: list[tuple[str | None, str | None, str, int, type[Refused] | UnknownBecause | NotExecutedBecause]] = [
    ("F200", None, SIGNATURE, 400, N.CREDENTIALS),
    ("F200", "GeneralError", SIGNATURE, 400, N.CREDENTIALS),
    ("F300", "GeneralError", "The security token included in the request is expired", 403, N.CREDENTIALS),
    (
        "F200",
        "GeneralError",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z",
        400,
        N.CREDENTIALS,
    ),
    ("F300", "GeneralError", "Rate exceeded.", 400, N.THROTTLED),
    ("F500", "GeneralError", "Too many requests, please wait before trying again", 503, N.THROTTLED),
    ("F200", "InvalidAmountValue", "Rate exceeded", 400, N.THROTTLED),
    ("F200", None, "The provisioned throughput was exceeded: too many requests", 400, U.OVERLOADED),
    ("F200", None, "The connection was closed before a response came", 400, U.AMAZON_FAULT),
    ("F300", "OperationNotPermitted", "Request timed out", 400, U.AMAZON_FAULT),
    ("F300", "GeneralError", "General Error", 400, Refused),
    ("F300", "CustomerSurpassedDailyVelocityLimit", "Customer has exceeded daily velocity limit", 400, Refused),
    (
        "F200",
        "CancelRequestArrivedAfterTimeLimit",
        "Cancellation cannot be processed as too much time has elapsed since creation",
        400,
        Refused,
    ),
]

# whole bodies that are not of the business layer
FRONT_DOOR: list[tuple[str, bytes, int, UnknownBecause | NotExecutedBecause | type[Refused]]] = [
    ("throttled xml 400", THROTTLED_XML, 400, N.THROTTLED),
    ("throttled xml 503", THROTTLED_XML, 503, N.THROTTLED),
    ("throttled xml 200", THROTTLED_XML, 200, N.THROTTLED),
    ("throttled json 400", b'{"message":"Rate exceeded"}', 400, N.THROTTLED),
    ("throttled json 429", b'{"message":"Slow down"}', 429, N.THROTTLED),
    ("throttled json type", b'{"__type":"com.amazon.coral.x#ThrottlingException","Message":null}', 400, N.THROTTLED),
    ("throttled html 429", b"<html><p>Too many<br></html>", 429, N.THROTTLED),
    ("throttled full stop", b'{"message":"Rate exceeded."}', 400, N.THROTTLED),
    ("throttled in words", b'{"message":"Too many requests, please wait a little."}', 400, N.THROTTLED),
    ("throttled per second", b'{"Message":"Rate exceeded (Requests per second)"}', 503, N.THROTTLED),
    ("throttled bare sentence", b"Rate exceeded (Requests per second)", 400, N.THROTTLED),
    ("throttled, another name", b'{"__type":"a.b#RequestThrottledException","message":"No"}', 400, N.THROTTLED),
    (
        "throttled, another ending",
        b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
        400,
        N.THROTTLED,
    ),
    (
        "throttled, query style",
        b"<R><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></R>",
        503,
        N.THROTTLED,
    ),
    ("throttled, plain code", b"<Error><Code>SlowDown</Code><Message>Later</Message></Error>", 503, N.THROTTLED),
    (
        "throttled in the wrapper",
        b'{"Output":{"__type":"com.amazon.coral.availability#ThrottlingException","message":null},"Version":"1.0"}',
        400,
        N.THROTTLED,
    ),
    (
        "throttled in the wrapper, 200",
        b'{"Output":{"__type":"com.amazon.coral.availability#ThrottlingException"},"Version":"1.0"}',
        200,
        N.THROTTLED,
    ),
    ("overloaded", b'{"__type":"x#ProvisionedThroughputExceededException","message":"No"}', 400, U.OVERLOADED),
    ("throttle and fault", b'{"__type":"InternalServerException","message":"Rate exceeded"}', 400, U.AMAZON_FAULT),
    (
        "lost connection told as 400",
        b'{"__type":"HttpFailureException","message":"The connection was closed by the server while reading"}',
        400,
        U.AMAZON_FAULT,
    ),
    ("time-out told as 400", b'{"__type":"RequestTimeoutException","message":null}', 400, U.AMAZON_FAULT),
    ("fault told as 400", b'{"__type":"InternalServerException"}', 400, U.AMAZON_FAULT),
    ("unavailable told as 400", b"<ServiceUnavailable/>", 400, U.AMAZON_FAULT),
    ("page 400", b"<html><head><title>400 Bad Request</title></head></html>", 400, U.UNREADABLE),
    (
        "page that speaks",
        b"<html><Message>Rate exceeded</Message><errorCode>F200</errorCode></html>",
        400,
        U.UNREADABLE,
    ),
    ("page 403", b"<HTML><BODY>Forbidden</BODY></HTML>", 403, U.UNREADABLE),
    ("forbidden", b'{"message":"Forbidden"}', 403, U.UNREADABLE),
    ("not authorized", b'{"message":"Go away"}', 401, U.UNREADABLE),
    ("validation", b'{"__type":"ValidationException","message":"1 validation error detected"}', 400, U.UNREADABLE),
    ("words of nobody", b'{"message":"Invalid request"}', 400, U.UNREADABLE),
    ("known type, no failure", b'{"errorType":"InsufficientFunds","errorMessage":"x"}', 400, U.UNREADABLE),
    (
        "refused by the front door",
        b"<Error><Code>InvalidRequest</Code><Message>No</Message></Error>",
        400,
        U.UNREADABLE,
    ),
    ("access denied by it", b"<Error><Code>AccessDenied</Code><Message>No</Message></Error>", 403, N.CREDENTIALS),
    ("null message, another", b'{"message":null}', 400, U.UNREADABLE),
    ("null message and more", b'{"Message":null,"status":null}', 400, U.UNREADABLE),
    ("bad signature xml", BAD_SIGNATURE_XML, 403, N.CREDENTIALS),
    ("bad signature json", b'{"__type":"InvalidSignatureException","message":"no"}', 403, N.CREDENTIALS),
    (
        "bad signature query style",
        b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>x</Message></Error></ErrorResponse>",
        403,
        N.CREDENTIALS,
    ),
    ("unknown key", b'{"message":"The security token included in the request is invalid."}', 403, N.CREDENTIALS),
    (
        "unknown key capital",
        b'{"Message":"The security token included in the request is invalid."}',
        403,
        N.CREDENTIALS,
    ),
    ("expired xml", b"<RequestExpired><Message>old</Message></RequestExpired>", 400, N.CREDENTIALS),
    ("null amount", b'{"Message":null}', 400, Refused),
    ("null amount, 403", b'{"Message":null}', 403, U.UNREADABLE),
    ("wrong json type", b'{"Message":"class java.lang.String is not an expected Json type"}', 400, Refused),
    ("empty object 200", b"{}", 200, U.UNREADABLE),
    ("empty 200", b"", 200, U.UNREADABLE),
    ("empty 400", b"", 400, U.UNREADABLE),
    ("empty 403", b"", 403, U.UNREADABLE),
    ("empty 500", b"", 500, U.AMAZON_FAULT),
    ("html 500", b"<html><body>Internal Error</html>", 500, U.AMAZON_FAULT),
    ("html 200", b"<html><body><p>Welcome</p></body></html>", 200, U.UNREADABLE),
    ("redirect", b"", 302, U.UNREADABLE),
    ("not found", b'{"message":"no such page"}', 404, U.UNREADABLE),
    ("request timeout", b'{"message":"too slow"}', 408, U.UNREADABLE),
    ("json 500", b'{"message":"broken"}', 500, U.AMAZON_FAULT),
    ("json list", b'[{"status":"SUCCESS"}]', 200, U.UNREADABLE),
    ("json text", b'"SUCCESS"', 200, U.UNREADABLE),
    ("doctype", b'<!DOCTYPE a [<!ENTITY b "c">]><a><status>SUCCESS</status></a>', 200, U.UNREADABLE),
    ("status is a number", b'{"status":1}', 200, U.UNREADABLE),
    ("code is an object", b'{"agcodResponse":{"status":"FAILURE"},"errorCode":{"a":1}}', 400, U.UNREADABLE),
    (
        "status twice",
        b'{"status":"FAILURE","agcodResponse":{"status":"SUCCESS"},"errorCode":"F200"}',
        400,
        U.UNREADABLE,
    ),
]
