"""API Gateway's side of a call: what came in, what goes out, and nothing of it in a log."""

from __future__ import annotations

import base64
import binascii
import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NoReturn

from incentives.api.problems import MEDIA_TYPE, Unexpected, problem, status_of
from incentives.domain.errors import BodyTooLarge, GatewayError, InvalidInput, NotFound
from incentives.domain.persons import Identity

#: No request of this API is near this; a larger one is a mistake or an attack.
BODY_BYTES_MAX: Final = 10 * 1024

#: Objects and lists within each other. Orders have three levels, and whatever Amazon agreed with a partner a few more.
DEPTH_MAX: Final = 16

#: Of names and values together. API Gateway takes 10 KB of a caller, and adds headers of its own.
HEADER_CHARACTERS_MAX: Final = 16 * 1024

Log = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call as a handler sees it.

    Attributes:
        headers: by lower-case name: the caller's spelling reaches the function as it was.
        body: undecoded.
        caller: ARN of who signed the call.
        identity: all that tells which person that is.
        base_path: what precedes the route in a URL path, e.g. `/prod`.
        route: as API Gateway names it, e.g. `/orders/{orderId}/start`.
    """

    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(repr=False)
    caller: str | None
    base_path: str
    route: str = ""
    identity: Identity = field(default_factory=Identity)

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; numbers with a point become `Decimal`.

        Raises:
            InvalidInput: it is empty, no JSON, no object, too deep, or names a field twice.
        """
        if _is_deep(self.body):
            raise InvalidInput("body", f"must be nested at most {DEPTH_MAX} levels deep")
        try:
            document = json.loads(
                self.body.decode(),
                parse_float=Decimal,
                parse_int=Decimal,
                parse_constant=_refuse_constant,
                object_pairs_hook=_unique_members,
            )
        except InvalidInput:
            raise
        except (ValueError, ArithmeticError, RecursionError):
            # ArithmeticError: a number whose exponent not even a decimal can hold.
            raise InvalidInput("body", "must be a JSON document in UTF-8") from None
        if not isinstance(document, dict):
            raise InvalidInput("body", "must be a JSON object")
        return document

    def refuse_body(self) -> None:
        """Raise `InvalidInput` if a route that takes no fields was sent any."""
        if self.body.strip():
            for name in self.json_object():
                raise InvalidInput(name, "is not known here: this route takes no members")

    def query_of(self, *known: str) -> dict[str, str]:
        """The query, if it holds nothing but these parameters.

        Raises:
            InvalidInput: names the first unknown one.
        """
        for name in self.query:
            if name not in known:
                raise InvalidInput(name, "is not a parameter of this route")
        return dict(self.query)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What goes back. Its body may hold a claim code: it is never logged."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def serve(event: Mapping[str, Any], respond: Callable[[ApiCall], ApiResponse], log: Log) -> dict[str, Any]:
    """Decode an event, let a use case answer it, encode the response. Never raises, never logs what it carries.

    To whom a claim code goes is logged in a line of its own, a first time or a repeat.
    """
    try:
        call = decode(event)
        response = respond(call)
    except GatewayError as error:
        # An id that nobody knows is the caller's own text: maybe a claim code or a card number, pasted by mistake.
        known = None if isinstance(error, NotFound) else error.request_id
        log("answered", httpStatus=status_of(error), code=error.code, requestId=known, field=_fields(error))
        return encode(_problem_response(error))
    except Exception as error:  # noqa: BLE001 - the outer boundary: nothing of the error but its class may leave
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        log("failed", exception=type(error).__name__, where=place)
        return encode(_problem_response(Unexpected()))
    told = {name: response.body.get(name) for name in ("requestId", "orderId", "status")}
    if response.body.get("gcClaimCode"):
        # Here, where every response leaves: no route can hand a code out without this line.
        log("claimCodeDelivered", httpStatus=response.status, requestId=told["requestId"], caller=call.caller)
    log("answered", httpStatus=response.status, **{name: value for name, value in told.items() if value is not None})
    return encode(response)


def decode(event: Mapping[str, Any]) -> ApiCall:
    """Read a REST API proxy event.

    Raises:
        InvalidInput: a header or parameter is given twice, the headers are too large, or the body's encoding is broken.
        BodyTooLarge: over 10 KB.
    """
    if _header_characters(event) > HEADER_CHARACTERS_MAX:
        raise InvalidInput("headers", f"must be at most {HEADER_CHARACTERS_MAX} characters together")
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    path = str(event.get("path") or "")
    return ApiCall(
        headers=_single_values(event, "multiValueHeaders", "headers", lower=True),
        path=event.get("pathParameters") or {},
        query=_single_values(event, "multiValueQueryStringParameters", "queryStringParameters", lower=False),
        body=_body(event),
        caller=identity.get("userArn") or identity.get("caller"),
        base_path=_base_path(context, path),
        route=str(event.get("resource") or ""),
        identity=Identity(identity.get("userArn"), identity.get("caller"), identity.get("user")),
    )


def encode(response: ApiResponse) -> dict[str, Any]:
    """Write a REST API proxy response. No response of this API may be kept by a cache."""
    media_type = MEDIA_TYPE if response.status >= _FIRST_ERROR_STATUS else "application/json"
    return {
        "statusCode": response.status,
        "headers": {"Content-Type": media_type, "Cache-Control": "no-store", **response.headers},
        # ASCII: a caller's text, which comes back in errors, may hold what UTF-8 cannot encode.
        "body": json.dumps(response.body, separators=(",", ":")),
        "isBase64Encoded": False,
    }


_FIRST_ERROR_STATUS: Final = 400


def _problem_response(error: GatewayError) -> ApiResponse:
    seconds = error.retry_after_seconds
    return ApiResponse(status_of(error), problem(error), {"Retry-After": str(seconds)} if seconds else {})


def _fields(error: GatewayError) -> str | None:
    # A name may be the caller's own text: only a plain one goes into a log.
    return ",".join(name if _PLAIN_NAME.fullmatch(name) else "?" for name, _ in error.fields) or None


_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z-]{0,31}")


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            body = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput("body", "is not valid Base64") from None
    else:
        body = text.encode("utf-8", errors="surrogatepass")
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLarge("body", f"must be at most {BODY_BYTES_MAX} bytes")
    return body


def _is_deep(body: bytes) -> bool:
    # Looked at before it is parsed: how deep a parser can follow depends on the interpreter.
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    depth = 0
    for token in _BRACKETS.findall(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token, 0)
        if depth > DEPTH_MAX:
            return True
    return False


#: Brackets, and texts to skip those within; a text that is never closed ends with the body.
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _header_characters(event: Mapping[str, Any]) -> int:
    # Each header comes once by itself and once as a list: what is read is what counts.
    many = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    return sum(len(name) + len(value) for name, values in many.items() for value in values)


def _single_values(event: Mapping[str, Any], many: str, one: str, *, lower: bool) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    source = event.get(many) or {name: [value] for name, value in (event.get(one) or {}).items()}
    for name, given in source.items():
        values.setdefault(name.lower() if lower else name, []).extend(given)
    for name, given in values.items():
        if len(given) > 1 and (not lower or name == "idempotency-key"):
            raise InvalidInput("Idempotency-Key" if lower else name, "must be given once")
    return {name: ", ".join(given) if name in _LISTS else given[0] for name, given in values.items() if given}


#: Headers that are lists: several lines of one are as good as one line with commas.
_LISTS: Final = frozenset({"prefer"})


def _base_path(context: Mapping[str, Any], path: str) -> str:
    full = str(context.get("path") or "")
    if path and full.endswith(path):
        return full.removesuffix(path).rstrip("/")
    stage = context.get("stage")
    return f"/{stage}" if stage else ""


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput("body", f"must not hold {name}: it is no JSON number")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidInput(name, "is given twice")
        members[name] = value
    return members
