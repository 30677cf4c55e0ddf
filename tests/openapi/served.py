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
from incentives.api.models.bulk_orders import DIGEST
from incentives.api.route import Route
from incentives.api.routes import ROUTES
from incentives.domain.outcomes import Succeeded
from incentives.usecases.accounts.dependencies import AccountDependencies
from incentives.usecases.budgets.dependencies import BudgetDependencies
from tests.openapi.contract import ROOT, contract
from tests.support.books_world import ZONE, Kept, kept
from tests.support.budget_definitions import FakeBudgetDefinitions
from tests.support.bulk import Bulk, bulk
from tests.support.fakes import FakeAccountStates, Scripted, Sent, World, card, world
from tests.unit.searching import FakeIndex

CARD_NUMBER: Final = "6006490000000001234"
CUSTOMER: Final = "amzn1.account.CANARYCUSTOMER"
ORDER: Final = {"amount": "25.00", "currencyCode": "USD"}
#: An IAM user: a person that the gateway can tell from others.
CALLER: Final = {
    "userArn": "arn:aws:iam::123456789012:user/caller",
    "caller": "AIDACALLERCALLER0001",
    "user": "AIDACALLERCALLER0001",
}
#: Body of each route that takes one.
BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "create_gift_card": ORDER,
    "activate_gift_card": {**ORDER, "cardNumber": CARD_NUMBER},
    "load_amazon_balance": {**ORDER, "customerAccount": {"id": CUSTOMER, "type": "2"}},
    "check_activation_status": {"cardNumber": CARD_NUMBER},
    "create_order": {"format": "csv"},
    "approve_order": {"digest": DIGEST, "total": {"amount": "120.00", "currencyCode": "USD"}},
    "reject_order": {"reason": "The amounts of March are in it once more."},
    "set_budget": {"limit": {"amount": "10000.00", "currencyCode": "USD"}, "period": "month", "active": True},
    "resolve_difference": {"reason": "otherSystem", "note": "Ordered in the portal"},
    "resolve_differences": {"kind": "unknownToLedger", "reason": "otherSystem", "note": "Ordered in the portal"},
    "create_statement": {"from": "2026-02-20", "to": "2026-02-21", "sha256": "a" * 64},
    "close_month": {"opening": {"amount": "10000.00", "source": "Amazon's statement"}},
    "sign_off_month": {"manifestSha256": "a" * 64},
    "freeze_account": {"reason": "The access key was found in a public repository"},
    "name_movement": {
        "movementId": "0" * 24,
        "parts": [{"type": "deposit", "amount": "500.00", "date": "2026-02-20", "reference": "Wire 17"}],
    },
}
#: The query that a route needs, or that shows most of what it takes.
QUERY_OF: Final[Mapping[str, Mapping[str, str]]] = {
    "get_activity": {"from": "2026-03-01", "to": "2026-03-01"},
    "search_requests": {"from": "2026-03-01", "to": "2026-03-01"},
    "list_reconciliations": {"from": "2026-02-20", "to": "2026-02-20"},
    "list_movements": {"month": "2026-02"},
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
    books: Kept
    budgets: FakeBudgetDefinitions
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
        """Call a route's function; a body that is no text becomes JSON. Its response has to be as documented.

        What is in its path is separated by blanks where there are several; otherwise one stands for all of them.
        """
        route = BY_NAME[name]
        path = path_of(route, resource_id)
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


def path_of(route: Route, resource_id: str) -> str:
    """The path of what a route is about; see `Served.send`."""
    names = re.findall(r"\{\w+\}", route.path)
    given = resource_id.split() if len(resource_id.split()) == len(names) else [resource_id] * len(names)
    path = route.path
    for name, text in zip(names, given, strict=True):
        path = path.replace(name, text)
    return path


def event_of(
    route: Route, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: Any, base_path: str = "/v1"
) -> dict[str, Any]:
    """API Gateway's proxy event of a request."""
    parts = zip(route.path.split("/"), path.split("/"), strict=False)
    variables = {part[1:-1]: given for part, given in parts if part.startswith("{")} or None
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": route.method.upper(),
        "multiValueHeaders": {name: [text] for name, text in headers.items()},
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": variables,
        "requestContext": {"path": base_path + path, "identity": CALLER},
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
    index, orders, books, states = FakeIndex(found.ledger), bulk(found), kept(found), FakeAccountStates()
    budgets = FakeBudgetDefinitions()
    replaced: Mapping[str, Any] = {
        "settings": SimpleNamespace(default_account="default"),
        "telemetry": found.telemetry,
        "dependencies": found.dependencies,
        "index": index,
        "order_dependencies": orders.dependencies,
        "books_dependencies": books.here,
        "budget_dependencies": BudgetDependencies(dependencies=found.dependencies, definitions=budgets, zone=ZONE),
        "role_paths": SimpleNamespace(arn_of=lambda _: None),
        "account_states": states,
        "account_dependencies": AccountDependencies(
            dependencies=found.dependencies, freezes=found.freezes, states=states, default="default"
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in replaced.items():
            patch.setitem(vars(container), name, value)
        yield Served(found, index, orders, books, budgets)
