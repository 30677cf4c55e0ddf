"""Answers as Amazon gives them, for every operation, as JSON and as XML."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from incentives.agcod.transport import HttpResponse
from incentives.domain.accounts.account import Account
from incentives.domain.calls import Call
from incentives.domain.money import Money
from incentives.domain.secret_text import Secret

REQUEST_ID = "AwssbT1"
CLAIM_CODE = "LJ49-AKDUV6-UYCP"
GC_ID = "5535125272070255"
CARD_NUMBER = "1400000005567585358"
ACCOUNT = Account("default", "Awssb", "US", "DUMMYACCESSKEY", Secret("dummy-secret"))
VALUE = Money(Decimal("25.00"), "USD")
LOAD_ACCOUNT = {"id": "amz1.account.123512341234", "type": "2"}

CALLS: dict[str, Call] = {
    "CreateGiftCard": Call(name="CreateGiftCard", request_id=REQUEST_ID, value=VALUE),
    "CancelGiftCard": Call(name="CancelGiftCard", request_id=REQUEST_ID, gc_id=GC_ID),
    "ActivateGiftCard": Call(
        name="ActivateGiftCard", request_id=REQUEST_ID, value=VALUE, card_number=Secret(CARD_NUMBER)
    ),
    "DeactivateGiftCard": Call(name="DeactivateGiftCard", request_id=REQUEST_ID, card_number=Secret(CARD_NUMBER)),
    "LoadAmazonBalance": Call(
        name="LoadAmazonBalance", request_id=REQUEST_ID, value=VALUE, options={"account": LOAD_ACCOUNT}
    ),
    "VoidAmazonBalanceLoad": Call(name="VoidAmazonBalanceLoad", request_id=REQUEST_ID, value=VALUE),
}
OPERATIONS = ("CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance")
REVERSALS = ("CancelGiftCard", "DeactivateGiftCard", "VoidAmazonBalanceLoad")
ID_MEMBERS = {
    "CreateGiftCard": "creationRequestId",
    "CancelGiftCard": "creationRequestId",
    "ActivateGiftCard": "activationRequestId",
    "DeactivateGiftCard": "activationRequestId",
    "LoadAmazonBalance": "loadBalanceRequestId",
    "VoidAmazonBalanceLoad": "loadBalanceRequestId",
}


def card_info(status: str, **changes: object) -> dict[str, Any]:
    info: dict[str, Any] = {
        "cardNumber": None,
        "cardStatus": status,
        "expirationDate": None,
        "value": {"amount": Decimal("25.0"), "currencyCode": "USD"},
    }
    return info | changes


def success(name: str) -> dict[str, Any]:
    members: dict[str, Any] = {ID_MEMBERS[name]: REQUEST_ID, "status": "SUCCESS"}
    match name:
        case "CreateGiftCard":
            members |= {"cardInfo": card_info("Fulfilled"), "gcClaimCode": CLAIM_CODE, "gcId": GC_ID}
            members |= {"gcExpirationDate": "Thu Jun 10 14:59:59 UTC 2032"}
        case "CancelGiftCard":
            members |= {"gcId": GC_ID}
        case "ActivateGiftCard":
            members |= {"cardInfo": card_info("Activated", cardNumber=CARD_NUMBER)}
        case "DeactivateGiftCard":
            members |= {"cardInfo": card_info("AwaitingActivation", cardNumber=CARD_NUMBER)}
    return members


def failure(
    name: str, code: str | None, kind: str | None, message: str | None = "No", status: str = "FAILURE"
) -> dict[str, Any]:
    """The members of a business error, nested as recorded."""
    inner = {
        "__type": f"{name}HttpResponse:http://internal.amazon.com/coral/com.amazonaws.agcod/",
        "cardInfo": None,
        ID_MEMBERS.get(name, "requestId"): REQUEST_ID,
        "status": status,
    }
    if name == "CreateGiftCard":
        inner |= {"gcClaimCode": None, "gcId": None, "gcExpirationDate": None}
    members = {"agcodResponse": inner, "errorCode": code, "errorType": kind, "message": message}
    return {member: value for member, value in members.items() if value is not None}


def to_json(members: object) -> bytes:
    """JSON in which decimals keep the digits they are made of."""
    match members:
        case Decimal():
            return str(members).encode()
        case dict():
            pairs = (json.dumps(name).encode() + b": " + to_json(each) for name, each in members.items())
            return b"{" + b", ".join(pairs) + b"}"
        case list():
            return b"[" + b", ".join(map(to_json, members)) + b"]"
    return json.dumps(members).encode()


def to_xml(members: dict[str, Any], root: str = "Response", namespace: str = "") -> bytes:
    def element(name: str, value: object) -> str:
        match value:
            case None:
                return f"<{name}/>"
            case dict():
                inner = "".join(element(each, what) for each, what in value.items() if each != "__type")
                return f"<{name}>{inner}</{name}>"
            case list():
                return "".join(element(name, each) for each in value)
        return f"<{name}>{escape(str(value))}</{name}>"

    text = element(root, members)
    if namespace:
        text = text.replace(f"<{root}>", f'<{root} xmlns="{namespace}">', 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()


def render(form: str, members: dict[str, Any], name: str) -> bytes:
    match form:
        case "json":
            return to_json(members)
        case "xml":
            return to_xml(members, f"{name}HttpResponse")
        case "xml-namespaced":
            return to_xml(members, "AnyOtherRoot", "http://agcod.example/doc")
        case "xml-wrapped":
            return to_xml({f"{name}Result": members}, "Envelope")
    raise AssertionError(form)


FORMS = ("json", "xml", "xml-namespaced", "xml-wrapped")


def response(body: bytes, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, body)


def call_without_card(call: Call) -> Call:
    return replace(call, card_number=None)
