"""All functions behind one address, called as API Gateway calls them, with everything outside replaced by fakes.

Each request and each answer is held against the committed document.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from incentives import bootstrap
from incentives.api.routes import ROUTES, Route
from incentives.domain.outcomes import Succeeded
from tests.openapi.contract import ROOT, contract
from tests.support.fakes import START, Scripted, Sent, World, card, world
from tests.unit.searching import FakeIndex

CARD_NUMBER: Final = "6006490000000001234"
CUSTOMER: Final = "amzn1.account.CANARYCUSTOMER"
ORDER: Final = {"amount": "25.00", "currencyCode": "USD"}
#: Body of each route that takes one.
BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "create_gift_card": ORDER,
    "activate_gift_card": {**ORDER, "cardNumber": CARD_NUMBER},
    "load_amazon_balance": {**ORDER, "customerAccount": {"id": CUSTOMER, "type": "2"}},
    "check_activation_status": {"cardNumber": CARD_NUMBER},
}
BY_FUNCTION: Final = {route.function: route for route in ROUTES}
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@cache
def handler_of(function: str) -> Handler:
    spec = importlib.util.spec_from_file_location(f"served_{function}", ROOT / "functions" / function / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler


@dataclass(frozen=True)
class Answer:
    """An answer that was as documented."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


@dataclass
class Served:
    """The functions, and what they answered so far.

    Attributes:
        answered: status by function.
    """

    world: World
    index: FakeIndex
    answered: dict[str, set[int]] = field(default_factory=dict)

    def send(
        self,
        function: str,
        request_id: str = "UNKNOWN",
        *,
        body: Any = None,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call a route's function; a body that is no text becomes JSON. Its answer has to be as documented."""
        route = BY_FUNCTION[function]
        path = route.path.replace("{requestId}", request_id)
        return self.answer(route, path, key=key, query=query or {}, body=body)

    def answer(
        self, route: Route, path: str, *, key: str | None, query: Mapping[str, str], body: Any, base_path: str = "/v1"
    ) -> Answer:
        event = event_of(route, path, key=key, query=query, body=body, base_path=base_path)
        raw = handler_of(route.function)(event, self._context())
        found = json.loads(raw["body"])
        contract().check_answer(
            route.method.upper(), path, status=raw["statusCode"], headers=raw["headers"], body=found
        )
        self.answered.setdefault(route.function, set()).add(raw["statusCode"])
        return Answer(raw["statusCode"], raw["headers"], found, raw["body"])

    def issue(self, function: str, key: str = "order-1", **members: Any) -> Answer:
        """Place an order that Amazon carries out; a request that is documented."""
        route = BY_FUNCTION[function]
        body = {**BODIES[function], **members}
        contract().check_request("POST", route.path, headers={"Idempotency-Key": key}, query={}, body=body)
        if function != "create_gift_card" and not self.world.amazon.script:
            self.world.amazon.script = [without_code]
        return self.send(function, body=body, key=key)

    def _context(self) -> object:
        budget = self.world.budget()

        class Context:
            @staticmethod
            def get_remaining_time_in_millis() -> int:
                return int(budget.seconds_left() * 1000)

        return Context()


def without_code(sent: Sent) -> Succeeded:
    """What Amazon answers to an activation or a load."""
    return Succeeded(card(sent.call, claim_code=None, gc_id=None))


def event_of(
    route: Route, path: str, *, key: str | None, query: Mapping[str, str], body: Any, base_path: str = "/v1"
) -> dict[str, Any]:
    """API Gateway's proxy event of a request."""
    variables = {"requestId": path.split("/")[2]} if "{requestId}" in route.path else None
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": route.method.upper(),
        "multiValueHeaders": {} if key is None else {"Idempotency-Key": [key]},
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": variables,
        "requestContext": {"path": base_path + path, "identity": {"userArn": "arn:aws:iam::123456789012:user/caller"}},
        "body": text,
        "isBase64Encoded": False,
    }


def split_url(url: str, base_path: str) -> tuple[str, dict[str, str]]:
    """Path within the API, and query, of a URL."""
    parts = urlsplit(url)
    return parts.path.removeprefix(base_path), dict(parse_qsl(parts.query, keep_blank_values=True))


@contextmanager
def served(*script: Scripted) -> Iterator[Served]:
    """The functions for the length of a `with`, Amazon answering from a script first."""
    found = world(*script)
    index = FakeIndex(found.ledger)
    telemetry = SimpleNamespace(log=found.telemetry.log, count=found.telemetry.count, flush=lambda: None)

    class Clock:
        @staticmethod
        def now() -> Any:
            return START

        @staticmethod
        def sleep(seconds: float) -> None:
            raise AssertionError("use the world's clock")

    replaced: Mapping[str, Any] = {
        "settings": lambda: SimpleNamespace(default_account="default"),
        "telemetry": lambda: telemetry,
        "tools": lambda: found.tools,
        "ledger": lambda: found.ledger,
        "index": lambda: index,
        "SystemClock": Clock,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in replaced.items():
            patch.setattr(bootstrap, name, value)
        yield Served(found, index)
