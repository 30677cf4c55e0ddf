"""A deployment that answers as it is told; each request and each response is held against the committed document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from incentives.api import openapi
from local.signing import Caller, Response
from local.target import Target
from tests.openapi.contract import contract

BASE: Final = "https://api.test/v1"


@dataclass
class Gateway:
    """One deployment.

    Attributes:
        answers: by `METHOD /path`, what is answered, in turn; the last is answered for good. A number is a problem's
            status.
        called: each request: method, route with its query, body.
    """

    answers: dict[str, list[dict[str, Any] | int]] = field(default_factory=dict)
    called: list[tuple[str, str, Any]] = field(default_factory=list)
    accepts: frozenset[str] = frozenset()

    def target(self, stack: str | None = "gateway") -> Target:
        """What commands work with."""
        return Target(
            stack or "local", "us-east-1", BASE, lambda: Caller("KEY", "dummy"), lambda _: None, {}, dict, {},
            is_local=stack is None,
        )  # fmt: skip

    def send(self, method: str, url: str, *, body: Any = None, **_: object) -> Response:
        """In place of `local.signing.send`."""
        route = url.removeprefix(BASE)
        path, query = urlsplit(route).path, dict(parse_qsl(urlsplit(route).query))
        contract().check_request(method, path, headers={}, query=query, body=body)
        self.called.append((method, route, body))
        answers = self.answers[f"{method} {path}"]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, int):
            return self._answer(method, path, found, openapi.problem_example(found))
        status = 202 if f"{method} {path.rpartition('/')[2]}" in self.accepts else 200
        return self._answer(method, path, status, found)

    @staticmethod
    def _answer(method: str, path: str, status: int, body: Mapping[str, Any]) -> Response:
        kind = "application/json" if status < 400 else "application/problem+json"
        headers = {"content-type": kind, "cache-control": "no-store"}
        if status == 202:
            headers |= {"location": f"/v1{path.rpartition('/')[0]}", "retry-after": "5"}
        contract().check_response(method, path, status=status, headers=headers, body=body)
        return Response(status, headers, json.dumps(body))

    @property
    def written(self) -> list[tuple[str, str, Any]]:
        """Each request that was no question."""
        return [each for each in self.called if each[0] != "GET"]
