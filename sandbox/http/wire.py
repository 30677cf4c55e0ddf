"""Bytes to fields and responses to bytes: JSON and XML, in the shapes that recorded traffic shows."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NoReturn

from sandbox.model.errors import RefusedError, UnreadableError, error_of
from sandbox.model.outcome import Failure, Framework, Response, Success

if TYPE_CHECKING:
    from sandbox.model.values import Fields, Json

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"
_TYPE_SUFFIX = "Response:http://internal.amazon.com/coral/com.amazonaws.agcod/"
# Names of a documentation sample that break the rule <Operation>Response.
_XML_ROOTS = {"GetAvailableFunds": "GetAvailableFunds"}
# The root of a business error in XML was never recorded; its children errorType and Message were.
_XML_ERROR_ROOT = "AGCODException"
# Where an exception of the service framework may carry its name; "message" has none at all.
FORMS = ("body", "header", "message", "wrapper", "xml", "xmlCode")
_CORAL = "com.amazon.coral.availability#"
# XML carries text only: these fields are read as the type that JSON would give them.
_XML_NUMBERS = {"value/amount"}
_XML_WHOLES = {"pageIndex", "pageSize"}
_XML_FLAGS = {"showNoOps"}


@dataclass(frozen=True)
class Encoded:
    """One HTTP response but for the headers that all have."""

    http_status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def decode(operation: str, body: bytes, *, as_xml: bool) -> Fields:
    """The fields of a request. Raises UnreadableError or, for an empty body, RefusedError."""
    if not body.strip():
        raise RefusedError(error_of("InvalidRequestInput"))
    return _decode_xml(operation, body) if as_xml else _decode_json(body)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _decode_json(body: bytes) -> Fields:
    try:
        value: Json = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, InvalidOperation):
        raise UnreadableError("Could not parse request body into json") from None
    if not isinstance(value, dict):
        raise UnreadableError("Request body is not a Json object")
    return value


def _decode_xml(operation: str, body: bytes) -> Fields:
    # A document type could define entities that expand without end.
    if b"<!DOCTYPE" in body.upper():
        raise UnreadableError("Document type is not allowed")
    try:
        root = ET.fromstring(body)  # noqa: S314  (document types are refused above)
    except (ET.ParseError, ValueError, LookupError):
        raise UnreadableError("Could not parse request body into xml") from None
    if _bare(root.tag) not in {f"{operation}Request", operation}:
        raise UnreadableError(f"Unexpected element {_bare(root.tag)}")
    return {_bare(child.tag): _from_xml(child, _bare(child.tag)) for child in root}


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def _from_xml(element: ET.Element, path: str) -> Json:
    if len(element):
        return {_bare(child.tag): _from_xml(child, f"{path}/{_bare(child.tag)}") for child in element}
    text = (element.text or "").strip()
    if not text:
        return None
    if path in _XML_NUMBERS or path in _XML_WHOLES:
        if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,6})?", text):
            raise UnreadableError(f"{text} is not a number")
        return int(text) if path in _XML_WHOLES and text.lstrip("+-").isdigit() else Decimal(text)
    if path in _XML_FLAGS:
        return text.lower() == "true"
    return text


def encode(response: Response, *, as_xml: bool) -> Encoded:
    """The response as Amazon would send it: JSON with sorted fields and nulls, or XML without the nulls."""
    match response:
        case Success(operation=operation, fields=fields):
            if as_xml:
                return Encoded(200, XML_TYPE, _xml(_XML_ROOTS.get(operation, f"{operation}Response"), fields))
            return Encoded(200, JSON_TYPE, _json(fields))
        case Failure(operation=operation, error=error, fields=fields, http_status=status):
            if as_xml:
                tree: dict[str, Json] = {
                    "agcodResponse": fields,
                    "errorCode": error.code,
                    "errorType": error.type or None,
                    "Message": error.message,
                }
                return Encoded(status, XML_TYPE, _xml(_XML_ERROR_ROOT, tree))
            envelope: dict[str, Json] = {
                "agcodResponse": {"__type": f"{operation}{_TYPE_SUFFIX}", **fields},
                "errorCode": error.code,
                "errorType": error.type or None,
                "message": error.message,
            }
            return Encoded(status, JSON_TYPE, _json(envelope))
        case Framework(name=name, message=message, http_status=status, capital=capital):
            headers = () if name is None else (("X-Amzn-Errortype", name),)
            if as_xml:
                root = name or "SerializationException"
                text = "" if message is None else _escaped(message)
                return Encoded(status, XML_TYPE, f"<{root}><Message>{text}</Message></{root}>".encode(), headers)
            bare: dict[str, Json] = {"Message" if capital else "message": message}
            # A throttled JSON response was recorded with nothing but its message.
            if name is not None and name != "ThrottlingException":
                bare["__type"] = name
            return Encoded(status, JSON_TYPE, _json(bare), headers)


def encode_as(response: Framework, form: str) -> Encoded:
    """The framework's response in one of `FORMS`, whatever the caller accepts."""
    name, message = response.name or "", response.message or ""
    named: dict[str, Json] = {"__type": name, "message": message}
    match form:
        case "xml":
            return Encoded(response.http_status, XML_TYPE, _xml(name, {"Message": message}))
        case "xmlCode":
            return Encoded(response.http_status, XML_TYPE, _xml("Error", {"Code": name, "Message": message}))
        case "body":
            members = named
        case "wrapper":
            members = {"Output": named | {"__type": _CORAL + name}, "Version": "1.0"}
        case _:
            members = {"message": message}
    headers = (("X-Amzn-Errortype", name),) if form == "header" else ()
    return Encoded(response.http_status, JSON_TYPE, _json(members), headers)


def _plain(value: Json) -> object:
    if isinstance(value, Decimal):
        number = float(value)
        # The JSON writer of Java puts what no double can hold in quotes.
        return number if math.isfinite(number) else "Infinity"
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def _json(fields: Fields) -> bytes:
    return json.dumps(_plain(dict(fields)), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _xml(root: str, fields: Fields) -> bytes:
    return f"<{root}>{_xml_members(fields)}</{root}>".encode()


def _xml_members(fields: Fields) -> str:
    return "".join(_xml_element(name, value) for name, value in sorted(fields.items()) if value is not None)


def _xml_element(name: str, value: Json) -> str:
    match value:
        case dict():
            inner = _xml_members(value)
        case list():
            inner = "".join(_xml_element("member", member) for member in value)
        case bool():
            inner = "true" if value else "false"
        case _:
            inner = _escaped(str(value))
    return f"<{name}>{inner}</{name}>"


def _escaped(text: str) -> str:
    # Characters that XML cannot carry at all are left out.
    text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
