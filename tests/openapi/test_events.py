"""The sample events of each function: API Gateway's own, of a documented route, and answered as documented."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.agcod.reading.responses import Funds
from incentives.domain.accounts.account import CardState
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.single_requests.record import Status
from tests.openapi import books, budgets, closes
from tests.openapi.bulk_orders import standing
from tests.openapi.contract import ROOT, contract
from tests.openapi.served import BY_NAME, Served, handler_of, served, without_code
from tests.support.fakes import START, usd
from tests.unit.builders import record

FOLDER: Final = ROOT / "events"
FUNCTIONS: Final = {route.function for route in BY_NAME.values()}
EVENTS: Final = sorted(path for path in FOLDER.glob("*/*.json") if path.parent.name in FUNCTIONS)
#: What these events are made to show is a refusal, by a word in their names.
WRONG: Final = re.compile("missing|not_|no_|short|three|unknown|with_members|without|made_up|impossible|unreadable")
#: From where a bulk order goes on.
FROM: Final = {
    "get_order": OrderStatus.ISSUING, "start_order": OrderStatus.VALIDATED, "pause_order": OrderStatus.ISSUING,
    "resume_order": OrderStatus.PAUSED, "stop_order": OrderStatus.ISSUING,
    "approve_order": OrderStatus.AWAITING_APPROVAL, "reject_order": OrderStatus.AWAITING_APPROVAL,
}  # fmt: skip


def ids(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def ready(api: Served, function: str, request_id: str | None) -> None:
    """Let a good event find what it asks for."""
    match function:
        case "get_available_funds":
            api.world.amazon.funds_response = Funds(usd("12.50"), START)
        case "check_activation_status":
            api.world.amazon.script = [CardState("Activated", usd("25.00"), None)]  # type: ignore[list-item]
        case "get_activity":
            api.world.amazon.pages = [ActivityPage((), 0)]
        case "get_books" | "control_books" | "close_month":
            books.opened(api)
            books.put(api)
            closes.blocked(api)
        case "get_budgets":
            budgets.spent(api)
        case "create_gift_card":
            api.world.budgets.define("spring-campaign", "100.00")
        case "activate_gift_card" | "load_amazon_balance":
            api.world.amazon.script = [without_code]
    if request_id is not None:
        issue = {"activation": "activate_gift_card", "load": "load_amazon_balance", "deactivate": "activate_gift_card"}
        kind = next((made for word, made in issue.items() if word in function), "create_gift_card")
        made = api.issue(kind).body["requestId"]
        status = {"start_recovery": Status.RECOVERING, "get_case_file": Status.ESCALATED}.get(function)
        base = api.world.ledger.records[made]
        opened = record(Status.RECOVERING, doubt=True)
        api.world.ledger.records[request_id] = replace(
            base,
            request_id=request_id,
            gc_id=f"GC{request_id[-8:]}",
            **({} if status is None else {"status": status, "wake_at": opened.wake_at if status.is_open else None}),
            **({"case_file": "{}"} if status is Status.ESCALATED else {}),
        )


@pytest.mark.parametrize("path", EVENTS, ids=ids)
def test_a_sample_event_is_answered(path: Path) -> None:
    event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    request_id, order_id = ((event["pathParameters"] or {}).get(name) for name in ("requestId", "orderId"))
    # given an event of a route of this function
    called = (event["httpMethod"].lower(), event["resource"])
    (route,) = [each for each in BY_NAME.values() if (each.method, each.path) == called]
    assert route.function == path.parent.name
    with served() as api:
        good = WRONG.search(path.stem) is None
        if good:
            ready(api, route.function, request_id)
        if good and order_id is not None:
            standing(api, FROM[route.name], order_id)
        # when it is invoked with it
        raw = handler_of(route.function)(event, api._context())
        # then it succeeds or is refused, as its name says
        assert (raw["statusCode"] < 300) == good, raw["body"]
        assert raw["statusCode"] < 500
        if route.function != "get_case_file":
            contract().check_response(
                event["httpMethod"],
                event["path"],
                status=raw["statusCode"],
                headers=raw["headers"],
                body=json.loads(raw["body"]),
            )


def test_every_route_has_a_sample() -> None:
    sampled = {json.loads(path.read_text(encoding="utf-8"))["resource"] for path in EVENTS}
    assert sampled == {route.path for route in BY_NAME.values()}
