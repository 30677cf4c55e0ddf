"""`make close` and `make verify-books`, with the functions behind the API and the books in memory, or in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from incentives.bootstrap import container
from incentives.domain.reconciliation.findings import Kind
from local.__main__ import main
from local.signing import Caller, Response
from local.target import Target
from tests.openapi.contract import contract
from tests.openapi.served import handler_of
from tests.unit.reconciliation.months import MONTH, Shop, finding, november

ROUTES = {3: "/closes/{account}/{month}", 4: "/closes/{account}/{month}/sign-off"}


@dataclass
class Desk:
    """Where people sit who close.

    Attributes:
        name: of who sits there now, an IAM user.
        fails: how many calls more are answered by a fault of API Gateway's.
    """

    shop: Shop
    run: Callable[..., tuple[int, str, str]]
    name: str = "anna"
    fails: int = 0

    def call(self, method: str, route: str, body: object = None) -> Response:
        if self.fails:
            self.fails -= 1
            return Response(504, {}, '{"message": "Endpoint request timed out"}')
        function = "get_books" if method == "GET" else "close_month"
        contract().check_request(method, route, headers={}, query={}, body=body)
        parts = route.strip("/").split("/")
        its_id = f"AIDA{self.name.upper():X<17}"
        event = {
            "resource": ROUTES[len(parts)] if len(parts) == 4 else ROUTES[3],
            "path": route,
            "httpMethod": method,
            "pathParameters": {"account": parts[1], "month": parts[2]},
            "requestContext": {
                "path": f"/v1{route}",
                "identity": {
                    "userArn": f"arn:aws:iam::123456789012:user/{self.name}",
                    "caller": its_id,
                    "user": its_id,
                },
            },
            "body": None if body is None else json.dumps(body),
        }
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
        raw = handler_of(function)(event, context)
        found = json.loads(raw["body"])
        contract().check_response(method, route, status=raw["statusCode"], headers=raw["headers"], body=found)
        return Response(raw["statusCode"], {}, raw["body"])


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", date(2026, 11, 3))
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]})

    def run(*given: str) -> tuple[int, str, str]:
        code = main(given)
        return code, *capsys.readouterr()

    made = Desk(shop, run)
    for name, value in {
        "books_dependencies": shop.here,
        "role_paths": SimpleNamespace(arn_of=lambda _: None),
        "telemetry": shop.world.telemetry,
    }.items():
        monkeypatch.setitem(vars(container), name, value)
    target = Target(
        "stack", "us-east-1", "https://api.test/v1", lambda: Caller("KEY", "dummy"), lambda _: None, {}, dict, {},
        is_local=True,
    )  # fmt: skip
    monkeypatch.setattr("local.commands.close.reach", lambda _: target)
    monkeypatch.setattr(Target, "call", lambda _, *given: made.call(*given))
    monkeypatch.setattr("local.calls.time", SimpleNamespace(sleep=lambda _: None))
    return made


def test_a_month_is_closed_and_signed_from_a_terminal(desk: Desk) -> None:
    # given a difference that nobody has resolved
    code, said, _ = desk.run("close", "--month", MONTH, "--opening", "1000.00", "--source", "the portal")
    assert code == 1
    assert "BLOCKED" in said
    assert "unresolved: 2026-11-03: 1 unknownToLedger (Stranger1)" in said

    # when it is resolved, and the month is closed through a fault
    desk.shop.resolve(finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", date(2026, 11, 3)))
    assert "nothing blocks it any more" in desk.run("close", "--month", MONTH, "--show")[1]
    desk.fails = 2
    code, said, _ = desk.run("close", "--month", MONTH)

    # then its figures are told, and only another person signs them
    assert code == 0
    assert "CLOSED, version 1" in said
    assert re.search(r"= closing balance +405\.00 +EUR", said)
    assert "Not signed off yet" in said
    code, _, wrong = desk.run("close", "--month", MONTH, "--sign-off", "--yes")
    assert (code, wrong) == (2, "You closed the month: somebody else has to sign it off.\n")
    desk.name = "bert"
    code, said, _ = desk.run("close", "--month", MONTH, "--sign-off", "--yes")
    assert code == 0
    assert "Signed off by arn:aws:iam::123456789012:user/bert" in said

    # and a program gets all of it
    close: dict[str, Any] = json.loads(desk.run("close", "--month", MONTH, "--show", "--json")[1])
    assert close["signedOffBy"] == "arn:aws:iam::123456789012:user/bert"
    assert len(close["files"]) == 35
    assert close["files"][0]["url"].endswith("?as=default-2026-11-01-transactions.csv")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--month", "2026-13"), "must be a month"),
        (("--month", MONTH, "--opening", "1.00"), "SOURCE"),
        (("--month", "2027-01"), "is not over"),
        (
            ("--month", MONTH, "--opening", "1.00", "--source", "code AB12-CD34EF-GH56"),
            "opening.source must hold nothing",
        ),
        (("--month", MONTH, "--show"), "Nobody has closed"),
    ],
)
def test_what_cannot_be_closed_is_told_in_a_line(given: tuple[str, ...], why: str, desk: Desk) -> None:
    code, _, wrong = desk.run("close", *given)
    assert code == 2
    assert why in wrong
    assert len(wrong.splitlines()) == 1


def test_a_downloaded_copy_of_the_books_is_verified(desk: Desk, tmp_path: Path) -> None:
    desk.shop.resolve(finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", date(2026, 11, 3)))
    assert desk.run("close", "--month", MONTH, "--opening", "1000.00", "--source", "the portal")[0] == 0
    manifest = desk.shop.kept().manifest
    assert manifest is not None
    for name, content in desk.shop.files.files.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    given = ("verify-books", "--folder", str(tmp_path), "--head", manifest.sha256)
    code, said, _ = desk.run(*given)
    assert code == 0
    assert "405.00 EUR" in said
    assert "whole" in said

    broken = tmp_path / f"default/closes/{MONTH}/v1/allocation.csv"
    broken.write_bytes(broken.read_bytes().replace(b"600.00", b"700.00"))
    code, said, _ = desk.run(*given)
    assert code == 1
    assert f"WRONG  default/closes/{MONTH}/v1/allocation.csv: was changed" in said
    assert json.loads(desk.run(*given, "--json")[1])["months"][0]["wrong"][0]["name"].endswith("allocation.csv")
    code, _, wrong = desk.run("verify-books", "--folder", str(tmp_path), "--account", "other")
    assert (code, wrong.split(" in ", maxsplit=1)[0]) == (2, "No month of account other is closed")
