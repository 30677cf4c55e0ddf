"""The functions of bulk orders, called as API Gateway calls them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from tests.support.bulk import Bulk, bulk, rows_of
from tests.support.fakes import FakeTelemetry
from tests.workflow.scene import load

CREATE, GET, CONTROL = (load(f"{verb}_order") for verb in ("create", "get", "control"))
CALLER: Final = "arn:aws:iam::123456789012:user/finance"


class Telemetry(FakeTelemetry):
    def flush(self) -> None:
        """Nothing is kept back."""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Bulk:
    here = bulk()
    monkeypatch.setitem(vars(container), "dependencies", here.world.dependencies)
    monkeypatch.setitem(vars(container), "order_dependencies", here.dependencies)
    monkeypatch.setitem(vars(container), "settings", SimpleNamespace(default_account="default"))
    monkeypatch.setitem(vars(container), "telemetry", Telemetry())
    return here


def event(resource: str, order_id: str | None = None, body: object = None, **headers: str) -> dict[str, Any]:
    return {
        "resource": resource,
        "path": resource.replace("{orderId}", order_id or ""),
        "headers": headers,
        "pathParameters": {"orderId": order_id} if order_id else None,
        "body": None if body is None else json.dumps(body),
        "requestContext": {"identity": {"userArn": CALLER}},
    }


def ask(order_id: str, action: str, body: object = None) -> dict[str, Any]:
    return CONTROL(event(f"/orders/{{orderId}}/{action}", order_id, body), None)


def create(body: object) -> dict[str, Any]:
    return CREATE(event("/orders", body=body, **{"Idempotency-Key": "bulk-1"}), None)


def body_of(response: dict[str, Any]) -> Any:
    return json.loads(response["body"])


def test_an_order_is_made_started_paused_resumed_stopped_and_read(here: Bulk) -> None:
    made, again = create({"format": "csv"}), create({"format": "csv", "account": "default"})
    assert (made["statusCode"], again["statusCode"]) == (201, 200)
    order_id = body_of(made)["orderId"]
    assert body_of(made)["upload"]["url"] == body_of(again)["upload"]["url"]
    assert here.order(order_id).caller == CALLER

    here.files.put(order_id, rows_of(3).encode())
    started = ask(order_id, "start")
    assert (started["statusCode"], body_of(started)["status"]) == (202, "VALIDATING")
    assert started["headers"]["Location"].endswith(f"/orders/{order_id}")

    here.run(order_id, until=lambda done: done.next == "Issue")
    for action, status, state in [
        ("pause", 200, "PAUSED"),
        ("pause", 200, "PAUSED"),
        ("resume", 202, "ISSUING"),
        ("stop", 202, "STOPPING"),
    ]:
        response = ask(order_id, action)
        assert (response["statusCode"], body_of(response)["status"]) == (status, state), action

    here.run(order_id)
    read = GET(event("/orders/{orderId}", order_id), None)
    assert (read["statusCode"], body_of(read)["status"], body_of(read)["stopped"]) == (200, "FINISHED", True)
    assert body_of(read)["counts"]["notIssued"] == 3
    assert "upload" not in body_of(read)


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("start", {"dryRun": "yes"}, 400),
        ("start", {"colour": "red"}, 400),
        ("pause", {"dryRun": True}, 400),
        ("pause", None, 409),
        ("resume", None, 409),
    ],
)
def test_what_a_route_does_not_take_is_refused(here: Bulk, action: str, body: object, status: int) -> None:
    order_id = body_of(create({"format": "csv"}))["orderId"]

    assert ask(order_id, action, body)["statusCode"] == status
    assert here.order(order_id).round == 0


def test_an_order_that_there_is_not_is_not_found(here: Bulk) -> None:
    for order_id in ("A" * 26, "../orders", "a" * 26):
        assert GET(event("/orders/{orderId}", order_id), None)["statusCode"] == 404
        assert ask(order_id, "start")["statusCode"] == 404


def test_a_dry_run_is_asked_for_in_the_body(here: Bulk) -> None:
    order_id = here.make(rows_of(2))

    ask(order_id, "start", {"dryRun": True})
    here.run(order_id)

    assert body_of(GET(event("/orders/{orderId}", order_id), None))["status"] == "VALIDATED"


def test_the_same_rows_are_told_by_the_order_that_has_them(here: Bulk) -> None:
    first = here.place(rows_of(2), "bulk-0")
    here.run(first)
    second = body_of(create({"format": "csv"}))["orderId"]
    here.files.put(second, rows_of(2).replace("\n", "\n\n").encode())
    ask(second, "start")
    here.run(second)

    read = body_of(GET(event("/orders/{orderId}", second), None))
    assert (read["status"], read["sameRowsAs"], read["leftOut"]["blankRows"]) == ("INVALID", first, 3)
    assert not read["allowSameRows"]
    # and it cannot be made one on purpose afterwards
    assert create({"format": "csv", "allowSameRows": True})["statusCode"] == 422


def test_the_same_key_with_another_body_is_refused(here: Bulk) -> None:
    create({"format": "csv"})

    refused = create({"format": "jsonl"})

    assert refused["statusCode"] == 422
    assert [each["field"] for each in body_of(refused)["errors"]] == ["format"]
