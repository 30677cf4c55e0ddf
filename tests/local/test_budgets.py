"""`make budgets` lists, shows and sets, by an API that answers as documented."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from incentives.api import openapi
from incentives.api.models.budgets import Budget
from local.__main__ import main
from local.commands import budgets
from tests.local.gateway import Gateway

Run = Callable[..., tuple[int, str, str]]


def budget(**members: Any) -> dict[str, Any]:
    return openapi.example(Budget, {"name": "summer", "limit": "5000.00", **members})


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()
    monkeypatch.setattr(budgets, "reach", found.target)
    monkeypatch.setattr("local.target.send", found.send)
    for name in ("BUDGET", "LIMIT", "CURRENCY", "PERIOD", "ACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*given: str) -> tuple[int, str, str]:
        code = main(["budgets", "--stack", "gateway", *given])
        return code, *capsys.readouterr()

    return command


def test_budgets_are_listed_over_all_pages(gateway: Gateway, run: Run) -> None:
    pages = [
        {"budgets": [budget(remaining="10.00")], "cursor": "summer"},
        {"budgets": [budget(name="winter", active=False)], "cursor": None},
    ]
    gateway.answers = {"GET /budgets": [*pages]}
    code, said, _ = run()
    lines = said.splitlines()
    assert code == 0
    assert lines[0].split() == ["Budget", "Period", "Limit", "Spent", "Held", "Remaining"]
    assert ("summer" in lines[1], "10.00" in lines[1], "inactive" in lines[2]) == (True, True, True)
    assert gateway.called[1][1] == "/budgets?cursor=summer"
    # and as JSON, which a program reads
    gateway.answers = {"GET /budgets": [*pages]}
    assert [each["name"] for each in json.loads(run("--json")[1])] == ["summer", "winter"]


def test_where_there_is_none_it_is_told_how_to_make_one(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"GET /budgets": [{"budgets": [], "cursor": None}]}
    assert "make budgets BUDGET=name LIMIT=" in run()[1]


def test_one_is_shown_also_as_it_was_in_an_earlier_month(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"GET /budgets/summer": [budget(currentPeriod="2026-10")]}
    code, said, _ = run("--budget", "summer", "--of", "2026-10")
    assert (code, "2026-10" in said, "Set by arn:" in said) == (0, True, True)
    assert gateway.called == [("GET", "/budgets/summer?period=2026-10", None)]


def test_what_is_not_said_stays_as_it_is(gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # given somebody who is asked
    asked: list[str] = []
    monkeypatch.setattr(budgets.typer, "confirm", lambda text, **_: asked.append(text) or True)
    gateway.answers = {
        "GET /budgets/summer": [budget(remaining="750.00", active=False, period="total")],
        "PUT /budgets/summer": [budget(limit="6000.00", active=False, period="total")],
    }
    code, said, _ = run("--budget", "summer", "--limit", "6000.00")
    assert code == 0
    assert gateway.written == [
        (
            "PUT",
            "/budgets/summer",
            {"limit": {"amount": "6000.00", "currencyCode": "USD"}, "period": "total", "active": False},
        )
    ]
    # then what it was and becomes was shown before, and where
    assert "summer: 5000.00 USD, inactive becomes 6000.00 USD in total, inactive" in said
    assert "750.00 of it remain" in said
    assert asked == ["Set it in gateway?"]


def test_nothing_is_set_without_a_yes(gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets.typer, "confirm", lambda *_, **__: False)
    gateway.answers = {"GET /budgets/summer": [budget()]}
    assert run("--budget", "summer", "--active", "no")[0] == 130
    assert gateway.written == []


def test_what_somebody_else_has_set_meanwhile_is_not_undone(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a budget that somebody turns off while whoever raises its limit is asked
    monkeypatch.setattr(budgets.typer, "confirm", lambda *_, **__: True)
    gateway.answers = {"GET /budgets/summer": [budget(), budget(active=False)], "PUT /budgets/summer": [budget()]}
    # when
    code, _, wrong = run("--budget", "summer", "--limit", "6000.00")
    # then
    assert (code, "has changed summer meanwhile" in wrong, gateway.written) == (2, True, [])


def test_a_new_one_is_made_once_all_of_it_is_said(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"GET /budgets/summer": [404], "PUT /budgets/summer": [budget()]}
    code, _, wrong = run("--budget", "summer", "--limit", "5000.00")
    assert (code, "CURRENCY=, PERIOD=" in wrong, gateway.written) == (2, True, [])

    given = ("--budget", "summer", "--limit", "5000.00", "--currency", "USD", "--period", "month", "--yes")
    code, said, _ = run(*given)
    assert (code, "A new budget summer: 5000.00 USD each month" in said) == (0, True)
    assert gateway.written[0][2] == {
        "limit": {"amount": "5000.00", "currencyCode": "USD"},
        "period": "month",
        "active": True,
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--limit", "5.00"), "BUDGET= is missing"),
        (("--of", "2026-10"), "BUDGET= is missing"),
        (("--budget", "Summer Sale"), "BUDGET must be"),
        (("--budget", "summer", "--period", "week"), "PERIOD must be month or total"),
        (("--budget", "summer", "--active", "maybe"), "ACTIVE must be yes or no"),
        (("--budget", "summer", "--limit", "5.00", "--of", "2026-10"), "--of shows a month that was"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    gateway: Gateway, run: Run, given: tuple[str, ...], told: str
) -> None:
    code, _, wrong = run(*given)
    assert (code, told in wrong, gateway.called) == (2, True, [])
