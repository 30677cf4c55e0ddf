"""No response closes a request as refused without evidence, whatever stands in it and wherever our words do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from incentives.agcod.reading.responses import read_outcome, read_reversal
from incentives.domain.calls import Call
from incentives.domain.outcomes import NoSuchRequest, Refused, TooLate
from tests.agcod.samples import CALLS, OPERATIONS, REQUEST_ID, response, to_json, to_xml

NAMES = st.sampled_from(list(CALLS))
HTTP = st.sampled_from([200, 202, 302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503])

#: Sentences and names that speak of credentials, rate, load, a time-out or a lost connection.
TROUBLE = (
    "The request signature we calculated does not match the signature you provided.",
    "The security token included in the request is invalid.",
    "Rate exceeded",
    "Too many requests, please wait",
    "The connection was closed by the server",
    "Request timed out",
    "HttpFailureException",
    "RequestTimeoutException",
    "InternalServerException",
    "InvalidSignatureException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
)
#: Words of a true refusal.
REFUSING = ("FAILURE", "F200", "F300", "InsufficientFunds", "InvalidAmountValue", "Amount must be larger than 0")
NOT_READ = "class java.lang.String is not an expected Json type"
WORDS = st.sampled_from([*TROUBLE, *REFUSING, NOT_READ, "SUCCESS", "RESEND", "F400", "GeneralError", "Nothing", ""])
VALUES = st.one_of(st.none(), WORDS, st.text(max_size=12), st.integers(), st.lists(WORDS, max_size=2))
NAMES_OF_FIELDS = st.sampled_from(
    ["status", "errorCode", "errorType", "message", "Message", "__type", "code", "error", "externalReference", "Output"]
)
FIELDS = st.recursive(
    st.dictionaries(NAMES_OF_FIELDS, VALUES, max_size=5),
    lambda inner: st.dictionaries(
        st.one_of(NAMES_OF_FIELDS, st.sampled_from(["agcodResponse", "Errors", "Version", "body"])),
        st.one_of(VALUES, inner),
        max_size=4,
    ),
    max_leaves=6,
)


def refused(name: str, body: bytes, http_status: int, call: Call, **headers: str) -> bool:
    given_response = response(body, http_status, **headers)
    if name in OPERATIONS:
        return isinstance(read_outcome(given_response, call), Refused)
    # What a refused reversal can prove: that Amazon looked, and what it found.
    return isinstance(read_reversal(given_response, call), NoSuchRequest | TooLate)


def texts_of(value: object, wanted: str) -> list[object]:
    """Every value of a field of this name, anywhere: more than the reader looks at."""
    match value:
        case dict():
            own = [each for name, each in value.items() if name.lower() == wanted.lower()]
            return own + [found for each in value.values() for found in texts_of(each, wanted)]
        case list():
            return [found for each in value for found in texts_of(each, wanted)]
        case _:
            return []


def is_evidence(document: Any) -> bool:
    """Whether a document could be evidence at all, read as generously as can be."""
    if document in ({"Message": None}, {"Message": NOT_READ}):
        return True
    codes = [each for each in texts_of(document, "errorCode") + texts_of(document, "code") if isinstance(each, str)]
    types = texts_of(document, "errorType")
    names_refusal = any(code in {"F200", "F300"} for code in codes) or any(
        each in {"InsufficientFunds", "InvalidAmountValue"} for each in types if isinstance(each, str)
    )
    return "FAILURE" in [each for each in texts_of(document, "status") if isinstance(each, str)] and names_refusal


@given(NAMES, HTTP, FIELDS, st.sampled_from(["json", "xml", "page"]), WORDS, st.sampled_from(["", *TROUBLE]))
@settings(max_examples=500, deadline=None)
def test_no_refusal_without_evidence(
    name: str, http_status: int, document: dict[str, Any], form: str, sent: str, header: str
) -> None:
    call = replace(CALLS[name], options=dict(CALLS[name].options) | {"externalReference": sent})
    match form:
        case "json":
            body = to_json(document)
        case "xml":
            body = to_xml(document, "Response")
        case _:
            body = b"<html><body>" + to_xml(document, "div")[38:] + b"</body></html>"
    headers = {"x-amzn-errortype": header} if header.isalpha() else {}
    if refused(name, body, http_status, call, **headers):
        assert form != "page"
        assert is_evidence(document)
        assert http_status < 500
        assert header not in TROUBLE or not header.isalpha()


@given(NAMES, HTTP, st.binary(max_size=300), st.sampled_from([*REFUSING, NOT_READ]))
@settings(max_examples=300, deadline=None)
def test_no_refusal_by_bytes_that_quote_us(name: str, http_status: int, noise: bytes, planted: str) -> None:
    sent = {"status": "FAILURE", "errorCode": "F200", "errorType": "InvalidAmountValue", "message": planted}
    reference = json.dumps(sent)
    call = replace(CALLS[name], options=dict(CALLS[name].options) | {"externalReference": reference})
    for body in (
        noise,
        b"Bad request: " + reference.encode() + noise,
        b"<html>" + reference.encode() + noise + b"</html>",
        json.dumps({"message": reference, "externalReference": reference}).encode(),
        json.dumps({"request": {"externalReference": reference}, "Message": None}).encode(),
    ):
        assert not refused(name, body, http_status, call)


@given(NAMES, st.sampled_from(TROUBLE), st.sampled_from(["errorType", "message", "__type", "header"]), HTTP, st.data())
@settings(max_examples=400, deadline=None)
def test_no_refusal_that_speaks_of_trouble(
    name: str, trouble: str, place: str, http_status: int, data: st.DataObject
) -> None:
    code = data.draw(st.sampled_from(["F200", "F300", None]))
    kind = data.draw(st.sampled_from(["InsufficientFunds", "OperationNotPermitted", "GeneralError", None]))
    document: dict[str, Any] = {"status": "FAILURE", "errorCode": code, "errorType": kind, "message": "No"}
    id_field = "loadBalanceRequestId" if "Balance" in name else "creationRequestId"
    headers = {"x-amzn-errortype": trouble} if place == "header" else {}
    if place != "header":
        document[place] = trouble
    if place != "message" and not trouble.isalpha():
        return
    wrapped = data.draw(st.sampled_from([document, {"agcodResponse": {id_field: REQUEST_ID}, **document}]))
    body = data.draw(st.sampled_from([to_json] if place == "__type" else [to_json, to_xml]))(wrapped)
    assert not refused(name, body, http_status, CALLS[name], **headers)
