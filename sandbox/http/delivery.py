"""How a response leaves the sandbox: as it should, or spoiled by a fault."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from http.client import responses
from typing import TYPE_CHECKING, Literal, TypeAlias

from sandbox.http import wire
from sandbox.http.wire import Encoded
from sandbox.model.amazon import failure
from sandbox.model.errors import GENERAL_F500, RESEND, WRONG_SIGNATURE, AmazonError, RefusedError, error_of
from sandbox.model.outcome import Failure, Framework, Response, Success

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.faults import Rule
    from sandbox.model.values import Fields, Json
    from sandbox.model.world import World

THROTTLED = "Rate exceeded"
_PLAIN_503 = Encoded(503, "text/plain", b"Service Unavailable")
# Exceptions of the service framework, or of what stands before it, as they are told unless parameters say otherwise.
_EXCEPTIONS = {
    "connectionLost": Framework("HttpFailureException", "The connection was closed by the server mid-answer.", 400),
    "internalFault": Framework("InternalServerException", "The request could not be completed.", 400),
    "capacity": Framework(
        "ProvisionedThroughputExceededException", "The throughput provisioned for the table was exceeded.", 400
    ),
}
# Enough to outlast a read time-out of 6 s that counts from each byte received.
DRIP_SECONDS = 20.0
_CLAIM_CODE = re.compile(rb"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}")

Transport: TypeAlias = Literal["answer", "drop", "hold", "drip"]


@dataclass(frozen=True)
class Delivery:
    """What the caller gets.

    `answer`: the bytes at once; `drip`: the bytes spread over `seconds`; `hold`: nothing for `seconds`, then a
    closed connection; `drop`: a closed connection at once. `executed`: whether the call took effect (a late one
    has not yet).
    """

    transport: Transport
    encoded: Encoded | None = None
    seconds: float = 0.0
    executed: bool = True

    @property
    def http_status(self) -> int | None:
        """The response's HTTP status; None when no response is given."""
        return None if self.encoded is None else self.encoded.http_status

    @property
    def body(self) -> bytes | None:
        """The response's body; None when no response is given."""
        return None if self.encoded is None else self.encoded.body


def throttled(world: World) -> Framework:
    """The response to a call that comes too fast."""
    return Framework("ThrottlingException", THROTTLED, world.options.throttle_status)


def true_delivery(response: Response, *, as_xml: bool) -> Delivery:
    """The response as it should be."""
    return Delivery("answer", wire.encode(response, as_xml=as_xml))


def replaced(world: World, rule: Rule, operation: str, fields: Fields | None, *, as_xml: bool) -> Delivery:
    """The delivery of a fault that puts something else in the place of the response (or of a late effect's)."""
    kind = rule.kind if rule.kind != "lateEffect" else str(rule.text("answer", "drop"))
    match kind:
        case "drop":
            return Delivery("drop")
        case "timeout":
            return Delivery("hold", seconds=rule.seconds("holdSeconds", world.options.hold_seconds))
        case "error503":
            encoded = _PLAIN_503
        case "emptyBody":
            encoded = Encoded(_status(rule, 200), wire.JSON_TYPE, b"")
        case "error500html" | "page":
            encoded = _page(_status(rule, 502 if kind == "page" else 500))
        case "throttle" | "connectionLost" | "internalFault" | "capacity":
            exception = throttled(world) if kind == "throttle" else _EXCEPTIONS[kind]
            encoded = _told(rule, exception, as_xml=as_xml)
        case "message":
            message = Framework(None, rule.text("message"), _status(rule, 400), capital=True)
            encoded = wire.encode(message, as_xml=as_xml)
        case _:
            echoed = None if kind == "wrongSignature" else fields
            refusal = failure(world, operation, echoed, RefusedError(_error(rule)))
            refusal = replace(refusal, http_status=_status(rule, refusal.http_status))
            encoded = wire.encode(refusal, as_xml=as_xml or kind == "xmlError")
    return Delivery("answer", encoded)


def _told(rule: Rule, exception: Framework, *, as_xml: bool) -> Encoded:
    exception = replace(
        exception,
        name=rule.text("errorType", exception.name),
        message=rule.text("message", exception.message),
        http_status=_status(rule, exception.http_status),
    )
    form = rule.text("form")
    return wire.encode(exception, as_xml=as_xml) if form is None else wire.encode_as(exception, form)


def _page(http_status: int) -> Encoded:
    """A front end's own page: well-formed, hence what a reader of XML takes for a document."""
    title = f"{http_status} {responses.get(http_status, 'Error')}"
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Encoded(http_status, "text/html", html.encode())


def _error(rule: Rule) -> AmazonError:
    if rule.kind == "generalError":
        return GENERAL_F500 if rule.text("errorCode") == "F500" else error_of("GeneralError")
    if rule.kind == "wrongSignature":
        return AmazonError("F200", rule.text("errorType") or "", rule.text("message") or WRONG_SIGNATURE)
    error_type = rule.text("errorType")
    return RESEND if error_type is None else error_of(error_type, rule.text("message"), rule.text("errorCode"))


def spoiled(rule: Rule, hit: int, response: Response, *, as_xml: bool) -> Delivery:
    """The delivery of a fault that changes the true response.

    `hit` counts this rule's hits from 1: variants take turns by it.
    """
    encoded = wire.encode(response, as_xml=as_xml)
    match rule.kind:
        case "slowDrip":
            return Delivery("drip", encoded, rule.seconds("dripSeconds", DRIP_SECONDS))
        case "truncatedJson":
            encoded = replace(encoded, body=_cut(encoded.body))
        case "garbledCode":
            variant = rule.parameters.get("variant")
            number = variant if isinstance(variant, int) else hit - 1
            encoded = replace(encoded, body=_garbled(response, number))
        case "xml":
            encoded = wire.encode(response, as_xml=True)
        case kind:
            encoded = wire.encode(_edited(response, _EDITS[kind]), as_xml=as_xml)
    return Delivery("answer", encoded)


def _status(rule: Rule, default: int) -> int:
    value = rule.parameters.get("httpStatus", default)
    return value if isinstance(value, int) else default


def _cut(body: bytes) -> bytes:
    """The beginning of a response: just past the claim code where there is one, otherwise two thirds."""
    code = _CLAIM_CODE.search(body)
    return body[: code.end() + 3] if code else body[: len(body) * 2 // 3]


def _garbled(response: Response, variant: int) -> bytes:
    """A response that holds the claim code, but lacks or garbles every other field. Six variants, taken in turns."""
    fields = response.fields if isinstance(response, Success | Failure) else {}
    code = fields.get("gcClaimCode")
    text = code if isinstance(code, str) else ""
    others = [name for name in sorted(fields) if name != "gcClaimCode"]
    match variant % 6:
        case 0:
            garbled: object = {"gcClaimCode": code}
        case 1:
            garbled = {**dict.fromkeys(others), "gcClaimCode": code}
        case 2:
            wrong: list[object] = [7, [], {"unexpected": {}}, "garbled", -1.5, True]
            garbled = {**{name: wrong[at % len(wrong)] for at, name in enumerate(others)}, "gcClaimCode": code}
        case 3:
            return b'{"cardInfo":{"cardSta\xff\xfe","gcClaimCode":"' + text.encode() + b'","gcId":\x00\x01}'
        case 4:
            garbled = {"result": {"card": {"gcClaimCode": [code]}}, "status": "SUCESS"}
        case _:
            return f"OK {text} unexpected text instead of an answer".encode()
    return json.dumps(garbled, sort_keys=True, separators=(",", ":")).encode()


def _edited(response: Response, edit: Callable[[dict[str, Json]], None]) -> Response:
    """A success with its fields changed; every other response as it is."""
    if not isinstance(response, Success):
        return response
    fields = _copy(response.fields)
    edit(fields)
    return replace(response, fields=fields)


def _copy(fields: dict[str, Json]) -> dict[str, Json]:
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in fields.items()}


def _values_of(fields: dict[str, Json]) -> list[dict[str, Json]]:
    """Every money structure in a response, whatever the operation calls it."""
    info = fields.get("cardInfo")
    found = [fields.get("amount"), fields.get("availableFunds"), info.get("value") if isinstance(info, dict) else None]
    return [value for value in found if isinstance(value, dict)]


def _other_amount(fields: dict[str, Json]) -> None:
    for value in _values_of(fields):
        for name in ("amount", "value"):
            if isinstance(shown := value.get(name), Decimal | int):
                value[name] = shown + 1
            elif isinstance(shown, str) and shown.isdigit():
                value[name] = str(int(shown) + 1)


def _other_currency(fields: dict[str, Json]) -> None:
    for value in _values_of(fields):
        value["currencyCode"] = "CAD" if value.get("currencyCode") != "CAD" else "USD"


def _card_status(status: str) -> Callable[[dict[str, Json]], None]:
    def edit(fields: dict[str, Json]) -> None:
        info = fields.get("cardInfo")
        if isinstance(info, dict):
            info["cardStatus"] = status

    return edit


def _no_status(fields: dict[str, Json]) -> None:
    fields.pop("status", None)


def _funds_list(fields: dict[str, Json]) -> None:
    if "availableFunds" in fields:
        fields["availableFunds"] = [fields["availableFunds"]]


def _noise(fields: dict[str, Json]) -> None:
    """The next double below: what is left of an amount that went through sums of doubles."""
    for value in _values_of(fields):
        if isinstance(amount := value.get("amount"), Decimal):
            value["amount"] = Decimal(repr(math.nextafter(float(amount), 0.0)))


def _null_row(fields: dict[str, Json]) -> None:
    """One row more, of nobody's request."""
    rows, count = fields.get("cardActivityList"), "totalNumberOfTransactionsInRequestedTimeFrame"
    if isinstance(rows, list) and isinstance(total := fields.get(count), int):
        like = rows[0] if rows and isinstance(rows[0], dict) else {}
        fields["cardActivityList"] = [{**like, "requestId": None}, *rows]
        fields[count] = total + 1


_EDITS: dict[str, Callable[[dict[str, Json]], None]] = {
    "created": _card_status("Created"),
    "missingStatus": _no_status,
    "fundsList": _funds_list,
    "noisyAmount": _noise,
    "nullRow": _null_row,
    "wrongAmount": _other_amount,
    "wrongCurrency": _other_currency,
    "refunded": _card_status("RefundedToPurchaser"),
    "expired": _card_status("Expired"),
}
