"""The HTTP API as an OpenAPI 3.1 document, from the models of its bodies and responses.

    python -m incentives.api.openapi > docs/openapi.json

Nothing of it runs in a function. Schemas are pydantic's. The examples of their fields make the typical body.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from incentives import __version__
from incentives.api.gateway import BODY_BYTES_MAX
from incentives.api.models.base import Body
from incentives.api.models.bulk_orders import NewOrder
from incentives.api.models.problems import Problem
from incentives.api.models.single_requests import REQUEST_ID, IssuedResponse, RequestNow
from incentives.api.openapi_parts import HEADERS, PARAMETERS
from incentives.api.problems import MEDIA_TYPE, Unexpected, problem
from incentives.api.routes import ROUTES
from incentives.domain.errors import (
    AccountUnusable,
    BodyTooLarge,
    InvalidInput,
    KeyReused,
    NotFound,
    RefusedByAmazon,
    RefusedFor,
    StateConflict,
)
from incentives.domain.single_requests.record import Status

if TYPE_CHECKING:
    from incentives.api.route import Route

Json = dict[str, Any]

DESCRIPTION: Final = f"""
Issues, activates, loads, cancels and checks Amazon gift cards through the Amazon Incentives API.

**Amounts** are decimal strings such as `"25.00"`. In a request a JSON number is taken as well, and read as a decimal,
digit by digit. Amounts have no more decimals than their currency, zeros included: none for yen.

**Times** are RFC 3339 in UTC, in whole seconds, such as `2026-03-01T12:00:00Z`. Days are days in UTC.

**Idempotency.** What moves money needs a header `Idempotency-Key` that names the order. Whatever is retried, duplicated
or raced, one key never pays twice. A repeat of a success returns 200 with `Idempotent-Replayed: true`; a repeat of what
Amazon refused gets the refusal again. After **503** nothing was charged: the same key works once the cause is mended.

**202** means that the outcome is not known yet: it is neither a success nor a failure. Ask at `Location` after
`Retry-After` seconds. Never order again under another key because of a 202.

**Errors** are RFC 9457 problems. Where a field of the request is to blame, `errors` names it. Unknown fields and
parameters are refused by name. A request body has at most {BODY_BYTES_MAX} bytes.

**Not waiting.** With `Prefer: respond-async` (RFC 7240) what moves money is written down and told as 202 at once, then
carried out in its turn. Without it the same happens when the account's pace does not allow the call within two seconds.

**Claim codes** are in the responses of two routes only, and are kept nowhere. No response may be cached.

**Signing.** Requests are signed with AWS Signature Version 4 for the service `execute-api`.

Fields may be added to responses: a client ignores those that it does not know.
""".strip()

#: What API Gateway returns by itself, on every route (the template's gateway responses), and some of it the code too.
GATEWAY_STATUSES: Final = (400, 401, 403, 404, 413, 415, 429, 500, 502, 504)

PROBLEMS: Final[Mapping[int, str]] = {
    400: "A field, parameter or header is missing or wrong, and named. Nothing was sent, nothing written.",
    401: "The request carries no valid authorization.",
    402: "Amazon refused: the account's funds do not suffice. Or the budget has too little left (`BudgetExceeded`): "
    "nothing was done, and the same key works once there is enough.",
    403: "Not signed, wrongly signed or not allowed; or Amazon refused the account; or another person has to do it.",
    404: "There is no such request, bulk order, budget, account or route, or the books have nothing of that name.",
    409: "The state of the request, of the bulk order, of the budget or of the books does not allow this; "
    "`requestStatus` or `orderStatus` names the first two.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Amazon refused the request; or the key belongs to another one, whose differing fields are named; or the "
    "budget cannot be used; or a statement is refused, its columns or lines named.",
    429: "Too many calls, or too many at once that take from one budget (`BudgetBusy`); nothing was done.",
    500: "Something unforeseen happened. Repeat the request with the same key.",
    502: "The outcome is not known. Repeat the request with the same key.",
    503: "The account has no usable key, or Amazon refuses it, or the request was not sent within 24 hours; or the "
    "account is frozen; or a "
    "query was not sent, since the account's request rate is in use, or Amazon throttles it; or the ledger, "
    "Amazon, the card vault, the bulk order or the books cannot be reached. This call has charged nothing; the same "
    "call, with the same Idempotency-Key, works once the cause is mended.",
    504: "The outcome is not known. Repeat the request with the same key.",
}

#: The examples of problems: one error of each status that our code answers, and errorType and retryable of those that
#: only API Gateway does.
_ERRORS: Final = (
    InvalidInput("amount", "must be greater than zero"),
    RefusedByAmazon(
        "Top up the account at Amazon, then send the order under a new key.",
        request_id=REQUEST_ID,
        refused_for=RefusedFor.FUNDS,
        retryable=False,
        error_code="F300",
        error_type="InsufficientFunds",
    ),
    NotFound(REQUEST_ID),
    StateConflict("There is nothing to cancel.", request_id=REQUEST_ID, status=Status.REFUSED),
    BodyTooLarge("body", f"must be at most {BODY_BYTES_MAX} bytes"),
    KeyReused(["amount"], request_id=REQUEST_ID),
    Unexpected(),
    AccountUnusable("emea", "has no secret"),
)
_BY_API_GATEWAY: Final = {
    401: ("Unauthorized", False),
    403: ("AccessDenied", False),
    415: ("UnsupportedMediaType", False),
    429: ("Throttled", True),
    502: ("Internal", True),
    504: ("Timeout", True),
}

#: What is different in the examples of a request whose outcome is not known, of one that waits for its turn, and of an
#: order that was only just made.
_UNKNOWN: Final[Json] = {
    "status": "RECOVERING",
    "gcId": None,
    "gcExpirationDate": None,
    "errorCode": "F400",
    "errorType": "SystemTemporarilyUnavailable",
}
_WAITING: Final[Json] = {
    "status": "PENDING",
    "updatedAt": "2026-03-01T12:00:00Z",
    "dueAt": "2026-03-01T12:00:09Z",
    "gcId": None,
    "gcExpirationDate": None,
    "cancellableUntil": None,
}
NEW_ORDER: Final[Json] = {
    "status": "AWAITING_FILE",
    "updatedAt": "2026-03-01T12:00:00Z",
    "rows": None,
    "totals": [],
    "leftOut": {"blankRows": 0, "emptyColumns": 0},
    "issuedTotals": [],
    "counts": dict.fromkeys(("issued", "refused", "open", "waiting", "reversed", "escalated", "notIssued"), 0),
    "requestsPerSecond": None,
    "estimatedEndAt": None,
}

_TAGS: Final = (
    *("Gift cards", "Activations", "Balance loads", "Bulk orders", "Requests", "Accounts"),
    *("Reconciliation", "Month's close", "Budgets"),
)


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Incentives Gateway", "version": __version__, "description": DESCRIPTION},
        "servers": [
            {
                "url": "https://{apiId}.execute-api.{region}.amazonaws.com/v1",
                "description": "A deployment; its URL is the stack's output ApiUrl.",
                "variables": {"apiId": {"default": "api-id"}, "region": {"default": "us-east-1"}},
            }
        ],
        "security": [{"sigv4": []}],
        "tags": [{"name": name} for name in _TAGS],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service `execute-api`.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {name_of(status): _problem_response(status) for status in PROBLEMS},
            "schemas": schemas(),
        },
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def operation_id(name: str) -> str:
    """`create_gift_card` -> `createGiftCard`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def name_of(status: int) -> str:
    """The component of a problem: `TooManyRequests`."""
    return re.sub(r"[^A-Za-z]", "", HTTPStatus(status).phrase)


def _paths() -> Json:
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return paths


def _operation(route: Route) -> Json:
    applying = {
        **{name: f"{{{parameter['name']}}}" in route.path for name, parameter in PARAMETERS.items()},
        "IdempotencyKey": route.keyed,
        "Prefer": route.preferring,
    }
    parameters = [*(_ref("parameters", name) for name, applies in applying.items() if applies), *route.query]
    operation: Json = {
        "operationId": operation_id(route.name),
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": route.body_required, "content": _content(route.body)}
    operation["responses"] = {str(status): response for status, response in sorted(_responses(route))}
    return operation


def _responses(route: Route) -> Iterator[tuple[int, Json]]:
    for status, response in route.responses.items():
        yield (
            status,
            {
                "description": response.description,
                "headers": {name: _header(name) for name in ("Cache-Control", *response.headers)},
                "content": _content(response.model, route if status == HTTPStatus.ACCEPTED else None),
            },
        )
    for status in {*GATEWAY_STATUSES, *route.problems}:
        yield status, _ref("responses", name_of(status))


def _content(model: type[BaseModel], accepts: Route | None = None) -> Json:
    """A body; of a 202, the route that answers it: a request that is open looks different."""
    content: Json = {"schema": _ref("schemas", model.__name__)}
    shown: dict[str, Json] = {"new": NEW_ORDER} if model is NewOrder else {}
    if accepts is not None and issubclass(model, IssuedResponse | RequestNow):
        shown = {"unknown": _UNKNOWN} | ({"waiting": _WAITING} if accepts.preferring else {})
    if shown:
        content["examples"] = {name: {"value": example(model, different)} for name, different in shown.items()}
    return {"application/json": content}


def _problem_response(status: int) -> Json:
    headers = {"Cache-Control": _header("Cache-Control")}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = _ref("headers", "RetryAfterIfAny")
    return {
        "description": PROBLEMS[status],
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": _ref("schemas", "Problem"), "example": problem_example(status)}},
    }


def _header(name: str) -> Json:
    return _ref("headers", name.replace("-", ""))


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


# ---- schemas and examples -----------------------------------------------------------------------


def models() -> Iterator[type[BaseModel]]:
    """Every body that is taken or answered, but problems."""
    for route in ROUTES:
        yield from (success.model for success in route.responses.values())
        if route.body is not None:
            yield route.body


@cache
def schemas() -> Json:
    """Of every model, by name."""
    known: set[type[BaseModel]] = {*models(), Problem}
    _, definitions = models_json_schema(
        [
            (model, "validation" if issubclass(model, Body) else "serialization")
            for model in sorted(known, key=lambda model: model.__name__)
        ],
        ref_template="#/components/schemas/{model}",
    )
    return {name: _plain(schema) for name, schema in sorted(definitions["$defs"].items())}


def _plain(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """A schema without pydantic's titles and null defaults, and with `type: [string, null]` for what may be null."""
    match schema:
        case {"anyOf": [{"type": str(kind), **rest}, {"type": "null"}], **others} if "enum" not in rest:
            return _plain({**rest, "type": [kind, "null"], **others})
        case Mapping():
            return {
                name: _plain(value)
                for name, value in schema.items()
                if not (name == "title" and isinstance(value, str)) and not (name == "default" and value is None)
            }
        case list():
            return [_plain(each) for each in schema]
        case _:
            return schema


def example(model: type[BaseModel], different: Mapping[str, Any]) -> Json:
    """Of a model, from the examples of its fields, null where there is none; and what is different in it."""
    shown: Json = _example(_ref("schemas", model.__name__))
    return shown | {name: value for name, value in different.items() if name in shown}


def _example(schema: Json) -> Any:  # noqa: ANN401 - any JSON value
    match schema:
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]} | {"default": first}:
            return first
        case {"$ref": str(reference)}:
            return _example(schemas()[reference.rpartition("/")[2]])
        case {"oneOf": [first, *_]}:
            return _example(first)
        case {"type": "array", "items": items}:
            return [_example(items)]
        case {"properties": properties}:
            required = schema.get("required", ())
            # What may be absent is shown where its field has an example, or is never null.
            return {
                name: _example(part)
                for name, part in properties.items()
                if name in required or not {"examples", "$ref"}.isdisjoint(part)
            }
        case _:
            return None


def problem_example(status: int) -> Json:
    """An error of a status."""
    if status not in _BY_API_GATEWAY:
        return next(body for body in map(problem, _ERRORS) if body["status"] == status)
    error_type, retryable = _BY_API_GATEWAY[status]
    return Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=PROBLEMS[status],
        request_id=None,
        error_code=None,
        error_type=error_type,
        retryable=retryable,
    ).dump()


if __name__ == "__main__":
    sys.stdout.write(text())
