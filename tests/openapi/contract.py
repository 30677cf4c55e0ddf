"""The committed document as a judge: whether a request may be sent so, and a response come back so."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docs" / "openapi.json"
METHODS: Final = ("get", "post", "put", "delete", "patch")

Json = dict[str, Any]


def committed() -> Json:
    """The document in docs/, a copy to do with as one likes."""
    return copy.deepcopy(_committed())


@cache
def _committed() -> Json:
    document: Json = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Json]]:
    """Method, path and operation of every route."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


def closed(document: Mapping[str, Any]) -> Json:
    """The document with no room for members that it does not name: stricter than what clients are told."""
    strict = copy.deepcopy(dict(document))
    for schema in strict["components"]["schemas"].values():
        _close(schema)
    return strict


def _close(schema: Any) -> None:
    match schema:
        case {"type": "object", "properties": _}:
            schema.setdefault("additionalProperties", False)
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _close(part)


def resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference stands for; anything else as it is."""
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


@dataclass(frozen=True)
class Contract:
    """The judge.

    Attributes:
        document: every object in it is closed.
    """

    document: Json

    def operation(self, method: str, path: str) -> Json:
        """The operation of a path such as `/gift-cards/X/cancel`. A literal segment goes before a variable."""
        found = [
            (template.count("{"), operation)
            for verb, template, operation in operations(self.document)
            if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        assert found, f"{method} {path} is not documented"
        return min(found, key=lambda each: each[0])[1]

    def check_request(
        self, method: str, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: object
    ) -> None:
        """Fail if a request is not as documented: a parameter too many or too few, a body of another shape."""
        operation = self.operation(method, path)
        parameters = [resolved(self.document, each) for each in operation.get("parameters", [])]
        given = {"header": {name.lower(): value for name, value in headers.items()}, "query": dict(query)}
        for each in parameters:
            if each["in"] in given:
                value = given[each["in"]].get(each["name"].lower() if each["in"] == "header" else each["name"])
                assert value is not None or not each["required"], f"{each['name']} is missing"
                if value is not None:
                    self._check(each["schema"], value)
        named = {each["name"] for each in parameters if each["in"] == "query"}
        assert query.keys() <= named, f"not documented: {query.keys() - named}"
        keyed = any(each["name"] == "Idempotency-Key" for each in parameters)
        assert keyed or "idempotency-key" not in given["header"]
        if "requestBody" in operation and (body is not None or operation["requestBody"]["required"]):
            self._check(operation["requestBody"]["content"]["application/json"]["schema"], body)
        else:
            assert body is None, "this route takes no body"

    def check_response(self, method: str, path: str, *, status: int, headers: Mapping[str, str], body: object) -> None:
        """Fail if a response is not as documented: status, media type, headers, members too many or too few."""
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, f"{method} {path} answers an undocumented {status}: {body}"
        response = resolved(self.document, responses[str(status)])
        lower = {name.lower(): value for name, value in headers.items()}
        media_type = lower["content-type"].partition(";")[0]
        assert media_type in response["content"], f"undocumented {media_type}"
        for name, reference in response["headers"].items():
            header = resolved(self.document, reference)
            if name.lower() in lower:
                text = lower[name.lower()]
                self._check(header["schema"], int(text) if header["schema"].get("type") == "integer" else text)
            else:
                assert not header.get("required"), f"{name} is missing from a {status}"
        told = {name.lower() for name in response["headers"]}
        assert {"location", "retry-after", "idempotent-replayed", "preference-applied"} & lower.keys() <= told, (
            f"{lower.keys()} of a {status}"
        )
        self._check(response["content"][media_type]["schema"], body)

    def _check(self, schema: Mapping[str, Any], value: object) -> None:
        whole = {**schema, "components": self.document["components"]}
        validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
        wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not wrong, wrong


@cache
def contract() -> Contract:
    """The committed document's."""
    return Contract(closed(_committed()))
