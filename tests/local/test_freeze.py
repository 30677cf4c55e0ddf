"""`make freeze`, `make unfreeze` and `make accounts`, by an API that answers as documented."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from incentives.api import openapi
from incentives.api.models.accounts import AccountStanding
from local.__main__ import main
from local.commands import accounts, freeze, unfreeze
from tests.local.gateway import Gateway

Run = Callable[..., tuple[int, str, str]]
FROZEN: Final = {"by": "user/olga", "reason": "the key leaked", "since": "2026-03-01T03:00:00Z"}


def account(name: str = "default", **members: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"account": name, "state": "ACTIVE", "frozen": None}
    return openapi.example(AccountStanding, values | members)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()
    for module in (accounts, freeze, unfreeze):
        monkeypatch.setattr(module, "reach", found.target)
    monkeypatch.setattr("local.target.send", found.send)
    for name in ("ACCOUNT", "REASON"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*given: str) -> tuple[int, str, str]:
        code = main([*given, "--stack", "gateway"])
        return code, *capsys.readouterr()

    return command


def test_a_freeze_says_what_it_means_and_how_to_end_it(gateway: Gateway, run: Run) -> None:
    gateway.answers = {"POST /accounts/emea/freeze": [{"account": "emea", "frozen": FROZEN}]}
    code, said, _ = run("freeze", "--account", "emea", "--reason", " the key leaked ")
    assert code == 0
    assert gateway.called == [("POST", "/accounts/emea/freeze", {"reason": "the key leaked"})]
    assert "emea is frozen since 2026-03-01T03:00:00Z by user/olga: the key leaked" in said
    assert "make unfreeze ACCOUNT=emea STACK=gateway" in said


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("freeze", "--reason", "why"), "ACCOUNT= is missing"),
        (("freeze", "--account", "emea"), "REASON= is missing"),
        (("unfreeze",), "ACCOUNT= is missing"),
    ],
)
def test_neither_account_nor_reason_is_guessed(gateway: Gateway, run: Run, given: tuple[str, ...], told: str) -> None:
    code, _, wrong = run(*given)
    assert (code, told in wrong, gateway.called) == (2, True, [])


@pytest.mark.parametrize("agrees", [True, False])
def test_whoever_unfreezes_sees_first_who_froze_it_and_why(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    monkeypatch.setattr(unfreeze.typer, "confirm", lambda *_, **__: agrees)
    gateway.answers = {
        "GET /accounts": [
            {"accounts": [account()], "cursor": "default"},
            {"accounts": [account("emea", state="FROZEN", frozen=FROZEN)], "cursor": None},
        ],
        "POST /accounts/emea/unfreeze": [{"account": "emea", "frozen": None}],
    }
    code, said, _ = run("unfreeze", "--account", "emea")
    assert "is frozen since 2026-03-01T03:00:00Z by user/olga: the key leaked" in said
    assert (code, len(gateway.written)) == ((0, 1) if agrees else (130, 0))


def test_another_freeze_than_the_one_shown_is_not_ended(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given somebody who is asked for so long that the account was unfrozen and frozen again
    monkeypatch.setattr(unfreeze.typer, "confirm", lambda *_, **__: True)
    shown, then = ({**FROZEN, "reason": reason} for reason in ("the key leaked", "a campaign gone wild"))
    gateway.answers = {
        "GET /accounts": [
            {"accounts": [account("emea", state="FROZEN", frozen=each)], "cursor": None} for each in (shown, then)
        ]
    }
    # when
    code, _, wrong = run("unfreeze", "--account", "emea")
    # then
    assert (code, "a campaign gone wild" in wrong, gateway.written) == (2, True, [])


def test_of_two_who_disagree_the_slower_one_is_told(gateway: Gateway, run: Run) -> None:
    gateway.answers = {
        "POST /accounts/emea/freeze": [{"account": "emea", "frozen": None}],
        "POST /accounts/emea/unfreeze": [{"account": "emea", "frozen": FROZEN}],
        "GET /accounts": [{"accounts": [account("emea", state="FROZEN", frozen=FROZEN)], "cursor": None}],
    }
    code, _, wrong = run("freeze", "--account", "emea", "--reason", "the key leaked")
    assert (code, "unfrozen emea meanwhile" in wrong) == (1, True)
    code, said, _ = run("unfreeze", "--account", "emea", "--yes")
    assert (code, "frozen again since" in said) == (1, True)


def test_what_is_not_frozen_is_asked_for_nothing_and_finished(gateway: Gateway, run: Run) -> None:
    """Who unfroze it may have died before its requests could be sent again."""
    gateway.answers = {
        "GET /accounts": [{"accounts": [account()], "cursor": None}],
        "POST /accounts/default/unfreeze": [{"account": "default", "frozen": None}],
    }
    code, said, _ = run("unfreeze", "--account", "default")
    assert (code, "default is not frozen" in said) == (0, True)
    assert gateway.written == [("POST", "/accounts/default/unfreeze", None)]
    # nor is there an account that nobody knows
    assert run("unfreeze", "--account", "other")[0] == 2


def test_a_program_that_unfreezes_gets_json_and_nothing_else(
    gateway: Gateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    gateway.answers = {
        "GET /accounts": [{"accounts": [account("emea", state="FROZEN", frozen=FROZEN)], "cursor": None}],
        "POST /accounts/emea/unfreeze": [{"account": "emea", "frozen": None}],
    }
    code, said, beside = run("unfreeze", "--account", "emea", "--json")
    assert (code, json.loads(said)) == (0, {"account": "emea", "frozen": None})
    assert "by user/olga: the key leaked" in beside


def test_accounts_are_told_with_what_is_known_of_each(gateway: Gateway, run: Run) -> None:
    found = [
        account(balance={"amount": "1000.00", "currencyCode": "USD", "asOf": "2026-03-01T12:00:00Z"}, keyAgeDays=12),
        account("emea", state="FROZEN", frozen=FROZEN, balance=None, keyCreatedAt=None, keyAgeDays=None),
    ]
    gateway.answers = {"GET /accounts": [{"accounts": found, "cursor": None}]}
    code, said, _ = run("accounts")
    first, second = said.splitlines()[1:]
    # then the exit status tells that one takes no orders
    assert code == 1
    assert first.split() == ["default", "ACTIVE", "1000.00", "USD", "2026-03-01T12:00:00Z", "12"]
    assert second.split()[:2] == ["emea", "FROZEN"]
    assert "by user/olga: the key leaked" in second
    assert json.loads(run("accounts", "--json")[1]) == found
