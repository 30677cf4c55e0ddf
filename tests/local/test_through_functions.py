"""The commands of control against the functions that serve their routes: what is set is what is shown afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from incentives.api.routes import ROUTES
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from local.__main__ import main
from local.commands import accounts, approve, budgets, freeze, orders, reject, unfreeze
from local.signing import Response
from tests.local.gateway import BASE, Gateway
from tests.openapi.bulk_orders import standing
from tests.openapi.served import Served, served, split_url

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def functions() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture
def run(functions: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; nobody is there to be asked."""

    def send(method: str, url: str, *, body: Any = None, headers: Mapping[str, str], **_: object) -> Response:
        path, query = split_url(url.removeprefix(BASE), "")
        route = next(
            each
            for each in sorted(ROUTES, key=lambda each: each.path.count("{"))
            if each.method.upper() == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each.path), path)
        )
        found = functions.response(route, path, headers=headers, query=query, body=body)
        return Response(found.status, found.headers, found.text)

    for module in (accounts, approve, budgets, freeze, orders, reject, unfreeze):
        monkeypatch.setattr(module, "reach", lambda _: Gateway().target())
    monkeypatch.setattr("local.target.send", send)
    for name in ("ACCOUNT", "ACTIVE", "BUDGET", "CURRENCY", "LIMIT", "ORDER", "PERIOD", "REASON", "STATUS"):
        monkeypatch.delenv(name, raising=False)

    def command(*given: str) -> tuple[int, str]:
        return main([*given]), capsys.readouterr().out

    return command


def test_a_budget_is_made_raised_and_turned_off(run: Run) -> None:
    made = ("budgets", "--budget", "summer", "--limit", "5000", "--currency", "USD", "--period", "month", "--yes")
    assert run(*made)[0] == run(*made)[0] == 0
    assert "5000.00 USD becomes 6000.00 USD" in run("budgets", "--budget", "summer", "--limit", "6000.00", "--yes")[1]
    assert run("budgets", "--budget", "summer", "--active", "no", "--yes")[0] == 0
    (line,) = [line for line in run("budgets")[1].splitlines() if line.startswith("summer")]
    assert line.split()[2:] == ["6000.00", "0.00", "0.00", "6000.00", "USD", "inactive"]


def test_an_account_is_frozen_shown_and_unfrozen(run: Run) -> None:
    code, said = run("freeze", "--account", "default", "--reason", "the key leaked")
    assert (code, "by user/caller: the key leaked" in said) == (0, True)
    code, said = run("accounts")
    assert (code, "FROZEN" in said, "the key leaked" in said) == (1, True, True)
    assert run("unfreeze", "--account", "default", "--yes")[0] == 0
    assert run("accounts")[0] == 0


def test_an_order_that_waits_is_listed_and_approved_as_it_was_shown(run: Run, functions: Served) -> None:
    order_id = standing(functions, OrderStatus.AWAITING_APPROVAL)
    assert order_id in run("orders")[1]
    code, said = run("approve", "--order", order_id, "--yes")
    assert (code, "120 cards, 120.00 USD" in said, "Approved by arn:" in said) == (0, True, True)
    assert functions.bulk.order(order_id).status is OrderStatus.ISSUING
    # and it waits for nobody any more
    assert order_id not in run("orders")[1]


def test_a_rejected_order_says_why_and_waits_for_nobody(run: Run, functions: Served) -> None:
    order_id = standing(functions, OrderStatus.AWAITING_APPROVAL)
    code, said = run("reject", "--order", order_id, "--reason", "the list of last year")
    assert (code, "the list of last year" in said) == (0, True)
    assert functions.bulk.order(order_id).status is OrderStatus.VALIDATED
    assert order_id not in run("orders")[1]
