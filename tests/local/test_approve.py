"""`make orders`, `make approve` and `make reject`, by an API that answers as documented."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from incentives.api import openapi
from incentives.api.models.bulk_orders import OrderSummary
from local.__main__ import main
from local.commands import approve, orders, reject
from tests.local.gateway import Gateway
from tests.local.test_orders import ID, order

Run = Callable[..., tuple[int, str, str]]
DIGEST: Final = "d" * 64
WAITING: Final = order(
    "AWAITING_APPROVAL", approvalDigest=DIGEST, approvalUntil="2026-03-08T12:00:00Z", budget="summer",
    createdBy="user/anna", startedBy="user/bert",
)  # fmt: skip


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway(accepts=frozenset({"POST approve"}))
    for module in (orders, approve, reject):
        monkeypatch.setattr(module, "reach", found.target)
    monkeypatch.setattr("local.target.send", found.send)
    for name in ("ORDER", "REASON", "STATUS", "ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*given: str) -> tuple[int, str, str]:
        code = main([*given, "--stack", "gateway"])
        return code, *capsys.readouterr()

    return command


def approved(status: str = "ISSUING") -> dict[str, Any]:
    decided = {"decision": "approve", "decidedBy": "user/carla", "decidedAt": "2026-03-01T13:00:00Z"}
    return {**WAITING, "status": status, **decided}


def listed(found: dict[str, Any]) -> dict[str, Any]:
    """An order as a list has it."""
    return {name: found[name] for name in openapi.example(OrderSummary, {})}


@pytest.mark.parametrize("agrees", [True, False])
def test_what_was_shown_is_what_is_approved(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    monkeypatch.setattr(approve.typer, "confirm", lambda *_, **__: agrees)
    gateway.answers = {f"GET /orders/{ID}": [WAITING], f"POST /orders/{ID}/approve": [approved()]}
    code, said, _ = run("approve", "--order", ID)
    # then whoever approves has seen all that the digest is of, and who had a hand in it
    for shown in ("2 cards, 65.00 USD", "summer", "user/anna", "user/bert", DIGEST, "2026-03-08T12:00:00Z"):
        assert shown in said
    if agrees:
        seen = {"digest": DIGEST, "total": WAITING["total"]}
        assert (code, gateway.written) == (0, [("POST", f"/orders/{ID}/approve", seen)])
        assert "Approved by user/carla" in said
        assert f'make order ARGS="--stack gateway --order {ID}"' in said
    else:
        assert (code, gateway.written) == (130, [])


def test_a_program_that_reads_json_gets_nothing_else_and_whoever_is_asked_sees_the_order(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    gateway.answers = {f"GET /orders/{ID}": [WAITING], f"POST /orders/{ID}/approve": [approved()]}
    code, said, beside = run("approve", "--order", ID, "--json")
    assert (code, json.loads(said)) == (0, approved())
    assert all(shown in beside for shown in ("2 cards, 65.00 USD", DIGEST, "Approve it?"))
    # and who does not ask is not shown anything
    assert run("approve", "--order", ID, "--json", "--yes")[2] == ""


def test_what_is_approved_already_is_told(gateway: Gateway, run: Run) -> None:
    gateway.answers = {f"GET /orders/{ID}": [approved("FINISHED")]}
    code, said, _ = run("approve", "--order", ID)
    assert (code, "Approved by user/carla" in said, gateway.written) == (0, True, [])


def test_what_a_call_that_died_has_left_is_done_by_the_next_one(gateway: Gateway, run: Run) -> None:
    # given an order that was approved, and whose workflow nobody may have started
    gateway.answers = {f"GET /orders/{ID}": [approved()], f"POST /orders/{ID}/approve": [approved()]}
    assert run("approve", "--order", ID)[0] == 0
    assert gateway.written == [("POST", f"/orders/{ID}/approve", {"digest": DIGEST, "total": WAITING["total"]})]


def test_an_order_that_its_budget_does_not_allow_says_so(gateway: Gateway, run: Run) -> None:
    gateway.accepts = frozenset()
    why = "budget 'summer' has 10.00 USD left"
    gateway.answers = {
        f"GET /orders/{ID}": [WAITING],
        f"POST /orders/{ID}/approve": [{**approved("VALIDATED"), "whyNotStarted": why}],
    }
    code, said, _ = run("approve", "--order", ID, "--yes")
    assert (code, f"It was not started: {why}" in said) == (1, True)


@pytest.mark.parametrize("found", [order("VALIDATED"), order("ISSUING"), approved("VALIDATED")])
def test_what_does_not_wait_cannot_be_approved(gateway: Gateway, run: Run, found: dict[str, Any]) -> None:
    gateway.answers = {f"GET /orders/{ID}": [found]}
    code, _, wrong = run("approve", "--order", ID)
    assert (code, "does not wait for approval" in wrong, gateway.written) == (2, True, [])


@pytest.mark.parametrize("status", [403, 409])
def test_a_refusal_says_why(gateway: Gateway, run: Run, status: int) -> None:
    gateway.answers = {f"GET /orders/{ID}": [WAITING], f"POST /orders/{ID}/approve": [status]}
    code, _, wrong = run("approve", "--order", ID, "--yes")
    assert (code, openapi.problem_example(status)["detail"] in wrong) == (2, True)


def test_a_rejection_has_a_reason_that_its_makers_read(gateway: Gateway, run: Run) -> None:
    assert "REASON= is missing" in run("reject", "--order", ID)[2]
    rejected = {**order("VALIDATED"), "decidedBy": "user/carla", "rejectedBecause": "last year's list"}
    gateway.answers = {f"POST /orders/{ID}/reject": [rejected]}
    code, said, _ = run("reject", "--order", ID, "--reason", "last year's list ")
    assert (code, "Rejected by user/carla: last year's list" in said) == (0, True)
    assert gateway.called == [("POST", f"/orders/{ID}/reject", {"reason": "last year's list"})]


def test_orders_that_wait_for_a_person_are_listed(gateway: Gateway, run: Run) -> None:
    paused = order("PAUSED", pauseReason="the budget has too little left")
    gateway.answers = {
        "GET /orders": [
            {"orders": [], "cursor": "next"},
            {"orders": [listed(WAITING)], "cursor": None},
            {"orders": [listed(paused)], "cursor": None},
        ]
    }
    code, said, _ = run("orders", "--account", "default")
    first, second = said.splitlines()[1:]
    assert code == 0
    assert ("until 2026-03-08T12:00:00Z" in first, "too little left" in second) == (True, True)
    assert [route for _, route, _ in gateway.called] == [
        "/orders?account=default&status=AWAITING_APPROVAL",
        "/orders?account=default&status=AWAITING_APPROVAL&cursor=next",
        "/orders?account=default&status=PAUSED",
    ]


def test_any_orders_are_listed_up_to_a_number(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"GET /orders": [{"orders": [listed(order("FINISHED"))] * 3, "cursor": "next"}]}
    code, said, _ = run("orders", "--all", "--max", "2", "--json")
    assert (code, len(json.loads(said)), gateway.called) == (0, 2, [("GET", "/orders", None)])
    # and a status that is none is refused
    assert run("orders", "--status", "LATE")[0] == 2
    assert run("orders", "--status", "PAUSED", "--all")[0] == 2


def test_where_nothing_waits_that_is_said(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"GET /orders": [{"orders": [], "cursor": None}]}
    assert "No order waits for anybody" in run("orders")[1]
