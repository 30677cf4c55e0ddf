"""The HTTP API as an OpenAPI 3.1 document, from the models that read its requests and the shapes of its responses.

    python -m incentives.api.openapi > docs/openapi.json

Nothing of it runs in a function. Descriptions of members are the `Attributes` of their model's docstring.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, Final, assert_never

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from incentives import __version__
from incentives.api import examples
from incentives.api.bulk import ORDER_ID
from incentives.api.gateway import BODY_BYTES_MAX
from incentives.api.models import Body, Member
from incentives.api.problems import MEDIA_TYPE
from incentives.api.routes import ROUTES, Route
from incentives.api.shapes import Problem
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.money import AMOUNT_MAX, AMOUNT_TEXT_LENGTH_MAX, CURRENCY_DECIMALS
from incentives.domain.single_requests.request_ids import (
    IDEMPOTENCY_KEY_FIELD,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    REQUEST_ID_LENGTH_MAX,
)
from incentives.domain.texts import TEXT_PATTERN

Json = dict[str, Any]

DESCRIPTION: Final = f"""
Issues, activates, loads, cancels and checks Amazon gift cards through the Amazon Incentives API.

**Amounts** are decimal strings such as `"25.00"`. In a request a JSON number is taken as well, and read as a decimal,
digit by digit. Amounts have no more decimals than their currency, zeros included: none for yen.

**Times** are RFC 3339 in UTC, in whole seconds, such as `2026-03-01T12:00:00Z`. Days are days in UTC.

**Idempotency.** What moves money needs a header `Idempotency-Key` that names the order. Whatever is retried, duplicated
or raced, one key never pays twice. A repeat of a success answers 200 with `Idempotent-Replayed: true`; a repeat of what
Amazon refused gets the refusal again. After **503** nothing was charged: the same key works once the cause is mended.

**202** means that the outcome is not known yet: it is neither a success nor a failure. Ask at `Location` after
`Retry-After` seconds. Never order again under another key because of a 202.

**Errors** are RFC 9457 problems. Where a member of the request is to blame, `errors` names it. Unknown members and
parameters are refused by name. A request body has at most {BODY_BYTES_MAX} bytes.

**Not waiting.** With `Prefer: respond-async` (RFC 7240) what moves money is written down and answered 202 at once, then
carried out in its turn. Without it the same happens when the account's pace does not allow the call within two seconds.

**Claim codes** are in the answers of two routes only, and are kept nowhere. No answer may be cached.

**Signing.** Requests are signed with AWS Signature Version 4 for the service `execute-api`.

Members may be added to answers: a client ignores those that it does not know.
""".strip()

#: What API Gateway answers by itself, on every route (the template's gateway responses), and some of it the code too.
GATEWAY_STATUSES: Final = (400, 401, 403, 404, 413, 415, 429, 500, 502, 504)

PROBLEMS: Final[Mapping[int, str]] = {
    400: "A member, parameter or header is missing or wrong, and named. Nothing was sent, nothing written.",
    401: "The request carries no valid authorization.",
    402: "Amazon refused: the account's funds do not suffice.",
    403: "Not signed, wrongly signed or not allowed; or Amazon refused the account.",
    404: "There is no such request, bulk order or route.",
    409: "The state of the request or bulk order does not allow this; `requestStatus` or `orderStatus` names it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Amazon refused the request; or the key belongs to another one, whose differing members are named.",
    429: "Too many calls; nothing was done.",
    500: "Something unforeseen happened. Repeat the request with the same key.",
    502: "The outcome is not known. Repeat the request with the same key.",
    503: "The account has no usable key, or Amazon refuses it, or the request was not sent within 24 hours; or a "
    "question was not asked, since the account's request rate is in use, or Amazon throttles it; or the ledger, "
    "Amazon, the card vault or the bulk order cannot be reached. This call has charged nothing; the same call, with "
    "the same Idempotency-Key, works once the cause is mended.",
    504: "The outcome is not known. Repeat the request with the same key.",
}

_TAGS: Final = ("Gift cards", "Activations", "Balance loads", "Bulk orders", "Requests", "Accounts")

_HEADERS: Final[Json] = {
    "CacheControl": {
        "description": "No answer may be kept by a cache.",
        "required": True,
        "schema": {"const": "no-store"},
    },
    "IdempotentReplayed": {
        "description": "The answer is that of an earlier request; absent otherwise.",
        "schema": {"const": "true"},
    },
    "Location": {
        "description": "Where to ask what became of it; a path of this host.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "pattern": "^/"},
    },
    "PreferenceApplied": {
        "description": "The preference that was heeded; absent where none was asked for.",
        "schema": {"const": "respond-async"},
    },
    "RetryAfter": {
        "description": "Seconds after which asking again makes sense.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RetryAfterIfAny": {
        "description": "Seconds after which trying again makes sense; absent where it does not.",
        "schema": {"type": "integer", "minimum": 1},
    },
}

_PARAMETERS: Final[Json] = {
    "IdempotencyKey": {
        "name": IDEMPOTENCY_KEY_FIELD,
        "in": "header",
        "required": True,
        "description": f"Names the order: 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters, of which "
        "neither the first nor the last is a blank or a quotation mark. It may stand in quotes, as the IETF's draft of "
        'this header has it, with a backslash before each \\ and " of the key: `"order-1"` and `order-1` are one key.',
        "schema": {
            "type": "string",
            "minLength": 1,
            # In quotes, and each of its characters with a backslash.
            "maxLength": 2 * IDEMPOTENCY_KEY_LENGTH_MAX + 2,
            "pattern": r'^([!#-~]([ -~]*[!#-~])?|"([!#-\[\]-~]|\\\\)(([ !#-\[\]-~]|\\["\\])*([!#-\[\]-~]|\\\\))?")$',
        },
        "example": "order-2026-0017",
    },
    "OrderId": {
        "name": "orderId",
        "in": "path",
        "required": True,
        "description": "As the answer named it that made the order.",
        "schema": {"type": "string", "pattern": f"^{ORDER_ID.pattern}$"},
        "example": examples.BODIES["Order"]["orderId"],
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "With `respond-async` the answer does not wait for Amazon; other preferences are ignored.",
        "schema": {"type": "string"},
        "example": "respond-async",
    },
    "RequestId": {
        "name": "requestId",
        "in": "path",
        "required": True,
        "description": "As an answer named it; of a request that was issued again, any of its ids.",
        "schema": {"type": "string", "pattern": f"^[A-Za-z0-9]{{1,{REQUEST_ID_LENGTH_MAX}}}$"},
        "example": examples.BODIES["GiftCard"]["requestId"],
    },
}


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
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {name_of(status): _problem_response(status) for status in PROBLEMS},
            "examples": {name: {"value": examples.BODIES[name]} for name in _example_names()},
            "schemas": _schemas(),
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
    parameters: list[Json] = []
    for component, applies in (
        ("RequestId", "{requestId}" in route.path),
        ("OrderId", "{orderId}" in route.path),
        ("IdempotencyKey", route.keyed),
        ("Prefer", route.preferring),
    ):
        if applies:
            parameters.append(_ref("parameters", component))
    parameters += [
        {
            "name": query.name,
            "in": "query",
            "required": query.required,
            "description": query.description,
            "schema": dict(query.schema),
        }
        for query in route.query
    ]
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
        headers = {"Cache-Control": "CacheControl", **response.headers}
        yield (
            status,
            {
                "description": response.description,
                "headers": {name: _ref("headers", component) for name, component in headers.items()},
                "content": _content(response.shape, route if status == HTTPStatus.ACCEPTED else None),
            },
        )
    for status in {*GATEWAY_STATUSES, *route.problems}:
        yield status, _ref("responses", name_of(status))


def _content(model: type, accepts: Route | None = None) -> Json:
    """A body; of a 202, the route that answers it: a request that is open looks different."""
    name = model.__name__
    if accepts is None or not _is_request(model):
        shown: Json = {"typical": _ref("examples", name)}
    else:
        shown = {"unknown": {"value": _open_example(examples.BODIES[name], examples.UNKNOWN)}}
        if accepts.preferring:
            shown["waiting"] = {"value": _open_example(examples.BODIES[name], examples.WAITING)}
    return {"application/json": {"schema": _ref("schemas", name), "examples": shown}}


def _is_request(model: type) -> bool:
    return "requestId" in examples.BODIES[model.__name__]


def _open_example(closed: Mapping[str, Any], opened: Mapping[str, Any]) -> Json:
    return {**closed, **{name: value for name, value in opened.items() if name in closed}}


def _example_names() -> list[str]:
    bodies = {route.body for route in ROUTES if route.body is not None}
    # A request that is answered 202 has examples of its own.
    told = {
        response.shape
        for route in ROUTES
        for status, response in route.responses.items()
        if status != HTTPStatus.ACCEPTED or not _is_request(response.shape)
    }
    return sorted(_name(model) for model in (*bodies, *told))


def _problem_response(status: int) -> Json:
    headers = {"Cache-Control": "CacheControl"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "RetryAfterIfAny"
    return {
        "description": PROBLEMS[status],
        "headers": {name: _ref("headers", component) for name, component in headers.items()},
        "content": {MEDIA_TYPE: {"schema": _ref("schemas", "Problem"), "example": examples.problem(status)}},
    }


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


# ---- schemas -------------------------------------------------------------------------------------


class _Plain(GenerateJsonSchema):
    """Without a title for each member, which repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's own signature
        return False


def _schemas() -> Json:
    bodies = set(_with_parts(route.body for route in ROUTES if route.body is not None))
    responses = {response.shape for route in ROUTES for response in route.responses.values()} | {Problem}
    _, definitions = models_json_schema(
        [(model, "serialization") for model in sorted(responses, key=_name)],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Plain,
    )
    described = _models_by_name(responses) | {body.__name__: body for body in bodies}
    schemas: Json = {}
    for name, schema in sorted((definitions["$defs"] | {_name(body): _body_schema(body) for body in bodies}).items()):
        schemas[name] = _plain(schema)
        if name in described:
            _describe(schemas[name], described[name])
    for body in bodies:
        _refine(schemas[_name(body)]["properties"])
    return schemas


def _name(model: type) -> str:
    return model.__name__


def _with_parts(bodies: Iterable[type[Body]]) -> Iterator[type[Body]]:
    for body in bodies:
        yield body
        yield from _with_parts(member.body for member in body.MEMBERS.values() if member.body is not None)


def _body_schema(body: type[Body]) -> Json:
    """A body as JSON schema."""
    schema: Json = {
        "additionalProperties": False,
        "description": "",
        "properties": {name: _member_schema(member) for name, member in body.MEMBERS.items()},
    }
    required = [name for name, member in body.MEMBERS.items() if member.required]
    return schema | ({"required": required} if required else {}) | {"type": "object"}


def _member_schema(member: Member) -> Json:
    default = {} if member.default is None else {"default": member.default}
    match member.kind:
        case "text":
            limits: Json = {} if member.length_max is None else {"maxLength": member.length_max, "minLength": 1}
            limits |= {"pattern": TEXT_PATTERN} if limits else {}
            limits |= {} if member.pattern is None else {"pattern": member.pattern}
            limits |= {"enum": [*member.choices]} if member.choices else {}
            kind: Json = {**default, **limits, "type": "string"}
        case "flag":
            kind = {**default, "type": "boolean"}
        case "object" if member.body is not None:
            kind = _ref("schemas", _name(member.body))
        case "object":
            kind = {"additionalProperties": True, "type": "object"}
        case "amount" | "anything":
            # An amount is refined below.
            return {}
        case _:
            assert_never(member.kind)
    return {"anyOf": [kind, {"type": "null"}]} if member.may_be_null else kind


def _models_by_name(roots: set[type[BaseModel]]) -> dict[str, type]:
    """The models themselves and every model among their siblings: a module's public models have one name each."""
    modules = {sys.modules[root.__module__] for root in roots}
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each.__name__: each for each in found if issubclass(each, BaseModel)}


def _plain(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """A schema without pydantic's titles and null defaults, and with `type: [string, null]` for what may be null."""
    match schema:
        case {"anyOf": [{"type": str(kind), **rest}, {"type": "null"}], **others} if "enum" not in rest:
            return _plain({**others, "type": [kind, "null"], **rest})
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


def _describe(schema: Json, model: type) -> None:
    schema["description"] = cleandoc(model.__doc__ or "").split("\n\nAttributes:")[0]
    texts = _attributes(model)
    for member, definition in schema.get("properties", {}).items():
        if member in texts:
            definition["description"] = texts[member]


def _attributes(model: type) -> dict[str, str]:
    """The `Attributes` sections of a model's docstring and its parents', by the member's name in JSON."""
    texts: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if parent in {BaseModel, Body, object}:
            continue
        section = cleandoc(parent.__doc__ or "").partition("Attributes:\n")[2]
        for match in re.finditer(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE):
            field = parent.model_fields.get(match[1]) if issubclass(parent, BaseModel) else None
            name = (field.alias if field else None) or match[1]
            text = " ".join(match[2].split())
            texts[name] = text[0].upper() + text[1:] if text[0] != "`" else text
    return texts


def _refine(members: Json) -> None:
    """What the code checks beyond the models, in the words of JSON schema."""
    if "amount" in members:
        members["amount"] = {
            "description": members["amount"]["description"],
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]*\.?[0-9]+$", "maxLength": AMOUNT_TEXT_LENGTH_MAX},
                {"type": "number", "exclusiveMinimum": 0, "maximum": int(AMOUNT_MAX)},
            ],
        }
    if "currencyCode" in members:
        members["currencyCode"]["enum"] = [*CURRENCY_DECIMALS]
    if "account" in members:
        members["account"]["pattern"] = f"^{ACCOUNT_NAME.pattern}$"


if __name__ == "__main__":
    sys.stdout.write(text())
