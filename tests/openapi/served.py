"""All functions behind one address, called as API Gateway calls them, with everything outside replaced by fakes.

Each request and each response is held against the committed document.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from incentives.bootstrap import container
from incentives.api.route import Route
from incentives.api.routes import ROUTES
from incentives.domain.outcomes import Succeeded
from tests.openapi.contract import ROOT, contract
from tests.support.bulk import Bulk, bulk
from tests.support.fakes import FakeAccountStates, Scripted, Sent, World, card, world
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
    "create_order": {"format": "csv"},
}
#: By their names, which are their functions' where these have one route only.
BY_NAME: Final = {route.name: route for route in ROUTES}
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
class Response:
    """A response that was as documented."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


@dataclass
class Served:
    """The functions, and what they answered so far.

    Attributes:
        answered: status by route.
    """

    world: World
    index: FakeIndex
    bulk: Bulk
    answered: dict[str, set[int]] = field(default_factory=dict)

    def send(
        self,
        name: str,
        resource_id: str = "UNKNOWN",
        *,
        body: Any = None,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Call a route's function; a body that is no text becomes JSON. Its response has to be as documented."""
        route = BY_NAME[name]
        path = re.sub(r"\{\w+\}", resource_id, route.path)
        keyed = {} if key is None else {"Idempotency-Key": key}
        return self.response(route, path, headers={**keyed, **(headers or {})}, query=query or {}, body=body)

    def response(
        self,
        route: Route,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        body: Any,
        base_path: str = "/v1",
    ) -> Response:
        event = event_of(route, path, headers=headers, query=query, body=body, base_path=base_path)
        raw = handler_of(route.function)(event, self._context())
        found = json.loads(raw["body"])
        contract().check_response(
            route.method.upper(), path, status=raw["statusCode"], headers=raw["headers"], body=found
        )
        self.answered.setdefault(route.name, set()).add(raw["statusCode"])
        return Response(raw["statusCode"], raw["headers"], found, raw["body"])

    def issue(
        self, function: str, key: str = "order-1", *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> Response:
        """Place an order that Amazon carries out; a request that is documented."""
        route = BY_NAME[function]
        body = {**BODIES[function], **members}
        given = {"Idempotency-Key": key, **(headers or {})}
        contract().check_request("POST", route.path, headers=given, query={}, body=body)
        if function != "create_gift_card" and not self.world.amazon.script:
            self.world.amazon.script = [without_code]
        return self.send(function, body=body, headers=given)

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
    route: Route, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: Any, base_path: str = "/v1"
) -> dict[str, Any]:
    """API Gateway's proxy event of a request."""
    names = re.findall(r"\{(\w+)\}", route.path)
    variables = dict.fromkeys(names, path.split("/")[2]) if names else None
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": route.method.upper(),
        "multiValueHeaders": {name: [text] for name, text in headers.items()},
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
    index, orders = FakeIndex(found.ledger), bulk(found)
    replaced: Mapping[str, Any] = {
        "settings": SimpleNamespace(default_account="default"),
        "telemetry": found.telemetry,
        "dependencies": found.dependencies,
        "index": index,
        "order_dependencies": orders.dependencies,
        "account_states": FakeAccountStates(),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in replaced.items():
            patch.setitem(vars(container), name, value)
        yield Served(found, index, orders)
