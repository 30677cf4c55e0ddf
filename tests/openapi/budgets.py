"""Budgets behind the served functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from incentives.api.models.budgets import NAME
from tests.openapi.served import BODIES, Response, Served
from tests.support.fakes import START, usd

Scenario = Callable[[Served], Response]


def put(api: Served, name: str = NAME, **members: Any) -> Response:
    """Set a budget."""
    return api.send("set_budget", name, body={**BODIES["set_budget"], **members})


def spent(api: Served) -> None:
    """A budget of which a good part is held and spent in March."""
    put(api)
    api.budgets.budgets.take(NAME, usd("9000.00"), START)
    api.budgets.budgets.add_spent(NAME, "2026-03", 200_000)


def _busy(api: Served) -> None:
    spent(api)
    api.budgets.busy.add(NAME)


def _after(made: Callable[[Served], object], then: Scenario) -> Scenario:
    return lambda api: (made(api), then(api))[1]


#: What each route can be brought to answer beyond what all of them can, each with its status.
SCENARIOS: Final[Mapping[str, Sequence[tuple[int, Scenario]]]] = {
    "set_budget": [
        (200, put),
        (200, _after(put, put)),
        (200, _after(spent, lambda api: put(api, active=False))),
        (409, _after(put, lambda api: put(api, period="total"))),
        (409, _after(spent, lambda api: put(api, limit={"amount": "8999.99", "currencyCode": "USD"}))),
        (429, _after(_busy, lambda api: put(api, active=False))),
    ],
    "list_budgets": [
        (200, lambda api: api.send("list_budgets")),
        (200, _after(spent, lambda api: api.send("list_budgets"))),
        (429, _after(_busy, lambda api: api.send("list_budgets"))),
    ],
    "get_budget": [
        (200, _after(spent, lambda api: api.send("get_budget", NAME))),
        (200, _after(spent, lambda api: api.send("get_budget", NAME, query={"period": "2026-02"}))),
        (400, _after(put, lambda api: api.send("get_budget", NAME, query={"period": "total"}))),
        (404, lambda api: api.send("get_budget", "winter")),
        (429, _after(_busy, lambda api: api.send("get_budget", NAME))),
    ],
}
